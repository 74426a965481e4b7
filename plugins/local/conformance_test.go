package local

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

func TestStorage(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "container")
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return open(t, dir) }, backendtest.CheckOptions{
		Locate: func(key string) backend.Location {
			return backend.Location{Scheme: "file", Path: filepath.ToSlash(dir) + "/" + key}
		},
		Fresh: func() (backend.Storage, error) {
			return open(t, filepath.Join(t.TempDir(), "made", "container")), nil
		},
		Outside: func() error {
			if names, err := os.ReadDir(base); err != nil || len(names) > 1 {
				return fmt.Errorf("beside the container: %v, %w", names, err)
			}
			return nil
		},
	})
	if names := leftovers(t, dir); names != nil {
		t.Errorf("left: %q", names)
	}
}
