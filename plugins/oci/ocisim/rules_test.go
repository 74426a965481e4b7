package ocisim

import (
	"strings"
	"testing"
)

// TestRules asks for one thing under different rules.
func TestRules(t *testing.T) {
	b := newTestbed(t, Options{Seed: oneInstance()})
	prod, err := b.CompartmentID("acme/prod")
	b.must(err)
	instance := b.Instances()[0].ID
	bucket := "/n/" + *b.ns + "/b/b"
	for name, tc := range map[string]struct {
		rules  []Rule
		path   string
		status int
		code   string
	}{
		"none":                     {nil, "/20160918/instances/" + instance, 200, ""},
		"everybody, everything":    {[]Rule{{}}, "/20160918/instances/" + instance, 404, "NotAuthorizedOrNotFound"},
		"another operation":        {[]Rule{{Operation: "ListInstances"}}, "/20160918/instances/" + instance, 200, ""},
		"pattern":                  {[]Rule{{Operation: "Get*"}}, "/20160918/instances/" + instance, 404, "NotAuthorizedOrNotFound"},
		"allowed before":           {[]Rule{{Operation: "GetInstance", Allow: true}, {}}, "/20160918/instances/" + instance, 200, ""},
		"the user":                 {[]Rule{{Principal: b.User()}}, "/20160918/instances/" + instance, 404, "NotAuthorizedOrNotFound"},
		"a user":                   {[]Rule{{Principal: "user"}}, "/20160918/instances/" + instance, 404, "NotAuthorizedOrNotFound"},
		"instances":                {[]Rule{{Principal: "instance"}}, "/20160918/instances/" + instance, 200, ""},
		"compartment of it":        {[]Rule{{Compartment: "acme/prod"}}, "/20160918/instances/" + instance, 404, "NotAuthorizedOrNotFound"},
		"compartment above":        {[]Rule{{Compartment: "acme"}}, "/20160918/instances/" + instance, 404, "NotAuthorizedOrNotFound"},
		"compartment beside":       {[]Rule{{Compartment: "acme/dev"}}, "/20160918/instances/" + instance, 200, ""},
		"compartment by OCID":      {[]Rule{{Compartment: prod}}, "/20160918/instances?compartmentId=" + prod, 404, "NotAuthorizedOrNotFound"},
		"the bucket":               {[]Rule{{Bucket: "b"}}, bucket, 404, "BucketNotFound"},
		"another bucket":           {[]Rule{{Bucket: "c"}}, bucket, 200, ""},
		"the bucket's compartment": {[]Rule{{Compartment: "acme/dev"}}, bucket + "/o", 404, "BucketNotFound"},
		"the namespace":            {[]Rule{{Operation: "GetNamespace*"}}, "/n/" + *b.ns, 404, "NotAuthorizedOrNotFound"},
	} {
		b.Rules().Reset()
		for _, r := range tc.rules {
			b.Rules().Add(r)
		}
		if status, text := b.status(signed{method: "GET", path: tc.path}); status != tc.status || tc.code != "" && !strings.HasPrefix(text, tc.code) {
			t.Errorf("%s: got %d %s, want %d %s", name, status, text, tc.status, tc.code)
		}
	}
}

// TestRulesOfBodies denies what only the body of a request says where.
func TestRulesOfBodies(t *testing.T) {
	b := newTestbed(t, Options{Seed: oneInstance()})
	b.Rules().Add(Rule{Operation: "CreateImage", Compartment: "acme/prod"})
	for path, want := range map[string]int{"acme/prod": 404, "acme/dev": 400} {
		id, err := b.CompartmentID(path)
		b.must(err)
		if status, text := b.status(signed{method: "POST", path: "/20160918/images", body: `{"compartmentId":"` + id + `","instanceId":"none"}`}); status != want {
			t.Errorf("%s: got %d %s, want %d", path, status, text, want)
		}
	}
}

func TestRulesOfTheSeed(t *testing.T) {
	seed, err := LoadSeed(strings.NewReader(`{"compartments": [{"path": "a"}], "buckets": [{"name": "b", "compartment": "a"}],
		"rules": [{"principal": "user", "operation": "*", "compartment": "a"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := newTestbed(t, Options{Seed: seed, Dir: dir})
	deny := func(b *testbed) {
		t.Helper()
		if status, text := b.status(signed{method: "GET", path: "/n/" + *b.ns + "/b/b"}); status != 404 || !strings.HasPrefix(text, "BucketNotFound") {
			t.Errorf("got %d %s", status, text)
		}
	}
	deny(b)
	b.must(b.Close())
	deny(newTestbed(t, Options{Dir: dir}))
	for text, want := range map[string]string{
		`{"rules": [{"principal": "everybody"}]}`: `principal "everybody": want an OCID or one of user, instance`,
		`{"rules": [{"compartment": "a"}]}`:       `compartment "a" is not in the seed`,
		`{"rules": [{"operation": "["}]}`:         `operation "[" is no pattern`,
	} {
		if _, err := LoadSeed(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
