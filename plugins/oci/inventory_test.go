package oci

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func (w *world) inventory(t testing.TB) backend.Inventory {
	t.Helper()
	inv, err := w.provider(t).Inventory()
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func (w *world) names(t *testing.T, q backend.Query) string {
	t.Helper()
	var names []string
	for r, err := range w.inventory(t).Resources(t.Context(), q) {
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		names = append(names, r.Name)
	}
	return strings.Join(names, " ")
}

func TestScopes(t *testing.T) {
	w := computeWorld(t)
	// Lists of one entry, some of them empty, all with a token for the rest.
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "ListCompartments", Nth: 2}, Effect: ocisim.Effect{ShortPage: true}})
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "ListCompartments"}, Effect: ocisim.Effect{ShortPage: true, PageItems: 1}})
	paths := func() (all []string) {
		seen := map[string]bool{"": true}
		for s, err := range w.inventory(t).Scopes(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if len(all) > 0 && !seen[s.Parent] {
				t.Errorf("%s comes before its parent", s.Path)
			}
			seen[s.ID] = true
			all = append(all, s.Path)
		}
		return all
	}
	if got := paths(); !slices.Equal(got, []string{"", "acme", "acme/dev", "acme/prod", "zoo"}) {
		t.Errorf("tenancy: %q", got)
	}
	for s, err := range w.inventory(t).Scopes(t.Context()) {
		if err == nil && s.Path == "acme" {
			w.config.Compartment = s.ID
		}
	}
	if got := paths(); !slices.Equal(got, []string{"", "dev", "prod"}) {
		t.Errorf("compartment acme: %q", got)
	}
}

func TestResourcesBySelector(t *testing.T) {
	w := computeWorld(t)
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "ListInstances"}, Effect: ocisim.Effect{ShortPage: true, PageItems: 1}})
	for _, c := range []struct {
		q    backend.Query
		want string
	}{
		{backend.Query{}, "db-01 web-01 web-02 shop"},
		{backend.Query{Name: "web-*"}, "web-01 web-02"},
		{backend.Query{Name: "web-0?", State: []string{"stopped"}}, "web-02"},
		{backend.Query{Name: "web-01"}, "web-01"},
		{backend.Query{Name: "web"}, ""},
		{backend.Query{State: []string{"STOPPED", "TERMINATED"}}, "web-02"},
		{backend.Query{Tags: map[string]string{"env": "prod"}}, "web-01 web-02"},
		{backend.Query{Tags: map[string]string{"env": "prod", "role": "web"}}, "web-01"},
		{backend.Query{Scope: "acme"}, ""},
		{backend.Query{Scope: "acme", Recursive: true}, "db-01 web-01 web-02"},
		{backend.Query{Scope: "acme/prod"}, "web-01 web-02"},
		{backend.Query{Scope: w.sim.Tenancy(), Recursive: true, Name: "*-01"}, "db-01 web-01"},
	} {
		c.q.Type = typeInstance
		if got := w.names(t, c.q); got != c.want {
			t.Errorf("%+v gives %q, want %q", c.q, got, c.want)
		}
	}
	for _, err := range w.inventory(t).Resources(t.Context(), backend.Query{Scope: "acme/prdo"}) {
		if !errors.Is(err, backend.NotFound) || !strings.Contains(err.Error(), "did you mean acme/prod?") {
			t.Errorf("misspelt scope: %v", err)
		}
	}
	for _, err := range w.inventory(t).Resources(t.Context(), backend.Query{Type: "volume"}) {
		if !errors.Is(err, backend.Unsupported) {
			t.Errorf("other type: %v", err)
		}
	}
}

func TestResourceByID(t *testing.T) {
	w := computeWorld(t)
	id := w.instance(t, "db-01")
	n := 0
	for r, err := range w.inventory(t).Resources(t.Context(), backend.Query{ID: id}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if r.ID != id || r.Name != "db-01" || r.ScopePath != "acme/dev" || r.State != "RUNNING" || r.Region != "us-phoenix-1" || r.Created.IsZero() {
			t.Errorf("%+v", r)
		}
		a := r.Attributes
		if a["data_volumes"] != "db-a,db-data" || a["shape"] == "" || !strings.HasPrefix(a["image"], "ocid1.image.") || a["boot_gb"] == "" {
			t.Errorf("attributes %v", a)
		}
	}
	if n != 1 {
		t.Errorf("%d resources", n)
	}
	if got := w.names(t, backend.Query{ID: id, Scope: "acme/prod"}); got != "" {
		t.Errorf("outside of its scope: %s", got)
	}
	if got := w.names(t, backend.Query{ID: id, Scope: "acme", Recursive: true, Name: "db*"}); got != "db-01" {
		t.Errorf("inside its scope: %q", got)
	}
	for q, kind := range map[string]backend.Kind{"web-01": backend.Invalid, id + "x": backend.NotFound} {
		for _, err := range w.inventory(t).Resources(t.Context(), backend.Query{ID: q}) {
			if !errors.Is(err, kind) {
				t.Errorf("%s: %v", q, err)
			}
		}
	}
}

func TestMetricsAreUnsupported(t *testing.T) {
	w := computeWorld(t)
	if _, err := w.inventory(t).Metrics(t.Context(), "id", backend.MetricQuery{}); !errors.Is(err, backend.Unsupported) {
		t.Error(err)
	}
}

func TestBuckets(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "ListBuckets"}, Effect: ocisim.Effect{ShortPage: true, PageItems: 1}})
	bucket := func(q backend.Query) backend.Query {
		q.Type = "bucket"
		return q
	}
	for want, q := range map[string]backend.Query{
		"archive hx-staging logs":  bucket(backend.Query{}),
		"archive":                  bucket(backend.Query{Name: "a*"}),
		"logs":                     {ID: w.sim.Namespace() + "/logs"},
		"":                         bucket(backend.Query{Scope: "acme/prod"}),
		"archive hx-staging logs ": bucket(backend.Query{Scope: "acme"}),
		" ":                        bucket(backend.Query{Tags: map[string]string{"env": "prod"}}),
		"  ":                       bucket(backend.Query{State: []string{"RUNNING"}}),
		"   ":                      {ID: w.sim.Namespace() + "/logs", Scope: "acme/prod"},
	} {
		if got := w.names(t, q); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %q, want %q", q, got, want)
		}
	}
	if all := strings.Fields(w.names(t, backend.Query{})); len(all) != 6 || all[3] != "archive" {
		t.Errorf("everything: %q", all)
	}
	for r, err := range w.inventory(t).Resources(t.Context(), bucket(backend.Query{Name: "logs"})) {
		if err != nil || r.ID != "axsim/logs" || r.ScopePath != "acme" || r.Region != "us-phoenix-1" || r.Created.IsZero() || r.Attributes["namespace"] != "axsim" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	for id, kind := range map[string]backend.Kind{"axsim/none": backend.NotFound, "logs": backend.Invalid, "a/b/c": backend.Invalid} {
		for _, err := range w.inventory(t).Resources(t.Context(), backend.Query{ID: id}) {
			if !errors.Is(err, kind) {
				t.Errorf("bucket %s: %v", id, err)
			}
		}
	}
}

// TestInstancesOfEveryPageAreListed has a list of three pages, of which the one in the middle is empty.
func TestInstancesOfEveryPageAreListed(t *testing.T) {
	seed := &ocisim.Seed{Compartments: []ocisim.SeedCompartment{{Path: "acme"}}}
	for _, name := range []string{"vm-1", "vm-2", "vm-3", "vm-4", "vm-5"} {
		seed.Instances = append(seed.Instances, ocisim.SeedInstance{Name: name, Compartment: "acme", DiskBytes: 1 << 20, DataBytes: 1 << 16})
	}
	w := newWorld(t, ocisim.Options{Seed: seed})
	for nth, items := range []int{2, 0} {
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "ListInstances", Nth: 1 + nth}, Effect: ocisim.Effect{ShortPage: true, PageItems: items}})
	}
	if got := w.names(t, backend.Query{Type: typeInstance, Scope: "acme"}); got != "vm-1 vm-2 vm-3 vm-4 vm-5" {
		t.Errorf("listed are %q", got)
	}
	if n := w.sim.Log().Count("ListInstances"); n != 3 {
		t.Errorf("%d requests, want one for each page", n)
	}
}
