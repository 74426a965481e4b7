package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// ledger is the container under test as the cases see it. It remembers what they write, so that it can be removed, and
// hands every method memory of its own that it overwrites as soon as the method has returned: a method that still reads it
// stores the wrong bytes, one that still writes it is found by checkGuards, and the race detector sees both.
type ledger struct {
	backend.Storage

	mu      sync.Mutex
	keys    map[string]bool
	uploads map[string]backend.Upload
	guards  [][]byte
	held    int // bytes in guards
	errs    []error
}

const (
	poison    = 0xDB
	maxGuards = 4 << 20 // bytes; once so much overwritten memory is kept until the end of a case, no more is
)

func newLedger(s backend.Storage) *ledger {
	return &ledger{Storage: s, keys: map[string]bool{}, uploads: map[string]backend.Upload{}}
}

func (l *ledger) wrote(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[key] = true
}

// guard overwrites memory that a method had and keeps it.
func (l *ledger) guard(p []byte) {
	overwrite(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held < maxGuards {
		l.guards = append(l.guards, p)
		l.held += len(p)
	}
}

func overwrite(p []byte) {
	if len(p) > 0 {
		p[0] = poison
	}
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

// lend gives send a copy of p and overwrites it afterwards.
func (l *ledger) lend(p []byte, what string, send func(p []byte)) {
	lent := bytes.Clone(p)
	send(lent)
	if !bytes.Equal(lent, p) {
		l.mu.Lock()
		l.errs = append(l.errs, fmt.Errorf("%s changed the bytes that it was given", what))
		l.mu.Unlock()
	}
	l.guard(lent)
}

// checkGuards reports memory that was written to after the method that had it returned.
func (l *ledger) checkGuards() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.guards {
		if bytes.Count(p, []byte{poison}) != len(p) {
			l.errs = append(l.errs, errors.New("a method wrote to the caller's memory after it had returned"))
		}
	}
	return errors.Join(l.errs...)
}

func (l *ledger) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	lent := make([]byte, len(p))
	n, err := l.Storage.ReadAt(ctx, obj, lent, off)
	if n < 0 || n > len(p) {
		return 0, fmt.Errorf("a read of %d bytes returned %d", len(p), n)
	}
	copy(p, lent[:n])
	l.guard(lent)
	return n, err
}

func (l *ledger) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (obj backend.Object, err error) {
	l.wrote(key)
	l.lend(p, "put", func(p []byte) { obj, err = l.Storage.Put(ctx, key, p, o) })
	return obj, err
}

func (l *ledger) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
	u, err := l.Storage.CreateUpload(ctx, key, o)
	if err == nil {
		l.mu.Lock()
		l.uploads[u.Key+"\x00"+u.ID] = u
		l.mu.Unlock()
	}
	return u, err
}

func (l *ledger) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (part backend.Part, err error) {
	l.lend(p, "upload part", func(p []byte) { part, err = l.Storage.UploadPart(ctx, u, n, p, sum) })
	return part, err
}

func (l *ledger) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
	l.wrote(u.Key)
	return l.Storage.CompleteUpload(ctx, u, parts, o)
}

func (l *ledger) Copy(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (backend.Object, error) {
	l.wrote(key)
	return l.Storage.Copy(ctx, from, version, key, o)
}

// tidy aborts the uploads and deletes the objects that the case made, and returns an error that names what is left.
func (l *ledger) tidy(ctx context.Context, prefix string) error {
	info := l.Info()
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(l.uploads)) {
		u := l.uploads[id]
		if err := l.AbortUpload(ctx, u); err != nil {
			errs = append(errs, fmt.Errorf("left upload %q of %q: %w", u.ID, u.Key, err))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.keys)) {
		if !info.Can.Delete {
			if _, err := l.Stat(ctx, key); err == nil {
				errs = append(errs, fmt.Errorf("left %q: this container cannot delete", key))
			}
			continue
		}
		err := l.Delete(ctx, backend.Object{Key: key})
		if err != nil && !errors.Is(err, backend.NotFound) && !errors.Is(err, backend.Invalid) {
			errs = append(errs, fmt.Errorf("left %q: %w", key, err))
		}
	}
	if info.Can.Versions && info.Can.Delete {
		errs = append(errs, l.purge(ctx, prefix))
	}
	return errors.Join(append(errs, l.leftovers(ctx, prefix))...)
}

// purge removes what a container that keeps old versions still has of the keys under prefix and of others that were written.
func (l *ledger) purge(ctx context.Context, prefix string) error {
	var errs []error
	remove := func(under string, ours func(key string) bool) {
		versions, err := collect(l.Versions(ctx, under))
		if !errors.Is(err, backend.Forbidden) { // who may not see old versions cannot remove them
			errs = append(errs, err)
		}
		for _, v := range versions {
			if !ours(v.Key) {
				continue
			}
			if err := l.Delete(ctx, v.Object); err != nil && !errors.Is(err, backend.NotFound) {
				errs = append(errs, fmt.Errorf("left version %q of %q: %w", v.Generation, v.Key, err))
			}
		}
	}
	remove(prefix, func(string) bool { return true })
	for _, key := range slices.Sorted(maps.Keys(l.keys)) {
		if !strings.HasPrefix(key, prefix) {
			remove(key, func(other string) bool { return other == key })
		}
	}
	return errors.Join(errs...)
}

// leftovers looks for what is under prefix after everything was removed.
func (l *ledger) leftovers(ctx context.Context, prefix string) error {
	info := l.Info()
	var errs []error
	if info.Can.List && info.Can.Delete {
		for o, err := range l.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("list what is left: %w", err)
			}
			errs = append(errs, fmt.Errorf("left %q, which no case wrote", o.Key))
		}
	}
	if info.Can.Versions && info.Can.Delete {
		for v, err := range l.Versions(ctx, prefix) {
			if errors.Is(err, backend.Forbidden) {
				break
			}
			if err != nil {
				return fmt.Errorf("list versions that are left: %w", err)
			}
			errs = append(errs, fmt.Errorf("left version %q of %q", v.Generation, v.Key))
		}
	}
	if info.Can.ListUploads {
		for u, err := range l.ListUploads(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("list uploads that are left: %w", err)
			}
			errs = append(errs, fmt.Errorf("left upload %q of %q", u.ID, u.Key))
		}
	}
	return errors.Join(errs...)
}
