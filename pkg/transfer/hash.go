package transfer

import (
	"context"
	"crypto/sha256"
	"encoding"
	"fmt"
	"hash"
	"sync"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// inOrder computes the SHA-256 of parts that arrive in any order: each caller waits for its turn. Parts must be begun in
// order, so that the one whose turn it is never waits for a later one.
type inOrder struct {
	mu   sync.Mutex
	turn *sync.Cond
	hash hash.Hash
	done int // parts hashed
}

func newInOrder() *inOrder {
	h := &inOrder{hash: sha256.New()}
	h.turn = sync.NewCond(&h.mu)
	return h
}

// restore continues from a state that add returned. A state of another Go release is not readable: hashing then starts over.
func (h *inOrder) restore(done int, state []byte) error {
	if err := h.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		h.hash = sha256.New()
		return fmt.Errorf("restore the SHA-256 of %d parts: %w", done, err)
	}
	h.done = done
	return nil
}

// add hashes part n when all before it are hashed, and returns the state after it. A part that was hashed before is left out
// and has a nil state.
func (h *inOrder) add(ctx context.Context, n int, p []byte) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n <= h.done {
		return nil, nil
	}
	stop := context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.turn.Broadcast()
	})
	defer stop()
	for h.done != n-1 {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		h.turn.Wait()
	}
	h.hash.Write(p)
	h.done = n
	h.turn.Broadcast()
	return h.hash.(encoding.BinaryMarshaler).MarshalBinary()
}

func (h *inOrder) sum() backend.Checksum {
	h.mu.Lock()
	defer h.mu.Unlock()
	return backend.NewChecksum(backend.SHA256, h.hash.Sum(nil))
}

// SHA256 reads the object obj from r and returns its sum.
func (e *Engine) SHA256(ctx context.Context, r Ref, obj backend.Object) (backend.Checksum, error) {
	h := sha256.New()
	buf, err := e.pool.Get(ctx, min(obj.Size, defaultPartSize, e.pool.Limit()))
	if err != nil {
		return "", err
	}
	defer e.pool.Put(buf)
	for off := int64(0); off < obj.Size; off += int64(len(buf)) {
		p := buf[:min(int64(len(buf)), obj.Size-off)]
		if err := readFull(ctx, r.Storage, obj, p, off); err != nil {
			return "", sourceError(r, err)
		}
		h.Write(p)
	}
	return backend.NewChecksum(backend.SHA256, h.Sum(nil)), nil
}

func sha256Checksum(p []byte) backend.Checksum {
	sum := sha256.Sum256(p)
	return backend.NewChecksum(backend.SHA256, sum[:])
}
