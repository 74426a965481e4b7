package oci

import (
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// TestConformance runs the suite with pages so short that every list has several.
func TestConformance(t *testing.T) {
	w := newWorld(t, ocisim.Options{Timings: ocisim.Timings{Copy: 10 * time.Millisecond}})
	for _, op := range []string{"ListObjects", "ListMultipartUploads", "ListMultipartUploadParts"} {
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: op}, Effect: ocisim.Effect{ShortPage: true, PageItems: 50}})
	}
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return w.storage(t, "archive") }, backendtest.CheckOptions{
		Locate:  func(key string) backend.Location { return w.location("archive", key) },
		Objects: 121,
	})
}
