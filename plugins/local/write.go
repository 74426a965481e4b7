package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Put writes p to a temporary file, brings it to the disk and gives it the name. Long runs of zeros become holes.
func (s *storage) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
	obj, err := s.put(ctx, key, p, o)
	if err != nil {
		return backend.Object{}, s.fail("put", key, err)
	}
	return obj, nil
}

func (s *storage) put(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
	sum := backend.SumCRC32C(p)
	if sum.Contradicts(o.Checksum) {
		return backend.Object{}, because(backend.Corrupt, "the bytes have %s, not %s", sum, o.Checksum)
	}
	obj, err := s.write(ctx, key, o, func(_ *folder, f *os.File) error {
		if err := f.Truncate(int64(len(p))); err != nil {
			return err
		}
		return writeSparse(ctx, f, p, 0, true)
	})
	obj.Checksum = sum
	return obj, err
}

// write makes the file at key of what fill puts into a temporary one. When it fails nothing is left.
func (s *storage) write(ctx context.Context, key string, o backend.PutOptions,
	fill func(*folder, *os.File) error) (backend.Object, error) {
	if err := s.check(ctx, key); err != nil {
		return backend.Object{}, err
	}
	f, err := s.folder(parent(key), true)
	if err != nil {
		return backend.Object{}, err
	}
	defer f.Close()
	if err := s.permits(ctx, f, key, o.If); err != nil {
		return backend.Object{}, err
	}
	t, err := s.newTemp(f, newID())
	if err != nil {
		return backend.Object{}, err
	}
	defer t.discard()
	if _, err := tryLock(t.File); err != nil { // tells others that it is no leftover
		return backend.Object{}, err
	}
	if err := setMeta(t.File, o.Meta); err != nil {
		return backend.Object{}, err
	}
	if err := fill(f, t.File); err != nil {
		return backend.Object{}, err
	}
	return s.publish(ctx, t, key, o.If, o.ModTime)
}

// temp is a temporary file in the folder of its target.
type temp struct {
	*os.File
	folder *folder
	name   string // in the folder; "" when it has become the target
}

func tempName(id string) string { return ownPrefix + id + ".part" }

func newID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

func (s *storage) newTemp(f *folder, id string) (*temp, error) {
	file, err := f.root.OpenFile(tempName(id), os.O_RDWR|os.O_CREATE|os.O_EXCL, s.options.FileMode)
	if err != nil {
		return nil, err
	}
	return &temp{File: file, folder: f, name: tempName(id)}, nil
}

// discard closes the file, and removes it if it has not become the target.
func (t *temp) discard() {
	_ = t.Close()
	if t.name != "" {
		_ = t.folder.root.Remove(t.name) // the error that led here is the one to report
	}
}

// publish brings the file to the disk and gives it its name, if the condition holds. Up to the renaming it can be given up.
func (s *storage) publish(ctx context.Context, t *temp, key string, c backend.Condition,
	modTime time.Time) (backend.Object, error) {
	f, name := t.folder, path.Base(key)
	if !modTime.IsZero() {
		if err := f.root.Chtimes(t.name, time.Time{}, modTime); err != nil {
			return backend.Object{}, err
		}
	}
	if err := s.sync(t.File); err != nil {
		return backend.Object{}, &syncError{err}
	}
	if err := ctx.Err(); err != nil {
		return backend.Object{}, err
	}
	var err error
	switch {
	case c.Absent:
		err = f.renameNew(t.name, name)
	case c.Version != "":
		err = s.ifVersion(ctx, key, c.Version, func() error { return f.root.Rename(t.name, name) })
	default:
		err = f.root.Rename(t.name, name)
	}
	if err != nil {
		return backend.Object{}, err
	}
	t.name = ""
	if err := syncDir(f.dir); err != nil {
		return backend.Object{}, err
	}
	meta := getMeta(t.File)
	info, err := t.Stat()
	if err := errors.Join(err, t.Close()); err != nil {
		return backend.Object{}, err
	}
	obj := object(key, info)
	obj.Meta = meta
	return obj, nil
}

// linkNew gives old the name new if nothing has it, on systems without a renaming that does not replace.
func (f *folder) linkNew(old, new string) error {
	if err := f.root.Link(old, new); err != nil {
		return err
	}
	return f.root.Remove(old)
}

// permits looks at the condition before work is put into a write. What counts is the look that publish takes.
func (s *storage) permits(ctx context.Context, f *folder, key string, c backend.Condition) error {
	info, err := f.root.Lstat(path.Base(key))
	switch {
	case err == nil && info.IsDir():
		return because(backend.Invalid, "a directory has this name")
	case err == nil && c.Absent:
		return because(backend.Exists, "a file has this name already")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case c.Version != "":
		return s.isVersion(ctx, key, c.Version)
	}
	return nil
}

func (s *storage) isVersion(ctx context.Context, key, version string) error {
	obj, err := s.stat(ctx, key)
	if err == nil && obj.Version != version {
		err = because(backend.Changed, "the file was replaced or changed")
	}
	return orGone(err, version)
}

// ifVersion calls act while the file at key is of this version. It locks the file against everybody else who does the same,
// and looks again when it has the lock, as the one before may have replaced the file.
func (s *storage) ifVersion(ctx context.Context, key, version string, act func() error) error {
	f, _, err := s.openFile(key, version)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := waitLock(ctx, func() (bool, error) { return tryLock(f) }); err != nil {
		return err
	}
	if err := s.isVersion(ctx, key, version); err != nil {
		return err
	}
	return act()
}

// waitLock tries until it has the lock or ctx ends. Waiting in the kernel could not be given up.
func waitLock(ctx context.Context, try func() (bool, error)) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		if ok, err := try(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// window is the unit in which zeros are looked for. It is a multiple of every usual block size.
const window = 64 << 10

// writeSparse writes p at off. Windows of zeros are left out where the file is fresh, which means that it reads as zeros
// there, and otherwise punched out, or written where the file system has no holes.
func writeSparse(ctx context.Context, f *os.File, p []byte, off int64, fresh bool) error {
	for len(p) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, zero := run(p, off)
		if !zero || !fresh && punch(f, off, int64(n)) != nil {
			if _, err := f.WriteAt(p[:n], off); err != nil {
				return err
			}
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// run returns the length of the first run of windows in p that are all zeros, or all not, and which. Windows are aligned
// in the file, where p begins at off. A run that is not of zeros is cut at step.
func run(p []byte, off int64) (n int, zero bool) {
	for n < len(p) && (zero || n < step) {
		next := min(n+window-int((off+int64(n))%window), len(p))
		z := isZero(p[n:next])
		if n > 0 && z != zero {
			break
		}
		n, zero = next, z
	}
	return n, zero
}

// isZero compares p with itself, shifted by one byte.
func isZero(p []byte) bool {
	return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}
