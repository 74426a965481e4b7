package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// List walks the tree. It holds the names of the directories on the way to the current key, no more. Only regular files
// are listed, and symbolic links to those in the container; links to directories are not followed, so that nothing is
// listed twice and no circle is walked. What is removed while it walks is left out.
//
// A container that does not exist is NotFound, one that is a file Invalid.
func (s *storage) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	return func(yield func(backend.Object, error) bool) {
		err := s.walk(ctx, prefix, objects, func(top, dir *os.Root, at string, e entry) error {
			info, err := e.info(top, dir, at)
			if err != nil || info == nil {
				return err
			}
			if !yield(object(at+e.name, info), nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(backend.Object{}, s.fail("list", prefix, err))
		}
	}
}

// Browse reads one directory. A directory in it is a prefix, also one that holds nothing.
func (s *storage) Browse(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		err := s.walk(ctx, prefix, level, func(top, dir *os.Root, at string, e entry) error {
			found := backend.Entry{Prefix: at + e.order()}
			if !e.mode.IsDir() {
				info, err := e.info(top, dir, at)
				if err != nil || info == nil {
					return err
				}
				found = backend.Entry{Object: object(at+e.name, info)}
			}
			if !yield(found, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(backend.Entry{}, s.fail("browse", prefix, err))
		}
	}
}

// ListUploads finds the lists of parts; in a container that does not exist there are none. It also yields what a killed Put, Copy or CreateUpload left: a temporary file that
// no list belongs to and nobody writes, under its own name, which AbortUpload takes as Key. A CompleteUpload that was killed
// after it made the object visible may have left its list: it is yielded too, and AbortUpload does not touch the object.
func (s *storage) ListUploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return func(yield func(backend.Upload, error) bool) {
		err := s.walk(ctx, prefix, ownFiles, func(_, dir *os.Root, at string, e entry) error {
			u, err := readUpload(dir, at, e.name)
			if err != nil || u.ID == "" || !strings.HasPrefix(u.Key, prefix) {
				return err
			}
			if !yield(u, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(backend.Upload{}, s.fail("list uploads", prefix, err))
		}
	}
}

// readUpload describes the upload that name in dir belongs to. The ID is empty if it is none, or was described already.
func readUpload(dir *os.Root, at, name string) (backend.Upload, error) {
	id, isSidecar, ok := ownID(name)
	if !ok {
		return backend.Upload{}, nil
	}
	f := folder{root: dir}
	if !isSidecar {
		if _, err := dir.Lstat(sidecarName(id)); err == nil || f.inUse(name) {
			return backend.Upload{}, nil
		}
	} else if lines, err := dir.OpenFile(name, os.O_RDONLY|nonBlock, 0); err == nil {
		defer lines.Close()
		if car, err := readSidecar(lines, true); err == nil {
			car.upload.Key, car.upload.ID = at+car.upload.Key, id
			return car.upload, nil
		}
	}
	info, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return backend.Upload{}, nil
	}
	if err != nil {
		return backend.Upload{}, err
	}
	return backend.Upload{Key: at + name, ID: id, Created: info.ModTime(), Stray: true}, nil
}

// errStop ends a walk whose consumer has enough.
var errStop = errors.New("stop")

// entry is one name in a directory.
type entry struct {
	name string
	mode fs.FileMode // type bits
}

// order is the name as it stands in keys: '-' sorts before the slash after a directory.
func (e entry) order() string {
	if e.mode.IsDir() {
		return e.name + "/"
	}
	return e.name
}

// info returns what is known of a regular file, nil for everything else.
func (e entry) info(top, dir *os.Root, at string) (fs.FileInfo, error) {
	var info fs.FileInfo
	var err error
	switch {
	case e.mode.IsRegular():
		info, err = dir.Lstat(e.name)
	case e.mode&fs.ModeSymlink != 0:
		if info, err = top.Stat(filepath.FromSlash(at + e.name)); err != nil {
			return nil, nil //nolint:nilerr // a link to nowhere, or out of the container, is no object
		}
	}
	if errors.Is(err, fs.ErrNotExist) || info == nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	return info, err
}

// visit is called with the container, the directory, its key with a slash at the end ("" for the container) and a name.
type visit func(top, dir *os.Root, at string, e entry) error

// wanted says what a walk visits.
type wanted int

const (
	objects  wanted = iota // the files whose keys begin with the prefix
	ownFiles               // our own files in the directories that have such keys
	level                  // the files and directories that are directly below the prefix
)

// walk visits what is wanted, in the order of keys.
func (s *storage) walk(ctx context.Context, prefix string, want wanted, v visit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	top, err := s.open()
	if want == ownFiles && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if kindOf(err) == backend.NotFound && !errors.Is(err, fs.ErrNotExist) {
		return because(backend.Invalid, "it is not a directory: %w", err)
	}
	if err != nil {
		return err
	}
	defer top.Close()
	dir, at, rest := top, "", prefix
	for {
		name, below, ok := strings.Cut(rest, "/")
		if !ok {
			break
		}
		if checkName(name) != nil {
			return nil // no key begins like this
		}
		info, err := dir.Lstat(name)
		if err != nil || !info.IsDir() {
			return errIs(err, backend.NotFound, nil)
		}
		if dir, err = dir.OpenRoot(name + string(filepath.Separator)); err != nil {
			return errIs(err, backend.NotFound, nil) // it was removed just now
		}
		defer dir.Close()
		at, rest = at+name+"/", below
	}
	w := walker{ctx: ctx, top: top, want: want, visit: v}
	return w.walk(dir, at, rest)
}

type walker struct {
	ctx   context.Context
	top   *os.Root
	want  wanted
	visit visit
}

func (w *walker) walk(dir *os.Root, at, prefix string) error {
	entries, err := w.read(dir, prefix)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if !e.mode.IsDir() || w.want == level {
			err = w.visit(w.top, dir, at, e)
		} else {
			err = w.enter(dir, at, e.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) enter(dir *os.Root, at, name string) error {
	sub, err := dir.OpenRoot(name + string(filepath.Separator))
	if err != nil {
		return errIs(err, backend.NotFound, nil)
	}
	defer sub.Close()
	return w.walk(sub, at+name+"/", "")
}

// read returns the entries of a directory that matter, sorted. Pipes, devices and sockets do not.
func (w *walker) read(dir *os.Root, prefix string) ([]entry, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var entries []entry
	for {
		batch, err := f.ReadDir(1024)
		for _, d := range batch {
			e := entry{name: d.Name(), mode: d.Type()}
			if w.wants(e, prefix) {
				entries = append(entries, e)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.order(), b.order()) })
	return entries, nil
}

func (w *walker) wants(e entry, prefix string) bool {
	switch {
	case isOwn(e.name):
		return w.want == ownFiles && e.mode.IsRegular()
	case e.mode.IsDir():
		return strings.HasPrefix(e.order(), prefix)
	}
	return w.want != ownFiles && (e.mode.IsRegular() || e.mode&fs.ModeSymlink != 0) && strings.HasPrefix(e.name, prefix)
}
