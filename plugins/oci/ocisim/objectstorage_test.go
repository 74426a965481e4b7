package ocisim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func TestMalformedBodies(t *testing.T) {
	b := newTestbed(t, Options{})
	b.bucket("b")
	n := "/n/" + *b.ns
	for _, path := range []string{n + "/b", n + "/b/b", n + "/b/b/u", n + "/b/b/p", n + "/b/b/actions/renameObject", n + "/b/b/actions/copyObject",
		n + "/b/b/actions/batchDeleteObjects", n + "/b/b/actions/restoreObjects", n + "/b/b/actions/updateObjectStorageTier"} {
		for _, body := range []string{"{", `[]`, `{"name":1,"object":1,"sourceName":1,"objects":1,"objectName":1,"sourceObjectName":1}`} {
			status, text := b.status(signed{method: "POST", path: path, body: body})
			if status != 400 || !strings.HasPrefix(text, "InvalidJSON") {
				t.Errorf("POST %s with %s: got %d %s", path, body, status, text)
			}
		}
	}
	for _, path := range []string{n, n + "/b/b/l"} {
		status, text := b.status(signed{method: "PUT", path: path, body: "{"})
		if status != 400 || !strings.HasPrefix(text, "InvalidJSON") {
			t.Errorf("PUT %s: got %d %s", path, status, text)
		}
	}
}

func TestBucketSettings(t *testing.T) {
	b := newTestbed(t, Options{})
	b.bucket("b")
	path := "/n/" + *b.ns + "/b/b"
	for _, tc := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"metadata":{"a":"1","b":"2"}}`, 200, ""},
		{`{"metadata":{"a":null,"c":"3"}}`, 200, ""},
		{`{"objectEventsEnabled":true,"isBucketKeyEnabled":true,"freeformTags":{"x":"y"},"definedTags":{"n":{"k":"v"}}}`, 200, ""},
		{`{"publicAccessType":"NoPublicAccess","versioning":"Disabled"}`, 200, ""},
		{`{"publicAccessType":"ObjectRead"}`, 501, "NotImplemented"},
		{`{"publicAccessType":"Everything"}`, 400, "InvalidParameter"},
		{`{"storageTier":"Paper"}`, 400, "InvalidParameter"},
		{`{"kmsKeyId":"ocid1.key.oc1..x"}`, 400, "InvalidKmsKeyId"},
		{`{"name":"a b"}`, 400, "InvalidBucketName"},
		{`{"compartmentId":"x"}`, 400, "InvalidCompartmentId"},
		{`{"metadata":{"k":"` + strings.Repeat("v", 4096) + `"}}`, 400, "MetadataTooLarge"},
	} {
		status, text := b.status(signed{method: "POST", path: path, body: tc.body})
		if status != tc.status || !strings.HasPrefix(text, tc.want) {
			t.Errorf("%.60s: got %d %s, want %d %s", tc.body, status, text, tc.status, tc.want)
		}
	}
	got, err := b.OS.GetBucket(b.ctx, objectstorage.GetBucketRequest{NamespaceName: b.ns, BucketName: str("b")})
	b.must(err)
	equal(t, "metadata", len(got.Metadata), 2)
	equal(t, "metadata", got.Metadata["b"]+got.Metadata["c"], "23")
	equal(t, "events", *got.ObjectEventsEnabled, true)
	equal(t, "tags", got.FreeformTags["x"], "y")
	equal(t, "defined tags", got.DefinedTags["n"]["k"], any("v"))
	status, text := b.status(signed{method: "GET", path: path + "?fields=colour"})
	if status != 400 || !strings.HasPrefix(text, "InvalidParameter") {
		t.Errorf("unknown field: got %d %s", status, text)
	}
}

func TestArchiveBucket(t *testing.T) {
	b := newTestbed(t, Options{})
	status, text := b.status(signed{method: "POST", path: "/n/" + *b.ns + "/b", body: `{"name":"cold","compartmentId":"` + b.Tenancy() + `","storageTier":"Archive"}`})
	if status != 200 {
		t.Fatalf("got %d %s", status, text)
	}
	b.put(str("cold"), "o", "x")
	equal(t, "tier", b.head(str("cold"), "o").StorageTier, "Archive")
	_, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: str("cold"), ObjectName: str("o")})
	b.fails(err, 409, "NotRestored")
}

func TestBrokenState(t *testing.T) {
	dir := t.TempDir()
	s, err := New(Options{Dir: dir, Seed: &Seed{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"{": "unexpected end", `{"Version":99}`: "version 99"} {
		if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "remove the directory") {
			t.Errorf("%s: got %v, want %q and what to do", text, err, want)
		}
	}
}
