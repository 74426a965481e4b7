package transfer_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// store is a store with limits, and sizes around which something changes there.
type store struct {
	limits backend.Limits
	around []int64
}

// stores refuse what exceeds their limits, as real ones do at 50 GiB and at 10,000 parts.
func stores() map[string]store {
	return map[string]store{
		"requests of 1.5 MiB, ten parts of 0.5 to 2 MiB": {backend.Limits{MaxPut: 3 * mib / 2, MinPart: mib / 2, MaxPart: 2 * mib, MaxParts: 10},
			[]int64{1, mib, 3 * mib / 2, 2 * mib, 10 * mib, 20 * mib}},
		"10,000 parts of 1 KiB": {backend.Limits{MaxPart: 1 << 10, MaxParts: 10_000}, []int64{10_000 << 10}},
	}
}

func TestSizesAroundEveryLimitOfAStore(t *testing.T) {
	for name, s := range stores() {
		for _, around := range s.around {
			for _, size := range []int64{around - 1, around, around + 1} {
				t.Run(fmt.Sprintf("%s, object of %d", name, size), func(t *testing.T) { s.takes(t, size) })
			}
		}
	}
}

// takes copies an object of the size to the store, or is refused before a byte was sent if no store of its kind holds it.
func (s store) takes(t *testing.T, size int64) {
	src := source(size)
	dst := backendtest.NewMem(backendtest.MemOptions{Limits: s.limits})
	seen := &backendtest.Faults{Storage: dst}
	e := transfer.New(transfer.Options{Memory: 4 * mib, Streams: 4})
	_, err := e.Copy(t.Context(), ref(src, "src"), ref(seen, "dst"), transfer.CopyOptions{})
	if size <= s.limits.MaxPart*int64(s.limits.MaxParts) {
		if err != nil {
			t.Fatal(err)
		}
		sameContent(t, src, "src", dst, "dst")
	} else if _, there := dst.Stat(t.Context(), "dst"); !errors.Is(err, backend.Invalid) || !errors.Is(there, backend.NotFound) || seen.BytesSent() > 0 {
		t.Errorf("%v; there is %v, after %d bytes", err, there, seen.BytesSent())
	}
	if n := uploads(t, dst); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}
