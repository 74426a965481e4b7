package wrap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

// open returns a container under faults, wrapped, and what is behind both.
func open(o backendtest.MemOptions, rules ...backendtest.Rule) (backend.Storage, *backendtest.Faults, *backendtest.Mem) {
	m := backendtest.NewMem(o)
	f := &backendtest.Faults{Storage: m, Rules: rules}
	p := quick
	p.Exclusive = true
	return wrap.Retry(f, p), f, m
}

// A conditional write whose answer was lost meets its own object: that is success, and the object of somebody else is not.
func TestLostAnswerOfConditionalPut(t *testing.T) {
	for name, o := range map[string]backendtest.MemOptions{
		"by checksum": {}, "by bytes": {Checksums: []backend.Algorithm{}},
	} {
		t.Run(name, func(t *testing.T) {
			s, f, _ := open(o, backendtest.Rule{Op: backendtest.OpPut, Nth: 1, After: true, Err: backend.Unavailable})
			p := bytes.Repeat([]byte("a"), 700<<10)
			sum := backend.Checksum("")
			if name == "by checksum" {
				sum = backend.SumCRC32C(p)
			}
			obj, err := s.Put(t.Context(), "k", p, backend.PutOptions{If: backend.Condition{Absent: true}, Checksum: sum})
			if err != nil || obj.Size != int64(len(p)) || obj.Version == "" || f.Calls(backendtest.OpPut) != 2 {
				t.Fatalf("%+v, %v after %d puts", obj, err, f.Calls(backendtest.OpPut))
			}
		})
	}
}

func TestPutDoesNotTakeTheObjectOfSomebodyElse(t *testing.T) {
	p := bytes.Repeat([]byte("a"), 700<<10)
	theirs := bytes.Clone(p)
	theirs[len(theirs)-1] = 'b'
	for name, sum := range map[string]backend.Checksum{"by checksum": backend.SumCRC32C(p), "by bytes": ""} {
		t.Run(name, func(t *testing.T) {
			var m *backendtest.Mem
			s, _, m := open(backendtest.MemOptions{}, backendtest.Rule{Op: backendtest.OpPut, Nth: 1, Err: backend.Timeout, Do: func() {
				if _, err := m.Put(t.Context(), "k", theirs, backend.PutOptions{}); err != nil {
					t.Error(err)
				}
			}})
			_, err := s.Put(t.Context(), "k", p, backend.PutOptions{If: backend.Condition{Absent: true}, Checksum: sum})
			if !errors.Is(err, backend.Exists) {
				t.Errorf("%v, want that it exists", err)
			}
		})
	}
}

func TestLostAnswerOfConditionalComplete(t *testing.T) {
	s, _, _ := open(backendtest.MemOptions{}, backendtest.Rule{Op: backendtest.OpCompleteUpload, Nth: 1, After: true, Err: backend.Timeout})
	p := []byte("0123456789")
	u, err := s.CreateUpload(t.Context(), "k", backend.UploadOptions{Size: 10, PartSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	part, err := s.UploadPart(t.Context(), u, 1, p, backend.SumCRC32C(p))
	if err != nil {
		t.Fatal(err)
	}
	obj, err := s.CompleteUpload(t.Context(), u, []backend.Part{part},
		backend.CompleteOptions{If: backend.Condition{Absent: true}, Checksum: backend.SumCRC32C(p)})
	if err != nil || obj.Size != 10 {
		t.Errorf("%+v, %v", obj, err)
	}
}

func TestLostAnswerOfDelete(t *testing.T) {
	s, f, m := open(backendtest.MemOptions{}, backendtest.Rule{Op: backendtest.OpDelete, Nth: 1, After: true, Err: backend.Offline})
	obj := m.AddGenerated("k", 10, 1)
	if err := s.Delete(t.Context(), obj); err != nil || f.Calls(backendtest.OpDelete) != 2 {
		t.Errorf("%v after %d calls", err, f.Calls(backendtest.OpDelete))
	}
	if err := s.Delete(t.Context(), obj); !errors.Is(err, backend.NotFound) {
		t.Errorf("a delete of nothing gives %v", err)
	}
}

// Lists that break off in the middle, again and again, still give everything once, as long as each attempt brings something.
func TestListsGoOnWhereTheyBrokeOff(t *testing.T) {
	m := backendtest.NewMem(backendtest.MemOptions{})
	var want []string
	for i := range 40 {
		key := fmt.Sprintf("k%02d", i)
		want = append(want, key)
		m.AddGenerated(key, 1, 1)
	}
	u, err := m.CreateUpload(t.Context(), "up", backend.UploadOptions{Size: 40, PartSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 40 {
		if _, err := m.UploadPart(t.Context(), u, n+1, []byte("x"), ""); err != nil {
			t.Fatal(err)
		}
		if _, err := m.CreateUpload(t.Context(), "same", backend.UploadOptions{Size: 1, PartSize: 1}); err != nil {
			t.Fatal(err)
		}
	}
	f := &backendtest.Faults{Storage: m}
	for cut := 3; cut < 40; cut += 3 { // the nth attempt breaks after 3n values: more attempts than the policy has
		for _, op := range []string{backendtest.OpList, backendtest.OpListParts, backendtest.OpListUploads} {
			f.Rules = append(f.Rules, backendtest.Rule{Op: op, Nth: cut / 3, Truncate: cut})
		}
	}
	s := wrap.Retry(f, quick)
	var keys []string
	for _, o := range collect(t, s.List(t.Context(), "")) {
		keys = append(keys, o.Key)
	}
	if !slices.Equal(keys, want) {
		t.Errorf("listed %q", keys)
	}
	for i, p := range collect(t, s.ListParts(t.Context(), u)) {
		if p.Number != i+1 {
			t.Fatalf("part %d in place %d", p.Number, i+1)
		}
	}
	ids := map[string]bool{}
	for _, u := range collect(t, s.ListUploads(t.Context(), "")) {
		if ids[u.ID] {
			t.Errorf("upload %s twice", u.ID)
		}
		ids[u.ID] = true
	}
	if len(ids) != 41 {
		t.Errorf("%d uploads", len(ids))
	}
	again := 0
	for _, err := range s.List(t.Context(), "") { // the rules are used up
		if again++; again == 5 || err != nil {
			break
		}
	}
	if again != 5 {
		t.Errorf("a loop that breaks saw %d", again)
	}
}

// Levels and versions break off after every third value, in the middle of a key's versions too.
func TestBrowseAndVersionsGoOn(t *testing.T) {
	s, f, m := open(backendtest.MemOptions{Versioned: true},
		backendtest.Rule{Op: backendtest.OpBrowse, Truncate: 3, Times: 1, Err: backend.Unavailable},
		backendtest.Rule{Op: backendtest.OpVersions, Truncate: 3, Times: 1, Err: backend.Unavailable})
	for _, key := range []string{"a", "b/1", "b/2", "b/2", "b/2", "c", "d/1", "d/1", "e"} {
		m.AddGenerated(key, 1, 1)
	}
	entries := collect(t, s.Browse(t.Context(), ""))
	if want := collect(t, m.Browse(t.Context(), "")); !reflect.DeepEqual(entries, want) {
		t.Errorf("levels %v, want %v", entries, want)
	}
	versions := collect(t, s.Versions(t.Context(), ""))
	if want := collect(t, m.Versions(t.Context(), "")); !reflect.DeepEqual(versions, want) {
		t.Errorf("versions %v, want %v", versions, want)
	}
	if f.Calls(backendtest.OpBrowse) != 2 || f.Calls(backendtest.OpVersions) != 2 {
		t.Errorf("the lists were not repeated: %v", f)
	}
}

func TestLostAnswerOfCreateContainer(t *testing.T) {
	s, f, _ := open(backendtest.MemOptions{Missing: true}, backendtest.Rule{Op: backendtest.OpCreate, Times: 1, After: true, Err: backend.Timeout})
	if err := s.CreateContainer(t.Context()); err != nil || f.Calls(backendtest.OpCreate) != 2 {
		t.Errorf("%v after %d calls", err, f.Calls(backendtest.OpCreate))
	}
	if err := s.CreateContainer(t.Context()); !errors.Is(err, backend.Exists) {
		t.Errorf("a container that was there: %v", err)
	}
}

func TestListsThatMakeNoProgressEnd(t *testing.T) {
	s, f, m := open(backendtest.MemOptions{}, backendtest.Rule{Op: backendtest.OpList, Truncate: 2})
	for _, key := range []string{"a", "b", "c"} {
		m.AddGenerated(key, 1, 1)
	}
	n, last := 0, error(nil)
	for _, err := range s.List(t.Context(), "") {
		if last = err; err == nil {
			n++
		}
	}
	if n != 2 || !errors.Is(last, backend.Unavailable) || f.Calls(backendtest.OpList) != quick.Attempts {
		t.Errorf("%d values, then %v after %d calls", n, last, f.Calls(backendtest.OpList))
	}
}

// Without an interruption what a backend lists is passed on as it is, also if it is wrong: the suite must be able to see that.
func TestListsHideNoMistake(t *testing.T) {
	s := wrap.Retry(disorder{}, quick)
	if got := collect(t, s.List(t.Context(), "")); len(got) != 3 {
		t.Errorf("listed %v", got)
	}
}

type disorder struct{ backend.Unimplemented }

func (disorder) List(context.Context, string) iter.Seq2[backend.Object, error] {
	return func(yield func(backend.Object, error) bool) {
		_ = yield(backend.Object{Key: "b"}, nil) && yield(backend.Object{Key: "a"}, nil) && yield(backend.Object{Key: "a"}, nil)
	}
}

func TestLostAnswerOfCreateUploadLeavesNoUpload(t *testing.T) {
	s, f, m := open(backendtest.MemOptions{}, backendtest.Rule{Op: backendtest.OpCreateUpload, Times: 2, After: true, Err: backend.Timeout})
	other, err := m.CreateUpload(t.Context(), "disk.qcow2", backend.UploadOptions{Size: 10, PartSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.CreateUpload(t.Context(), "disk", backend.UploadOptions{Size: 10, PartSize: 10})
	if err != nil || f.Calls(backendtest.OpCreateUpload) != 3 {
		t.Fatalf("%v after %d calls", err, f.Calls(backendtest.OpCreateUpload))
	}
	left := collect(t, m.ListUploads(t.Context(), ""))
	if len(left) != 2 || left[0].ID != u.ID || left[1].ID != other.ID {
		t.Errorf("uploads are %v, want %s of this object and %s of another", left, u.ID, other.ID)
	}
}

// A change of rules whose answer was lost finds its own rules: they were changed.
func TestLostAnswerOfSetLifecycle(t *testing.T) {
	s, f, _ := open(backendtest.MemOptions{}, backendtest.Rule{Op: backendtest.OpSetLifecycle, Times: 1, After: true, Err: backend.Timeout})
	rules := []backend.LifecycleRule{{Name: "uploads", Action: backend.LifecycleAbort, Days: 7}}
	if changed, err := s.SetLifecycle(t.Context(), rules); err != nil || !changed || f.Calls(backendtest.OpSetLifecycle) != 2 {
		t.Errorf("changed %t, %v after %d calls", changed, err, f.Calls(backendtest.OpSetLifecycle))
	}
	if changed, err := s.SetLifecycle(t.Context(), rules); err != nil || changed {
		t.Errorf("the same rules again: changed %t, %v", changed, err)
	}
}
