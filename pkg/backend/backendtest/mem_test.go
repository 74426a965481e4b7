package backendtest_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

func TestPatternIsAFunctionOfSeedAndOffset(t *testing.T) {
	const size = 3<<20 + 17
	p := backendtest.NewPattern(7)
	whole := make([]byte, size)
	fill(t, p, whole, 0)
	for _, off := range []int64{0, 1, 255<<10 + 3, 256 << 10, 1<<20 - 1, size - 5} {
		piece := make([]byte, min(700_001, size-off))
		fill(t, backendtest.NewPattern(1).With(7), piece, off)
		if !bytes.Equal(piece, whole[off:off+int64(len(piece))]) {
			t.Errorf("the bytes at %d depend on where the read began", off)
		}
	}
	other := make([]byte, size)
	fill(t, p.With(8), other, 0)
	for off := 0; off+4096 < size; off += 256 << 10 {
		if bytes.Equal(whole[off:off+4096], other[off:off+4096]) {
			t.Errorf("seeds 7 and 8 give the same bytes at %d", off)
		}
		if off > 0 && bytes.Equal(whole[off:off+4096], whole[:4096]) {
			t.Errorf("the bytes at %d are those at 0", off)
		}
	}
	if got, want := p.CRC32C(size), backend.SumCRC32C(whole); got != want {
		t.Errorf("CRC32C is %s, want %s", got, want)
	}
}

func fill(t *testing.T, p *backendtest.Pattern, dst []byte, off int64) {
	t.Helper()
	if n, err := p.ReadAt(dst, off); n != len(dst) || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

func TestMemReadAllocatesNothing(t *testing.T) {
	ctx := t.Context()
	m := backendtest.NewMem(backendtest.MemOptions{})
	generated := m.AddGenerated("g", 5<<40, 1)
	written, err := m.Put(ctx, "w", make([]byte, 1<<20), backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 64<<10)
	for _, o := range []backend.Object{generated, written} {
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := m.ReadAt(ctx, o, p, 12345); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("a read of %s allocates %v times", o.Key, allocs)
		}
	}
}

func TestMemDiscardKeepsSizesAndChecksums(t *testing.T) {
	ctx := t.Context()
	source := backendtest.NewMem(backendtest.MemOptions{})
	from := source.AddGenerated("a", 2_500_000, 3)
	m := backendtest.NewMem(backendtest.MemOptions{Discard: true})
	u, err := m.CreateUpload(ctx, "a", backend.UploadOptions{Size: from.Size, PartSize: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	var parts []backend.Part
	p := make([]byte, 1_000_000)
	for off := int64(0); off < from.Size; off += int64(len(p)) {
		n, err := source.ReadAt(ctx, from, p, off)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if _, err := m.UploadPart(ctx, u, len(parts)+1, p[:n], "crc32c:00000000"); !errors.Is(err, backend.Corrupt) {
			t.Errorf("a wrong checksum gives %v", err)
		}
		part, err := m.UploadPart(ctx, u, len(parts)+1, p[:n], backend.SumCRC32C(p[:n]))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	want := backendtest.NewPattern(3).CRC32C(from.Size)
	o, err := m.CompleteUpload(ctx, u, parts, backend.CompleteOptions{Checksum: want})
	if err != nil || o.Checksum != want || o.Size != from.Size {
		t.Fatalf("%+v, %v; want %s", o, err, want)
	}
	if _, err := m.ReadAt(ctx, o, p, 0); !errors.Is(err, backend.Unsupported) {
		t.Errorf("reading discarded bytes gives %v", err)
	}
}

func TestMemProviderCopiesBetweenContainers(t *testing.T) {
	ctx := t.Context()
	p := backendtest.NewMemProvider()
	set := backend.Set{"mem": p}
	source := p.Container("one").AddGenerated("dir/a", 1000, 5)
	loc, err := backend.ParseLocation("mem://two/out/b")
	if err != nil {
		t.Fatal(err)
	}
	s, key, err := set.Open(loc)
	if err != nil || key != "out/b" {
		t.Fatalf("%q, %v", key, err)
	}
	from := backend.Location{Scheme: "mem", Path: "one/dir/a"}
	if _, err := s.Copy(ctx, from, "gone", key, backend.CopyOptions{}); !errors.Is(err, backend.Changed) {
		t.Errorf("a stale version gives %v", err)
	}
	o, err := s.Copy(ctx, from, source.Version, key, backend.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, want := make([]byte, 1000), make([]byte, 1000)
	if _, err := s.ReadAt(ctx, o, got, 0); err != nil {
		t.Fatal(err)
	}
	fill(t, backendtest.NewPattern(5), want, 0)
	if !bytes.Equal(got, want) {
		t.Error("the copy has other bytes")
	}
}
