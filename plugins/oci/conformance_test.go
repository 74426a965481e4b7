package oci

import (
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func TestConformance(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return w.storage(t, "archive") }, backendtest.CheckOptions{
		Locate: func(key string) backend.Location { return w.location("archive", key) },
	})
}
