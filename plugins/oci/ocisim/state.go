package ocisim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// state is everything but the objects and uploads, which the store keeps. It is one JSON file, replaced as a whole.
type state struct {
	Version       int
	Tenancy       string
	User          string
	Region        string
	Regions       []string // others that the tenancy is subscribed to
	Limits        Limits
	Namespace     string
	Keys          map[string]string // keyId to the PEM of a public key
	Rules         []Rule            `json:",omitempty"` // of the seed
	ObjectStorage objectStorageState
	Compute       computeState
	Identity      identityState
}

const stateVersion = 1

// load fills s.state from Dir and reports whether Dir was new.
func (s *Server) load(o Options) (fresh bool, err error) {
	data, err := os.ReadFile(s.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		s.state = newState(o)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, &s.state); err != nil {
		return false, fmt.Errorf("read %s: %w; remove the directory to start afresh", s.statePath(), err)
	}
	if s.state.Version != stateVersion {
		return false, fmt.Errorf("%s has version %d, this simulator writes %d; remove the directory to start afresh", s.statePath(), s.state.Version, stateVersion)
	}
	return false, nil
}

func newState(o Options) state {
	st := state{Version: stateVersion, Region: o.Region, Namespace: o.Namespace, Keys: map[string]string{}}
	if st.Region == "" {
		st.Region = "us-phoenix-1"
	}
	if st.Namespace == "" {
		st.Namespace = "axsim"
	}
	st.Tenancy = namedOCID("tenancy", "", st.Namespace)
	st.User = namedOCID("user", "", st.Namespace)
	return st
}

func (s *Server) statePath() string { return filepath.Join(s.dir, "state.json") }

// persist writes the state if it differs from what was written last. The caller holds s.mu.
func (s *Server) persist() error {
	data, err := json.MarshalIndent(s.state, "", " ")
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if bytes.Equal(data, s.saved) {
		return nil
	}
	if err := writeFile(s.statePath(), data); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	s.saved = data
	return nil
}

// persistLater persists where nobody can be told of an error: the next persist repeats the attempt. The caller holds s.mu.
func (s *Server) persistLater() { _ = s.persist() }

// writeFile replaces path as a whole: after a crash it holds the old or the new bytes.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to tell
	}
	return err
}

// now is the time of the clock in UTC, to the millisecond as OCI gives it.
func (s *Server) now() time.Time { return s.clock.Now().UTC().Truncate(time.Millisecond) }

// jsonTime is how times read in answers: RFC 3339 with milliseconds.
func jsonTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
