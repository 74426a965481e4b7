package transfer_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const mib = 1 << 20

// ref names a key without a location, so that nothing is copied by the container itself.
func ref(s backend.Storage, key string) transfer.Ref { return transfer.Ref{Storage: s, Key: key} }

// notebook keeps a checkpoint as a journal would.
type notebook struct {
	mu sync.Mutex
	c  transfer.Checkpoint
}

func (n *notebook) note(note transfer.Note) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.c.Apply(note)
	return nil
}

func content(t *testing.T, s backend.Storage, key string) []byte {
	t.Helper()
	obj, err := s.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, obj.Size)
	if n, err := s.ReadAt(t.Context(), obj, p, 0); n != len(p) || err != nil && err != io.EOF {
		t.Fatalf("read %s: %d of %d bytes, %v", key, n, len(p), err)
	}
	return p
}

func sameContent(t *testing.T, a backend.Storage, keyA string, b backend.Storage, keyB string) {
	t.Helper()
	x, y := backend.SumCRC32C(content(t, a, keyA)), backend.SumCRC32C(content(t, b, keyB))
	if x != y {
		t.Fatalf("%s has %s, %s has %s", keyA, x, keyB, y)
	}
}

func uploads(t *testing.T, s backend.Storage) int {
	t.Helper()
	n := 0
	for _, err := range s.ListUploads(context.WithoutCancel(t.Context()), "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// small makes parts of 1 MiB, so that tests with many parts stay small.
func small() *transfer.Engine { return transfer.New(transfer.Options{Memory: 4 * mib, Streams: 4}) }

func source(size int64) *backendtest.Mem {
	m := backendtest.NewMem(backendtest.MemOptions{})
	m.AddGenerated("src", size, 7)
	return m
}

func empty() *backendtest.Mem { return backendtest.NewMem(backendtest.MemOptions{}) }

// singly is a container that deletes each object by a request of its own.
func singly() *backendtest.Mem {
	return backendtest.NewMem(backendtest.MemOptions{Without: backend.Capabilities{DeleteAll: true}})
}
