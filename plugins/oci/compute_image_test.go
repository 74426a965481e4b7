package oci

import (
	"errors"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// customImage makes a custom image and returns its id.
func (w *world) customImage(t *testing.T) string {
	t.Helper()
	r := w.request(t, "qcow2")
	r.Token = "source"
	job, err := w.compute(t).StartExport(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	image := imageOf(t, job.ID)
	for range 1000 {
		found, err := compute{w.provider(t)}.image(t.Context(), "test", image)
		if err != nil {
			t.Fatal(err)
		}
		if found.LifecycleState == core.ImageLifecycleStateAvailable {
			break
		}
	}
	w.sim.Log().Reset()
	return image
}

func (w *world) platformImage(t *testing.T) string {
	t.Helper()
	for r, err := range w.inventory(t).Resources(t.Context(), backend.Query{Name: "web-01"}) {
		if err != nil {
			t.Fatal(err)
		}
		return r.Attributes["image"]
	}
	return ""
}

// imageRequest asks for an export of an image that is there.
func (w *world) imageRequest(t *testing.T, formats ...string) backend.ExportRequest {
	r := w.request(t, formats...)
	r.Token, r.Instance, r.Image = "of-image", "", w.customImage(t)
	return r
}

func TestExportOfAnImage(t *testing.T) {
	w := computeWorld(t)
	r := w.imageRequest(t, "qcow2", "vmdk")
	id := w.start(t, r)
	done, err := w.finish(t, id)
	if err != nil || len(done.Artifacts) != 2 || !done.Captured {
		t.Fatalf("%+v, %v", done, err)
	}
	w.counts(t, 0, 2)
	for range 2 {
		if err := w.compute(t).EndExport(t.Context(), id, false); err != nil {
			t.Error(err)
		}
	}
	if image, err := (compute{w.provider(t)}).image(t.Context(), "test", r.Image); err != nil || image.LifecycleState != core.ImageLifecycleStateAvailable {
		t.Errorf("the image is not as it was: %s, %v", image.LifecycleState, err)
	}
	for o, err := range w.storage(t, "hx-staging").List(t.Context(), "") {
		t.Errorf("staged object %s is left (%v)", o.Key, err)
	}
	r.Image = w.platformImage(t)
	if _, err := w.compute(t).StartExport(t.Context(), r); !errors.Is(err, backend.Invalid) {
		t.Errorf("an image of OCI's own: %v", err)
	}
	r.Image += "x"
	if _, err := w.compute(t).FindExport(t.Context(), r); !errors.Is(err, backend.NotFound) {
		t.Errorf("an image that is not there: %v", err)
	}
}

// Two jobs export one image at the same time: the service does one after the other, and each gets its own objects.
func TestExportsOfOneImageTakeTurns(t *testing.T) {
	w := computeWorld(t)
	a := w.imageRequest(t, "qcow2")
	b := a
	b.Token, b.Formats, b.Staging = "of-image-2", []string{"vmdk", "vdi"}, w.location("archive", "x/")
	first, second := w.start(t, a), w.start(t, b)
	for _, id := range []string{first, second, second, first} {
		if _, err := w.compute(t).PollExport(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	one, err := w.finish(t, first)
	two, err2 := w.finish(t, second)
	if err != nil || err2 != nil || len(one.Artifacts) != 1 || len(two.Artifacts) != 2 {
		t.Errorf("%+v, %v; %+v, %v", one, err, two, err2)
	}
	for _, id := range []string{first, second} {
		if err := w.compute(t).EndExport(t.Context(), id, false); err != nil {
			t.Error(err)
		}
	}
}

func TestFailedExportOfAnImage(t *testing.T) {
	w := computeWorld(t)
	r := w.imageRequest(t, "qcow2")
	w.sim.FailWorkRequest("ExportImage", 1, "InternalError", "The disk is upside down.")
	if _, err := w.finish(t, w.start(t, r)); err == nil || !strings.Contains(err.Error(), "upside down") {
		t.Errorf("%v", err)
	}
	w.counts(t, 0, 2) // asked again, the service names the request that failed
	if err := w.compute(t).EndExport(t.Context(), w.start(t, r), false); err != nil {
		t.Error(err)
	}
}

// TestAnyAnswerLostOfAnImage loses the answer to the nth request, for every n, and goes on from the beginning.
func TestAnyAnswerLostOfAnImage(t *testing.T) {
	w := computeWorld(t)
	r := w.imageRequest(t, "qcow2")
	for n := 1; n < 12; n++ {
		r.Token = "lost-" + strings.Repeat("x", n)
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Nth: n}, Effect: ocisim.Effect{LoseAnswer: true}})
		for {
			job, err := w.compute(t).StartExport(t.Context(), r)
			if err == nil {
				_, err = w.finish(t, job.ID)
			}
			if err == nil {
				err = w.compute(t).EndExport(t.Context(), job.ID, false)
			}
			if err == nil {
				break
			}
			if !errors.Is(err, backend.Offline) {
				t.Fatalf("request %d: %v", n, err)
			}
		}
		w.sim.Faults().Reset()
		for o, err := range w.storage(t, "hx-staging").List(t.Context(), "") {
			t.Errorf("request %d: staged object %s is left (%v)", n, o.Key, err)
		}
	}
}
