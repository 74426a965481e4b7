//go:build unix

package s3

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// The server is another process: what is measured is the client alone.

func BenchmarkUploadPart(b *testing.B) {
	s := benchStorage(b, "bench-parts")
	p := content(16 * mib)
	sum := backend.SumCRC32C(p)
	u, err := s.CreateUpload(b.Context(), "object", backend.UploadOptions{Size: int64(len(p)), PartSize: int64(len(p))})
	if err != nil {
		b.Fatal(err)
	}
	measure(b, len(p), func() error {
		_, err := s.UploadPart(b.Context(), u, 1, p, sum)
		return err
	})
}

func BenchmarkReadAt(b *testing.B) {
	s := benchStorage(b, "bench-reads")
	p := content(16 * mib)
	obj, err := s.Put(b.Context(), "object", append(p, 0), backend.PutOptions{})
	if err != nil {
		b.Fatal(err)
	}
	measure(b, len(p), func() error {
		_, err := s.ReadAt(b.Context(), obj, p, 0)
		return err
	})
}

func BenchmarkPutSmall(b *testing.B) {
	s := benchStorage(b, "bench-small")
	p := content(16 << 10)
	sum, n := backend.SumCRC32C(p), 0
	measure(b, len(p), func() error {
		n++
		_, err := s.Put(b.Context(), fmt.Sprint(n), p, backend.PutOptions{Checksum: sum})
		return err
	})
}

func BenchmarkReadSmall(b *testing.B) {
	s := benchStorage(b, "bench-small-reads")
	p := content(16 << 10)
	obj, err := s.Put(b.Context(), "object", p, backend.PutOptions{})
	if err != nil {
		b.Fatal(err)
	}
	measure(b, len(p), func() error {
		_, err := s.ReadAt(b.Context(), obj, p, 0)
		return err
	})
}

func benchStorage(b *testing.B, name string) backend.Storage {
	b.Helper()
	s := storage(b, provider(b, ofVersity()), newBucket(b, name))
	if _, err := s.Put(b.Context(), "first", []byte("x"), backend.PutOptions{}); err != nil { // tells what is verified
		b.Fatal(err)
	}
	return s
}

// measure reports the processor time of this process too.
func measure(b *testing.B, n int, f func() error) {
	b.SetBytes(int64(n))
	b.ReportAllocs()
	began := processorTime(b)
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	used := processorTime(b) - began
	b.ReportMetric(used.Seconds()/(float64(b.N)*float64(n)/gib), "cpu-s/GiB")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/op")
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
