package transfer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Buffers is where a Pool takes its buffers from, instead of the heap: memory that other processes see too, say. Its methods
// are safe for concurrent use.
type Buffers interface {
	Buffer(n int) []byte   // n bytes whose capacity is n too, or nil if there are none left: the heap has to do then
	Release(p []byte) bool // takes back a buffer that Buffer returned; false if p is none
}

// Pool hands out buffers whose sizes together never exceed a limit: the bytes in use and those kept for reuse. It is safe
// for concurrent use.
type Pool struct {
	limit  int64
	inUse  *semaphore.Weighted
	source Buffers // may be nil

	mu   sync.Mutex
	held int64            // bytes allocated, in use or idle
	idle map[int][][]byte // by capacity
}

// NewPool returns a pool of at most limit bytes of source; nil is the heap.
func NewPool(limit int64, source Buffers) *Pool {
	return &Pool{limit: limit, inUse: semaphore.NewWeighted(limit), source: source, idle: map[int][][]byte{}}
}

// Limit returns the most bytes that the pool hands out.
func (p *Pool) Limit() int64 { return p.limit }

// Get returns a buffer of n bytes with any content. It waits until enough others were returned, or until ctx ends.
// Requests are served in order, so a large one is not starved by small ones.
func (p *Pool) Get(ctx context.Context, n int64) ([]byte, error) {
	size := sizeClass(n, p.limit)
	if n > p.limit {
		return nil, &backend.Error{Op: "reserve memory", Kind: backend.Invalid, Err: fmt.Errorf(
			"a part of %d MiB does not fit into limits.memory of %d MiB; raise limits.memory", n>>20, p.limit>>20)}
	}
	if err := p.inUse.Acquire(ctx, size); err != nil {
		return nil, err
	}
	return p.take(int(size))[:n], nil
}

// Put returns a buffer that Get handed out. The caller must not use it any more.
func (p *Pool) Put(b []byte) {
	size := cap(b)
	p.mu.Lock()
	p.idle[size] = append(p.idle[size], b[:size])
	p.mu.Unlock()
	p.inUse.Release(int64(size))
}

func (p *Pool) take(size int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if free := p.idle[size]; len(free) > 0 {
		b := free[len(free)-1]
		p.idle[size] = free[:len(free)-1]
		return b
	}
	for _, other := range slices.Sorted(maps.Keys(p.idle)) {
		for len(p.idle[other]) > 0 && p.held+int64(size) > p.limit {
			p.forget(p.idle[other][0])
			p.idle[other] = p.idle[other][1:]
		}
	}
	p.held += int64(size)
	if p.source != nil {
		if b := p.source.Buffer(size); b != nil {
			return b
		}
	}
	return make([]byte, size)
}

// forget gives an idle buffer back to where it came from. The caller holds the lock.
func (p *Pool) forget(b []byte) {
	p.held -= int64(cap(b))
	if p.source != nil {
		p.source.Release(b)
	}
}

// sizeClass rounds n up so that buffers can be reused for objects of similar size: to a power of two up to 1 MiB, to a
// multiple of 1 MiB above.
func sizeClass(n, limit int64) int64 {
	const least, step = 4 << 10, 1 << 20
	size := int64(least)
	for size < n && size < step {
		size *= 2
	}
	if n > step {
		size = (n + step - 1) / step * step
	}
	return min(size, max(limit, n))
}
