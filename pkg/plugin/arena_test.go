package plugin

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

func TestArena(t *testing.T) {
	if _, err := NewArena(0); err == nil {
		t.Error("an arena of no bytes")
	}
	a := newArena(t, 10*page-1)
	if runtime.GOOS == "windows" {
		if a.Size() != 0 || a.Buffer(1) != nil {
			t.Error("memory that cannot be shared")
		}
		return
	}
	if a.Size() != 10*page || a.Buffer(0) != nil || a.Buffer(10*page+1) != nil {
		t.Errorf("an arena of %d bytes", a.Size())
	}
	p := a.Buffer(page + 1)
	if len(p) != page+1 || cap(p) != page+1 {
		t.Errorf("a buffer of %d bytes, capacity %d", len(p), cap(p))
	}
	q := a.Buffer(8 * page)
	if q == nil || a.Buffer(1) != nil {
		t.Error("two pages and eight fill the arena")
	}
	if off, ok := a.Offset(q[5:6]); !ok || off != 2*page+5 {
		t.Errorf("offset %d, %v", off, ok)
	}
	for _, foreign := range [][]byte{nil, {}, make([]byte, 10), q[:0]} {
		if _, ok := a.Offset(foreign); ok {
			t.Errorf("%d foreign bytes lie in the arena", len(foreign))
		}
	}
	if a.Release(make([]byte, page)) || a.Release(q[page:]) || !a.Release(p[:3]) || a.Release(p) || !a.Release(q) {
		t.Error("what was handed out is taken back once, and nothing else")
	}
	if whole := a.Buffer(10 * page); whole == nil {
		t.Error("the free pieces were not joined")
	}
}

// TestArenaBuffersAreDisjoint takes and releases buffers of random sizes at random.
func TestArenaBuffersAreDisjoint(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no arena
	}
	a := newArena(t, 4<<20)
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			var held [][]byte
			for range 500 {
				if p := a.Buffer(1 + rand.IntN(200_000)); p != nil {
					for i := range p {
						p[i] = byte(worker)
					}
					held = append(held, p)
				}
				for len(held) > 3 || len(held) > 0 && rand.IntN(2) == 0 {
					if bytes.Count(held[0], []byte{byte(worker)}) != len(held[0]) {
						t.Error("somebody else wrote to the buffer")
						return
					}
					a.Release(held[0])
					held = held[1:]
				}
			}
			for _, p := range held {
				a.Release(p)
			}
		})
	}
	workers.Wait()
	if a.Buffer(4<<20) == nil {
		t.Errorf("after all was released %d pieces are free", len(a.free))
	}
}
