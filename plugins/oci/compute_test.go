package oci

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// smallDisks is a tenancy whose exports take milliseconds.
func smallDisks() *ocisim.Seed {
	return &ocisim.Seed{
		Compartments: []ocisim.SeedCompartment{{Path: "acme"}, {Path: "acme/prod"}, {Path: "acme/dev"}, {Path: "zoo"}},
		Buckets:      []ocisim.SeedBucket{{Name: "hx-staging", Compartment: "acme"}, {Name: "archive", Compartment: "acme"}},
		Instances: []ocisim.SeedInstance{
			{Name: "web-01", Compartment: "acme/prod", DiskBytes: 4 << 20, DataBytes: 1 << 20, Tags: map[string]string{"env": "prod", "role": "web"}},
			{Name: "web-02", Compartment: "acme/prod", DiskBytes: 4 << 20, DataBytes: 1 << 20, State: "STOPPED", Tags: map[string]string{"env": "prod"}},
			{Name: "db-01", Compartment: "acme/dev", DiskBytes: 4 << 20, DataBytes: 1 << 20,
				DataVolumes: []ocisim.SeedVolume{{Name: "db-data", SizeGBs: 50}, {Name: "db-a", SizeGBs: 50}}},
			{Name: "shop", Compartment: "zoo", DiskBytes: 4 << 20, DataBytes: 1 << 20, ImageListing: "marketplace"},
		},
	}
}

func computeWorld(t *testing.T) *world {
	return newWorld(t, ocisim.Options{Seed: smallDisks(), Timings: ocisim.Timings{
		CreateImage: 20 * time.Millisecond, ExportImage: 20 * time.Millisecond, PowerAction: 10 * time.Millisecond, Copy: 10 * time.Millisecond,
	}})
}

func (w *world) compute(t testing.TB) backend.Compute {
	t.Helper()
	c, err := w.provider(t).Compute()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) instance(t testing.TB, name string) string {
	t.Helper()
	inv, err := w.provider(t).Inventory()
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range inv.Resources(t.Context(), backend.Query{Name: name}) {
		if err != nil {
			t.Fatal(err)
		}
		w.sim.Log().Reset()
		return r.ID
	}
	t.Fatalf("no instance %s", name)
	return ""
}

func (w *world) request(t testing.TB, formats ...string) backend.ExportRequest {
	return backend.ExportRequest{
		Token: "run-1-web", Instance: w.instance(t, "web-01"), Name: "web-01", Formats: formats,
		Staging: w.location("hx-staging", "exports/"), Tags: map[string]string{"owner": "platform"},
	}
}

// finish polls until the job is ready. Each poll is that of a new process.
func (w *world) finish(t *testing.T, id string) (backend.Job, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var last backend.Job
	for {
		job, err := w.compute(t).PollExport(ctx, id)
		if err != nil || job.Ready {
			return job, err
		}
		if job.Done < last.Done || job.Total != last.Total && last.Total != 0 {
			t.Errorf("progress goes from %d of %d (%s) to %d of %d (%s)", last.Done, last.Total, last.Phase, job.Done, job.Total, job.Phase)
		}
		last, id = job, job.ID
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return job, fmt.Errorf("still %s: %w", job.Phase, err)
		}
	}
}

// counts checks how often the operations were asked for.
func (w *world) counts(t *testing.T, create, export int) {
	t.Helper()
	if c, e := w.sim.Log().Count("CreateImage"), w.sim.Log().Count("ExportImage"); c != create || e != export {
		t.Errorf("%d CreateImage and %d ExportImage, want %d and %d", c, e, create, export)
	}
}

// empty checks that neither an image of ours nor a staged object is left.
func (w *world) empty(t *testing.T, r backend.ExportRequest) {
	t.Helper()
	if _, err := w.compute(t).FindExport(t.Context(), r); !errors.Is(err, backend.NotFound) {
		t.Errorf("an image is left: %v", err)
	}
	for o, err := range w.storage(t, "hx-staging").List(t.Context(), "") {
		t.Errorf("staged object %s is left (%v)", o.Key, err)
	}
}

func TestExport(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "qcow2", "vmdk", "oci")
	if _, err := w.compute(t).FindExport(t.Context(), r); !errors.Is(err, backend.NotFound) {
		t.Errorf("find before the start: %v", err)
	}
	job, err := w.compute(t).StartExport(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.compute(t).StartExport(t.Context(), r)
	if err != nil || imageOf(t, again.ID) != imageOf(t, job.ID) {
		t.Errorf("second start: %v, %v", again, err)
	}
	found, err := w.compute(t).FindExport(t.Context(), r)
	if err != nil || imageOf(t, found.ID) != imageOf(t, job.ID) {
		t.Errorf("find: %v, %v", found, err)
	}
	done, err := w.finish(t, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.counts(t, 1, 3)
	if done.Done != done.Total || len(done.Artifacts) != 3 {
		t.Fatalf("ready as %+v", done)
	}
	for i, a := range done.Artifacts {
		want := w.location("hx-staging", "exports/run-1-web/web-01."+r.Formats[i])
		if a.At != want || a.Format != r.Formats[i] || a.Name != "web-01."+r.Formats[i] || a.Size == 0 || a.Checksum.Algorithm() != backend.CRC32C {
			t.Errorf("artifact %+v", a)
		}
	}
	s, key, err := w.provider(t).Open(done.Artifacts[0].At)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := s.Stat(t.Context(), key)
	magic := make([]byte, 4)
	if _, rerr := s.ReadAt(t.Context(), obj, magic, 0); err != nil || rerr != nil || string(magic) != "QFI\xfb" {
		t.Errorf("the qcow2 begins with %q (%v, %v)", magic, err, rerr)
	}
	for range 2 {
		if err := w.compute(t).EndExport(t.Context(), job.ID, false); err != nil {
			t.Error(err)
		}
	}
	w.empty(t, r)
	if _, err := w.compute(t).PollExport(t.Context(), backdate(t, job.ID)); !errors.Is(err, backend.Changed) {
		t.Errorf("poll after the end: %v", err)
	}
	if _, err := w.compute(t).StartExport(t.Context(), r); !errors.Is(err, backend.Invalid) || !strings.Contains(err.Error(), "another token") {
		t.Errorf("start after the end: %v", err)
	}
}

func imageOf(t *testing.T, id string) string {
	t.Helper()
	j, err := parseJob("test", id)
	if err != nil {
		t.Fatal(err)
	}
	return j.Image
}

// backdate returns the job as if it had begun long ago.
func backdate(t *testing.T, id string) string {
	t.Helper()
	j, err := parseJob("test", id)
	if err != nil {
		t.Fatal(err)
	}
	j.Begun -= 3600
	return j.id()
}

func TestExportKeepsStaged(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "vdi")
	job, err := w.compute(t).StartExport(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	done, err := w.finish(t, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.compute(t).EndExport(t.Context(), job.ID, true); err != nil {
		t.Fatal(err)
	}
	s, key, _ := w.provider(t).Open(done.Artifacts[0].At)
	if obj, err := s.Stat(t.Context(), key); err != nil || obj.Size != done.Artifacts[0].Size {
		t.Errorf("%+v, %v", obj, err)
	}
}

// TestEndRightAfterStart ends a job whose image is not ready yet.
func TestEndRightAfterStart(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "qcow2")
	job, err := w.compute(t).StartExport(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.compute(t).EndExport(t.Context(), job.ID, false); err != nil {
		t.Fatal(err)
	}
	w.empty(t, r)
	w.counts(t, 1, 0)
}

func TestEndWhileExporting(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "qcow2")
	w.sim.Hold("ExportImage", 1)
	job, err := w.compute(t).StartExport(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	w.await(t, job.ID, "exporting qcow2")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := w.compute(t).EndExport(ctx, job.ID, false); !errors.Is(err, backend.Timeout) {
		t.Errorf("end of a job that does not end: %v", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { w.sim.Release("ExportImage") })
	if err := w.compute(t).EndExport(t.Context(), job.ID, false); err != nil {
		t.Fatal(err)
	}
	w.empty(t, r)
}

// await polls until the job is in a phase.
func (w *world) await(t *testing.T, id, phase string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		job, err := w.compute(t).PollExport(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if job.Phase == phase {
			return
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			t.Fatalf("still %s", job.Phase)
		}
	}
}

// TestLostAnswers cuts the answer to each mutating call after it took effect, and before.
func TestLostAnswers(t *testing.T) {
	for _, effect := range []ocisim.Effect{{LoseAnswer: true}, {ResetBefore: true}} {
		w := computeWorld(t)
		r := w.request(t, "qcow2", "vmdk")
		for _, op := range []string{"CreateImage", "ExportImage", "DeleteImage"} {
			w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: op, Times: 1}, Effect: effect})
		}
		if _, err := w.compute(t).StartExport(t.Context(), r); !errors.Is(err, backend.Offline) {
			t.Fatalf("start: %v", err)
		}
		_, err := w.compute(t).FindExport(t.Context(), r)
		if found := err == nil; found != effect.LoseAnswer {
			t.Errorf("find after %+v: %v", effect, err)
		}
		job, err := w.compute(t).StartExport(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for {
			_, err := w.finish(t, job.ID)
			if err == nil {
				break
			}
			if !errors.Is(err, backend.Offline) {
				t.Fatal(err)
			}
		}
		if err := w.compute(t).EndExport(t.Context(), job.ID, false); !errors.Is(err, backend.Offline) {
			t.Errorf("end: %v", err)
		}
		if err := w.compute(t).EndExport(t.Context(), job.ID, false); err != nil {
			t.Error(err)
		}
		w.empty(t, r)
		tokens := map[string]map[string]bool{}
		for _, e := range w.sim.Log().All() {
			if e.Operation == "CreateImage" || e.Operation == "ExportImage" {
				if tokens[e.Operation] == nil {
					tokens[e.Operation] = map[string]bool{}
				}
				tokens[e.Operation][e.RetryToken] = true
			}
		}
		if len(tokens["CreateImage"]) != 1 || len(tokens["ExportImage"]) != 2 {
			t.Errorf("retry tokens %v", tokens)
		}
	}
}

// TestAnyAnswerLost loses the answer to the nth request of an export, for every n, and goes on as a new process would: from the
// beginning.
func TestAnyAnswerLost(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "qcow2")
	for n := 1; ; n++ {
		r.Token = fmt.Sprintf("lost-%d", n)
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Nth: n}, Effect: ocisim.Effect{LoseAnswer: true}})
		w.sim.Log().Reset()
		lost := 0
		again := func(err error) bool {
			if err != nil && !errors.Is(err, backend.Offline) {
				t.Fatalf("request %d: %v", n, err)
			}
			if err != nil {
				lost++
			}
			return err != nil
		}
		var job backend.Job
		for {
			var err error
			if job, err = w.compute(t).StartExport(t.Context(), r); again(err) {
				continue
			}
			if _, err = w.finish(t, job.ID); again(err) {
				continue
			}
			if !again(w.compute(t).EndExport(t.Context(), job.ID, false)) {
				break
			}
			for again(w.compute(t).EndExport(t.Context(), job.ID, false)) {
			}
			break
		}
		w.sim.Faults().Reset()
		w.empty(t, r)
		tokens := map[string]bool{}
		for _, e := range w.sim.Log().All() {
			if e.RetryToken != "" {
				tokens[e.RetryToken] = true
			}
		}
		if len(tokens) != 2 {
			t.Errorf("request %d: %d different retry tokens, want one for the image and one for the export", n, len(tokens))
		}
		if lost == 0 && n > 12 { // polls make the number of requests vary
			return
		}
		if n > 60 {
			t.Fatal("no run without a lost answer")
		}
	}
}

func TestFailedWorkRequests(t *testing.T) {
	for _, op := range []string{"CreateImage", "ExportImage"} {
		w := computeWorld(t)
		r := w.request(t, "qcow2", "vmdk")
		w.sim.FailWorkRequest(op, 1, "LimitExceeded", "You have too many images.")
		job, err := w.compute(t).StartExport(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = w.finish(t, backdate(t, job.ID)); !errors.Is(err, backend.Full) || !strings.Contains(err.Error(), "You have too many images (LimitExceeded)") {
			t.Errorf("%s: %v", op, err)
		}
		if err := w.compute(t).EndExport(t.Context(), job.ID, false); err != nil {
			t.Error(err)
		}
		w.empty(t, r)
	}
}

func TestBusyInstanceAndBadRequests(t *testing.T) {
	w := computeWorld(t)
	w.sim.Hold("CreateImage", 1)
	r := w.request(t, "qcow2")
	if _, err := w.compute(t).StartExport(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	other := r
	other.Token = "another"
	if _, err := w.compute(t).StartExport(t.Context(), other); !errors.Is(err, backend.Busy) {
		t.Errorf("instance in CREATING_IMAGE: %v", err)
	}
	for name, change := range map[string]func(*backend.ExportRequest){
		"token":    func(r *backend.ExportRequest) { r.Token = "a b" },
		"instance": func(r *backend.ExportRequest) { r.Instance = "web-01" },
		"image":    func(r *backend.ExportRequest) { r.Instance = strings.Replace(r.Instance, "instance", "image", 1) },
		"staging":  func(r *backend.ExportRequest) { r.Staging = backend.Location{Scheme: "file", Path: "/b/x"} },
		"name":     func(r *backend.ExportRequest) { r.Name = "a/b" },
		"formats":  func(r *backend.ExportRequest) { r.Formats = nil },
		"format":   func(r *backend.ExportRequest) { r.Formats = []string{"iso"} },
	} {
		bad := r
		change(&bad)
		if _, err := w.compute(t).StartExport(t.Context(), bad); !errors.Is(err, backend.Invalid) {
			t.Errorf("bad %s: %v", name, err)
		}
	}
	gone := r
	gone.Instance += "x"
	if _, err := w.compute(t).StartExport(t.Context(), gone); !errors.Is(err, backend.NotFound) {
		t.Errorf("instance that is not there: %v", err)
	}
	if _, err := w.compute(t).PollExport(t.Context(), "oci1.nonsense"); !errors.Is(err, backend.Invalid) {
		t.Errorf("nonsense as id: %v", err)
	}
	w.sim.Release("CreateImage")
}

func TestExportOfMarketplaceImageIsRefusedByTheService(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "qcow2")
	r.Instance = w.instance(t, "shop")
	job, err := w.compute(t).StartExport(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.finish(t, job.ID); !errors.Is(err, backend.Invalid) || !strings.Contains(err.Error(), "Marketplace") {
		t.Errorf("%v", err)
	}
	if err := w.compute(t).EndExport(t.Context(), job.ID, false); err != nil {
		t.Error(err)
	}
	w.empty(t, r)
}

func TestRemovedStagedObject(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "qcow2")
	job, err := w.compute(t).StartExport(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	done, err := w.finish(t, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	s, key, _ := w.provider(t).Open(done.Artifacts[0].At)
	if err := s.Delete(t.Context(), backend.Object{Key: key}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.compute(t).PollExport(t.Context(), job.ID); !errors.Is(err, backend.Changed) {
		t.Errorf("%v", err)
	}
	w.counts(t, 1, 1)
}
