package ocisim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// diskBlock is the granularity in which boot disks are written and holes are found.
const diskBlock = 64 << 10

// makeDisk writes a raw disk of size bytes at path. About data bytes of it are pseudo-random and depend on name only;
// the rest are holes. Data lies in extents spread over the disk, the first at its start and the last at its end, so
// that a reader that loses either end is caught.
func makeDisk(path, name string, size, data int64) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("make disk %s: %w", path, err)
	}
	random := rand.NewChaCha8(sha256.Sum256([]byte(name)))
	for _, e := range diskExtents(size, data) {
		if _, err := io.CopyN(io.NewOffsetWriter(f, e.off), random, e.n); err != nil {
			return fmt.Errorf("make disk %s: %w", path, err)
		}
	}
	_, err = f.WriteAt([]byte{0x55, 0xaa}, 510) // the mark of a boot sector
	return err
}

type extent struct{ off, n int64 }

// diskExtents spreads data bytes over a disk of size bytes: up to eight extents of whole blocks, the last one ending
// at the disk's end.
func diskExtents(size, data int64) []extent {
	blocks, total := (data+diskBlock-1)/diskBlock, size/diskBlock
	count := min(8, blocks)
	if count < 2 || blocks >= total {
		return []extent{{0, min(data, size)}}
	}
	var extents []extent
	for i := range count {
		n := blocks / count
		if i < blocks%count {
			n++
		}
		start := i * (total - n) / (count - 1)
		extents = append(extents, extent{start * diskBlock, n * diskBlock})
	}
	return extents
}

// copySparse makes dst equal to src and keeps holes holes. It shares the blocks where the file system can. On any
// error, and when ctx ends, dst is removed.
func copySparse(ctx context.Context, dst, src string) (err error) {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			err = errors.Join(fmt.Errorf("copy disk %s: %w", src, err), os.Remove(dst))
		}
	}()
	if reflink(out, in) {
		return nil
	}
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	return copyBlocks(ctx, out, in, info.Size())
}

// copyBlocks copies the blocks of in that are not all zero.
func copyBlocks(ctx context.Context, out, in *os.File, size int64) error {
	buf := make([]byte, diskBlock)
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if off, err = nextData(in, off, size); err != nil || off >= size {
			return err
		}
		p := buf[:min(int64(len(buf)), size-off)]
		if _, err := io.ReadFull(io.NewSectionReader(in, off, int64(len(p))), p); err != nil {
			return err
		}
		if !allZero(p) {
			if _, err := out.WriteAt(p, off); err != nil {
				return err
			}
		}
		off += int64(len(p))
	}
	return nil
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// sha256File returns the SHA-256 of the file's bytes, holes read as zeros, in hex.
func sha256File(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
