package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Space tells what the file system has free that a file below prefix would be written to: that of the deepest directory on the
// way which exists.
func (s *storage) Space(ctx context.Context, prefix string) (backend.Space, error) {
	const op = "look for space"
	if err := ctx.Err(); err != nil {
		return backend.Space{}, s.fail(op, prefix, err)
	}
	dir, err := existing(filepath.Join(s.dir, filepath.FromSlash(prefix[:strings.LastIndexByte(prefix, '/')+1])))
	if err != nil {
		return backend.Space{}, s.fail(op, prefix, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return backend.Space{}, s.fail(op, prefix, err)
	}
	defer root.Close()
	handle, err := openDir(root)
	if err != nil {
		return backend.Space{}, s.fail(op, prefix, err)
	}
	f := &folder{root: root, dir: handle}
	if handle != nil {
		defer handle.Close()
	}
	space := backend.Space{Place: f.device(), Free: -1, Largest: f.largest()}
	if free, ok := f.freeSpace(); ok {
		space.Free = free
	}
	if err := writable(dir); err != nil {
		space.ReadOnly = dir + ": " + err.Error()
	}
	return space, nil
}

// existing returns the deepest directory on the way to dir that is there.
func existing(dir string) (string, error) {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && info.IsDir():
			return dir, nil
		case err == nil:
			return "", because(backend.Invalid, "%s is a file, not a directory", dir)
		case !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir:
			return "", err
		}
		dir = filepath.Dir(dir)
	}
}
