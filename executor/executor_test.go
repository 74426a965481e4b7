package executor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v); go test -update writes it anew. It is now:\n%s", path, err, got)
	}
}

func TestApply(t *testing.T) {
	w := newWorld(t)
	w.fill()
	p := planOf(exportStep(), objectStep("export.web"), treeStep())
	seen := &recorder{}
	j := w.open()
	x := w.executor(j, seen.sink)
	report, err := x.Apply(t.Context(), p)
	if err != nil || report.Outcome != Done {
		t.Fatalf("%+v, %v", report, err)
	}
	w.exported(at("dest/web/"))
	w.exported(at("mirror/web/"))
	w.filled()
	w.clean()
	if left := w.keys("staging"); left != nil {
		t.Errorf("staging holds %q", left)
	}
	if n := w.mem.Exports.Began(); n != 1 {
		t.Errorf("%d exports began", n)
	}
	state := j.State()
	if exports, uploads := state.Litter(); !state.Ended || len(state.Done) != 3 || len(exports)+len(uploads) != 0 {
		t.Errorf("the journal says %+v", state)
	}
	for typ, want := range map[string]int{"run_started": 1, "run_ended": 1, "step_started": 3, "step_ended": 3, "item_started": 8, "item_ended": 8, "retrying": 0} {
		if got := seen.count(typ); got != want {
			t.Errorf("%d events %s, want %d", got, typ, want)
		}
	}
	if x.Events == nil || x.Journal != Journal(j) {
		t.Error("Apply changed the executor")
	}
	j.Close()

	again, err := w.apply(t.Context(), p)
	if err != nil || again.Bytes != 0 || w.mem.Exports.Began() != 1 {
		t.Errorf("the same once more: %+v, %v", again, err)
	}
	for id, outcome := range outcomes(again) {
		if outcome != Earlier {
			t.Errorf("%s is %q", id, outcome)
		}
	}
}

// The report is what scripts read: its JSON form does not change by accident.
func TestReportGolden(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.faults["dest"].Rules = []backendtest.Rule{
		{Op: backendtest.OpPut, Key: "logs/small", Err: &backend.Error{Op: "put", Key: "logs/small", Kind: backend.Forbidden, RequestID: "req-1", Err: errors.New("no")}},
		{Op: backendtest.OpUploadPart, Key: "one", Nth: 1, Err: backend.Throttled},
	}
	after := objectStep("transfer.logs")
	after.ID, after.Transfer.To = "transfer.zz-after", at("dest/two")
	current := treeStep()
	current.ID, current.Current = "transfer.current", "nothing differs"
	p := planOf(exportStep(), current, treeStep(), objectStep(), after)
	report, err := w.apply(t.Context(), p)
	if err == nil || report.Outcome != Partial {
		t.Fatalf("%+v, %v", report, err)
	}
	report.Started, report.Took = time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC), time.Minute
	for i := range report.Steps {
		report.Steps[i].Took = time.Second
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", append(text, '\n'))
}

// A failure stops its own branch only.
func TestFailureStopsItsBranch(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.mem.Exports.Refused = []string{"vmdk"}
	p := planOf(exportStep(), objectStep("export.web"), treeStep())
	third := objectStep("transfer.one")
	third.ID = "transfer.third"
	p.Steps = append(p.Steps, third)
	report, err := w.apply(t.Context(), p)
	if !errors.Is(err, backend.Invalid) || !strings.HasPrefix(err.Error(), "export.web: ") {
		t.Errorf("%v", err)
	}
	want := map[string]string{"export.web": Failed, "transfer.one": NotRun, "transfer.logs": Done, "transfer.third": NotRun}
	if got := outcomes(report); !maps.Equal(got, want) || report.Outcome != Partial {
		t.Errorf("%v, %s", got, report.Outcome)
	}
	if e := report.step("transfer.one").Error; e != "needs export.web, which did not end well" {
		t.Errorf("the reason is %q", e)
	}
	w.clean() // a permanent failure releases the job
	if keys := w.keys("staging"); keys != nil {
		t.Errorf("staging holds %q", keys)
	}
	if w.state().Ended {
		t.Error("the run has ended")
	}

	w.mem.Exports.Refused = nil
	report, err = w.apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	want = map[string]string{"export.web": Done, "transfer.one": Done, "transfer.logs": Earlier, "transfer.third": Done}
	if got := outcomes(report); !maps.Equal(got, want) || report.Outcome != Done {
		t.Errorf("%v, %s", got, report.Outcome)
	}
	w.exported(at("dest/web/"))
	w.clean()
	if e := w.state().Export["export.web"]; e.Attempt != 1 || e.Request.Token == exportStep().Export.Request.Token {
		t.Errorf("the second attempt has the first one's token: %+v", e)
	}
}

func TestRetriesAreCounted(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.faults["dest"].Rules = []backendtest.Rule{{Op: backendtest.OpUploadPart, Key: "one", Times: 2, Err: backend.Throttled}}
	report, err := w.apply(t.Context(), planOf(objectStep(), treeStep()))
	if err != nil || report.step("transfer.one").Retries != 2 || report.step("transfer.logs").Retries != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A step that fails after part of its work says how much it moved.
func TestPartialWorkIsReported(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.faults["dest"].Rules = []backendtest.Rule{
		{Op: backendtest.OpUploadPart, Key: "one", Part: 3, Err: backend.Forbidden},
		{Op: backendtest.OpPut, Key: "logs/small", Err: backend.Forbidden},
	}
	w.faults["mirror"].Rules = []backendtest.Rule{{Op: backendtest.OpUploadPart, Part: 5, Err: backend.Forbidden}}
	report, err := w.apply(t.Context(), planOf(exportStep(), objectStep(), treeStep()))
	if err == nil {
		t.Fatal("no error")
	}
	one, logs, web := report.step("transfer.one"), report.step("transfer.logs"), report.step("export.web")
	if one.Moved < partSize || one.Kept != 0 || logs.Moved != diskSize || logs.Objects != 2 || logs.Failed != 1 || len(logs.Errors) != 1 || web.Moved < 2*diskSize {
		t.Errorf("one %+v\nlogs %+v\nweb %+v", one.Result, logs.Result, web.Result)
	}
	if report.Bytes != one.Moved+logs.Moved+web.Moved {
		t.Errorf("%d bytes in all", report.Bytes)
	}
	if logs.Kind != backend.Forbidden || logs.Help == "" {
		t.Errorf("%+v", logs)
	}
	w.cleaned()
}

// Cut short at any place, a run goes on where it was: with the same export, and without sending again what has arrived.
func TestInterruptionAndContinuation(t *testing.T) {
	for name, rule := range map[string]struct {
		container, op, key string
		nth                int
	}{
		"while the image is made": {"", backendtest.OpPollExport, "", 2},
		"at the start":            {"", backendtest.OpStartExport, "", 1},
		"at the release":          {"", backendtest.OpEndExport, "", 1},
		"in the first image":      {"dest", backendtest.OpUploadPart, "web/web.qcow2", 3},
		"in the second image":     {"mirror", backendtest.OpUploadPart, "web/web.vmdk", 2},
		"before it is visible":    {"dest", backendtest.OpCompleteUpload, "web/web.vmdk", 1},
		"at the descriptor":       {"mirror", backendtest.OpPut, "web/web.export.json", 1},
		"in an object":            {"dest", backendtest.OpUploadPart, "one", 2},
		"in a tree":               {"dest", backendtest.OpUploadPart, "logs/big", 3},
		"at the list of sums":     {"dest", backendtest.OpPut, "logs/SHA256SUMS", 1},
	} {
		for _, after := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", after", false: ""}[after], func(t *testing.T) {
				w := newWorld(t)
				w.fill()
				w.mem.Exports.Polls = 2
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				cut := backendtest.Rule{Op: rule.op, Key: rule.key, Nth: rule.nth, After: after, Do: cancel, Delay: time.Hour}
				if rule.op == backendtest.OpEndExport {
					cut.Delay = 0 // what is being released is released
				}
				if rule.container == "" {
					w.mem.Exports.Rules = []backendtest.Rule{cut}
				} else {
					w.faults[rule.container].Rules = []backendtest.Rule{cut}
				}
				p := planOf(exportStep(), objectStep(), treeStep())
				report, err := w.apply(ctx, p)
				if ctx.Err() == nil {
					t.Fatalf("was not interrupted: %+v", report)
				}
				if released := rule.op == backendtest.OpEndExport; !released && (backend.KindOf(err) != backend.Canceled || report.Outcome != Interrupted) {
					t.Errorf("%v, %+v", err, report)
				}
				w.mem.Exports.Rules = nil
				report, err = w.apply(t.Context(), p)
				if err != nil || report.Outcome != Done {
					t.Fatalf("%v, %+v", err, report)
				}
				w.exported(at("dest/web/"))
				w.exported(at("mirror/web/"))
				w.filled()
				w.clean()
				if n := w.mem.Exports.Began(); n != 1 {
					t.Errorf("%d exports began", n)
				}
				sent := w.faults["dest"].BytesSent() + w.faults["mirror"].BytesSent()
				whole := int64(4*diskSize + diskSize + 3*partSize)
				// Steps at once are two, parts in flight of each two; small objects and lists come on top.
				if again := sent - whole; again > 4*partSize+(4<<10) {
					t.Errorf("%d bytes were sent again, in flight were at most %d", again, 4*partSize)
				}
				if !w.state().Ended {
					t.Error("the run has not ended")
				}
			})
		}
	}
}

// The process dies, or its disk is full, at each record of the journal in turn. The next one always ends right, with the
// same export.
func TestCrashAtEveryRecord(t *testing.T) {
	for _, kept := range []bool{false, true} {
		total := 1
		for n := 0; n < total; n++ {
			w := newWorld(t)
			w.fill()
			export := exportStep()
			if kept {
				export.Export.To, export.Export.KeepStaging = nil, true
			}
			p := planOf(export, objectStep("export.web"), treeStep())
			j := w.open()
			cut := &failing{Journal: j, left: n}
			report, err := w.executor(cut, nil).Apply(t.Context(), p)
			j.Close()
			if cut.left >= 0 {
				if err != nil {
					t.Fatal(err)
				}
				break // the whole run needs fewer records
			}
			total = n + 2
			if !errors.Is(err, journal.ErrWrite) {
				t.Fatalf("record %d: %v, %+v", n, err, report)
			}
			report, err = w.apply(t.Context(), p)
			if err != nil || report.Outcome != Done {
				t.Fatalf("record %d: then %v, %+v", n, err, report)
			}
			if kept {
				w.exported(at("staging/"))
			} else {
				w.exported(at("dest/web/"))
				w.exported(at("mirror/web/"))
				if left := w.keys("staging"); left != nil {
					t.Errorf("staging holds %q", left)
				}
			}
			w.filled()
			w.clean()
			if began := w.mem.Exports.Began(); began != 1 {
				t.Errorf("record %d: %d exports began", n, began)
			}
			if !w.state().Ended {
				t.Errorf("record %d: the run has not ended", n)
			}
			if t.Failed() {
				t.Fatalf("at record %d, kept %v", n, kept)
			}
		}
		if total < 15 {
			t.Errorf("only %d records", total)
		}
	}
}

// When the journal cannot be written the whole run stops, and keeps what it has.
func TestJournalThatFailsStopsTheRun(t *testing.T) {
	w := newWorld(t)
	w.fill()
	j := w.open()
	defer j.Close()
	x := w.executor(&failing{Journal: j, left: 2}, nil) // the intent and the job of the export
	x.Parallel = 1
	report, err := x.Apply(t.Context(), planOf(exportStep(), objectStep(), treeStep()))
	if !errors.Is(err, journal.ErrWrite) || w.mem.Exports.Jobs() != 1 {
		t.Errorf("%v, %d jobs", err, w.mem.Exports.Jobs())
	}
	want := map[string]string{"export.web": Failed, "transfer.one": Interrupted, "transfer.logs": Interrupted}
	if got := outcomes(report); !maps.Equal(got, want) || report.Outcome != Failed {
		t.Errorf("%v, %s", got, report.Outcome)
	}
	if left := report.step("export.web").Left; len(left) != 1 {
		t.Errorf("left: %q", left)
	}
}

// Whatever goes wrong, there is an error.
func TestThereIsAnError(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.faults["dest"].Rules = []backendtest.Rule{{Op: backendtest.OpUploadPart, Err: backend.Canceled}}
	if report, err := w.apply(t.Context(), planOf(objectStep())); backend.KindOf(err) != backend.Canceled || report.Outcome == Done {
		t.Errorf("canceled by nobody: %v, %+v", err, report)
	}
	circle := planOf(objectStep("transfer.logs"), treeStep("transfer.one"))
	if report, err := w.apply(t.Context(), circle); err == nil || report.Outcome != Failed || report.step("transfer.one").Outcome != NotRun {
		t.Errorf("a circle: %v, %+v", err, report)
	}
	nothing := planOf(plan.Step{ID: "later.thing"})
	if report, err := w.apply(t.Context(), nothing); err == nil || report.Outcome != Failed {
		t.Errorf("an unknown step: %v, %+v", err, report)
	}
}

func TestSettle(t *testing.T) {
	for _, c := range []struct {
		steps       []StepReport
		interrupted bool
		want        string
	}{
		{nil, false, Done},
		{[]StepReport{{Outcome: Done}, {Outcome: Current}, {Outcome: Earlier}}, false, Done},
		{[]StepReport{{Outcome: Done}}, true, Done},
		{[]StepReport{{Outcome: Failed}}, false, Failed},
		{[]StepReport{{Outcome: Failed}, {Outcome: NotRun}}, false, Failed},
		{[]StepReport{{Outcome: Failed}, {Outcome: Current}}, false, Partial},
		{[]StepReport{{Outcome: Failed, Result: Result{Failed: 1, Objects: 3}}}, false, Partial},
		{[]StepReport{{Outcome: Failed, Result: Result{Failed: 4}}}, false, Failed},
		{[]StepReport{{Outcome: Done}, {Outcome: Interrupted}}, true, Interrupted},
		{[]StepReport{{Outcome: Failed}, {Outcome: Interrupted}}, true, Interrupted},
	} {
		r := &Report{Steps: c.steps}
		if r.settle(c.interrupted); r.Outcome != c.want {
			t.Errorf("%+v, interrupted %v: %q, want %q", c.steps, c.interrupted, r.Outcome, c.want)
		}
	}
	now := time.Now()
	r := NothingToDo(planOf(plan.Step{ID: "a", Current: "x"}), now)
	if r.Outcome != Done || r.Steps[0].Outcome != Current || !r.Started.Equal(now) {
		t.Errorf("%+v", r)
	}
}
