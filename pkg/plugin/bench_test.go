package plugin

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// BenchmarkRead measures what the boundary between processes costs: ranges of 16 MiB of a generated object, four at a time,
// with the same container in this process, behind a plugin with shared memory, and behind one without. CPU-s/GiB is of both
// processes.
func BenchmarkRead(b *testing.B) {
	const size, parallel = 16 << 20, 4
	for _, way := range benchmarkWays(size * parallel) {
		b.Run(way.name, func(b *testing.B) {
			s, buffer := way.open(b)
			o, err := s.Stat(b.Context(), "generated")
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			measure(b, parallel, size, buffer, func(ctx context.Context, n int, p []byte) error {
				_, err := s.ReadAt(ctx, o, p, int64(n)*size)
				return err
			})
		})
	}
}

// BenchmarkPart is the same for writing to a container that keeps nothing but the checksum.
func BenchmarkPart(b *testing.B) {
	const size, parallel = 16 << 20, 4
	for _, way := range benchmarkWays(size * parallel) {
		b.Run(way.name, func(b *testing.B) {
			s, buffer := way.open(b)
			ctx := b.Context()
			u, err := s.CreateUpload(ctx, "upload", backend.UploadOptions{Size: 1 << 40, PartSize: size})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			measure(b, parallel, size, buffer, func(ctx context.Context, n int, p []byte) error {
				_, err := s.UploadPart(ctx, u, 1+n%1000, p, "")
				return err
			})
		})
	}
}

// BenchmarkSmall measures calls on objects of 16 KiB, 32 at a time.
func BenchmarkSmall(b *testing.B) {
	const size, parallel = 16 << 10, 32
	for _, way := range benchmarkWays(1 << 20) {
		b.Run(way.name, func(b *testing.B) {
			s, buffer := way.open(b)
			b.SetBytes(size)
			measure(b, parallel, size, buffer, func(ctx context.Context, _ int, p []byte) error {
				_, err := s.Put(ctx, "object", p, backend.PutOptions{})
				return err
			})
		})
	}
}

// BenchmarkLaunch measures how long it takes until a plugin is ready.
func BenchmarkLaunch(b *testing.B) {
	o := options(b, "mem")
	o.Log = nil
	for b.Loop() {
		h, err := Launch(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		h.Close()
		b.StartTimer()
	}
}

type benchmarkWay struct {
	name string
	open func(b *testing.B) (s backend.Storage, buffer func(n int) []byte)
}

func benchmarkWays(memory int64) []benchmarkWay {
	heap := func(n int) []byte { return make([]byte, n) }
	open := func(b *testing.B, arena *Arena) backend.Storage {
		o := options(b, "mem")
		o.Config.Settings["discard"], o.Config.Settings["generated"] = "yes", "yes"
		o.Arena = arena
		return openMem(b, launch(b, o))
	}
	return []benchmarkWay{
		{"direct", func(*testing.B) (backend.Storage, func(int) []byte) {
			mem := backendtest.NewMem(backendtest.MemOptions{Discard: true})
			mem.AddGenerated("generated", 1<<40, 1)
			return mem, heap
		}},
		{"shared", func(b *testing.B) (backend.Storage, func(int) []byte) {
			arena := newArena(b, memory)
			return open(b, arena), arena.Buffer
		}},
		{"inline", func(b *testing.B) (backend.Storage, func(int) []byte) { return open(b, nil), heap }},
	}
}

// measure makes b.N calls, so many at a time, each with a buffer of its own that is filled before.
func measure(b *testing.B, parallel, size int, buffer func(int) []byte, f func(ctx context.Context, n int, p []byte) error) {
	pattern := backendtest.NewPattern(1)
	buffers := make([][]byte, parallel)
	for i := range buffers {
		buffers[i] = buffer(size)
		if _, err := pattern.ReadAt(buffers[i], 0); err != nil {
			b.Fatal(err)
		}
	}
	before := processorTime(b)
	var next atomic.Int64
	var workers sync.WaitGroup
	b.ResetTimer()
	for _, p := range buffers {
		workers.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := f(b.Context(), int(n), p); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	b.StopTimer()
	spent := processorTime(b) - before
	b.ReportMetric(spent.Seconds()/(float64(b.N)*float64(size)/(1<<30)), "CPU-s/GiB")
	b.ReportMetric(float64(spent)/float64(time.Microsecond)/float64(b.N), "CPU-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
