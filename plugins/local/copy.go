package local

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Copy copies a file of this machine: by sharing its blocks where the file system can do that, else by the kernel, else
// through a small window. Holes stay holes. The source is compared with version, or with itself, before and after. The
// Object carries no Checksum, because no byte was looked at.
func (s *storage) Copy(ctx context.Context, from backend.Location, version, key string,
	o backend.CopyOptions) (backend.Object, error) {
	obj, err := s.copy(ctx, from, version, key, o)
	if err != nil {
		return backend.Object{}, s.fail("copy "+from.String()+" to", key, err)
	}
	return obj, nil
}

func (s *storage) copy(ctx context.Context, from backend.Location, version, key string,
	o backend.CopyOptions) (backend.Object, error) {
	if err := s.check(ctx, key); err != nil {
		return backend.Object{}, err
	}
	src, srcKey, err := s.source(from)
	if err != nil {
		return backend.Object{}, err
	}
	in, info, err := src.openFile(srcKey, version)
	if err != nil {
		return backend.Object{}, err
	}
	defer in.Close()
	return s.write(ctx, key, backend.PutOptions{If: o.If, Meta: o.Meta, ModTime: o.ModTime}, func(f *folder, out *os.File) error {
		if err := s.copyBytes(ctx, f, out, in, info.Size()); err != nil {
			return err
		}
		after, err := in.Stat()
		if err == nil && fileVersion(after) != fileVersion(info) {
			err = because(backend.Changed, "the source changed while it was copied")
		}
		return err
	})
}

// source returns the directory of from and the name in it.
func (s *storage) source(from backend.Location) (*storage, string, error) {
	cut := strings.LastIndexByte(from.Path, '/')
	dir, key := filepath.FromSlash(from.Path[:cut+1]), from.Path[cut+1:]
	if from.Scheme != "file" {
		return nil, "", because(backend.Unsupported, "only files can be copied here")
	}
	if !filepath.IsAbs(dir) {
		return nil, "", because(backend.Invalid, "the path of the source is relative")
	}
	if err := checkKey(key); err != nil {
		return nil, "", because(backend.Invalid, "source: %w", err)
	}
	return s.at(dir), key, nil
}

func (s *storage) copyBytes(ctx context.Context, f *folder, out, in *os.File, size int64) error {
	if size == 0 || cloneFile(out, in) == nil {
		return nil
	}
	if err := s.hasRoom(f, dataSize(in, size)); err != nil {
		return err
	}
	if err := out.Truncate(size); err != nil {
		return err
	}
	for at := int64(0); at < size; {
		data := nextData(in, at, size)
		hole := nextHole(in, data, size)
		done, err := copyRange(ctx, out, in, data, hole-data)
		if errors.Is(err, errors.ErrUnsupported) {
			err = copyWindows(ctx, out, in, data+done, hole)
		}
		if err != nil {
			return err
		}
		at = hole
	}
	return nil
}

// dataSize returns how many of the first size bytes of f are not in holes.
func dataSize(f *os.File, size int64) (n int64) {
	for at := int64(0); at < size; {
		data := nextData(f, at, size)
		at = nextHole(f, data, size)
		n += at - data
	}
	return n
}

// copyWindows copies the bytes from at to end through memory.
func copyWindows(ctx context.Context, out, in *os.File, at, end int64) error {
	buf := make([]byte, min(end-at, 256<<10))
	for at < end {
		n, err := in.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
		if n == 0 && errors.Is(err, io.EOF) {
			return because(backend.Changed, "the source became shorter while it was copied")
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := writeSparse(ctx, out, buf[:n], at, true); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}
