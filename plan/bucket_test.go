package plan

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

const abortOld = `
buckets:
  b: {location: oci://bucket, lifecycle: [{name: uploads, action: abort, days: 7}, {name: gone, action: delete, days: 9, prefix: tmp/}]}
`

func TestBucketsAreCompared(t *testing.T) {
	s := newScene(t)
	p := s.build(abortOld)
	first := step(t, p, "bucket.b")
	if first.Current != "" || first.Blocked != "" || len(first.Needs) > 0 || len(first.Bucket.Changes()) != 2 || first.Bucket.Rules[0].Name != "gone" {
		t.Errorf("%+v", first)
	}
	if steps, bytes := p.Work(); steps != 1 || bytes != 0 || p.Grows() {
		t.Errorf("%d steps, %d bytes, grows: %t", steps, bytes, p.Grows())
	}
	if _, err := s.container("oci", "bucket").SetLifecycle(t.Context(), first.Bucket.Rules); err != nil {
		t.Fatal(err)
	}
	again := step(t, s.build(abortOld), "bucket.b")
	if again.Current == "" || len(again.Bucket.Changes()) != 0 {
		t.Errorf("%+v", again)
	}
	if first.Digest() != (Step{ID: again.ID, Bucket: again.Bucket}).Digest() {
		t.Error("what Build found is part of the digest")
	}
	other := step(t, s.build(strings.Replace(abortOld, "days: 7", "days: 8", 1)), "bucket.b")
	if c := other.Bucket.Changes(); len(c) != 1 || c[0].Old.Days != 7 || c[0].New.Days != 8 || other.Digest() == first.Digest() {
		t.Errorf("other days: %+v", c)
	}
	none := step(t, s.build("buckets: {b: {location: oci://bucket/, lifecycle: []}}"), "bucket.b")
	if c := none.Bucket.Changes(); len(c) != 2 || c[0].New != (backend.LifecycleRule{}) {
		t.Errorf("none: %+v", c)
	}
}

// Rules come before everything else, and nothing takes them for something that writes objects.
func TestBucketsComeFirst(t *testing.T) {
	s := newScene(t)
	s.put("oci", "src/a", "text")
	p := s.build(abortOld + `
exports:
  a: {instance: i-000001, formats: qcow2, staging: oci://axns/s/}
transfers:
  a: {from: oci://src/, to: oci://bucket/, delete: true, max_deletes: 5}
`)
	var ids []string
	for _, s := range p.Steps {
		ids = append(ids, s.ID)
	}
	if got := strings.Join(ids, " "); got != "bucket.b export.a transfer.a" || len(p.Blocked) > 0 {
		t.Errorf("%s, blocked %v", got, p.Blocked)
	}
}

func TestBucketThatIsMissingIsBlocked(t *testing.T) {
	s := newScene(t)
	s.set["tape"] = backend.Provider(&backendtest.MemProvider{Options: backendtest.MemOptions{Scheme: "tape", Missing: true}})
	m := s.manifest("version: 1\nname: test\nbackends: {tape: {plugin: s3}}\n" + strings.ReplaceAll(abortOld, "oci://", "tape://"))
	p, err := Build(t.Context(), m, s.o)
	if err != nil {
		t.Fatal(err)
	}
	findings(t, "blocked", p.Blocked, `bucket.b: read lifecycle bucket: there is no container "bucket"`)
	if p.Stopped() || step(t, p, "bucket.b").Blocked == "" {
		t.Errorf("%+v", p)
	}
}

func TestBucketsThatCannotBeSetAreRefused(t *testing.T) {
	s := newScene(t)
	s.set["file"] = absolute{&backendtest.MemProvider{Options: backendtest.MemOptions{Without: backend.Capabilities{Lifecycle: true}}}}
	m := s.manifest("version: 1\nname: test\nbuckets:\n  a: {location: ./folder/, lifecycle: []}\n  b: {location: oci://bucket/logs/, lifecycle: []}\n  c: {location: oci:///, lifecycle: []}\n")
	_, err := Build(t.Context(), m, s.o)
	var refused *manifests.Errors
	if !errors.As(err, &refused) || len(refused.List) != 3 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{"m.yaml:4:17: bucket \"a\": the backend of file:// cannot keep lifecycle rules", "m.yaml:5:17: bucket \"b\": oci://bucket/logs/ is below a bucket",
		"m.yaml:6:17: bucket \"c\": "} {
		if got := refused.List[i].Error(); !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestErrorOfTheRulesIsTheError(t *testing.T) {
	s := newScene(t)
	s.rules["bucket"] = []backendtest.Rule{{Op: backendtest.OpLifecycle, Err: backend.Forbidden}}
	m := s.manifest("version: 1\nname: test\n" + abortOld)
	if _, err := Build(t.Context(), m, s.o); !errors.Is(err, backend.Forbidden) || !strings.HasPrefix(err.Error(), "bucket.b: ") {
		t.Errorf("%v", err)
	}
}

func TestRenderOfRules(t *testing.T) {
	rule := backend.LifecycleRule{Name: "r", Action: backend.LifecycleDelete, Days: 1}
	for want, change := range map[string]func(r *backend.LifecycleRule){
		"delete all objects after 1 day":                    func(*backend.LifecycleRule) {},
		"archive logs/* after 2 days":                       func(r *backend.LifecycleRule) { r.Action, r.Prefix, r.Days = backend.LifecycleArchive, "logs/", 2 },
		"move all objects to infrequent access after 1 day": func(r *backend.LifecycleRule) { r.Action = backend.LifecycleInfrequentAccess },
		"delete former versions of all objects after 1 day": func(r *backend.LifecycleRule) { r.Previous = true },
		"abort unfinished uploads after 1 day (disabled)":   func(r *backend.LifecycleRule) { r.Action, r.Disabled = backend.LifecycleAbort, true },
		"what somebody else made of it":                     func(r *backend.LifecycleRule) { r.Action = backend.LifecycleOther },
	} {
		r := rule
		change(&r)
		if got := ruleText(r); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
	changed := rule
	changed.Days = 2
	p := &Plan{Name: "test", Steps: []Step{{ID: "bucket.b", Bucket: &Bucket{Rules: []backend.LifecycleRule{changed}, Found: []backend.LifecycleRule{rule}}}}}
	var out bytes.Buffer
	if err := Render(&out, p, Style{Color: true}); err != nil || !strings.Contains(out.String(), "\x1b[33m~\x1b[0m r  delete all objects after 2 days (was: delete all objects after 1 day)\n") {
		t.Errorf("%v\n%q", err, out.String())
	}
}
