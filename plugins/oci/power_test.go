package oci

import (
	"errors"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// state returns the lifecycle state of an instance.
func (w *world) state(t *testing.T, id string) string {
	t.Helper()
	for r, err := range w.inventory(t).Resources(t.Context(), backend.Query{ID: id}) {
		if err != nil {
			t.Fatal(err)
		}
		return r.State
	}
	return ""
}

func (w *world) reaches(t *testing.T, id, want string) {
	t.Helper()
	for range 1000 {
		if w.state(t, id) == want {
			return
		}
		if err := pause(t.Context(), 5*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("the instance is %s, not %s", w.state(t, id), want)
}

func TestActSwitchesAnInstance(t *testing.T) {
	w := computeWorld(t)
	id := w.instance(t, "web-01")
	inv := w.inventory(t)
	for _, step := range []struct{ action, during, after string }{
		{"softstop", "STOPPING", "STOPPED"}, {"start", "STARTING", "RUNNING"}, {"reset", "STOPPING", "RUNNING"}, {"softreset", "STOPPING", "RUNNING"}, {"stop", "STOPPING", "STOPPED"},
	} {
		if err := inv.Act(t.Context(), id, step.action); err != nil {
			t.Fatalf("%s: %v", step.action, err)
		}
		if got := w.state(t, id); got == "RUNNING" && step.during != "RUNNING" && step.action != "reset" && step.action != "softreset" && step.action != "start" {
			t.Errorf("%s: the instance is %s", step.action, got)
		}
		w.reaches(t, id, step.after)
	}
	for action, kind := range map[string]backend.Kind{"stop": backend.Busy, "explode": backend.Unsupported} {
		if err := inv.Act(t.Context(), id, action); !errors.Is(err, kind) {
			t.Errorf("%s of a stopped instance: %v, want %v", action, err, kind)
		}
	}
	if err := inv.Act(t.Context(), "web-01", "stop"); !errors.Is(err, backend.Invalid) {
		t.Errorf("a name instead of an OCID: %v", err)
	}
	if err := inv.Act(t.Context(), id+"x", "start"); !errors.Is(err, backend.NotFound) {
		t.Errorf("an instance that is not there: %v", err)
	}
}
