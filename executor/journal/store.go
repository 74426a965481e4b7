package journal

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// ErrLocked is in the error of Lock when another process runs the same manifest.
var ErrLocked = errors.New("locked by another run")

// Store is the folder that keeps the runs of one manifest.
type Store struct {
	dir  string
	lock *flock.Flock
}

// Lock takes the folder of the manifest called name below root for this process. The lock ends with the process, however
// it ends.
func Lock(root, name string) (*Store, error) {
	dir := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Join(dir, "runs"), 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, ErrLocked)
	}
	return &Store{dir: dir, lock: lock}, nil
}

// Close gives the folder free.
func (s *Store) Close() error { return s.lock.Close() }

// Dir returns the folder of a run.
func (s *Store) Dir(run string) string { return filepath.Join(s.dir, "runs", run) }

// Runs lists the ids of the runs that the folder keeps, oldest first.
func (s *Store) Runs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "runs"))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(s.Dir(e.Name()), fileName)); err == nil {
			ids = append(ids, e.Name())
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Unfinished returns the state of the newest run if that has not ended.
func (s *Store) Unfinished() (State, bool, error) {
	ids, err := s.Runs()
	if err != nil || len(ids) == 0 {
		return State{}, false, err
	}
	state, err := Read(s.Dir(ids[len(ids)-1]))
	if errors.Is(err, errEmpty) {
		return State{}, false, nil
	}
	if err != nil {
		return State{}, false, fmt.Errorf("run %s: %w", ids[len(ids)-1], err)
	}
	return state, !state.Ended, nil
}

// NewRunID returns an id that sorts after those of earlier runs: the time to the second and four random digits.
func NewRunID(now time.Time) string {
	var tail [2]byte
	_, _ = rand.Read(tail[:]) // never fails
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(tail[:])
}
