package plugin

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func inventoryOf(t *testing.T, p backend.Provider) backend.Inventory {
	t.Helper()
	i, err := p.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func computeOf(t *testing.T, p backend.Provider) backend.Compute {
	t.Helper()
	c, err := p.Compute()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// all runs a list to its end.
func all[T any](list iter.Seq2[T, error]) (values []T, err error) {
	for v, err := range list {
		if err != nil {
			return values, err
		}
		values = append(values, v)
	}
	return values, nil
}

// TestOCI runs what is proven of OCI in this process on OCI in another one.
func TestOCI(t *testing.T) {
	inTenancy(t, func(t *testing.T, w *tenancy) {
		if got, want := w.plugin.Describe(), w.direct.Describe(); got != want {
			t.Errorf("it is %+v, directly %+v", got, want)
		}
		t.Run("compute", func(t *testing.T) {
			c := computeOf(t, w.plugin)
			if got, want := c.Formats(), computeOf(t, w.direct).Formats(); !reflect.DeepEqual(got, want) {
				t.Errorf("formats %q, directly %q", got, want)
			}
			err := backendtest.CheckCompute(t.Context(), undated{c}, backendtest.ComputeOptions{Request: w.request(t), Open: w.plugin.Open, Wait: shortly})
			if err != nil {
				t.Error(err)
			}
		})
		t.Run("inventory", w.inventory)
		t.Run("errors", w.errors)
		t.Run("storage", func(t *testing.T) {
			unraced(t, w.plugin.o.Arena == nil)
			conform(t, w.plugin, w.bucket("archive"), 21)
		})
	})
}

func shortly(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * time.Millisecond):
		return nil
	}
}

// inventory compares what the plugin lists with what is listed directly.
func (w *tenancy) inventory(t *testing.T) {
	ctx, plugin, direct := t.Context(), inventoryOf(t, w.plugin), inventoryOf(t, w.direct)
	want, err := all(direct.Scopes(ctx))
	if err != nil || len(want) != 4 {
		t.Fatalf("%v, %v", want, err)
	}
	if got, err := all(plugin.Scopes(ctx)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("scopes %+v, %v; directly %+v", got, err, want)
	}
	for _, q := range []backend.Query{{}, {Name: "web-*", State: []string{"stopped"}}, {Scope: "acme", Recursive: true, Tags: map[string]string{"env": "acme/prod"}},
		{Type: "instance", Name: "none"}, {Scope: "acme/prdo"}, {Type: "bucket"}, {ID: "web-01"}} {
		want, wantErr := all(direct.Resources(ctx, q))
		got, err := all(plugin.Resources(ctx, q))
		if len(got) != len(want) {
			t.Errorf("%+v gives %+v, directly %+v", q, got, want)
			continue
		}
		for i := range want {
			if !got[i].Created.Equal(want[i].Created) {
				t.Errorf("%s was created %v, directly %v", want[i].Name, got[i].Created, want[i].Created)
			}
			got[i].Created = want[i].Created // the same moment, told in another zone
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("%+v gives %+v, directly %+v", q, got[i], want[i])
			}
		}
		if (err == nil) != (wantErr == nil) {
			t.Errorf("%+v: %v, directly %v", q, err, wantErr)
		} else if err != nil {
			same(t, err, wantErr)
		}
	}
	for name, call := range map[string]func(backend.Inventory) error{
		"metrics": func(i backend.Inventory) error {
			_, err := i.Metrics(ctx, "id", backend.MetricQuery{})
			return err
		},
		"act": func(i backend.Inventory) error { return i.Act(ctx, "id", "explode") },
	} {
		if got, want := call(plugin), call(direct); !errors.Is(got, backend.Unsupported) {
			t.Errorf("%s: %v", name, got)
		} else {
			same(t, got, want)
		}
	}
}

// errors lets the service refuse what the plugin and the direct provider ask it for.
func (w *tenancy) errors(t *testing.T) {
	ctx, r := t.Context(), w.request(t)
	stat := func(p backend.Provider) error {
		s, key, err := p.Open(w.bucket("archive").Join("some key"))
		if err == nil {
			_, err = s.Stat(ctx, key)
		}
		return err
	}
	list := func(p backend.Provider) error {
		s, _, err := p.Open(w.bucket("archive"))
		if err == nil {
			_, err = all(s.List(ctx, "prefix/"))
		}
		return err
	}
	start := func(p backend.Provider) error {
		_, err := computeOf(t, p).StartExport(ctx, r)
		return err
	}
	machines := func(p backend.Provider) error {
		_, err := all(inventoryOf(t, p).Resources(ctx, backend.Query{Scope: "acme", Recursive: true}))
		return err
	}
	scopes := func(p backend.Provider) error {
		_, err := all(inventoryOf(t, p).Scopes(ctx))
		return err
	}
	tooMany := ocisim.Effect{Status: 429, Code: "TooManyRequests", Message: "Slow down, please.", RetryAfter: 7 * time.Second}
	missing := ocisim.Effect{Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Resource not found."}
	for _, c := range []struct {
		operation string
		call      func(backend.Provider) error
	}{
		{"HeadObject", stat}, {"ListObjects", list}, {"GetInstance", start}, {"CreateImage", start}, {"ListInstances", machines}, {"ListCompartments", scopes},
	} {
		for _, effect := range []ocisim.Effect{tooMany, missing} {
			refused := func(p backend.Provider) *backend.Error {
				w.sim.Faults().Reset()
				w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: c.operation, Times: 1}, Effect: effect})
				err := c.call(p)
				var e *backend.Error
				if !errors.As(err, &e) || w.sim.Faults().Struck() != 1 {
					t.Fatalf("%s is refused with %d: %v", c.operation, effect.Status, err)
				}
				if id := w.lastRequest(); e.RequestID != id || id == "" {
					t.Errorf("%s: the request was %q: %v", c.operation, id, err)
				}
				if e.RetryAfter != effect.RetryAfter || effect.Status == 429 && e.Kind != backend.Throttled {
					t.Errorf("%s: kind %q, again after %v: %v", c.operation, e.Kind, e.RetryAfter, err)
				}
				return e
			}
			direct, plugin := refused(w.direct), refused(w.plugin)
			if effect.Status == 404 && direct.Kind != backend.NotFound && direct.Kind != backend.Forbidden {
				t.Errorf("%s is refused with 404: %v", c.operation, direct)
			}
			direct.RequestID, plugin.RequestID = "", ""
			same(t, plugin, direct)
		}
	}
	w.sim.Faults().Reset()
}

// lastRequest returns the id of the last request, which is not the one that the fault struck where that was a HEAD: its
// answer says too little.
func (w *tenancy) lastRequest() (id string) {
	for _, e := range w.sim.Log().All() {
		id = e.RequestID
	}
	return id
}

// same compares an error of the plugin with that of the direct call in all that a caller can ask for.
func same(t *testing.T, got, want error) {
	t.Helper()
	var g, w *backend.Error
	if !errors.As(got, &g) || !errors.As(want, &w) {
		t.Errorf("%v, directly %v: not both are of this contract", got, want)
		return
	}
	if g.Op != w.Op || g.Key != w.Key || g.Kind != w.Kind || g.RetryAfter != w.RetryAfter || g.RequestID != w.RequestID || got.Error() != want.Error() {
		t.Errorf("got\n%+v, %v\ndirectly\n%+v, %v", *g, got, *w, want)
	}
}
