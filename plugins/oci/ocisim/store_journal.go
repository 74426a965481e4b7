package ocisim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// openStore reads the journal below dir, writes it anew without what is obsolete, and removes files that nothing uses.
func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, err
	}
	st := &store{dir: dir, buckets: map[string]*contents{}, copies: map[string]*copyRequest{}, files: map[string]int{}}
	if err := st.replay(); err != nil {
		return nil, err
	}
	if err := st.compact(); err != nil {
		return nil, err
	}
	return st, st.sweep()
}

func (st *store) journalPath() string { return filepath.Join(st.dir, "journal") }

// replay applies the journal. A last line that a crash cut short did not happen.
func (st *store) replay() error {
	f, err := os.Open(st.journalPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var c change
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("read line %d of %s: %w; remove the directory to start afresh", n, st.journalPath(), err)
		}
		st.apply(c)
	}
}

// compact replaces the journal by one that says only what is, and opens it for appending.
func (st *store) compact() error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	st.lines = 0
	add := func(c change) error { st.lines++; return enc.Encode(c) }
	for _, w := range st.copies {
		if err := add(change{Copy: w}); err != nil {
			return err
		}
	}
	for id, b := range st.buckets {
		for _, c := range b.record(id) {
			if err := add(c); err != nil {
				return err
			}
		}
	}
	if err := writeFile(st.journalPath(), out.Bytes()); err != nil {
		return err
	}
	f, err := os.OpenFile(st.journalPath(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	st.journal, st.length = f, int64(out.Len())
	return nil
}

// write appends a change. It is not synced: the journal survives the process, which is what a simulator promises.
func (st *store) write(c change) error {
	line, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode change: %w", err)
	}
	line = append(line, '\n')
	if _, err := st.journal.Write(line); err != nil {
		// What a full disk took of the line must not stand before the next one.
		return errors.Join(fmt.Errorf("write journal: %w", err), st.journal.Truncate(st.length))
	}
	st.length += int64(len(line))
	st.lines++
	return nil
}

// sweep removes files that no object or part uses: of uploads that were under way when the last process ended.
func (st *store) sweep() error {
	entries, err := os.ReadDir(filepath.Join(st.dir, "data"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if st.files[e.Name()] == 0 {
			st.discard(e.Name())
		}
	}
	return nil
}

// close syncs and closes the journal.
func (st *store) close() error {
	err := st.journal.Sync()
	if e := st.journal.Close(); err == nil {
		err = e
	}
	return err
}
