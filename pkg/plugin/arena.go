package plugin

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"unsafe"
)

// Arena is memory that plugins share with their host. A buffer of the arena crosses to a plugin as an offset and a length;
// any other memory crosses as bytes in messages, at some five to ten times the cost. One arena serves any number of hosts,
// so that bytes pass from one plugin to another without being copied; each of these plugins can read and write all of it.
//
// Memory is taken from the system when it is first written to and given back by Release. Shared pages count into the
// resident size of each process that touched them. Where the system cannot share memory by an inherited descriptor
// (Windows) an arena has no buffers. The methods are safe for concurrent use.
type Arena struct {
	file *os.File // nil if nothing is shared
	mem  []byte

	mu   sync.Mutex
	free []span      // in ascending order, never adjacent
	used map[int]int // length of the buffers handed out, by offset
}

// span is a piece of an arena in bytes.
type span struct{ off, size int }

// page is the unit of allocation in bytes.
const page = 4 << 10

// NewArena returns an arena of size bytes, rounded up to whole pages. Buffers of many sizes fragment it: give it twice the
// size of what is in use at once; what is never used costs nothing.
func NewArena(size int64) (*Arena, error) {
	if size <= 0 || size != int64(int(size)) || int(size) > int(^uint(0)>>1)-page {
		return nil, fmt.Errorf("an arena of %d bytes", size)
	}
	size = (size + page - 1) / page * page
	file, err := sharedFile(size)
	if errors.Is(err, errors.ErrUnsupported) {
		return &Arena{used: map[int]int{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reserve %d MiB of shared memory: %w", size>>20, err)
	}
	mem, err := mapShared(file, size)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map %d MiB of shared memory: %w", size>>20, err), file.Close())
	}
	return &Arena{file: file, mem: mem, free: []span{{0, int(size)}}, used: map[int]int{}}, nil
}

// Size returns the size of the arena in bytes, zero if nothing can be shared.
func (a *Arena) Size() int64 { return int64(len(a.mem)) }

// Buffer returns n bytes of the arena with any content, whose capacity is n too, or nil if no piece of that size is free:
// ordinary memory does as well then. The caller gives the buffer back with Release.
func (a *Arena) Buffer(n int) []byte {
	if n <= 0 || n > len(a.mem) {
		return nil
	}
	size := (n + page - 1) / page * page
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, s := range a.free {
		if s.size < size {
			continue
		}
		if s.size == size {
			a.free = slices.Delete(a.free, i, i+1)
		} else {
			a.free[i] = span{s.off + size, s.size - size}
		}
		a.used[s.off] = size
		return a.mem[s.off : s.off+n : s.off+n]
	}
	return nil
}

// Release takes back a buffer that Buffer returned, and reports whether p is one. Nothing may touch p afterwards.
func (a *Arena) Release(p []byte) bool {
	off, ok := a.Offset(p[:cap(p)])
	if !ok {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	size, ok := a.used[int(off)]
	if !ok {
		return false
	}
	delete(a.used, int(off))
	discardPages(a.mem[off : int(off)+size])
	i, _ := slices.BinarySearchFunc(a.free, int(off), func(s span, off int) int { return s.off - off })
	a.free = slices.Insert(a.free, i, span{int(off), size})
	if i+1 < len(a.free) && a.free[i].off+a.free[i].size == a.free[i+1].off {
		a.free[i].size += a.free[i+1].size
		a.free = slices.Delete(a.free, i+1, i+2)
	}
	if i > 0 && a.free[i-1].off+a.free[i-1].size == a.free[i].off {
		a.free[i-1].size += a.free[i].size
		a.free = slices.Delete(a.free, i, i+1)
	}
	return true
}

// Offset returns where in the arena p begins; ok is false unless all of p lies in it.
func (a *Arena) Offset(p []byte) (off int64, ok bool) {
	if a == nil || len(a.mem) == 0 || len(p) == 0 {
		return 0, false
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(a.mem)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	if at < base || at-base > uintptr(len(a.mem)) || uintptr(len(a.mem))-(at-base) < uintptr(len(p)) {
		return 0, false
	}
	return int64(at - base), true
}

// Close gives all memory back. No buffer may be touched afterwards, and no host that uses the arena may be in use.
func (a *Arena) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := errors.Join(unmap(a.mem), a.file.Close())
	a.file, a.mem, a.free = nil, nil, nil
	return err
}
