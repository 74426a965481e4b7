package oci

import (
	"errors"
	"io"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// TestExportIsReadAsWellAsReported reads what an export says that it has made, to its end. While the service is still at it,
// nothing is said to be there.
func TestExportIsReadAsWellAsReported(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "qcow2", "vmdk")
	w.sim.Hold("ExportImage", 2)
	job, err := w.compute(t).StartExport(t.Context(), r)
	check(t, err)
	w.await(t, job.ID, "exporting vmdk")
	for range 5 {
		if early, err := w.compute(t).PollExport(t.Context(), job.ID); err != nil || early.Ready || len(early.Artifacts) > 0 {
			t.Fatalf("an export that is under way: %+v, %v", early, err)
		}
	}
	w.sim.Release("ExportImage")
	done, err := w.finish(t, job.ID)
	check(t, err)
	w.counts(t, 1, 2)
	if len(done.Artifacts) != len(r.Formats) {
		t.Fatalf("artifacts %+v", done.Artifacts)
	}
	for _, a := range done.Artifacts {
		s, key, err := w.provider(t).Open(a.At)
		check(t, err)
		obj, err := s.Stat(t.Context(), key)
		check(t, err)
		image := make([]byte, obj.Size+1)
		n, err := s.ReadAt(t.Context(), obj, image, 0)
		if !errors.Is(err, io.EOF) || int64(n) != a.Size || n < 1<<20 || backend.SumCRC32C(image[:n]) != a.Checksum {
			t.Errorf("%s of %d bytes, %s, is %d bytes (%v), %s", a.Name, a.Size, a.Checksum, n, err, backend.SumCRC32C(image[:n]))
		}
	}
	check(t, w.compute(t).EndExport(t.Context(), job.ID, false))
	w.empty(t, r)
}

// TestExportThatFailedIsNotReported lets the work request of the last export fail: the formats that are there make no whole.
func TestExportThatFailedIsNotReported(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "qcow2", "vmdk")
	w.sim.FailWorkRequest("ExportImage", 2, "InternalError", "No.")
	job, err := w.compute(t).StartExport(t.Context(), r)
	check(t, err)
	if done, err := w.finish(t, job.ID); err == nil || done.Ready || len(done.Artifacts) > 0 {
		t.Errorf("%+v, %v", done, err)
	}
	check(t, w.compute(t).EndExport(t.Context(), job.ID, false))
	w.empty(t, r)
}

// TestDeleteThatFailedIsAnError is about an object whose name looks like a status.
func TestDeleteThatFailedIsAnError(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	_, err := s.Put(t.Context(), "404.qcow2", []byte("disk"), backend.PutOptions{})
	check(t, err)
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "DeleteObject"},
		Effect: ocisim.Effect{Status: 500, Code: "InternalServerError", Message: "404.qcow2 not found (404)"}})
	if err := s.Delete(t.Context(), backend.Object{Key: "404.qcow2"}); !errors.Is(err, backend.Unavailable) || errors.Is(err, backend.NotFound) {
		t.Errorf("%v", err)
	}
	if obj, err := s.Stat(t.Context(), "404.qcow2"); err != nil || obj.Size != 4 {
		t.Errorf("afterwards: %+v, %v", obj, err)
	}
}
