package transfer

import (
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// TestStreamPartsSuffice adds up the parts that a stream may have: they hold the largest object of each service, and none takes
// more than half of the memory.
func TestStreamPartsSuffice(t *testing.T) {
	const gib, tib = 1 << 30, 1 << 40
	for name, c := range map[string]struct {
		limits backend.Limits
		memory int64
		holds  int64
	}{
		"oci":               {backend.Limits{MaxPart: 50 * gib, MaxParts: 10_000, MaxObject: 10 * tib}, 5 * gib, 10 * tib},
		"s3":                {backend.Limits{MinPart: 5 * mib, MaxPart: 5 * gib, MaxParts: 10_000, MaxObject: 5 * tib}, 8 * gib, 5 * tib},
		"usual memory":      {backend.Limits{MaxPart: 50 * gib, MaxParts: 10_000, MaxObject: 10 * tib}, DefaultMemory, tib},
		"least memory":      {backend.Limits{MinPart: 5 * mib, MaxPart: 5 * gib, MaxParts: 10_000, MaxObject: 5 * tib}, 32 * mib, 150 * gib},
		"no limits, a file": {backend.Limits{}, 64 * mib, 16 * mib * 20_000},
	} {
		to := Ref{Storage: backendtest.NewMem(backendtest.MemOptions{})}
		s := &stream{e: New(Options{Memory: c.memory}), to: to, limits: c.limits}
		var total, last int64
		for n := firstPartIndex; n <= 20_000; n++ {
			size, err := s.partSize(n)
			if n > 10_000 && c.limits.MaxParts > 0 {
				if backend.KindOf(err) != backend.Invalid {
					t.Errorf("%s: part %d has %d bytes, %v", name, n, size, err)
				}
				break
			}
			if err != nil || size < last || size > c.memory/2 || size < c.limits.MinPart {
				t.Fatalf("%s: part %d has %d bytes after %d, %v", name, n, size, last, err)
			}
			total, last = total+size, size
		}
		if total < c.holds {
			t.Errorf("%s: the parts hold %d GiB, want %d GiB", name, total/gib, c.holds/gib)
		}
	}
}
