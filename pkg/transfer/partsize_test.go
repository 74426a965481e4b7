package transfer_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

func TestPartSize(t *testing.T) {
	const gib, tib = 1 << 30, 1 << 40
	oci := backend.Limits{MaxPart: 50 * gib, MaxParts: 10_000, MaxPut: 50 * gib, MaxObject: 10 * tib}
	s3 := backend.Limits{MinPart: 5 * mib, MaxPart: 5 * gib, MaxParts: 10_000}
	for _, c := range []struct {
		name         string
		size         int64
		limits       backend.Limits
		memory, want int64
	}{
		{"small object", 100, oci, 256 * mib, 16 * mib},
		{"little memory", gib, oci, 16 * mib, 4 * mib},
		{"very little memory", gib, backend.Limits{}, mib / 2, mib / 2},
		{"the sink's least part wins over little memory", gib, s3, 8 * mib, 5 * mib},
		{"nothing", 0, oci, 256 * mib, 16 * mib},
		{"a byte", 1, oci, 256 * mib, 16 * mib},
		{"a part less a byte", 16*mib - 1, oci, 256 * mib, 16 * mib},
		{"a part", 16 * mib, oci, 256 * mib, 16 * mib},
		{"a part and a byte", 16*mib + 1, oci, 256 * mib, 16 * mib},
		{"more than one request of OCI stores", 50*gib + 1, oci, 256 * mib, 16 * mib},
		{"the largest object of OCI", 10 * tib, oci, 2 * gib, 1049 * mib},
		{"10,000 parts of 1049 MiB", 10_000 * 1049 * mib, backend.Limits{MaxParts: 10_000}, 2 * gib, 1049 * mib},
		{"10,000 parts of 1049 MiB and a byte", 10_000*1049*mib + 1, backend.Limits{MaxParts: 10_000}, 2 * gib, 1050 * mib},
		{"10,000 of the largest parts", 10_000 * (16*mib + 5), backend.Limits{MaxPart: 16*mib + 5, MaxParts: 10_000}, gib, 16*mib + 5},
		{"10,000 parts of 16 MiB", 10_000 * 16 * mib, oci, 256 * mib, 16 * mib},
		{"one byte more", 10_000*16*mib + 1, oci, 256 * mib, 17 * mib},
		{"5 TiB", 5 * tib, s3, gib, 525 * mib},
		{"a sink with small parts", gib, backend.Limits{MaxPart: 8 * mib}, 256 * mib, 8 * mib},
	} {
		got, err := transfer.PartSize(c.size, c.limits, c.memory)
		if err != nil || got != c.want {
			t.Errorf("%s: %d MiB, %v; want %d MiB", c.name, got/mib, err, c.want/mib)
		}
		if parts := (c.size + got - 1) / got; c.limits.MaxParts > 0 && parts > int64(c.limits.MaxParts) {
			t.Errorf("%s: %d parts", c.name, parts)
		}
	}
	if got, err := transfer.PartSize(10*tib+1, oci, 2*gib); !errors.Is(err, backend.Invalid) {
		t.Errorf("an object that is too large: %d, %v", got, err)
	}
	for name, l := range map[string]backend.Limits{
		"parts too small for the object": {MaxPart: mib, MaxParts: 10},
		"memory too small for the parts": {MaxParts: 10},
	} {
		if got, err := transfer.PartSize(11*gib, l, 256*mib); !errors.Is(err, backend.Invalid) {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
}

func TestPoolNeverExceedsItsLimit(t *testing.T) {
	const limit = 8 * mib
	p := transfer.NewPool(limit, nil)
	var mu sync.Mutex
	var used, peak int64
	var workers sync.WaitGroup
	for i := range 32 {
		workers.Go(func() {
			for j := range 50 {
				n := int64((i*7919+j*104729)%(3*mib) + 1)
				b, err := p.Get(t.Context(), n)
				if err != nil || int64(len(b)) != n {
					t.Errorf("%d bytes, %v; want %d", len(b), err, n)
					return
				}
				mu.Lock()
				used += int64(cap(b))
				peak = max(peak, used)
				mu.Unlock()
				for range 10 {
					runtime.Gosched() // the others want theirs meanwhile
				}
				mu.Lock()
				used -= int64(cap(b))
				mu.Unlock()
				p.Put(b)
			}
		})
	}
	workers.Wait()
	if peak > limit || peak < limit/4 {
		t.Errorf("peak %d of %d", peak, limit)
	}
}

func TestPoolRefusesAndWaits(t *testing.T) {
	p := transfer.NewPool(mib, nil)
	if _, err := p.Get(t.Context(), mib+1); !errors.Is(err, backend.Invalid) {
		t.Errorf("a buffer over the limit: %v", err)
	}
	all, err := p.Get(t.Context(), mib)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.Get(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a buffer from an empty pool: %v", err)
	}
	p.Put(all)
	if _, err := p.Get(t.Context(), mib); err != nil {
		t.Error(err)
	}
}

// lender lends two buffers at a time.
type lender struct {
	mu   sync.Mutex
	lent map[*byte]int
}

func (l *lender) Buffer(n int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lent) == 2 {
		return nil
	}
	b := make([]byte, n)
	l.lent[&b[0]] = n
	return b
}

func (l *lender) Release(p []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.lent[&p[0]]
	delete(l.lent, &p[0])
	return ok && n == cap(p)
}

func TestPoolTakesBuffersFromElsewhere(t *testing.T) {
	from := &lender{lent: map[*byte]int{}}
	p := transfer.NewPool(3*mib, from)
	var all [][]byte
	for range 3 { // the third is the heap's
		b, err := p.Get(t.Context(), mib)
		if err != nil || len(b) != mib {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		all = append(all, b)
	}
	if len(from.lent) != 2 || from.lent[&all[0][0]] != mib || from.lent[&all[1][0]] != mib {
		t.Errorf("%d buffers were lent", len(from.lent))
	}
	for _, b := range all {
		p.Put(b)
	}
	large, err := p.Get(t.Context(), 3*mib)
	if err != nil || from.lent[&large[0]] != 3*mib || len(from.lent) != 1 {
		t.Errorf("a buffer of another size, %v; %d are lent, want the small ones back", err, len(from.lent))
	}
}
