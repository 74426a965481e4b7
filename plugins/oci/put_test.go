package oci

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func TestMetadataIsKeptAsFarAsTheServiceKeepsIt(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	most := map[string]string{"a": strings.Repeat("x", maxMetadata-1-len("other")-1), "other": "y"}
	if _, err := s.Put(t.Context(), "k", nil, backend.PutOptions{Meta: most}); err != nil {
		t.Fatal(err)
	}
	if o, err := s.Stat(t.Context(), "k"); err != nil || !maps.Equal(o.Meta, most) {
		t.Errorf("%d keys, %v", len(o.Meta), err)
	}
	w.sim.Log().Reset()
	most["other"] = "yy"
	_, put := s.Put(t.Context(), "k", nil, backend.PutOptions{Meta: most})
	_, created := s.CreateUpload(t.Context(), "k", backend.UploadOptions{Size: 1, PartSize: 1, Meta: most})
	_, copied := s.Copy(t.Context(), w.location("archive", "k"), "", "l", backend.CopyOptions{Meta: most})
	for _, err := range []error{put, created, copied} {
		if !errors.Is(err, backend.Invalid) || !strings.Contains(err.Error(), "4097 bytes") {
			t.Errorf("too much metadata: %v", err)
		}
	}
	if n := len(w.sim.Log().All()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestTierOfWhatIsWritten(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	for setting, want := range map[string]string{"": "", "standard": "", "infrequent_access": "InfrequentAccess", "archive": "Archive"} {
		w.config.StorageTier = setting
		s := w.storage(t, "archive")
		archived := setting == "archive"
		check := func(how string, o backend.Object, err error) {
			t.Helper()
			if err != nil || o.Tier != want || o.Archived != archived {
				t.Errorf("%s with %q: %+v, %v", how, setting, o, err)
			}
		}
		o, err := s.Put(t.Context(), "put", []byte("x"), backend.PutOptions{})
		check("put", o, err)
		u, err := s.CreateUpload(t.Context(), "upload", backend.UploadOptions{Size: 1, PartSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		part, err := s.UploadPart(t.Context(), u, 1, []byte("x"), backend.SumCRC32C([]byte("x")))
		if err != nil {
			t.Fatal(err)
		}
		o, err = s.CompleteUpload(t.Context(), u, []backend.Part{part}, backend.CompleteOptions{})
		check("complete", o, err)
		for _, key := range []string{"put", "upload"} {
			o, err := s.Stat(t.Context(), key)
			check("stat "+key, o, err)
		}
		for o, err := range s.List(t.Context(), "") {
			check("list", o, err)
		}
		_, err = s.ReadAt(t.Context(), o, make([]byte, 1), 0)
		if archived != errors.Is(err, backend.Invalid) || archived && !strings.Contains(err.Error(), "restore it first") {
			t.Errorf("read with %q: %v", setting, err)
		}
	}
}

// TestRetentionIsNoRiddle answers as the service does where a retention rule protects an object.
func TestRetentionIsNoRiddle(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	refuse := ocisim.Effect{Status: 403, Code: "RetentionRuleViolation", Message: "The object is subject to a retention rule"}
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "PutObject"}, Effect: refuse})
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "DeleteObject"}, Effect: refuse})
	_, put := s.Put(t.Context(), "k", nil, backend.PutOptions{})
	for _, err := range []error{put, s.Delete(t.Context(), backend.Object{Key: "k"})} {
		if !errors.Is(err, backend.Forbidden) || !strings.Contains(err.Error(), "write under another name") {
			t.Errorf("%v", err)
		}
	}
}

func TestNewBucketsComeToTheirCompartment(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	id, err := w.sim.CompartmentID("acme/dev")
	if err != nil {
		t.Fatal(err)
	}
	scope := func(bucket string) string {
		for r, err := range w.inventory(t).Resources(t.Context(), backend.Query{ID: w.sim.Namespace() + "/" + bucket}) {
			if err != nil {
				t.Error(err)
			}
			return r.Scope
		}
		return "none"
	}
	if err := w.storage(t, "first").CreateContainer(t.Context()); err != nil || scope("first") != w.sim.Tenancy() {
		t.Errorf("%v, in %s", err, scope("first"))
	}
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "GetNamespaceMetadata"}, Effect: ocisim.Effect{Status: 404, Code: "NotAuthorizedOrNotFound"}})
	if err := w.storage(t, "second").CreateContainer(t.Context()); err != nil || scope("second") != w.sim.Tenancy() {
		t.Errorf("who may not ask: %v, in %s", err, scope("second"))
	}
	w.config.Compartment = id
	s := w.storage(t, "third")
	if err := s.CreateContainer(t.Context()); err != nil || scope("third") != id {
		t.Errorf("%v, in %s", err, scope("third"))
	}
	if err := s.CreateContainer(t.Context()); !errors.Is(err, backend.Exists) {
		t.Errorf("again: %v", err)
	}
}

func TestRestoreRefusesWhatTheServiceCannot(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	for _, period := range []time.Duration{-time.Hour, 0, maxRestore + 1} {
		if err := s.Restore(t.Context(), backend.Object{Key: "k"}, period); !errors.Is(err, backend.Invalid) {
			t.Errorf("%s: %v", period, err)
		}
	}
	if n := len(w.sim.Log().All()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
