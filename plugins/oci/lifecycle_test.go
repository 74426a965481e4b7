package oci

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func foreignRule(name string) objectstorage.ObjectLifecycleRule {
	return wireRule(LifecycleRule{Name: name, Action: LifecycleDelete, Days: 900})
}

// theirs writes a policy of somebody else.
func (w *world) theirs(t *testing.T, names ...string) {
	t.Helper()
	p, err := New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	b, err := p.bucketOf("test", w.location("archive", ""))
	if err != nil {
		t.Fatal(err)
	}
	now, err := b.lifecycle(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	items := now.Items
	for _, name := range names {
		r := foreignRule("x")
		r.Name = &name
		items = append(items, r)
	}
	if err := b.writeLifecycle(t.Context(), "test", now.ETag, items); err != nil {
		t.Fatal(err)
	}
}

func TestLifecycleLeavesTheRulesOfOthers(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	p, at := w.provider(t), w.location("archive", "")
	rules := []LifecycleRule{
		{Name: "old", Action: LifecycleArchive, Days: 30, Prefix: "logs/"},
		{Name: "gone", Action: LifecycleDelete, Days: 365, Previous: true, Disabled: true},
		{Name: "uploads", Action: LifecycleAbortUploads, Days: 7},
	}
	set := func(rules []LifecycleRule, wantChanged bool, want ...string) {
		t.Helper()
		changed, err := p.SetLifecycle(t.Context(), at, rules)
		own, names, listErr := p.Lifecycle(t.Context(), at)
		for _, r := range own {
			names = append(names, lifecyclePrefix+r.Name)
			if !slices.Contains(rules, r) {
				t.Errorf("rule %+v is not one of %+v", r, rules)
			}
		}
		slices.Sort(names)
		if err != nil || listErr != nil || changed != wantChanged || !slices.Equal(names, want) {
			t.Errorf("changed %v, %v; rules %q, %v, want %q", changed, err, names, listErr, want)
		}
	}
	set(nil, false)
	set(rules, true, "hyperexport-gone", "hyperexport-old", "hyperexport-uploads")
	w.theirs(t, "theirs")
	set(rules, false, "hyperexport-gone", "hyperexport-old", "hyperexport-uploads", "theirs")
	slices.Reverse(rules)
	set(rules, false, "hyperexport-gone", "hyperexport-old", "hyperexport-uploads", "theirs")
	rules[0].Days++
	set(rules[:2], true, "hyperexport-gone", "hyperexport-uploads", "theirs")
	set(nil, true, "theirs")
	set(rules[:1], true, "hyperexport-uploads", "theirs")
	if n := w.sim.Log().Count("PutObjectLifecyclePolicy"); n != 5 {
		t.Errorf("the policy was written %d times", n)
	}
}

func TestLifecycleWithoutRulesOfOthersIsRemoved(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	p, at := w.provider(t), w.location("archive", "")
	for _, rules := range [][]LifecycleRule{{{Name: "a", Action: LifecycleDelete, Days: 1}}, nil} {
		if changed, err := p.SetLifecycle(t.Context(), at, rules); err != nil || !changed {
			t.Errorf("%v, %v", changed, err)
		}
	}
	if n := w.sim.Log().Count("DeleteObjectLifecyclePolicy"); n != 1 {
		t.Errorf("the policy was removed %d times", n)
	}
}

// Somebody else writes the policy between the read and the write, some times and then every time.
func TestLifecycleLosesNoChangeOfOthers(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	at, rules := w.location("archive", ""), []LifecycleRule{{Name: "ours", Action: LifecycleDelete, Days: 1}}
	for _, times := range []int{1, lifecycleTries - 1, lifecycleTries} {
		p, n := w.provider(t), 0
		send := p.objects.Interceptor
		p.objects.Interceptor = func(r *http.Request) error {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/l") && n < times {
				n++
				w.theirs(t, fmt.Sprintf("theirs-%d-%d", times, n))
			}
			return send(r)
		}
		changed, err := p.SetLifecycle(t.Context(), at, rules)
		_, names, _ := p.Lifecycle(t.Context(), at)
		if lost := times == lifecycleTries; lost != (err != nil) || lost == changed || lost && !errors.Is(err, backend.Changed) {
			t.Errorf("after %d changes of others: %v, %v", times, changed, err)
		}
		for i := 1; i <= times; i++ {
			if !slices.Contains(names, fmt.Sprintf("theirs-%d-%d", times, i)) {
				t.Errorf("after %d changes of others the rules are %q", times, names)
			}
		}
		if _, err := w.provider(t).SetLifecycle(t.Context(), at, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLifecycleRulesAreChecked(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	p, at := w.provider(t), w.location("archive", "")
	good := LifecycleRule{Name: "a", Action: LifecycleDelete, Days: 1}
	for want, rules := range map[string][]LifecycleRule{
		"a name has":   {{Name: "", Action: LifecycleDelete, Days: 1}},
		"action":       {{Name: "a", Action: "burn", Days: 1}},
		"shortest":     {{Name: "a", Action: LifecycleDelete}},
		"whole bucket": {{Name: "a", Action: LifecycleAbortUploads, Days: 1, Prefix: "x/"}},
		"two rules":    {good, good},
	} {
		if _, err := p.SetLifecycle(t.Context(), at, rules); !errors.Is(err, backend.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", rules, err, want)
		}
	}
	if n := len(w.sim.Log().All()); n != 0 {
		t.Errorf("%d requests", n)
	}
	if _, err := p.SetLifecycle(t.Context(), w.location("nowhere", ""), []LifecycleRule{good}); !errors.Is(err, backend.NotFound) {
		t.Errorf("a bucket that does not exist: %v", err)
	}
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "PutObjectLifecyclePolicy"}, Effect: ocisim.Effect{Status: 400, Code: codeNoServicePolicy}})
	if _, err := p.SetLifecycle(t.Context(), at, []LifecycleRule{good}); !errors.Is(err, backend.Forbidden) || !strings.Contains(err.Error(), "Allow service objectstorage-us-phoenix-1") {
		t.Errorf("without a policy: %v", err)
	}
}

// One of ours that somebody else changed so that a LifecycleRule cannot say it is seen as different, and set right.
func TestLifecycleShowsWhatItCannotSay(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	p, at := w.provider(t), w.location("archive", "")
	rules := []LifecycleRule{{Name: "old", Action: LifecycleDelete, Days: 30, Prefix: "logs/"}}
	for what, change := range map[string]func(r *objectstorage.ObjectLifecycleRule){
		"years": func(r *objectstorage.ObjectLifecycleRule) {
			r.TimeUnit = objectstorage.ObjectLifecycleRuleTimeUnitYears
		},
		"another prefix":   func(r *objectstorage.ObjectLifecycleRule) { r.ObjectNameFilter.InclusionPrefixes = []string{"a", "b"} },
		"what is left out": func(r *objectstorage.ObjectLifecycleRule) { r.ObjectNameFilter.ExclusionPatterns = []string{"*.log"} },
	} {
		theirs := wireRule(rules[0])
		change(&theirs)
		b, err := p.bucketOf("test", at)
		if err != nil {
			t.Fatal(err)
		}
		now, err := b.lifecycle(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.writeLifecycle(t.Context(), "test", now.ETag, []objectstorage.ObjectLifecycleRule{theirs}); err != nil {
			t.Fatal(err)
		}
		if own, _, err := p.Lifecycle(t.Context(), at); err != nil || len(own) != 1 || own[0].Name != "old" || own[0].Action != backend.LifecycleOther {
			t.Errorf("%s: %+v, %v", what, own, err)
		}
		changed, err := p.SetLifecycle(t.Context(), at, rules)
		own, _, _ := p.Lifecycle(t.Context(), at)
		if err != nil || !changed || !slices.Equal(own, rules) {
			t.Errorf("%s: changed %t, %v to %+v", what, changed, err, own)
		}
	}
}

// A bucket whose rules were read is there: that it is said to be missing when they are set means that they may not be.
func TestLifecycleThatMayNotBeSetIsForbidden(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	w.sim.Rules().Add(ocisim.Rule{Principal: "user", Operation: "PutObjectLifecyclePolicy"})
	_, err := w.provider(t).SetLifecycle(t.Context(), w.location("archive", ""), []LifecycleRule{{Name: "a", Action: LifecycleDelete, Days: 1}})
	if !errors.Is(err, backend.Forbidden) || errors.Is(err, backend.NotFound) || !strings.Contains(err.Error(), "BUCKET_UPDATE") {
		t.Errorf("%v", err)
	}
}

// A bucket is denied once, as real tenancies do it.
func TestLifecycleAsksForABucketAgain(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	for _, operation := range []string{"GetObjectLifecyclePolicy", "PutObjectLifecyclePolicy"} {
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: operation, Times: 1}, Effect: ocisim.Effect{Status: 404, Code: codeBucketNotFound}})
	}
	changed, err := w.provider(t).SetLifecycle(t.Context(), w.location("archive", ""), []LifecycleRule{{Name: "a", Action: LifecycleDelete, Days: 1}})
	if n := w.sim.Log().Count("PutObjectLifecyclePolicy"); err != nil || !changed || n != 2 {
		t.Errorf("changed %t, %v after %d requests", changed, err, n)
	}
}
