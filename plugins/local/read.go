package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// step is the number of bytes that are moved between two looks at the context.
const step = 8 << 20

// ReadAt reads from the file that obj.Version names: it is compared with the open file before and after. Holes are not
// read but cleared in p, so that they do not fill the page cache with zeros.
func (s *storage) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	n, err := s.readAt(ctx, obj, p, off)
	if err != nil && err != io.EOF { //nolint:errorlint // io.ReaderAt's bare end of file, which is never wrapped
		return n, s.fail("read", obj.Key, err)
	}
	return n, err
}

func (s *storage) readAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	if err := s.check(ctx, obj.Key); err != nil {
		return 0, err
	}
	if err := current(obj); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, because(backend.Invalid, "offset %d is before the start", off)
	}
	f, info, err := s.openFile(obj.Key, obj.Version)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	want := min(int64(len(p)), max(info.Size()-off, 0))
	n, err := readSparse(ctx, f, p[:want], off, hasHoles(info))
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	after, statErr := f.Stat()
	if statErr != nil {
		return 0, statErr
	}
	if fileVersion(after) != fileVersion(info) || int64(n) < want {
		return 0, because(backend.Changed, "the file changed while it was read")
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// openFile opens the regular file at key for reading, and looks whether it is the version asked for, if any.
func (s *storage) openFile(key, version string) (*os.File, fs.FileInfo, error) {
	root, err := s.open()
	if err != nil {
		return nil, nil, orGone(err, version)
	}
	defer root.Close()
	f, err := root.OpenFile(filepath.FromSlash(key), os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, nil, orGone(err, version)
	}
	info, err := f.Stat()
	if err == nil {
		err = orGone(regular(info), version)
	}
	if err == nil && version != "" && version != fileVersion(info) {
		err = because(backend.Changed, "the file was replaced or changed")
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// orGone makes a missing file Changed if a version of it was asked for.
func orGone(err error, version string) error {
	if version != "" && kindOf(err) == backend.NotFound {
		return because(backend.Changed, "the file is gone: %w", err)
	}
	return err
}

// readSparse fills p from off on. Where the file may have holes it clears in p what there are no blocks for. It returns
// io.EOF if the file is shorter.
func readSparse(ctx context.Context, f *os.File, p []byte, off int64, holes bool) (int, error) {
	end := off + int64(len(p))
	for at := off; at < end; {
		hole := end
		if holes {
			data := nextData(f, at, end)
			clear(p[at-off : data-off])
			if at = data; at < end {
				hole = nextHole(f, at, end)
			}
		}
		for at < hole {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			n, err := f.ReadAt(p[at-off:min(at+step, hole)-off], at)
			at += int64(n)
			if err != nil {
				return int(at - off), err
			}
		}
	}
	return len(p), nil
}
