package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// maxParts bounds the list of parts that an upload keeps beside its bytes.
const maxParts = 1 << 20

// storage is one directory tree. It holds no descriptor between calls: opening the directory costs some microseconds,
// against milliseconds for the parts that calls are made for.
type storage struct {
	backend.Unimplemented
	dir     string // absolute path of the container
	options Options
	writer  func() string        // names this provider in the parts that it writes
	sync    func(*os.File) error // brings a file to the disk
}

// at returns the container in another directory.
func (s *storage) at(dir string) *storage {
	there := *s
	there.dir = filepath.Clean(dir)
	return &there
}

// Info tells what a directory can do, which does not depend on the directory.
//
// Condition.Version is atomic among conditional writers and conditional deletes of this package, in any process: they
// lock the file that they replace. Other programs, and unconditional writes, do not ask for that lock.
func (s *storage) Info() backend.Info {
	return backend.Info{
		Can: backend.Capabilities{
			Write: true, List: true, ListParts: true, ListUploads: true, Delete: true,
			PutIfAbsent: true, CompleteIfAbsent: true, IfVersion: true,
			Holes: keepsHoles, Strays: true, ModTime: true, MakesContainer: true,
			Browse: true, CreateContainer: true, Space: true,
		},
		Checksums: []backend.Algorithm{backend.CRC32C},
		CopyFrom:  []string{"file"},
		Limits:    backend.Limits{MaxParts: maxParts},
	}
}

// Stat returns the file at key. A symbolic link to a file in the container is that file. Everything else that is not a
// regular file is NotFound, as it is no object.
func (s *storage) Stat(ctx context.Context, key string) (backend.Object, error) {
	obj, err := s.stat(ctx, key)
	if err != nil {
		return backend.Object{}, s.fail("stat", key, err)
	}
	f, info, err := s.openFile(key, "")
	if err != nil { // it may be looked at, but not be read
		return obj, nil //nolint:nilerr // the object is known; only its metadata is not
	}
	defer f.Close()
	obj = object(key, info)
	obj.Meta = getMeta(f)
	return obj, nil
}

func (s *storage) stat(ctx context.Context, key string) (backend.Object, error) {
	if err := s.check(ctx, key); err != nil {
		return backend.Object{}, err
	}
	root, err := s.open()
	if err != nil {
		return backend.Object{}, err
	}
	defer root.Close()
	info, err := root.Stat(filepath.FromSlash(key))
	if err != nil {
		return backend.Object{}, err
	}
	if err := regular(info); err != nil {
		return backend.Object{}, err
	}
	return object(key, info), nil
}

// Delete removes the file, or the symbolic link, at obj.Key. Directories stay. The removal is not forced to the disk: after
// a power cut the file may be there again.
func (s *storage) Delete(ctx context.Context, obj backend.Object) error {
	err := s.check(ctx, obj.Key)
	if err == nil {
		err = s.delete(ctx, obj)
	}
	if err != nil {
		return s.fail("delete", obj.Key, err)
	}
	return nil
}

func (s *storage) delete(ctx context.Context, obj backend.Object) error {
	if err := current(obj); err != nil {
		return err
	}
	f, err := s.folder(parent(obj.Key), false)
	if err != nil {
		return err
	}
	defer f.Close()
	name := path.Base(obj.Key)
	info, err := f.root.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		if err := regular(info); err != nil {
			return err
		}
	}
	if obj.Version == "" {
		return f.root.Remove(name)
	}
	return s.ifVersion(ctx, obj.Key, obj.Version, func() error { return f.root.Remove(name) })
}

// check is the beginning of every method that is given a key.
func (s *storage) check(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return because(backend.Invalid, "%w", err)
	}
	return ctx.Err()
}

// current refuses old versions, of which a directory has none.
func current(obj backend.Object) error {
	if obj.Generation != "" {
		return because(backend.Unsupported, "a directory keeps no old versions")
	}
	return nil
}

// CreateContainer makes the directory, and those above it that are missing.
func (s *storage) CreateContainer(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		err = s.create()
	}
	if err != nil {
		return s.fail("create container", s.dir, err)
	}
	return nil
}

func (s *storage) create() error {
	if err := makeContainer(filepath.Dir(s.dir), s.options.DirMode); err != nil {
		return err
	}
	err := os.Mkdir(s.dir, s.options.DirMode)
	if err == nil {
		return syncPath(os.Open(filepath.Dir(s.dir)))
	}
	if info, statErr := os.Stat(s.dir); errors.Is(err, fs.ErrExist) && statErr == nil && !info.IsDir() {
		return because(backend.Invalid, "it is a file, not a directory")
	}
	return err
}

// open opens the container. The slash makes the kernel refuse what is not a directory, instead of waiting on a pipe.
func (s *storage) open() (*os.Root, error) {
	return os.OpenRoot(strings.TrimSuffix(s.dir, string(filepath.Separator)) + string(filepath.Separator))
}

// object describes a regular file.
func object(key string, info fs.FileInfo) backend.Object {
	return backend.Object{Key: key, Size: info.Size(), ModTime: info.ModTime(), Version: fileVersion(info)}
}

func regular(info fs.FileInfo) error {
	switch {
	case info.Mode().IsRegular():
		return nil
	case info.IsDir():
		return because(backend.NotFound, "it is a directory")
	}
	return because(backend.NotFound, "it is not a regular file (%s)", info.Mode().Type())
}

// folder is one open directory inside the container. Names in it are single elements, so that what happens to the path
// above it meanwhile does not matter.
type folder struct {
	root *os.Root
	dir  *os.File // the same directory as a descriptor; not on Windows
}

// folder opens the directory at dir, a slash-separated path or ".". With create it makes what is missing.
func (s *storage) folder(dir string, create bool) (*folder, error) {
	f, err := s.openFolder(dir)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err = s.makeFolder(dir); err == nil {
			f, err = s.openFolder(dir)
		}
	}
	if create && kindOf(err) == backend.NotFound {
		err = because(backend.Invalid, "cannot make the directory %q: an element of it is a file: %w", dir, err)
	}
	return f, err
}

func (s *storage) openFolder(dir string) (*folder, error) {
	root, err := s.open()
	if err != nil {
		return nil, err
	}
	if dir != "." {
		top := root
		defer top.Close()
		if root, err = top.OpenRoot(filepath.FromSlash(dir) + string(filepath.Separator)); err != nil {
			return nil, err
		}
	}
	f := &folder{root: root}
	if f.dir, err = openDir(root); err != nil {
		_ = root.Close()
		return nil, err
	}
	return f, nil
}

// makeFolder makes the container and the directory dir in it, and brings each new directory to the disk.
func (s *storage) makeFolder(dir string) error {
	if err := makeContainer(s.dir, s.options.DirMode); err != nil {
		return err
	}
	root, err := s.open()
	if err != nil || dir == "." {
		return errors.Join(err, closeIf(root))
	}
	defer root.Close()
	path := "."
	for name := range strings.SplitSeq(dir, "/") {
		above := path
		path = filepath.Join(path, name)
		err := root.Mkdir(path, s.options.DirMode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = syncPath(root.Open(above))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func closeIf(root *os.Root) error {
	if root == nil {
		return nil
	}
	return root.Close()
}

func makeContainer(dir string, mode fs.FileMode) error {
	err := os.Mkdir(dir, mode)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err := makeContainer(filepath.Dir(dir), mode); err != nil {
			return err
		}
		err = os.Mkdir(dir, mode)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncPath(os.Open(filepath.Dir(dir)))
}

// syncPath syncs a directory that was just opened, and closes it. One that may be entered but not read is left alone.
func syncPath(dir *os.File, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(syncDir(dir), dir.Close())
}

func (f *folder) Close() {
	if f.dir != nil {
		_ = f.dir.Close()
	}
	_ = f.root.Close()
}
