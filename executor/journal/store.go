package journal

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

// Look opens the folder of the manifest called name below root for reading, also while another process has the lock.
func Look(root, name string) (*Store, error) { return &Store{dir: filepath.Join(root, name)}, nil }

// Close gives the folder free.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// Dir returns the folder of a run.
func (s *Store) Dir(run string) string { return filepath.Join(s.dir, "runs", run) }

// Runs lists the ids of the runs that the folder keeps, oldest first. A run whose process died before its journal had a
// head did nothing and is left out.
func (s *Store) Runs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "runs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		begun, err := hasHead(s.Dir(e.Name()))
		if err != nil {
			return nil, err
		}
		if begun {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Unfinished returns the state of the newest run that has not ended. There is at most one, unless somebody copied folders
// about or turned the clock back.
func (s *Store) Unfinished() (State, bool, error) {
	ids, err := s.Runs()
	if err != nil {
		return State{}, false, err
	}
	for _, id := range slices.Backward(ids) {
		if hasEnd(s.Dir(id)) {
			continue
		}
		state, err := Read(s.Dir(id))
		if err != nil {
			return State{}, false, fmt.Errorf("run %s: %w", id, err)
		}
		if !state.Ended {
			return state, true, nil
		}
	}
	return State{}, false, nil
}

// Active returns when a run last wrote to its journal.
func (s *Store) Active(run string) (time.Time, error) {
	info, err := os.Stat(filepath.Join(s.Dir(run), fileName))
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Locked reports whether a process has the lock of the folder that Look opened.
func (s *Store) Locked() bool {
	if s.lock != nil {
		return false
	}
	lock := flock.New(filepath.Join(s.dir, "lock"), flock.SetFlag(os.O_RDWR))
	ok, err := lock.TryLock()
	_ = lock.Close()
	return err == nil && !ok
}

// hasHead reports whether the journal in dir begins with a whole line.
func hasHead(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	rec, ok := decode(line[:len(line)-1])
	return ok && rec.Run != nil && rec.Run.ID != "", nil
}

// hasEnd reports whether the last line of the journal in dir says that the run is over. It saves reading the whole.
func hasEnd(dir string) bool {
	f, err := os.Open(filepath.Join(dir, fileName))
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false
	}
	tail := make([]byte, min(info.Size(), 512))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil || !bytes.HasSuffix(tail, []byte("\n")) {
		return false
	}
	tail = tail[:len(tail)-1]
	rec, ok := decode(tail[bytes.LastIndexByte(tail, '\n')+1:])
	return ok && rec.End != nil
}

// NewRunID returns an id that sorts after those of earlier runs: the time to the second and four random digits.
func NewRunID(now time.Time) string {
	var tail [2]byte
	_, _ = rand.Read(tail[:]) // never fails
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(tail[:])
}
