package oci

import (
	"fmt"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

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
	fresh := 0
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return w.storage(t, "archive") }, backendtest.CheckOptions{
		Locate:  func(key string) backend.Location { return w.location("archive", key) },
		Objects: 121,
		Archive: func(key string) error { return w.archive(t, "archive", key) },
		Fresh: func() (backend.Storage, error) {
			fresh++
			return w.storage(t, fmt.Sprintf("fresh-%d", fresh)), nil
		},
	})
}

// archive moves an object to the archive tier.
func (w *world) archive(t testing.TB, bucket, key string) error {
	t.Helper()
	namespace, p := w.sim.Namespace(), w.provider(t)
	_, err := p.objects.UpdateObjectStorageTier(quick(t.Context()), objectstorage.UpdateObjectStorageTierRequest{
		NamespaceName: &namespace, BucketName: &bucket, RequestMetadata: p.once,
		UpdateObjectStorageTierDetails: objectstorage.UpdateObjectStorageTierDetails{ObjectName: &key, StorageTier: objectstorage.StorageTierArchive},
	})
	return err
}
