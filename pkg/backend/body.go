package backend

import (
	"errors"
	"io"
	"sync"
)

// Body returns a request body that reads p. Every HTTP backend sends its parts through it, because net/http may go on
// reading a body after the call that sent it has returned, while p belongs to the caller again and may hold another part
// by then: a backend releases the body before its method returns, and from then on no read touches p.
func Body(p []byte) *RequestBody {
	return &RequestBody{p: p}
}

// RequestBody is an io.ReadSeekCloser over memory that can be taken away.
type RequestBody struct {
	mu       sync.Mutex
	p        []byte
	off      int64
	released bool
}

var errBodyReleased = errors.New("the request body was released")

// Read copies the next bytes.
func (b *RequestBody) Read(dst []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return 0, errBodyReleased
	}
	if b.off >= int64(len(b.p)) {
		return 0, io.EOF
	}
	n := copy(dst, b.p[b.off:])
	b.off += int64(n)
	return n, nil
}

// Seek moves to an offset, as io.Seeker says.
func (b *RequestBody) Seek(off int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		off += b.off
	case io.SeekEnd:
		off += int64(len(b.p))
	}
	if off < 0 {
		return 0, errors.New("seek before the start of the request body")
	}
	b.off = off
	return off, nil
}

// Len returns the length of the whole body in bytes.
func (b *RequestBody) Len() int64 { return int64(len(b.p)) }

// Close does nothing: an HTTP client closes a body after each attempt, and the next attempt reads it again.
func (b *RequestBody) Close() error { return nil }

// Release takes the memory away: it waits for a read under way, and no later read touches it. The backend calls it before
// the method that was handed the memory returns.
func (b *RequestBody) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
	b.p = nil
}
