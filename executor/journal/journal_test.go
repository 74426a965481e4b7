package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_TEST_LOCK"); dir != "" {
		holdLock(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

var (
	begun = time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC)
	head  = Run{ID: "r1", Name: "nightly", Started: begun}
)

func at(path string) backend.Location { return backend.Location{Scheme: "mem", Path: path} }

func note(to string, n transfer.Note) Record {
	return Record{Note: &Note{Step: "transfer.logs", Item: to, To: at(to), Note: n}}
}

// records is a run with every kind of record.
func records() []Record {
	request := backend.ExportRequest{Token: "t1", Instance: "i", Name: "web", Formats: []string{"qcow2"}, Staging: at("staging/"), Tags: map[string]string{"a": "b"}}
	upload := backend.Upload{Key: "b/1", ID: "u1", Size: 20, PartSize: 10}
	return []Record{
		{Export: &Export{Step: "export.web", Backend: "mem", Request: request}},
		{Export: &Export{Step: "export.web", Backend: "mem", Request: request, Job: "job/1"}},
		note("b/1", transfer.Note{Begin: &transfer.Begin{Source: backend.Object{Key: "s", Size: 20, Version: "v1"}, Time: begun}}),
		note("b/1", transfer.Note{Upload: &upload}),
		note("b/1", transfer.Note{Part: &backend.Part{Number: 1, Size: 10, Tag: "x", Checksum: "crc32c:00000001"}}),
		note("b/1", transfer.Note{Hash: &transfer.Hash{Parts: 1, State: []byte("state\n\x00")}}),
		{Note: &Note{Step: "transfer.logs", Item: "1", To: at("b/1"), Done: &backend.Object{Key: "1", Size: 20, Version: "v9", Checksum: "crc32c:00000002"}}},
		note("b/odd\nname \u2028 \"", transfer.Note{Begin: &transfer.Begin{Time: begun}}),
		{Note: &Note{Step: "transfer.logs", Item: "2", To: at("b/odd\nname \u2028 \""), Drop: true}},
		{Export: &Export{Step: "export.web", Backend: "mem", Request: request, Job: "job/1", Released: true}},
		{Step: &Step{ID: "export.web", Digest: "d1"}},
		{End: &End{Time: begun}},
	}
}

// written returns the folder of a closed journal with all of records, and its bytes.
func written(t *testing.T) (dir string, text []byte) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "runs", "r1")
	j, err := Create(dir, head)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records() {
		if err := j.Write(rec, false); err != nil {
			t.Fatal(err)
		}
	}
	want := j.State()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("read %+v, %v\nwrote %+v", got, err, want)
	}
	text, err = os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	return dir, text
}

// stateOf is the sum of the first n records behind the head.
func stateOf(n int) State {
	s := newState()
	run := head
	run.Version = version
	s.apply(Record{Run: &run})
	for _, rec := range records()[:n] {
		s.apply(rec)
	}
	return s
}

// A journal that was cut off at any byte, or whose tail is garbage, gives what its whole lines say, and can be continued.
func TestTornTail(t *testing.T) {
	_, text := written(t)
	garbage := [][]byte{nil, []byte("\n"), make([]byte, 700), []byte("0badbeef {\"end\":{}}\n"), []byte("zzzz")}
	for cut := range len(text) + 1 {
		whole := bytes.LastIndexByte(text[:cut], '\n') + 1
		lines := bytes.Count(text[:cut], []byte("\n"))
		tail := garbage[cut%len(garbage)]
		if tail != nil && cut == len(text)-1 {
			tail = nil // the missing line end would make the last line whole
		}
		state, size, err := load(bytes.NewReader(append(text[:cut:cut], tail...)))
		if lines == 0 {
			if !errors.Is(err, errEmpty) || size != 0 {
				t.Fatalf("cut at %d: %v, size %d", cut, err, size)
			}
			continue
		}
		if bytes.HasPrefix(tail, []byte("\n")) && cut > whole { // the line may have been whole but for its end
			if _, ok := decode(text[whole:cut]); ok {
				lines++
				whole = cut + 1
			}
		}
		if err != nil || size != int64(whole) || !reflect.DeepEqual(state, stateOf(lines-1)) {
			t.Fatalf("cut at %d with tail %q: %v, size %d of %d, %+v", cut, tail, err, size, whole, state)
		}
	}
}

func TestFlippedBitEndsTheJournalThere(t *testing.T) {
	_, text := written(t)
	for i := range text {
		damaged := bytes.Clone(text)
		damaged[i] ^= 1 << (i % 8)
		before := bytes.Count(text[:i], []byte("\n"))
		state, size, err := load(bytes.NewReader(damaged))
		if before == 0 {
			if err == nil && !reflect.DeepEqual(state, stateOf(len(records()))) {
				t.Fatalf("bit flipped at %d: %+v", i, state)
			}
			continue
		}
		// Only the case of a digit of the checksum does not matter.
		if err != nil || !reflect.DeepEqual(state, stateOf(before-1)) && !bytes.EqualFold(damaged, text) {
			t.Fatalf("bit flipped at %d in line %d: %v, size %d, %+v", i, before, err, size, state)
		}
	}
}

func TestOpenCutsTheTornTailAndGoesOn(t *testing.T) {
	dir, text := written(t)
	path := filepath.Join(dir, fileName)
	lines := bytes.SplitAfter(text, []byte("\n"))
	kept := bytes.Join(lines[:4], nil)
	if err := os.WriteFile(path, append(kept[:len(kept):len(kept)], lines[4][:7]...), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Write(records()[10], true); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, append(kept[:len(kept):len(kept)], lines[11]...)) {
		t.Errorf("%v\n%s", err, got)
	}
}

// The states that a crash leaves a run's folder in.
func TestCrashStates(t *testing.T) {
	line := func(rec Record) string {
		text, err := encode(rec)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	run := head
	run.Version = version
	whole, end := line(Record{Run: &run}), line(Record{End: &End{Time: begun}})
	future := run
	future.Version = version + 1
	for name, c := range map[string]struct {
		text   string // "-": no file
		listed bool
		open   string // part of the error of Open; "" for none
		ended  bool
	}{
		"folder without journal": {"-", false, "no such file", false},
		"empty file":             {"", false, "does not begin with a run", false},
		"torn head":              {whole[:30], false, "does not begin with a run", false},
		"head without its end":   {whole[:len(whole)-1], false, "does not begin with a run", false},
		"head of zeros":          {strings.Repeat("\x00", 4096), false, "does not begin with a run", false},
		"another record first":   {end + whole, false, "", true},
		"head":                   {whole, true, "", false},
		"ended":                  {whole + end, true, "", true},
		"torn end":               {whole + end[:9], true, "", false},
		"later version":          {line(Record{Run: &future}), true, "format 2", false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s, err := Lock(root, "nightly")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := os.WriteFile(filepath.Join(root, "nightly", "runs", "stray"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(s.Dir("r1"), 0o700); err != nil {
				t.Fatal(err)
			}
			if c.text != "-" {
				if err := os.WriteFile(filepath.Join(s.Dir("r1"), fileName), []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ids, err := s.Runs()
			if err != nil || len(ids) == 1 != c.listed {
				t.Errorf("runs are %q, %v", ids, err)
			}
			state, unfinished, err := s.Unfinished()
			if wantErr := c.listed && c.open != ""; wantErr != (err != nil) || unfinished != (c.listed && c.open == "" && !c.ended) {
				t.Errorf("unfinished %v, %+v, %v", unfinished, state, err)
			}
			j, err := Open(s.Dir("r1"))
			if err == nil {
				j.Close()
			}
			if c.open == "" && err != nil || c.open != "" && (err == nil || !strings.Contains(err.Error(), c.open)) {
				t.Errorf("open: %v, want %q", err, c.open)
			}
			after, _ := os.ReadFile(filepath.Join(s.Dir("r1"), fileName))
			if c.open != "" && string(after) != strings.TrimPrefix(c.text, "-") {
				t.Errorf("a journal that cannot be opened was changed to %q", after)
			}
		})
	}
}

func TestUnfinishedFindsAnOlderRun(t *testing.T) {
	s, err := Lock(t.TempDir(), "nightly")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, unfinished, err := s.Unfinished(); err != nil || unfinished {
		t.Fatalf("without runs: %v, %v", unfinished, err)
	}
	for _, id := range []string{"20260101-1", "20260102-1", "20260103-1"} {
		j, err := Create(s.Dir(id), Run{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if id != "20260102-1" {
			if err := j.Write(Record{End: &End{Time: begun}}, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	state, unfinished, err := s.Unfinished()
	if err != nil || !unfinished || state.Run.ID != "20260102-1" {
		t.Errorf("%+v, %v, %v", state.Run, unfinished, err)
	}
}

// Look reads what runs left, also while another process holds the lock, and finds none where none ever ran.
func TestLook(t *testing.T) {
	root := t.TempDir()
	none, err := Look(root, "nightly")
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := none.Runs(); err != nil || len(ids) != 0 {
		t.Errorf("%q, %v", ids, err)
	}
	if _, unfinished, err := none.Unfinished(); err != nil || unfinished {
		t.Errorf("%v, %v", unfinished, err)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 0 {
		t.Errorf("looking made %v, %v", entries, err)
	}
	s, err := Lock(root, "nightly")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	j, err := Create(s.Dir("r1"), head)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if state, unfinished, err := none.Unfinished(); err != nil || !unfinished || state.Run.ID != "r1" {
		t.Errorf("%+v, %v, %v", state.Run, unfinished, err)
	}
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

func TestCreateRefusesARunThatIsThere(t *testing.T) {
	dir, text := written(t)
	if _, err := Create(dir, head); !errors.Is(err, os.ErrExist) {
		t.Errorf("%v", err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, fileName)); !bytes.Equal(after, text) {
		t.Error("the journal was changed")
	}
}

// After a write or sync that failed nothing more is written or believed.
func TestFailedWritePoisons(t *testing.T) {
	dir := t.TempDir()
	j, err := Create(filepath.Join(dir, "runs", "r1"), head)
	if err != nil {
		t.Fatal(err)
	}
	good := j.file
	closed, err := os.Create(filepath.Join(dir, "closed"))
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	j.file = closed
	rec := Record{Step: &Step{ID: "s", Digest: "d"}}
	first := j.Write(rec, true)
	if !errors.Is(first, ErrWrite) || !errors.Is(first, os.ErrClosed) {
		t.Fatalf("%v", first)
	}
	j.file = good
	for _, durable := range []bool{true, false} {
		if again := j.Write(rec, durable); again == nil || again.Error() != first.Error() {
			t.Errorf("the next write gives %v, want %v", again, first)
		}
	}
	if j.Finished("s", "d") {
		t.Error("the state says what is not on disk")
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if state, err := Read(filepath.Join(dir, "runs", "r1")); err != nil || len(state.Done) != 0 {
		t.Errorf("%+v, %v", state, err)
	}
}

// Writers at the same time, some durable and some not: every record is on disk, each writer's in its order, and what a
// durable Write returned from is there before it returns.
func TestConcurrentWriters(t *testing.T) {
	const writers, each = 8, 60
	dir := filepath.Join(t.TempDir(), "runs", "r1")
	j, err := Create(dir, head)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := range each {
				durable := n%20 == 0
				part := backend.Part{Number: n + 1, Size: int64(w), Tag: "t"}
				rec := Record{Note: &Note{Step: "s", Item: fmt.Sprint(w), To: at(fmt.Sprint("b/", w)), Note: transfer.Note{Part: &part}}}
				if err := j.Write(rec, durable); err != nil {
					t.Error(err)
				}
				if c := j.Checkpoint(at(fmt.Sprint("b/", w))); len(c.Parts) != n+1 {
					t.Errorf("writer %d sees %d parts after %d", w, len(c.Parts), n+1)
				}
				if state := j.State(); len(state.Open[at(fmt.Sprint("b/", w))].Checkpoint.Parts) != n+1 {
					t.Error("the copy of the state lacks parts")
				}
				if !durable {
					continue
				}
				if state, err := Read(dir); err != nil || len(state.Open[at(fmt.Sprint("b/", w))].Checkpoint.Parts) != n+1 {
					t.Errorf("not on disk: %v", err)
				}
			}
		})
	}
	group.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	state, err := Read(dir)
	if err != nil || len(state.Open) != writers {
		t.Fatalf("%d items, %v", len(state.Open), err)
	}
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]int{}
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n"))[1:] {
		rec, ok := decode(line)
		if !ok || rec.Note.Part.Number != last[rec.Note.Item]+1 {
			t.Fatalf("line %q out of order", line)
		}
		last[rec.Note.Item]++
	}
}

func FuzzLoad(f *testing.F) {
	var text []byte
	run := head
	run.Version = version
	for _, rec := range append([]Record{{Run: &run}}, records()...) {
		line, err := encode(rec)
		if err != nil {
			f.Fatal(err)
		}
		text = append(text, line...)
		f.Add(bytes.Clone(text))
	}
	f.Add([]byte("00000000 \n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		state, size, err := load(bytes.NewReader(text))
		if size < 0 || size > int64(len(text)) {
			t.Fatalf("size %d of %d", size, len(text))
		}
		if err != nil {
			return
		}
		again, sizeAgain, err := load(bytes.NewReader(text[:size]))
		if err != nil || sizeAgain != size || !reflect.DeepEqual(state, again) {
			t.Fatalf("what is kept reads otherwise: %v, %d of %d", err, sizeAgain, size)
		}
		state.Litter()
	})
}
