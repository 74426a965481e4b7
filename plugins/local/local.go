// Package local makes a directory tree of this machine a backend.Storage for locations of scheme "file".
//
// The directory is the container and the paths below it, with slashes, are the keys. Every access goes through an
// os.Root of that directory, so that no key and no symbolic link leads out of it. A file appears under its name whole,
// verified and on the disk, or not at all: bytes are collected in a file named .hx-<id>.part beside the target, and a
// multipart upload keeps its list of parts in .hx-<id>.parts. Names that begin with .hx- are therefore no keys.
//
// Metadata is kept in an extended attribute, and dropped where there are none. Directories are made as keys need them, and
// stay when they are empty.
package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Options are the options of New. The zero value keeps what is written to its owner.
type Options struct {
	FileMode fs.FileMode // of the files that are written, before the umask; zero means 0600
	DirMode  fs.FileMode // of the directories that are made, before the umask; zero means 0700
}

// Provider serves every directory that the process can reach. It implements backend.Provider.
type Provider struct {
	proto storage // what every container is a copy of
}

var _ backend.Provider = (*Provider)(nil)

// New returns a Provider. It holds no resources.
func New(o Options) *Provider {
	if o.FileMode == 0 {
		o.FileMode = 0o600
	}
	if o.DirMode == 0 {
		o.DirMode = 0o700
	}
	return &Provider{proto: storage{options: o, writer: sync.OnceValue(newID), sync: (*os.File).Sync}}
}

// Describe names the provider.
func (p *Provider) Describe() backend.Description {
	return backend.Description{Name: "local", Version: "1"}
}

// Open returns the directory that holds the last element of loc as the container and that element as the key: the key of
// file:///a/b/c.img is "c.img" in /a/b, and file:///a/b/ is everything in /a/b. The path must be absolute. The directory
// need not exist: it is made by the first write, lists as empty before, and a key read from it is NotFound.
func (p *Provider) Open(loc backend.Location) (backend.Storage, string, error) {
	invalid := func(format string, args ...any) error {
		return &backend.Error{Op: "open", Key: loc.String(), Kind: backend.Invalid, Err: fmt.Errorf(format, args...)}
	}
	cut := strings.LastIndexByte(loc.Path, '/')
	dir, key := filepath.FromSlash(loc.Path[:cut+1]), loc.Path[cut+1:]
	switch {
	case strings.ContainsRune(loc.Path, 0):
		return nil, "", invalid("a path holds no NUL")
	case !filepath.IsAbs(dir):
		return nil, "", invalid("the path is relative: make it absolute first")
	}
	if key != "" {
		if err := checkKey(key); err != nil {
			return nil, "", invalid("%w", err)
		}
	}
	return p.proto.at(dir), key, nil
}

// Compute fails with Unsupported.
func (p *Provider) Compute() (backend.Compute, error) {
	return nil, &backend.Error{Op: "compute", Key: "file://", Kind: backend.Unsupported,
		Err: errors.New("a directory has no virtual machines")}
}

// Inventory fails with Unsupported.
func (p *Provider) Inventory() (backend.Inventory, error) {
	return nil, &backend.Error{Op: "inventory", Key: "file://", Kind: backend.Unsupported,
		Err: errors.New("a directory has no inventory")}
}

// Close does nothing: no file stays open between calls.
func (p *Provider) Close() error { return nil }
