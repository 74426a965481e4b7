package backendtest

import (
	"bytes"
	"io"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// edge is how many bytes of each end of an object that is not the suite's own are read and kept.
const edge = 1 << 20

// edges are the bytes of an object that reads are compared with: all of them, or those at both ends of a large one.
type edges struct {
	size       int64
	head, tail []byte
}

// edgesOf are those of an object whose bytes are known.
func edgesOf(p []byte) edges { return edges{size: int64(len(p)), head: p, tail: p} }

// want returns the bytes that a read gives. It must lie within one of the ends, as those of ranges do.
func (e edges) want(off, length int64) []byte {
	from, to := min(off, e.size), min(off+length, e.size)
	switch {
	case from == to:
		return nil
	case to <= int64(len(e.head)):
		return e.head[from:to]
	}
	start := e.size - int64(len(e.tail))
	return e.tail[from-start : to-start]
}

// span is what a read asks for, in bytes.
type span struct{ off, length int64 }

// ranges are all that a range can be: inside, up to the end, over it, at it and past it.
func (e edges) ranges() []span {
	n, head, tail := e.size, int64(len(e.head)), int64(len(e.tail))
	start := n - tail
	var all []span
	for _, s := range []span{
		{0, 1}, {0, head - 1}, {0, head}, {1, head - 1}, {head / 2, head / 4}, {start, tail - 1}, {start, tail}, {start, tail + 1},
		{start, tail + 95_000}, {start + 1, tail - 1}, {start + 1, tail}, {n - 904, 904}, {n - 1, 1}, {n - 1, 2},
		{n / 2, 0}, {n, 1}, {n + 1, 1}, {n + 1<<40, 10},
	} {
		if s.off >= 0 && s.length >= 0 {
			all = append(all, s)
		}
	}
	return all
}

// readsRanges checks what every range of the version o gives.
func (r *run) readsRanges(o backend.Object, e edges) {
	for _, s := range e.ranges() {
		r.readsRange(o, e, s)
	}
	if _, err := r.s.ReadAt(r.ctx, o, make([]byte, 1), -1); err == nil || same(err, io.EOF) {
		r.errorf("read at offset -1: %v, want an error", err)
	}
}

// readsRange checks what one range of the version o gives.
func (r *run) readsRange(o backend.Object, e edges, s span) {
	buf := make([]byte, s.length)
	n, err := r.s.ReadAt(r.ctx, o, buf, s.off)
	want := e.want(s.off, s.length)
	short := int64(len(want)) < s.length
	atEnd := s.off+s.length >= e.size
	switch {
	case short && !same(err, io.EOF):
		r.errorf("read %d bytes at %d of %d: %d and %v, want %d and a bare io.EOF", s.length, s.off, e.size, n, err, len(want))
	case !short && err != nil && (!atEnd || !same(err, io.EOF)):
		r.errorf("read %d bytes at %d of %d: %w", s.length, s.off, e.size, err)
	case !bytes.Equal(buf[:n], want):
		r.errorf("read %d bytes at %d of %d: %s", s.length, s.off, e.size, differ(buf[:n], want))
	}
}

// refusesVersion checks that no byte comes under the name of a version of that size that is not there.
func (r *run) refusesVersion(o backend.Object, what string) {
	n := o.Size
	buf := make([]byte, min(max(1, n/3), edge))
	for _, off := range []int64{0, n / 3, n - 1, n} {
		read, err := r.s.ReadAt(r.ctx, o, buf, off)
		if off < n || read > 0 || !same(err, io.EOF) {
			r.fails(err, backend.Changed, "read at %d of %s", off, what)
		}
	}
}
