package s3

import (
	"encoding/base64"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// TestConformanceStrict runs the suite, with every odd key, on services of different abilities. Pages are so short that
// every list has several.
func TestConformanceStrict(t *testing.T) {
	key := make([]byte, 32)
	for _, c := range []struct {
		name    string
		service *strict
		config  func(*Config)
		mode    int32 // what is to be learned of the service
		whole   int32
		only    string // cases, where the others would say the same again
	}{
		{"full", &strict{page: 50, versioned: true}, nil, crc32cSums, verifiesWhole, ""},
		{"older", &strict{page: 50, noSums: true, refuseMatch: true}, nil, md5Sums, unknownWhole, ""},
		{"refusing", &strict{refuseSums: true}, nil, md5Sums, unknownWhole, "checksum"},
		{"composing", &strict{composes: true}, nil, crc32cSums, composes, "complete"},
		{"own-key", &strict{key: key}, func(c *Config) { c.SSE, c.SSEKey = "customer", base64.StdEncoding.EncodeToString(key) }, crc32cSums, verifiesWhole, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, s := c.service.open(t, c.config)
			backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return s }, backendtest.CheckOptions{
				Locate: func(key string) backend.Location { return backend.Location{Scheme: "s3", Path: "strict/" + key} }, Objects: 121, Only: c.only,
				Archive: c.service.archive,
			})
			if mode, whole := p.sums.mode.Load(), p.sums.whole.Load(); mode != c.mode || whole != c.whole {
				t.Errorf("learned %d, %d of the service, want %d, %d", mode, whole, c.mode, c.whole)
			}
		})
	}
}
