package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/plan"
)

// cleaned removes what the journal knows as left, as hyperexport clean does, and fails unless nothing is left then.
func (w *world) cleaned() {
	w.t.Helper()
	j := w.open()
	defer j.Close()
	x := w.executor(j, nil)
	cleaner := &Cleaner{Backends: x.Backends, Retry: x.Retry}
	for _, l := range cleaner.Find(j.State()) {
		if err := cleaner.Remove(w.t.Context(), j, l); err != nil {
			w.t.Errorf("remove %s: %v", l, err)
		}
		if err := cleaner.Remove(w.t.Context(), j, l); err != nil {
			w.t.Errorf("remove %s once more: %v", l, err)
		}
	}
	if left := cleaner.Find(j.State()); len(left) != 0 {
		w.t.Errorf("the journal still knows of %v", left)
	}
	w.clean()
}

// Every call to the provider fails, once or always, before its effect or after it, in a way that passes or for good. A job
// that is left is in the report, and the next run goes on with it or clean removes it.
func TestFaultsOfTheProvider(t *testing.T) {
	for _, op := range []string{backendtest.OpStartExport, backendtest.OpPollExport, backendtest.OpEndExport} {
		for _, after := range []bool{false, true} {
			for _, kind := range []backend.Kind{backend.Unavailable, backend.Busy, backend.Invalid, backend.Unauthorized, backend.Full} {
				for _, times := range []int{1, 0} {
					for _, clean := range []bool{false, true} {
						if kind == backend.Busy && times == 0 && op != backendtest.OpEndExport {
							continue // see TestBusyInstanceIsWaitedFor
						}
						name := fmt.Sprintf("%s/%s/times=%d/after=%v/clean=%v", op, kind, times, after, clean)
						t.Run(name, func(t *testing.T) {
							faultOfTheProvider(t, backendtest.Rule{Op: op, Err: kind, Times: times, After: after}, clean)
						})
					}
				}
			}
		}
	}
}

func faultOfTheProvider(t *testing.T, rule backendtest.Rule, clean bool) {
	w := newWorld(t)
	w.mem.Exports.Rules = []backendtest.Rule{rule}
	p := planOf(exportStep())
	report, err := w.apply(t.Context(), p)
	passes := backend.KindOf(rule.Err).Temporary() && rule.Times == 1
	if passes != (err == nil) {
		t.Fatalf("%v, %+v", err, report)
	}
	step := report.step("export.web")
	if told := strings.Contains(strings.Join(step.Left, "\n"), "custom image of web"); w.mem.Exports.Jobs() > 0 && !told {
		t.Errorf("%d jobs are left, the report says %q", w.mem.Exports.Jobs(), step.Left)
	}
	if step.Outcome == Done && w.mem.Exports.Jobs() > 0 {
		t.Error("done, and a job is left")
	}
	if rule.Op == backendtest.OpPollExport && backend.KindOf(rule.Err) == backend.Invalid && w.mem.Exports.Jobs() != 0 {
		t.Error("an export that failed for good was not released")
	}
	w.mem.Exports.Rules = nil
	if clean {
		w.cleaned()
		if left := w.keys("staging"); left != nil {
			t.Errorf("staging holds %q", left)
		}
		return
	}
	before := w.mem.Exports.Jobs()
	if report, err = w.apply(t.Context(), p); err != nil {
		t.Fatalf("the next run: %v, %+v", err, report)
	}
	if began := w.mem.Exports.Began(); before == 1 && began != 1 {
		t.Errorf("%d exports began though the first one was there", began)
	}
	w.exported(at("dest/web/"))
	w.exported(at("mirror/web/"))
	w.clean()
}

func TestBusyInstanceIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		op       string
		patience time.Duration // of the manifest
		lasts    int           // calls
		kind     backend.Kind
	}{
		"a while at the start":       {backendtest.OpStartExport, 0, 300, ""},
		"a while in between":         {backendtest.OpPollExport, 0, 300, ""},
		"too long":                   {backendtest.OpStartExport, 0, 0, backend.Busy},
		"too long for the manifest":  {backendtest.OpPollExport, time.Hour, 0, backend.Timeout},
		"too long to begin in time ": {backendtest.OpStartExport, time.Hour, 0, backend.Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.mem.Exports.Rules = []backendtest.Rule{{Op: c.op, Times: c.lasts, Err: backend.Busy}}
				p := planOf(exportStep())
				p.Steps[0].Export.Timeout = c.patience
				j := w.open()
				defer j.Close()
				x := w.executor(j, nil)
				x.Poll = Poll{}
				report, err := x.Apply(t.Context(), p)
				step := report.step("export.web")
				if backend.KindOf(err) != c.kind || step.Retries != 0 {
					t.Errorf("%v, %+v", err, step)
				}
				limit := busyPatience
				if c.patience > 0 {
					limit = c.patience
				}
				if took := report.Took; c.kind != "" && (took < limit || took > limit+time.Minute) {
					t.Errorf("gave up after %s, want %s", took, limit)
				}
				if calls := w.mem.Exports.Calls(c.op); calls > 6*60*8+2 {
					t.Errorf("asked %d times", calls)
				}
			})
		})
	}
}

// Patience begins anew each time the provider has answered otherwise.
func TestBusyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mem.Exports.Polls = 2
		calls := 0
		w.mem.Exports.Rules = []backendtest.Rule{{Op: backendtest.OpPollExport, Err: backend.Busy, When: func(context.Context, string) bool {
			calls++
			return calls != 1600 && calls < 3200 // of 11 s each: twice about five hours
		}}}
		j := w.open()
		defer j.Close()
		x := w.executor(j, nil)
		x.Poll = Poll{}
		report, err := x.Apply(t.Context(), planOf(exportStep()))
		if err != nil || report.Took < 8*time.Hour {
			t.Errorf("%v after %s", err, report.Took)
		}
		w.clean()
	})
}

// What arrived and is to be kept at staging stays there, also if its image could only be removed by a later run.
func TestKeptStagingIsKeptByALaterRun(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := exportStep()
	s.Export.To, s.Export.KeepStaging = nil, true
	w.mem.Exports.Rules = []backendtest.Rule{{Op: backendtest.OpEndExport, Err: backend.Forbidden}}
	if _, err := w.apply(t.Context(), planOf(s)); !errors.Is(err, backend.Forbidden) || w.mem.Exports.Jobs() != 1 {
		t.Fatalf("%v, %d jobs", err, w.mem.Exports.Jobs())
	}
	w.mem.Exports.Rules = nil
	s.Current = "exported" // as the next plan finds it
	if report, err := w.apply(t.Context(), planOf(s, objectStep())); err != nil || report.Outcome != Done {
		t.Fatalf("%v, %+v", err, report)
	}
	w.exported(at("staging/"))
	w.clean()
}

// An export that takes longer than it may is given up, and what the provider has done so far is kept.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mem.Exports.Polls = 1000
		p := planOf(exportStep())
		p.Steps[0].Export.Timeout = 10 * time.Minute
		j := w.open()
		x := w.executor(j, nil)
		x.Poll = Poll{}
		report, err := x.Apply(t.Context(), p)
		j.Close()
		step := report.step("export.web")
		if backend.KindOf(err) != backend.Timeout || !strings.Contains(err.Error(), "longer than its timeout of 10m0s") || report.Took < 10*time.Minute || report.Took > 11*time.Minute {
			t.Errorf("%v after %s", err, report.Took)
		}
		if w.mem.Exports.Jobs() != 1 || len(step.Left) != 1 || step.Outcome != Failed {
			t.Errorf("%d jobs, %+v", w.mem.Exports.Jobs(), step)
		}
		w.mem.Exports.Polls = 1
		if report, err = w.apply(t.Context(), p); err != nil || w.mem.Exports.Began() != 1 {
			t.Errorf("%v, %+v, %d began", err, report, w.mem.Exports.Began())
		}
		w.exported(at("dest/web/"))
		w.clean()
	})
}

func TestExportWithoutDestination(t *testing.T) {
	w := newWorld(t)
	s := exportStep()
	s.Export.To, s.Export.KeepStaging = nil, true
	report, err := w.apply(t.Context(), planOf(s))
	if err != nil || report.Bytes != 0 {
		t.Fatalf("%v, %+v", err, report)
	}
	w.exported(at("staging/"))
	w.clean()
	if files := report.step("export.web").Files; len(files) != 2 || files[0].At != at("staging/web.qcow2") {
		t.Errorf("%+v", files)
	}
}

func TestKeptStaging(t *testing.T) {
	w := newWorld(t)
	s := exportStep()
	s.Export.KeepStaging = true
	if report, err := w.apply(t.Context(), planOf(s)); err != nil {
		t.Fatalf("%v, %+v", err, report)
	}
	if got := w.keys("staging"); len(got) != 2 {
		t.Errorf("staging holds %q", got)
	}
	w.exported(at("dest/web/"))
	w.clean()
}

// What is kept at staging when all is well is not kept when the export was given up.
func TestStagingOfAnExportThatFailedIsNotKept(t *testing.T) {
	w := newWorld(t)
	w.mem.Exports.Refused = []string{"vmdk"}
	s := exportStep()
	s.Export.KeepStaging = true
	if _, err := w.apply(t.Context(), planOf(s)); err == nil {
		t.Fatal("no error")
	}
	if got := w.keys("staging"); got != nil {
		t.Errorf("staging holds %q", got)
	}
	w.clean()
}

// The descriptor is written last: while any image of any destination is missing, none says that the export is there.
func TestDescriptorIsWrittenLast(t *testing.T) {
	w := newWorld(t)
	look := backendtest.Rule{Op: backendtest.OpCompleteUpload, Do: func() {
		for _, to := range []string{"dest/web/", "mirror/web/"} {
			if w.bytes(at(to+"web.export.json")) != nil {
				t.Errorf("%s has a descriptor too early", to)
			}
		}
	}}
	w.faults["dest"].Rules, w.faults["mirror"].Rules = []backendtest.Rule{look}, []backendtest.Rule{look}
	released := backendtest.Rule{Op: backendtest.OpEndExport, Do: func() {
		w.exported(at("dest/web/"))
		w.exported(at("mirror/web/"))
	}}
	w.mem.Exports.Rules = []backendtest.Rule{released}
	if _, err := w.apply(t.Context(), planOf(exportStep())); err != nil {
		t.Fatal(err)
	}
	if w.faults["dest"].Fired(0)+w.faults["mirror"].Fired(0) != 4 {
		t.Error("the order was not looked at")
	}
}

// A destination that is full can be made room at, and the export goes on; a provider that is full has failed the export.
func TestFullDestinationKeepsTheJob(t *testing.T) {
	w := newWorld(t)
	w.faults["mirror"].Rules = []backendtest.Rule{{Op: backendtest.OpUploadPart, Times: 1, Err: backend.Full}}
	report, err := w.apply(t.Context(), planOf(exportStep()))
	if !errors.Is(err, backend.Full) || w.mem.Exports.Jobs() != 1 || len(report.step("export.web").Left) == 0 {
		t.Fatalf("%v, %d jobs, %+v", err, w.mem.Exports.Jobs(), report)
	}
	sent := w.faults["dest"].BytesSent()
	if _, err = w.apply(t.Context(), planOf(exportStep())); err != nil || w.mem.Exports.Began() != 1 {
		t.Fatalf("%v, %d began", err, w.mem.Exports.Began())
	}
	if again := w.faults["dest"].BytesSent() - sent; again > 4<<10 { // the descriptor
		t.Errorf("%d bytes were sent again to the destination that was whole", again)
	}
	w.exported(at("mirror/web/"))
	w.clean()
}

// What a destination refuses can be put right there, and the export goes on; an image that cannot be read is given up. The
// images of that attempt are then not taken for those of the next one, even if they have the same size.
func TestImagesOfAnotherAttemptAreReplaced(t *testing.T) {
	w := newWorld(t)
	w.faults["mirror"].Rules = []backendtest.Rule{{Op: backendtest.OpUploadPart, Times: 1, Err: backend.Forbidden}}
	if report, err := w.apply(t.Context(), planOf(exportStep())); !errors.Is(err, backend.Forbidden) || w.mem.Exports.Jobs() != 1 || len(report.step("export.web").Left) != 1 {
		t.Fatalf("%v, %d jobs, %+v", err, w.mem.Exports.Jobs(), report)
	}
	w.faults["staging"].Rules = []backendtest.Rule{{Op: backendtest.OpRead, Times: 1, Err: backend.Forbidden}}
	if _, err := w.apply(t.Context(), planOf(exportStep())); !errors.Is(err, backend.Forbidden) || w.mem.Exports.Jobs() != 0 {
		t.Fatalf("%v, %d jobs", err, w.mem.Exports.Jobs())
	}
	sent := w.faults["dest"].BytesSent()
	if report, err := w.apply(t.Context(), planOf(exportStep())); err != nil || w.mem.Exports.Began() != 2 {
		t.Fatalf("%v, %d began, %+v", err, w.mem.Exports.Began(), report)
	}
	if again := w.faults["dest"].BytesSent() - sent; again < 2*diskSize {
		t.Errorf("only %d bytes of the new images were sent", again)
	}
	w.exported(at("dest/web/"))
	w.clean()
}

// A manifest that asks for something else now does not get the job of the interrupted run.
func TestChangedRequestBeginsAnotherExport(t *testing.T) {
	w := newWorld(t)
	w.mem.Exports.Rules = []backendtest.Rule{{Op: backendtest.OpPollExport, Nth: 2, Err: backend.Unauthorized}}
	p := planOf(exportStep())
	p.Steps[0].Export.Request.Formats = []string{"qcow2"}
	if _, err := w.apply(t.Context(), p); !errors.Is(err, backend.Unauthorized) || w.mem.Exports.Jobs() != 1 {
		t.Fatalf("%v, %d jobs", err, w.mem.Exports.Jobs())
	}
	if report, err := w.apply(t.Context(), planOf(exportStep())); err != nil || w.mem.Exports.Began() != 2 {
		t.Fatalf("%v, %d began, %+v", err, w.mem.Exports.Began(), report)
	}
	w.exported(at("dest/web/"))
	w.clean()
}

// An export of the interrupted run that somebody removed meanwhile begins again.
func TestJobThatIsGoneBeginsAgain(t *testing.T) {
	w := newWorld(t)
	w.mem.Exports.Rules = []backendtest.Rule{{Op: backendtest.OpPollExport, Nth: 2, Err: backend.Unauthorized}}
	if _, err := w.apply(t.Context(), planOf(exportStep())); !errors.Is(err, backend.Unauthorized) {
		t.Fatal(err)
	}
	if err := w.mem.Exports.EndExport(t.Context(), w.state().Export["export.web"].Job, false); err != nil {
		t.Fatal(err)
	}
	if report, err := w.apply(t.Context(), planOf(exportStep())); err != nil || w.mem.Exports.Began() != 2 {
		t.Fatalf("%v, %d began, %+v", err, w.mem.Exports.Began(), report)
	}
	w.exported(at("dest/web/"))
	w.clean()
}

// A step that the manifest does not have any more leaves nothing either when the run is continued without it.
func TestEndRemovesWhatNoStepWants(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.mem.Exports.Rules = []backendtest.Rule{{Op: backendtest.OpPollExport, Nth: 2, Err: backend.Unauthorized}}
	w.faults["dest"].Rules = []backendtest.Rule{{Op: backendtest.OpUploadPart, Key: "logs/big", Part: 3, Err: backend.Unauthorized}}
	if _, err := w.apply(t.Context(), planOf(exportStep(), treeStep())); err == nil || w.mem.Exports.Jobs() != 1 {
		t.Fatalf("%v, %d jobs", err, w.mem.Exports.Jobs())
	}
	if _, uploads := w.state().Litter(); len(uploads) != 1 {
		t.Fatalf("uploads %v", uploads)
	}
	if report, err := w.apply(t.Context(), planOf(objectStep())); err != nil || report.Outcome != Done {
		t.Fatalf("%v, %+v", err, report)
	}
	w.clean()
	if !w.state().Ended {
		t.Error("the run has not ended")
	}
}

// The last thing of a run fails: what an earlier part left cannot be removed. The run stays open.
func TestLitterThatStaysKeepsTheRunOpen(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.mem.Exports.Rules = []backendtest.Rule{{Op: backendtest.OpPollExport, Nth: 2, Err: backend.Unauthorized}, {Op: backendtest.OpEndExport, Err: backend.Forbidden}}
	if _, err := w.apply(t.Context(), planOf(exportStep())); err == nil {
		t.Fatal("no error")
	}
	report, err := w.apply(t.Context(), planOf(objectStep()))
	if !errors.Is(err, backend.Forbidden) || report.Outcome != Partial || w.state().Ended {
		t.Errorf("%v, %+v", err, report)
	}
	w.mem.Exports.Rules = nil
	w.cleaned()
}

// The lost id of an upload is found by its key when it is cleaned up.
func TestCleanerFindsUploadWithoutID(t *testing.T) {
	w := newWorld(t)
	w.fill()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.faults["dest"].Rules = []backendtest.Rule{{Op: backendtest.OpCreateUpload, Key: "one", After: true, Do: cancel, Delay: time.Hour}}
	if _, err := w.apply(ctx, planOf(objectStep())); backend.KindOf(err) != backend.Canceled {
		t.Fatal(err)
	}
	w.faults["dest"].Rules = nil
	state := w.state()
	exports, uploads := state.Litter()
	if len(exports) != 0 || len(uploads) != 1 || state.Open[uploads[0]].Checkpoint.Upload.ID != "" {
		t.Fatalf("%v, %+v", exports, state.Open)
	}
	found := (&Cleaner{}).Find(state)
	if len(found) != 1 || found[0].String() != "unfinished upload to far://dest/one" || found[0].Step != "transfer.one" {
		t.Errorf("%v", found)
	}
	w.cleaned()
}

func TestLitterOfAnExportSaysWhatItIs(t *testing.T) {
	s := exportStep()
	l := Litter{Step: s.ID, Export: &journal.Export{Step: s.ID, Request: s.Export.Request}}
	if want := "perhaps a custom image of export.web (instance/web, token " + plan.Token("r1", "export.web") + ")"; l.String() != want {
		t.Errorf("%q", l)
	}
	l.Export.Job = "job/1"
	want := "custom image and staged objects of export.web (instance/web, token " + plan.Token("r1", "export.web") + ")"
	if l.String() != want {
		t.Errorf("%q", l)
	}
}
