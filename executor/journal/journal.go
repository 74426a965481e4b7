// Package journal remembers what a run has done, so that the next one goes on where it stopped.
//
// A journal is one append-only file per run. Each line is the CRC32C of a record and the record as JSON; a line that does
// not check ends the journal, since a crash can tear only its tail. What another process must not miss is on disk before
// the call that wrote it returns; the rest is synced a few times a second, and losing it costs only work done twice.
package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

const (
	version   = 1
	fileName  = "journal"
	syncEvery = 200 * time.Millisecond
)

// Record is one line: exactly one of the pointers is set.
type Record struct {
	Run    *Run    `json:"run,omitempty"`
	Export *Export `json:"export,omitempty"`
	Note   *Note   `json:"note,omitempty"`
	Step   *Step   `json:"step,omitempty"`
	End    *End    `json:"end,omitempty"`
}

// Run heads the journal.
type Run struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
}

// Export is how far the export of a step has come. The first one is written before the provider is asked for anything.
type Export struct {
	Step     string                `json:"step"`
	Backend  string                `json:"backend"`
	Request  backend.ExportRequest `json:"request"`
	Attempt  int                   `json:"attempt,omitempty"` // from 0: each that was released has a token of its own
	Job      string                `json:"job,omitempty"`     // id, once known
	Kept     bool                  `json:"kept,omitempty"`    // staged objects are to stay
	Arrived  bool                  `json:"arrived,omitempty"` // every image is at every destination
	Released bool                  `json:"released,omitempty"`
	Power    Power                 `json:"power,omitzero"`
}

// Power is what an export did to the power of its instance.
type Power struct {
	Stopping bool `json:"stopping,omitempty"` // it was running, and a stop is about to be asked for or was
	Restored bool `json:"restored,omitempty"` // it was started again
}

// Owed reports whether the instance has to be started again.
func (p Power) Owed() bool { return p.Stopping && !p.Restored }

// Note is a change of the checkpoint of one item, see transfer.Note.
type Note struct {
	Step string           `json:"step"`
	Item string           `json:"item"`
	To   backend.Location `json:"to"`
	Done *backend.Object  `json:"done,omitempty"` // the item is finished: what the destination holds, with its CRC32C
	Of   string           `json:"of,omitempty"`   // token of the export that a finished item comes from
	Drop bool             `json:"drop,omitempty"` // the item was given up: there is no upload any more
	transfer.Note
}

// Step says that a step has ended well.
type Step struct {
	ID     string `json:"id"`
	Digest string `json:"digest"`
}

// End says that the run is over and nothing of it is to be continued or released.
type End struct {
	Time time.Time `json:"time"`
}

// Journal is an open journal. Its methods are safe for concurrent use.
type Journal struct {
	mu     sync.Mutex
	file   *os.File
	synced time.Time
	failed error // of an earlier write or sync: what is on disk is unknown since then
	state  State
}

// Create begins the journal of a run in dir, which it makes. The files are readable by the user alone.
func Create(dir string, run Run) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, fileName), os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f, state: newState()}
	run.Version = version
	err = j.write(Record{Run: &run}, true)
	for _, made := range []string{dir, filepath.Dir(dir)} {
		if err == nil {
			err = syncDir(made)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// Open continues the journal in dir. A torn tail is cut off.
func Open(dir string) (*Journal, error) {
	f, err := os.OpenFile(filepath.Join(dir, fileName), os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f}
	var size int64
	if j.state, size, err = load(f); err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", f.Name(), err), f.Close())
	}
	return j, nil
}

// Read returns what the journal in dir says, without changing it.
func Read(dir string) (State, error) {
	f, err := os.Open(filepath.Join(dir, fileName))
	if err != nil {
		return State{}, err
	}
	defer f.Close()
	state, _, err := load(f)
	return state, err
}

// load reads records up to the first line that does not check, and returns the length of what is good.
func load(r io.Reader) (State, int64, error) {
	state, size := newState(), int64(0)
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // a last line without its end was torn
		}
		if err != nil {
			return state, size, err
		}
		rec, ok := decode(line[:len(line)-1])
		if !ok {
			break
		}
		if rec.Run != nil && rec.Run.Version != version {
			return state, size, fmt.Errorf("has format %d, and this program reads %d; finish the run with the version that began it", rec.Run.Version, version)
		}
		state.apply(rec)
		size += int64(len(line))
	}
	if state.Run.ID == "" {
		return state, size, errEmpty
	}
	return state, size, nil
}

// errEmpty means that the process died before the head of the journal was on disk, so before the run did anything.
var errEmpty = errors.New("does not begin with a run")

var table = crc32.MakeTable(crc32.Castagnoli)

func encode(rec Record) ([]byte, error) {
	text, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(text, table), text), nil
}

func decode(line []byte) (rec Record, ok bool) {
	sum, text, found := bytes.Cut(line, []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !found || len(sum) != 8 || err != nil || crc32.Checksum(text, table) != uint32(want) {
		return rec, false
	}
	return rec, json.Unmarshal(text, &rec) == nil
}

// ErrWrite is in the error of a Write that failed. What the run does then is not remembered: it has to stop.
var ErrWrite = errors.New("write journal")

// Write appends a record. If durable, it is on disk when Write returns. After an error every later Write fails with the
// same one: what is on disk is not known any more.
func (j *Journal) Write(rec Record, durable bool) error {
	if err := j.write(rec, durable); err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	return nil
}

func (j *Journal) write(rec Record, durable bool) error {
	line, err := encode(rec)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed != nil {
		return j.failed
	}
	if _, j.failed = j.file.Write(line); j.failed != nil {
		return j.failed
	}
	if durable || time.Since(j.synced) > syncEvery {
		if j.failed = j.file.Sync(); j.failed != nil {
			return j.failed
		}
		j.synced = time.Now()
	}
	j.state.apply(rec)
	return nil
}

// Close syncs and closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.file.Sync(), j.file.Close())
}
