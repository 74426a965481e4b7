package plugin

import (
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// TestTransferSurvivesKills writes files through a guest that is killed again and again. Every transfer ends well, with the
// right bytes, and sends no more again than what was in flight at each kill.
func TestTransferSurvivesKills(t *testing.T) {
	const size, memory = 48 << 20, 8 << 20
	ctx := t.Context()
	o := options(t, "local")
	o.Restarts = 10_000
	h := launch(t, o)
	at := backend.Location{Scheme: "file", Path: t.TempDir() + "/"}
	s, prefix, err := h.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	counted := &backendtest.Faults{Storage: s}
	destination := transfer.Ref{Key: prefix + "disk", At: at.Join("disk"), Storage: wrap.Retry(counted,
		wrap.Policy{Attempts: 100, First: time.Millisecond, Max: 10 * time.Millisecond, Exclusive: true})}
	memories := backendtest.NewMemProvider()
	container := memories.Container("bucket")
	pattern := backendtest.NewPattern(7)
	want := pattern.CRC32C(size)
	source := transfer.Ref{Storage: container, Key: "disk"}
	container.AddGenerated("disk", size, 7)
	engine := transfer.New(transfer.Options{Memory: memory})

	for killed := 0; killed < *kills; {
		over := make(chan error, 1)
		before := counted.BytesSent()
		killedNow := 0
		go func() {
			_, err := engine.Copy(ctx, source, destination, transfer.CopyOptions{})
			over <- err
		}()
		for running := true; running; {
			select {
			case err := <-over:
				if err != nil {
					t.Fatal(err)
				}
				running = false
			case <-time.After(time.Duration(rand.IntN(60)) * time.Millisecond):
				h.mu.Lock()
				pid := h.current.process.ID()
				h.mu.Unlock()
				if alive(t, pid) && killed+killedNow < *kills {
					signalTo(t, pid, syscall.SIGKILL)
					killedNow++
				}
			}
		}
		killed += killedNow
		if sent := counted.BytesSent() - before; sent > size+int64(killedNow)*memory {
			t.Errorf("%d bytes were sent for %d bytes and %d kills with %d bytes in flight", sent, size, killedNow, memory)
		}
		if got := checksum(t, destination, size); got != want {
			t.Errorf("the file has %s, want %s", got, want)
		}
	}
	uploads := 0
	for u, err := range destination.Storage.ListUploads(ctx, prefix) {
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("left: %+v", u)
		uploads++
	}
	if uploads > 0 {
		t.Errorf("%d uploads were left", uploads)
	}
}

// checksum reads an object through its Storage.
func checksum(t *testing.T, r transfer.Ref, size int64) backend.Checksum {
	t.Helper()
	o, err := r.Storage.Stat(t.Context(), r.Key)
	if err != nil || o.Size != size {
		t.Fatalf("%d bytes, %v", o.Size, err)
	}
	p := make([]byte, size)
	if n, err := r.Storage.ReadAt(t.Context(), o, p, 0); n != len(p) || err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	return backend.SumCRC32C(p)
}
