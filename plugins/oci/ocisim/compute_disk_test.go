package ocisim

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestDiskExtents(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ size, data int64 }{
		{1 << 20, 0}, {1 << 20, 1}, {1 << 20, 100 << 10}, {1 << 20, 1 << 20}, {1 << 20, 1<<20 - 1}, {64 << 20, 4 << 20}, {64 << 20, 513 << 10}, {3 << 20, 5 << 19},
	} {
		var total, end int64
		for _, e := range diskExtents(test.size, test.data) {
			if e.off < end || e.n < 0 || e.off+e.n > test.size {
				t.Errorf("%+v: extent %+v overlaps the one before or leaves the disk", test, e)
			}
			total, end = total+e.n, e.off+e.n
		}
		if total < test.data || total >= test.data+diskBlock {
			t.Errorf("%+v: %d bytes of data", test, total)
		}
	}
}

func TestCopySparse(t *testing.T) {
	t.Parallel()
	src, dst := filepath.Join(t.TempDir(), "src"), filepath.Join(t.TempDir(), "dst")
	if err := makeDisk(src, "seed", 5<<20, 300<<10); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(src, 5<<20+777); err != nil { // no multiple of a block
		t.Fatal(err)
	}
	if err := copySparse(t.Context(), dst, src); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(src)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(dst)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("the copy differs from its source (%v)", err)
	}
}

// TestCopyBlocks copies without the help of the file system's reflinks.
func TestCopyBlocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "src")
	if err := makeDisk(path, "seed", 5<<20, 300<<10); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(t.TempDir(), "dst"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := copyBlocks(ended, out, in, 5<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("have error %v, want canceled", err)
	}
	if err := out.Truncate(5 << 20); err != nil {
		t.Fatal(err)
	}
	if err := copyBlocks(t.Context(), out, in, 5<<20); err != nil {
		t.Fatal(err)
	}
	a, errA := sha256File(path)
	b, errB := sha256File(out.Name())
	if a != b || errA != nil || errB != nil {
		t.Errorf("the copy has the hash %s (%v), want %s (%v)", b, errB, a, errA)
	}
}

func TestCopySparseCleansUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	if err := copySparse(t.Context(), dst, src); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("have error %v, want that of a missing source", err)
	}
	if _, err := os.Stat(dst); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a copy of nothing (%v)", err)
	}
}

func TestConvertDiskEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	if err := makeDisk(src, "seed", 1<<20, 64<<10); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := convertDisk(ended, "QCOW2", src, filepath.Join(dir, "dst"), imageMetadata{}); !errors.Is(err, context.Canceled) {
		t.Errorf("have error %v, want canceled", err)
	}
	if err := convertDisk(t.Context(), "QCOW2", filepath.Join(dir, "none"), filepath.Join(dir, "dst"), imageMetadata{}); err == nil {
		t.Error("a disk that is not there was converted")
	}
}
