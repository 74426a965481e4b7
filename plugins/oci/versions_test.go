package oci

import (
	"errors"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func versionedWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, ocisim.Options{Seed: &ocisim.Seed{Buckets: []ocisim.SeedBucket{{Name: "kept", Versioning: "Enabled"}}},
		Timings: ocisim.Timings{Copy: 10 * time.Millisecond}})
}

// TestVersionedConformance runs the suite on a bucket that keeps what is replaced, with lists of several pages.
func TestVersionedConformance(t *testing.T) {
	w := versionedWorld(t)
	for _, op := range []string{"ListObjects", "ListObjectVersions"} {
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: op}, Effect: ocisim.Effect{ShortPage: true, PageItems: 7}})
	}
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return w.storage(t, "kept") }, backendtest.CheckOptions{
		Locate:  func(key string) backend.Location { return w.location("kept", key) },
		Archive: func(key string) error { return w.archive(t, "kept", key) },
		Objects: 31,
	})
}

// TestVersionsTellEverything looks at the fields that the SDK's list does not ask for on its own.
func TestVersionsTellEverything(t *testing.T) {
	w := versionedWorld(t)
	s := w.storage(t, "kept")
	for range 2 {
		if _, err := s.Put(t.Context(), "objectversions", []byte("x"), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.archive(t, "kept", "objectversions"); err != nil {
		t.Fatal(err)
	}
	var all []backend.ObjectVersion
	for v, err := range s.Versions(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if v.Size != 1 || v.Version == "" || v.Generation == "" || v.ModTime.IsZero() || v.Checksum == "" {
			t.Errorf("%+v", v)
		}
		all = append(all, v)
	}
	if len(all) != 2 || !all[0].Archived || all[0].Tier != "Archive" || all[1].Archived || all[1].Tier != "" {
		t.Fatalf("%+v", all)
	}
	p := make([]byte, 1)
	if _, err := s.ReadAt(t.Context(), all[1].Object, p, 0); err != nil {
		t.Errorf("the old version: %v", err)
	}
	if _, err := s.ReadAt(t.Context(), all[0].Object, p, 0); !errors.Is(err, backend.Invalid) {
		t.Errorf("the archived version: %v", err)
	}
	if err := s.Restore(t.Context(), all[0].Object, time.Minute); err != nil {
		t.Errorf("restore by version: %v", err)
	}
}
