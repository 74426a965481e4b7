package executor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plan"
)

var oddNames = []string{"plain", " leading and trailing ", "two  spaces", "back\\slash", "line\nbreak", "carriage\rreturn", "\\n", "*star", "-dash", "ünï/cödé", "#hash", "end\r"}

// The program that people check the list with reads it.
func TestListOfSumsIsReadBySha256sum(t *testing.T) {
	program, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skipf("sha256sum is not installed on %s; on Linux: apt install coreutils", runtime.GOOS)
	}
	dir := t.TempDir()
	var list strings.Builder
	for _, name := range oddNames {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("text of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		sum := strings.TrimPrefix(string(backendtest.Sum(backend.SHA256, []byte("text of "+name))), "sha256:")
		list.WriteString(formatSum(sum, name))
	}
	if err := os.WriteFile(filepath.Join(dir, plan.SumsName), []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	check := exec.Command(program, "--check", "--strict", plan.SumsName)
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != len(oddNames) {
		t.Errorf("%v\n%s\nlist:\n%s", err, out, &list)
	}
}

func TestListOfSumsIsReadBack(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for _, name := range oddNames {
		line := formatSum(sum, name)
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Errorf("%q gives more than one line", name)
		}
		gotSum, gotName, ok := parseSum(strings.TrimSuffix(line, "\n"))
		if !ok || gotSum != sum || gotName != name {
			t.Errorf("%q comes back as %q, %q, %v", name, gotSum, gotName, ok)
		}
	}
	if got, name, ok := parseSum(sum + " *binary"); !ok || got != sum || name != "binary" {
		t.Errorf("a line of sha256sum --binary gives %q, %q, %v", got, name, ok)
	}
	for _, line := range []string{"", "#", sum, sum + " ", sum + " x", sum[1:] + "  x", "hello world"} {
		if _, name, ok := parseSum(line); ok {
			t.Errorf("%q gives %q", line, name)
		}
	}
}

// Steps that run at once and write into one folder lose none of each other's sums.
func TestStepsShareAListOfSums(t *testing.T) {
	w := newWorld(t)
	w.fill()
	p := planOf()
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		s := objectStep()
		s.ID, s.Transfer.To = "transfer."+name, at("dest/logs/"+name)
		p.Steps = append(p.Steps, s)
	}
	p.Steps = append(p.Steps, treeStep())
	// Each write takes long enough for all others to have read what was there before.
	w.faults["dest"].Rules = []backendtest.Rule{{Op: backendtest.OpPut, Key: "logs/SHA256SUMS", Delay: 10 * time.Millisecond}}
	j := w.open()
	defer j.Close()
	x := w.executor(j, nil)
	x.Parallel = len(p.Steps)
	if report, err := x.Apply(t.Context(), p); err != nil {
		t.Fatalf("%v, %+v", err, report)
	}
	w.listed("dest/logs/", append(names[:1:1], "b", "big", "c", "d", "e", "f", "small", "sub/empty")...)
}

// A mirror deletes what the source has not: never what it does not select, never its list of sums.
func TestMirror(t *testing.T) {
	w := newWorld(t)
	w.fill()
	put := func(key, text string) {
		t.Helper()
		if _, err := w.container("dest").Put(t.Context(), key, []byte(text), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.container("source").AddGenerated("logs/SHA256SUMS", 10, 1) // somebody else's list is not taken for ours
	w.container("source").AddGenerated("logs/x.tmp", 10, 1)
	put("logs/gone", "x")
	put("logs/kept.tmp", "x")
	put("logs/SHA256SUMS", formatSum(strings.Repeat("11", 32), "gone")+formatSum(strings.Repeat("22", 32), "kept.tmp"))
	s := treeStep()
	s.Transfer.Delete, s.Transfer.MaxDeletes, s.Transfer.Exclude = true, 1, []string{"*.tmp"}
	report, err := w.apply(t.Context(), planOf(s))
	if err != nil || report.step(s.ID).Deleted != 1 || report.step(s.ID).Objects != 3 {
		t.Fatalf("%v, %+v", err, report)
	}
	if got := strings.Join(w.keys("dest"), " "); got != "logs/SHA256SUMS logs/big logs/kept.tmp logs/small logs/sub/empty" {
		t.Errorf("at the destination: %s", got)
	}
	list := string(w.bytes(at("dest/logs/SHA256SUMS")))
	if strings.Contains(list, "gone") || !strings.Contains(list, "  kept.tmp\n") || strings.Count(list, "\n") != 4 {
		t.Errorf("the list is\n%s", list)
	}
}

// A source that was emptied, or is not mounted, after the plan was made does not empty the destination.
func TestMirrorOfNothing(t *testing.T) {
	w := newWorld(t)
	w.container("source").AddGenerated("logs/x.tmp", 1, 1)
	w.container("dest").AddGenerated("logs/a", 1, 1)
	s := treeStep()
	s.Transfer.Delete, s.Transfer.MaxDeletes, s.Transfer.Exclude = true, 100, []string{"*.tmp"}
	s.Transfer.Found.Unknown = true
	_, err := w.apply(t.Context(), planOf(s))
	if !errors.Is(err, backend.Invalid) || !strings.Contains(err.Error(), "nothing was deleted") || len(w.keys("dest")) != 1 {
		t.Errorf("%v, left %q", err, w.keys("dest"))
	}
}

// An object that was copied by a process that died before it could list the sum is listed by the next one, unsent.
func TestSumOfAnObjectThatIsThere(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.faults["dest"].Rules = []backendtest.Rule{{Op: backendtest.OpPut, Key: plan.SumsName, Err: backend.Unauthorized}}
	if _, err := w.apply(t.Context(), planOf(objectStep())); !errors.Is(err, backend.Unauthorized) {
		t.Fatalf("%v", err)
	}
	w.faults["dest"].Rules = nil
	sent := w.faults["dest"].BytesSent()
	report, err := w.apply(t.Context(), planOf(objectStep()))
	if err != nil || report.Bytes != 0 || report.step("transfer.one").Kept != 1 {
		t.Errorf("%v, %+v", err, report)
	}
	w.listed("dest/", "one")
	if again := w.faults["dest"].BytesSent() - sent; again > 200 {
		t.Errorf("%d bytes were sent", again)
	}
	w.clean()
}

// A tree whose objects are all there when the run is interrupted is not done without its list of sums.
func TestInterruptionBeforeTheListOfSums(t *testing.T) {
	w := newWorld(t)
	w.fill()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	j := w.open()
	ended := 0
	x := w.executor(j, func(e event.Event) {
		if e.Body.Type() == "item_ended" {
			if ended++; ended == 3 {
				cancel()
			}
		}
	})
	x.Engine = transfer.New(transfer.Options{Objects: 1, Events: x.Events})
	report, err := x.Apply(ctx, planOf(treeStep()))
	j.Close()
	if backend.KindOf(err) != backend.Canceled || report.Outcome != Interrupted || ended != 3 {
		t.Fatalf("%v, %+v, %d objects", err, report, ended)
	}
	if report, err := w.apply(t.Context(), planOf(treeStep())); err != nil || report.Bytes != 0 {
		t.Fatalf("%v, %+v", err, report)
	}
	w.listed("dest/logs/", "big", "small", "sub/empty")
}

// The rules for an object that is there already, when the step runs.
func TestExistingObject(t *testing.T) {
	for _, c := range []struct {
		rule    transfer.Existing
		same    bool
		resumed bool
		kept    bool
		kind    backend.Kind
	}{
		{transfer.Newer, true, false, true, ""}, {transfer.Newer, false, false, false, ""},
		{transfer.Overwrite, true, false, false, ""}, {transfer.Overwrite, true, true, true, ""},
		{transfer.Skip, false, false, true, ""}, {transfer.Skip, true, false, true, ""},
		{transfer.Fail, true, false, false, backend.Exists}, {transfer.Fail, false, true, false, backend.Exists}, {transfer.Fail, true, true, true, ""},
	} {
		w := newWorld(t)
		w.container("source").AddGenerated("one", 100, 1)
		size := int64(100)
		if !c.same {
			size = 50
		}
		w.container("dest").AddGenerated("one", size, 1)
		s := objectStep()
		s.Transfer.Existing, s.Transfer.SHA256 = c.rule, false
		p := planOf(s)
		p.Resumes = c.resumed
		j := w.open()
		report, err := w.executor(j, nil).Apply(t.Context(), p)
		j.Close()
		step := report.step("transfer.one")
		if backend.KindOf(err) != c.kind || (step.Kept == 1) != c.kept || step.Kept > 0 && step.Outcome == Failed || c.kind == "" && !c.kept && step.Objects != 1 {
			t.Errorf("%+v: %v, %+v", c, err, step)
		}
	}
}
