package plugin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// way is one in which a plugin is used.
type way struct {
	name  string
	host  func(t testing.TB, o Options) *Host
	arena int64 // bytes
}

func ways() []way {
	return []way{
		{name: "in-process-inline", host: inProcess},
		{name: "in-process-shared", host: inProcess, arena: 64 << 20},
		{name: "subprocess-inline", host: launch},
		{name: "subprocess-shared", host: launch, arena: 64 << 20},
	}
}

// run uses a plugin that way.
func (w way) run(t *testing.T, kind string, use func(t *testing.T, h *Host)) {
	t.Run(w.name, func(t *testing.T) {
		use(t, w.start(t, options(t, kind)))
	})
}

func (w way) start(t testing.TB, o Options) *Host {
	t.Helper()
	if w.arena > 0 {
		o.Arena = newArena(t, w.arena)
	}
	return w.host(t, o)
}

// inMemory uses a plugin that keeps everything in memory in every way.
func inMemory(t *testing.T, use func(t *testing.T, h *Host)) {
	for _, w := range ways() {
		w.run(t, "mem", use)
	}
}

// unraced skips what takes too long under the race detector, as the parts of S3 do, which have 5 MiB. Each such thing is
// done there in one way, and "make test" runs them all again without it.
func unraced(t *testing.T, long bool) {
	t.Helper()
	if raced && long {
		t.Skip("takes minutes under the race detector; make test runs it without")
	}
}

// TestStorage runs the suite on each kind of backend in every way.
func TestStorage(t *testing.T) {
	for _, kind := range []string{"mem", "local", "s3"} {
		t.Run(kind, func(t *testing.T) {
			for _, w := range ways() {
				w.run(t, kind, func(t *testing.T, h *Host) {
					unraced(t, kind == "s3" && w.name != "subprocess-shared")
					objects := 101
					if kind == "mem" && w.name == "subprocess-shared" {
						objects = 1001
					}
					conform(t, h, container(t, kind), objects)
				})
			}
		})
	}
}

// TestVersions runs the suite on a container that keeps what is replaced.
func TestVersions(t *testing.T) {
	o := options(t, "mem")
	o.Config.Settings["versioned"] = "yes"
	conform(t, inProcess(t, o), container(t, "mem"), 101)
}

// conform runs the suite on a container of the plugin. Shared memory is used where the plugin has it.
func conform(t *testing.T, h *Host, at backend.Location, objects int) {
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage {
		s := openAt(t, h, at)
		if h.o.Arena == nil {
			return s
		}
		shared := &sharing{Storage: s, arena: h.o.Arena}
		t.Cleanup(func() { shared.settle(t) })
		return shared
	}, backendtest.CheckOptions{Locate: at.Join, Objects: objects})
	if len(h.restarts) > 0 {
		t.Errorf("the guest was started again %d times: calls whose context ends must not kill it", len(h.restarts))
	}
}

func TestCompute(t *testing.T) {
	inMemory(t, func(t *testing.T, h *Host) {
		c, err := h.Compute()
		if err != nil {
			t.Fatal(err)
		}
		err = backendtest.CheckCompute(t.Context(), c, backendtest.ComputeOptions{
			Request: backend.ExportRequest{Token: "check", Instance: "vm\xff1", Name: "disk", Formats: []string{"qcow2", "vmdk"},
				Staging: backend.Location{Scheme: "mem", Path: "staging/run/"}, Tags: map[string]string{"run": "1"}},
			Open: h.Open,
			Wait: func(context.Context) error { return nil },
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestProvider(t *testing.T) {
	h, at := launch(t, options(t, "mem")), container(t, "mem").Join("key")
	if err := backendtest.CheckProvider(h, at); err != nil {
		t.Error(err)
	}
	_, _, err := h.Open(at)
	if !errors.Is(err, Closed) || backend.KindOf(err).Temporary() {
		t.Errorf("open after close: %v", err)
	}
}

// sharing moves the memory of every call into the arena, and looks long after the call whether it was touched.
type sharing struct {
	backend.Storage
	arena *Arena

	mu     sync.Mutex
	guards [][]byte
}

const poison = 0xDB

// lend gives f a buffer of the arena as long as p.
func (s *sharing) lend(p []byte, f func(shared []byte)) {
	shared := s.arena.Buffer(max(1, len(p)))
	if shared == nil {
		s.release()
		shared = s.arena.Buffer(max(1, len(p)))
	}
	if shared == nil { // all of it is in use
		f(bytes.Clone(p))
		return
	}
	f(shared[:len(p)])
	shared[0] = poison
	for n := 1; n < len(shared); n *= 2 {
		copy(shared[n:], shared[:n])
	}
	s.mu.Lock()
	s.guards = append(s.guards, shared)
	s.mu.Unlock()
}

func (s *sharing) release() (touched int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.guards {
		if bytes.Count(p, []byte{poison}) != len(p) {
			touched++
		}
		s.arena.Release(p)
	}
	s.guards = nil
	return touched
}

func (s *sharing) settle(t *testing.T) {
	if touched := s.release(); touched > 0 {
		t.Errorf("%d buffers were written to after their calls", touched)
	}
}

func (s *sharing) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (n int, err error) {
	s.lend(p, func(shared []byte) {
		copy(shared, p) // a read leaves alone what it does not fill
		n, err = s.Storage.ReadAt(ctx, obj, shared, off)
		copy(p, shared)
	})
	return n, err
}

func (s *sharing) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (obj backend.Object, err error) {
	s.lend(p, func(shared []byte) {
		copy(shared, p)
		obj, err = s.Storage.Put(ctx, key, shared, o)
	})
	return obj, err
}

func (s *sharing) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (part backend.Part, err error) {
	s.lend(p, func(shared []byte) {
		copy(shared, p)
		part, err = s.Storage.UploadPart(ctx, u, n, shared, sum)
	})
	return part, err
}

// TestLargeParts moves parts of every size around the borders of a message.
func TestLargeParts(t *testing.T) {
	inMemory(t, func(t *testing.T, h *Host) {
		ctx, s := t.Context(), openMem(t, h)
		for _, size := range []int{0, 1, inlineChunk - 1, inlineChunk, inlineChunk + 1, 2 * inlineChunk, 5*inlineChunk + 7} {
			data := backendData(size)
			buf := bytes.Clone(data)
			if h.o.Arena != nil && size > 0 {
				buf = h.o.Arena.Buffer(size)
				copy(buf, data)
				defer h.o.Arena.Release(buf)
			}
			o, err := s.Put(ctx, "object", buf, backend.PutOptions{Checksum: backend.SumCRC32C(data)})
			if err != nil {
				t.Fatalf("put %d bytes: %v", size, err)
			}
			u, err := s.CreateUpload(ctx, "upload", backend.UploadOptions{Size: int64(size), PartSize: max(1, int64(size))})
			if err != nil {
				t.Fatal(err)
			}
			part, err := s.UploadPart(ctx, u, 1, buf, backend.SumCRC32C(data))
			if err != nil {
				t.Fatalf("upload part of %d bytes: %v", size, err)
			}
			if _, err := s.CompleteUpload(ctx, u, []backend.Part{part}, backend.CompleteOptions{Checksum: backend.SumCRC32C(data)}); err != nil {
				t.Fatal(err)
			}
			clear(buf)
			if n, err := s.ReadAt(ctx, o, buf, 0); n != size || err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(buf, data) {
				t.Errorf("read %d bytes: %d, %v", size, n, err)
			}
		}
	})
}

func backendData(size int) []byte {
	data := make([]byte, size)
	if _, err := backendtest.NewPattern(uint64(size)).ReadAt(data, 0); err != nil {
		panic(err)
	}
	return data
}
