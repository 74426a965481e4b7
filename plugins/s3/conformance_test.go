package s3

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// TestConformance runs the suite on versitygw.
func TestConformance(t *testing.T) {
	gateway.bucket(t, "conformance")
	p := provider(t, gateway.config())
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return storage(t, p, "conformance") }, backendtest.CheckOptions{
		Locate: func(key string) backend.Location { return backend.Location{Scheme: "s3", Path: "conformance/" + key} },
	})
}

var _ = context.Background
var _ = fmt.Sprint
var _ = strings.Cut
