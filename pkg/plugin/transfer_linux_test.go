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

// TestTransferSurvivesKills moves an object to and from a guest that is killed again and again. Every transfer ends well,
// with the right bytes, and moves no more again than what was in flight at each kill.
func TestTransferSurvivesKills(t *testing.T) {
	for _, k := range []killing{
		{name: "to-local", kind: "local"}, {name: "to-s3", kind: "s3"}, {name: "from-s3", kind: "s3", from: true},
	} {
		t.Run(k.name, func(t *testing.T) {
			unraced(t, k.kind == "s3")
			k.run(t)
		})
	}
}

// killing is a transfer between a guest of a kind and memory of this process.
type killing struct {
	name, kind string
	from       bool // the guest has the source
}

const (
	killedSize = 20 << 20
	inFlight   = 10 << 20 // at most
)

func (k killing) run(t *testing.T) {
	o, at := options(t, k.kind), container(t, k.kind)
	o.Restarts = 10_000
	h := launch(t, o)
	direct, err := factoryOf(k.kind)(t.Context(), o.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	memory := backendtest.NewMemProvider().Container("bucket")
	memory.AddGenerated("disk", killedSize, 7)
	want := backendtest.NewPattern(7).CRC32C(killedSize)

	// Both ends are counted, and only the guest's needs to be called again.
	guest := &backendtest.Faults{Storage: openAt(t, h, at)}
	ours := &backendtest.Faults{Storage: memory}
	there := transfer.Ref{Key: "disk", At: at.Join("disk"), Storage: wrap.Retry(guest,
		wrap.Policy{Attempts: 100, First: time.Millisecond, Max: 10 * time.Millisecond, Exclusive: true})}
	source, destination := transfer.Ref{Storage: ours, Key: "disk"}, there
	read, sent := ours.BytesRead, guest.BytesSent
	back := transfer.Ref{Storage: openAt(t, direct, at), Key: "disk"} // where the copy is looked at
	engine := transfer.New(transfer.Options{Memory: inFlight})
	if k.from {
		if _, err := engine.Copy(t.Context(), source, back, transfer.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		source, destination = there, transfer.Ref{Storage: ours, Key: "copy"}
		read, sent = guest.BytesRead, ours.BytesSent
		back = transfer.Ref{Storage: memory, Key: "copy"}
	}
	whole, transfers, killed := time.Duration(0), 0, 0 // nothing is killed in the first, which shows how long one takes
	for ; transfers == 0 || killed < *kills; transfers++ {
		began := time.Now()
		readBefore, sentBefore := read(), sent()
		over := make(chan error, 1)
		go func() {
			_, err := engine.Copy(t.Context(), source, destination, transfer.CopyOptions{})
			over <- err
		}()
		now := killUntil(t, h, over, whole, *kills-killed)
		if transfers == 0 {
			whole = time.Since(began)
		}
		killed += now
		most := killedSize + int64(now)*inFlight
		if r, s := read()-readBefore, sent()-sentBefore; r < killedSize || r > most || s < killedSize || s > most {
			t.Errorf("%d bytes were read and %d sent for %d bytes and %d kills with %d bytes in flight", r, s, killedSize, now, inFlight)
		}
		if got := checksum(t, back, killedSize); got != want {
			t.Errorf("the copy has %s, want %s", got, want)
		}
		if err := back.Storage.Delete(t.Context(), backend.Object{Key: back.Key}); err != nil { // or the next may only seem to end well
			t.Fatal(err)
		}
	}
	t.Logf("%d kills in %d transfers of some %v", killed, transfers-1, whole)
	for u, err := range back.Storage.ListUploads(t.Context(), "") {
		t.Errorf("left: %+v, %v", u, err)
	}
}

// killUntil kills the guest at random moments, up to pause apart, until the transfer is over, at most so often. It returns
// how often it was. Without a pause it only waits.
func killUntil(t *testing.T, h *Host, over <-chan error, pause time.Duration, most int) (killed int) {
	t.Helper()
	for {
		var moment <-chan time.Time
		if pause > 0 && killed < most {
			moment = time.After(rand.N(pause))
		}
		select {
		case err := <-over:
			if err != nil {
				t.Fatal(err)
			}
			return killed
		case <-moment:
			h.mu.Lock()
			pid := h.current.process.ID()
			h.mu.Unlock()
			if alive(t, pid) {
				signalTo(t, pid, syscall.SIGKILL)
				killed++
			}
		}
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
