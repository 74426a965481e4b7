package transfer_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// fill stores objects whose content is their key.
func fill(t *testing.T, s backend.Storage, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, err := s.Put(t.Context(), key, []byte(key), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func keys(t *testing.T, s backend.Storage) []string {
	t.Helper()
	var all []string
	for obj, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, obj.Key)
	}
	return all
}

func TestCopyTreeSelects(t *testing.T) {
	src, dst := empty(), empty()
	fill(t, src, "a/1.gz", "a/b/2.gz", "a/b/3.txt", "a/tmp/4.gz", "ab/5.gz", "a//6.gz", "a/")
	o := transfer.TreeOptions{Selection: transfer.Selection{Include: []string{"**/*.gz"}, Exclude: []string{"tmp/**"}}}
	res, err := small().CopyTree(t.Context(), ref(src, "a/"), ref(dst, "z/"), o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"z//6.gz", "z/1.gz", "z/b/2.gz"}
	if got := keys(t, dst); !slices.Equal(got, want) || res.Copied != 3 {
		t.Errorf("%v, %+v; want %v", got, res, want)
	}
	if got := string(content(t, dst, "z/b/2.gz")); got != "a/b/2.gz" {
		t.Errorf("content %q", got)
	}
}

func TestExistingRules(t *testing.T) {
	old, recent := time.Unix(1000, 0), time.Unix(2000, 0)
	put := func(s backend.Storage, key, text string, at time.Time) {
		t.Helper()
		if _, err := s.Put(t.Context(), key, []byte(text), backend.PutOptions{ModTime: at, Checksum: backend.SumCRC32C([]byte(text))}); err != nil {
			t.Fatal(err)
		}
	}
	for rule, want := range map[transfer.Existing]string{
		transfer.Newer:     "equal:keep size:copy bytes:copy new:copy",
		transfer.Overwrite: "equal:copy size:copy bytes:copy new:copy",
		transfer.Skip:      "equal:keep size:keep bytes:keep new:copy",
		transfer.Fail:      "equal:refuse size:refuse bytes:refuse new:copy",
	} {
		src, dst := empty(), empty()
		put(src, "equal", "same", recent)
		put(dst, "equal", "same", old)
		put(src, "size", "longer", old)
		put(dst, "size", "short", recent)
		put(src, "bytes", "abcd", old)
		put(dst, "bytes", "abcx", recent)
		put(src, "new", "n", old)
		var got []string
		for d, err := range transfer.Compare(t.Context(), ref(src, ""), ref(dst, ""), transfer.Selection{Existing: rule}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d.Name+":"+string(d.Action))
		}
		wanted := strings.Fields(want)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%s: %v, want %v", rule, got, wanted)
		}
		res, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), transfer.TreeOptions{Selection: transfer.Selection{Existing: rule}})
		if refused := rule == transfer.Fail; errors.Is(err, backend.Exists) != refused || !refused && err != nil {
			t.Errorf("%s: %+v, %v", rule, res, err)
		}
	}
}

func TestUpToDateWithoutChecksums(t *testing.T) {
	at := time.Unix(1000, 0)
	src := backend.Object{Size: 5, ModTime: at, Checksum: "md5:00"}
	for name, c := range map[string]struct {
		dest backend.Object
		want bool
	}{
		"same time":      {backend.Object{Size: 5, ModTime: at}, true},
		"later":          {backend.Object{Size: 5, ModTime: at.Add(1)}, true},
		"earlier":        {backend.Object{Size: 5, ModTime: at.Add(-1)}, false},
		"other size":     {backend.Object{Size: 6, ModTime: at.Add(1)}, false},
		"equal checksum": {backend.Object{Size: 5, ModTime: at.Add(-1), Checksum: "md5:00"}, true},
		"other checksum": {backend.Object{Size: 5, ModTime: at.Add(1), Checksum: "md5:01"}, false},
	} {
		if got := transfer.UpToDate(src, c.dest); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMirrorDeletesWithinItsGuard(t *testing.T) {
	src, dst := empty(), empty()
	fill(t, src, "keep")
	fill(t, dst, "keep", "x1", "x2", "x3")
	o := transfer.TreeOptions{Selection: transfer.Selection{Delete: true}, MaxDeletes: 2}
	if _, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), o); !errors.Is(err, transfer.ErrTooManyDeletes) {
		t.Fatal(err)
	}
	if got := keys(t, dst); len(got) != 4 {
		t.Fatalf("something was deleted: %v", got)
	}
	o.MaxDeletes = 3
	res, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), o)
	if err != nil || res.Deleted != 3 || !slices.Equal(keys(t, dst), []string{"keep"}) {
		t.Fatalf("%+v, %v, %v", res, err, keys(t, dst))
	}
}

// TestMirrorDeletesSeveralAtOnce has a destination whose deletes end only when two of them are there.
func TestMirrorDeletesSeveralAtOnce(t *testing.T) {
	src, mem := empty(), singly()
	fill(t, mem, "x1", "x2", "x3", "x4")
	arrived := make(chan struct{})
	meet := func() {
		select {
		case arrived <- struct{}{}:
		case <-arrived:
		case <-time.After(10 * time.Second):
			t.Error("a delete waits for the one before it")
		}
	}
	dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{{Op: backendtest.OpDelete, Do: meet}}}
	o := transfer.TreeOptions{Selection: transfer.Selection{Delete: true}, MaxDeletes: 10}
	res, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), o)
	if err != nil || res.Deleted != 4 || len(keys(t, mem)) != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestMirrorStopsDeletingAtAnError(t *testing.T) {
	src, mem := empty(), singly()
	for i := range 100 {
		fill(t, mem, fmt.Sprintf("x%03d", i))
	}
	dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{
		{Op: backendtest.OpDelete, Key: "x005", Err: backend.Forbidden}, {Op: backendtest.OpDelete, Delay: 5 * time.Millisecond}}}
	o := transfer.TreeOptions{Selection: transfer.Selection{Delete: true}, MaxDeletes: 1000}
	res, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), o)
	left := len(keys(t, mem))
	if !errors.Is(err, backend.Forbidden) || !strings.Contains(err.Error(), "x005") || left < 50 || int64(100-left) != res.Deleted {
		t.Errorf("%v, %d are left, %d deleted", err, left, res.Deleted)
	}
}

// A destination that deletes many in one request is asked for all of them; the first that it refuses is the error.
func TestMirrorDeletesTogether(t *testing.T) {
	src, mem := empty(), empty()
	for i := range 100 {
		fill(t, mem, fmt.Sprintf("x%03d", i))
	}
	calls := 0
	dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{
		{Op: backendtest.OpDelete, Key: "x005", Err: backend.Forbidden}, {Op: backendtest.OpDeleteAll, Do: func() { calls++ }}}}
	o := transfer.TreeOptions{Selection: transfer.Selection{Delete: true}, MaxDeletes: 1000}
	res, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), o)
	if !errors.Is(err, backend.Forbidden) || !strings.Contains(err.Error(), "x005") || res.Deleted != 99 || calls != 1 {
		t.Errorf("%v, %+v after %d requests", err, res, calls)
	}
}

func TestNothingIsDeletedAfterAFailedCopy(t *testing.T) {
	src, mem := empty(), empty()
	fill(t, src, "a", "b", "c")
	fill(t, mem, "surplus")
	dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{{Op: backendtest.OpPut, Key: "b", Err: backend.Forbidden}}}
	o := transfer.TreeOptions{Selection: transfer.Selection{Delete: true}, MaxDeletes: 10}
	res, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), o)
	if !errors.Is(err, backend.Forbidden) || res.Copied != 2 || res.Failed != 1 || len(res.Errors) != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	if got := keys(t, mem); !slices.Equal(got, []string{"a", "c", "surplus"}) {
		t.Errorf("%v", got)
	}
}

func TestAFullDestinationStopsTheTree(t *testing.T) {
	src := empty()
	for i := range 500 {
		fill(t, src, fmt.Sprintf("k%03d", i))
	}
	dst := &backendtest.Faults{Storage: empty(), Rules: []backendtest.Rule{{Op: backendtest.OpPut, Err: backend.Full}}}
	_, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), transfer.TreeOptions{})
	if !errors.Is(err, backend.Full) {
		t.Fatal(err)
	}
	if n := dst.Calls(backendtest.OpPut); n > 100 {
		t.Errorf("%d objects were tried on a full destination", n)
	}
}

func TestTreeResumesObjectsAndDoesNotRepeatFinishedOnes(t *testing.T) {
	src, mem := empty(), empty()
	src.AddGenerated("big", 6*mib, 1)
	fill(t, src, "one", "two")
	var mu sync.Mutex
	points := map[string]*transfer.Checkpoint{}
	o := transfer.TreeOptions{
		Selection: transfer.Selection{Existing: transfer.Overwrite},
		Checkpoint: func(name string) *transfer.Checkpoint {
			mu.Lock()
			defer mu.Unlock()
			return points[name]
		},
		Note: func(name string, n transfer.Note) error {
			mu.Lock()
			defer mu.Unlock()
			if points[name] == nil {
				points[name] = &transfer.Checkpoint{}
			}
			points[name].Apply(n)
			return nil
		},
	}
	dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{{Op: backendtest.OpUploadPart, Part: 6, Err: backend.Timeout}}}
	if _, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), o); !errors.Is(err, backend.Timeout) {
		t.Fatal(err)
	}
	o.Resuming = true
	again := &backendtest.Faults{Storage: mem}
	res, err := small().CopyTree(t.Context(), ref(src, ""), ref(again, ""), o)
	if err != nil || again.Calls(backendtest.OpPut) != 0 || res.Kept != 2 || res.Reused == 0 {
		t.Fatalf("%+v, %v, %d puts", res, err, again.Calls(backendtest.OpPut))
	}
	sameContent(t, src, "big", mem, "big")
}

func TestADestinationWrittenByAnotherIsNotOverwritten(t *testing.T) {
	src, mem := empty(), empty()
	fill(t, src, "k")
	dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{{Op: backendtest.OpPut, Nth: 1, Do: func() {
		_, _ = mem.Put(t.Context(), "k", []byte("a stranger's"), backend.PutOptions{})
	}}}}
	if _, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), transfer.TreeOptions{}); !errors.Is(err, backend.Exists) {
		t.Fatal(err)
	}
	if got := string(content(t, mem, "k")); got != "a stranger's" {
		t.Errorf("overwritten with %q", got)
	}
}

func TestObjectsThatAreUpToDateAreSummedOnce(t *testing.T) {
	src, dst := empty(), empty()
	src.AddGenerated("big", 9*mib+1, 5)
	fill(t, src, "small")
	if _, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), transfer.TreeOptions{}); err != nil {
		t.Fatal(err)
	}
	sums := map[string]backend.Checksum{}
	var mu sync.Mutex
	o := transfer.TreeOptions{
		SHA256: true,
		Summed: func(name string) bool { return name == "small" },
		Done: func(d transfer.Difference, r transfer.Result) error {
			mu.Lock()
			defer mu.Unlock()
			sums[d.Name] = r.SHA256
			return nil
		},
	}
	res, err := small().CopyTree(t.Context(), ref(src, ""), ref(dst, ""), o)
	if err != nil || res.Kept != 2 || res.Bytes != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	want := backendtest.Sum(backend.SHA256, content(t, src, "big"))
	if len(sums) != 1 || sums["big"] != want {
		t.Errorf("%v, want only big with %s", sums, want)
	}
}
