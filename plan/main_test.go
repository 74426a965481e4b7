package plan

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var started = time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC)

// list is an Inventory over resources and scopes in memory.
type list struct {
	scopes    []backend.Scope
	resources []backend.Resource
}

func (l *list) Scopes(context.Context) iter.Seq2[backend.Scope, error] {
	return func(yield func(backend.Scope, error) bool) {
		for _, s := range l.scopes {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (l *list) Resources(ctx context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	return func(yield func(backend.Resource, error) bool) {
		i := slices.IndexFunc(l.scopes, func(s backend.Scope) bool { return s.ID == q.Scope || s.Path == q.Scope })
		if q.Scope != "" && i < 0 {
			yield(backend.Resource{}, &backend.Error{Op: "find compartment", Key: q.Scope, Kind: backend.NotFound})
			return
		}
		for _, r := range l.resources {
			if !matches(r, q) || q.Scope != "" && !l.within(r, l.scopes[i], q.Recursive) {
				continue
			}
			if !yield(r, ctx.Err()) {
				return
			}
		}
	}
}

func matches(r backend.Resource, q backend.Query) bool {
	for key, value := range q.Tags {
		if r.Tags[key] != value {
			return false
		}
	}
	named, err := path.Match(q.Name, r.Name)
	return err == nil && (q.Type == "" || r.Type == q.Type) && (q.ID == "" || r.ID == q.ID) && (q.Name == "" || named) &&
		(len(q.State) == 0 || slices.Contains(q.State, r.State))
}

func (l *list) within(r backend.Resource, s backend.Scope, recursive bool) bool {
	return r.Scope == s.ID || recursive && strings.HasPrefix(r.ScopePath, s.Path+"/")
}

func (l *list) Metrics(context.Context, string, backend.MetricQuery) ([]backend.Series, error) {
	return nil, &backend.Error{Op: "metrics", Kind: backend.Unsupported}
}

func (l *list) Act(context.Context, string, string) error {
	return &backend.Error{Op: "act", Kind: backend.Unsupported}
}

// cloud is a provider in memory with an inventory.
type cloud struct {
	*backendtest.MemProvider
	list
	namespaced bool // a container's name follows its namespace in a location, and in its name with a tilde
}

func (c *cloud) Open(l backend.Location) (backend.Storage, string, error) {
	if c.namespaced {
		l.Path = strings.Replace(l.Path, "/", "~", 1)
	}
	return c.MemProvider.Open(l)
}

func (c *cloud) Inventory() (backend.Inventory, error) { return &c.list, nil }

// scene is what a manifest is planned against.
type scene struct {
	t     *testing.T
	oci   *cloud
	set   backend.Set
	rules map[string][]backendtest.Rule // by container of any scheme
	o     Options
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, set: backend.Set{}, rules: map[string][]backendtest.Rule{}}
	for _, scheme := range []string{"oci", "ashburn", "dr", "file", "tape"} {
		p := backendtest.NewMemProvider()
		p.Options.Scheme = scheme
		p.Options.Now = func() time.Time { return started.Add(-time.Hour) }
		p.Wrap = func(name string, m backend.Storage) backend.Storage {
			return &backendtest.Faults{Storage: m, Rules: s.rules[name]}
		}
		s.set[scheme] = p
		if scheme == "oci" {
			s.oci = &cloud{MemProvider: p}
			s.set[scheme] = s.oci
		}
	}
	s.set["file"] = absolute{s.set["file"]}
	s.oci.scopes = []backend.Scope{{ID: "c1", Name: "acme", Path: "acme"}, {ID: "c2", Parent: "c1", Name: "prod", Path: "acme/prod"}, {ID: "c3", Parent: "c2", Name: "eu", Path: "acme/prod/eu"}}
	s.oci.resources = []backend.Resource{
		vm("ocid1.instance.oc1.phx.aaaa", "front", "RUNNING"), vm("ocid1.instance.oc1.phx.bbbb", "db", "STOPPED"),
		vm("i-000001", "web-01", "RUNNING"), vm("i-000002", "web-02", "STOPPED"),
	}
	s.o = Options{Run: "20260301-020304-abcd", Started: started, Backends: s.set, Now: func() time.Time { return started.Add(time.Minute + 5) }}
	return s
}

// absolute lets locations of files begin with a slash.
type absolute struct{ backend.Provider }

func (a absolute) Open(l backend.Location) (backend.Storage, string, error) {
	l.Path = strings.TrimPrefix(l.Path, "/")
	return a.Provider.Open(l)
}

func vm(id, name, state string) backend.Resource {
	return backend.Resource{ID: id, Type: "instance", Name: name, Scope: "c2", ScopePath: "acme/prod", State: state,
		Tags: map[string]string{"env": "prod", "owner": "platform"}, Attributes: map[string]string{"shape": "VM.Standard.E4.Flex", "boot_gb": "47"}}
}

func (s *scene) manifest(text string) *manifests.Manifest {
	s.t.Helper()
	m, err := manifests.Parse("m.yaml", []byte(text), manifests.Options{Dir: "/home/me"})
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// build plans a manifest of which the head is given.
func (s *scene) build(text string) *Plan {
	s.t.Helper()
	p, err := Build(s.t.Context(), s.manifest("version: 1\nname: test\nbackends: {dr: {plugin: s3}}\n"+text), s.o)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// container returns the container of that name, bare of faults.
func (s *scene) container(scheme, name string) *backendtest.Mem {
	switch p := s.set[scheme].(type) {
	case *cloud:
		return p.Container(name)
	case absolute:
		return p.Provider.(*backendtest.MemProvider).Container(name)
	case *backendtest.MemProvider:
		return p.Container(name)
	}
	panic(scheme)
}

func (s *scene) put(scheme, location, text string) backend.Object {
	s.t.Helper()
	name, key, _ := strings.Cut(location, "/")
	obj, err := s.container(scheme, name).Put(s.t.Context(), key, []byte(text), backend.PutOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return obj
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is missing; go test -update writes it", file)
	}
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v); go test -update writes it anew. It is now:\n%s", file, err, got)
	}
}

// findings fails unless the findings are these: "step: text".
func findings(t *testing.T, what string, got []Finding, want ...string) {
	t.Helper()
	var texts []string
	for _, f := range got {
		texts = append(texts, f.Step+": "+f.Text)
	}
	if !slices.Equal(texts, want) {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(texts, "\n  "), strings.Join(want, "\n  "))
	}
}

func step(t *testing.T, p *Plan, id string) Step {
	t.Helper()
	for _, s := range p.Steps {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("the plan has no step %s", id)
	return Step{}
}
