// Package executor runs a plan.
//
// Run is the only loop: it takes steps from the plan's frontier, hands them to a Driver and records how they end. A step is
// carried out by a handler, which sees its context, the step, and a Progress: what earlier runs have done of it, and the
// place to write down what this one does. A failure stops its own branch; independent branches go on; the Report covers
// every step.
package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plan"
)

// Executor carries out steps. Its fields are set before the first call and not changed.
type Executor struct {
	Backends backend.Set
	Engine   *transfer.Engine
	Journal  Journal
	Retry    wrap.Policy
	Events   event.Sink // may be nil
	Parallel int        // steps at once; 0 means 1
	Poll     Poll
}

// Journal is where an Executor writes down what it does and reads what an earlier process did. *journal.Journal is one.
type Journal interface {
	Write(rec journal.Record, durable bool) error
	Run() journal.Run
	State() journal.State
	Finished(step, digest string) bool
	Export(step string) (journal.Export, bool)
	Checkpoint(to backend.Location) *transfer.Checkpoint
	Item(to backend.Location) (journal.FinishedItem, bool)
}

// Outcome is how a step ended.
type Outcome struct {
	Step plan.Step
	Result
	Err     error
	Started time.Time
	Took    time.Duration
}

// Driver carries out steps that Run hands it.
type Driver interface {
	// Start begins a step. It may block until there is room for it.
	Start(s plan.Step)
	// Wait returns the outcome of a started step that has ended, each once.
	Wait() Outcome
}

// Run runs the steps of the frontier, each as soon as the steps that it needs have ended well, and returns their outcomes
// in the order in which they ended. ruledOut is told of each step that cannot run any more.
func Run(f *plan.Frontier, d Driver, ruledOut func(s plan.Step, because string)) []Outcome {
	var all []Outcome
	for {
		for s, ok := f.Next(); ok; s, ok = f.Next() {
			d.Start(s)
		}
		if f.Running() == 0 {
			return all
		}
		o := d.Wait()
		for _, s := range f.End(o.Step.ID, o.Err == nil) {
			ruledOut(s, o.Step.ID)
		}
		all = append(all, o)
	}
}

// Apply runs p and reports on every step of it. The report is complete also when steps fail or ctx ends; the error is then
// the first of the steps' errors. When ctx ends, what is running checkpoints and stops, and the run can be continued. So it is
// when the journal cannot be written any more: everything stops where it is.
func (x *Executor) Apply(ctx context.Context, p *plan.Plan) (*Report, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	retries := newRetryCounter()
	r := &run{Executor: *x, resumed: p.Resumes, stop: stop}
	r.Events = event.Tee(x.Events, retries.count)
	return r.apply(ctx, p, retries)
}

// run is one Apply.
type run struct {
	Executor
	resumed bool
	stop    context.CancelCauseFunc
	sums    sync.Mutex // held while a list of sums is read, changed and written
}

func (x *run) apply(ctx context.Context, p *plan.Plan, retries *retryCounter) (*Report, error) {
	started := time.Now()
	steps, bytes := p.Work()
	if p.Grows() {
		bytes = -1
	}
	x.Events.Emit("", "", event.RunStarted{Run: p.Run, Name: p.Name, Steps: steps, Bytes: bytes, Resumed: p.Resumes})
	report := newReport(p, started)
	finished := func(s plan.Step) bool {
		done := s.Bucket == nil && x.Journal.Finished(s.ID, s.Digest()) // rules that differ again are set again
		if done {
			report.finishedBefore(s)
		}
		return done
	}
	driver := newLocalDriver(ctx, len(p.Steps), max(1, x.Parallel), x.handle)
	outcomes := Run(plan.NewFrontier(p, finished), driver, func(s plan.Step, because string) {
		report.ruledOut(s, because)
		x.Events.Emit(s.ID, "", event.StepEnded{Outcome: "not_run", Err: "needs " + because})
	})
	driver.close()
	for _, o := range outcomes {
		report.add(o, retries.of(o.Step.ID))
	}
	err := x.end(ctx, p, report, outcomes)
	report.Took = time.Since(started)
	x.Events.Emit("", "", event.RunEnded{Outcome: report.Outcome, Took: report.Took})
	return report, err
}

// end closes the journal's run if every step ended well and nothing is left of what it or its earlier part made;
// otherwise the next run continues this one.
func (x *run) end(ctx context.Context, p *plan.Plan, report *Report, outcomes []Outcome) error {
	report.settle(ctx.Err() != nil && !errors.Is(context.Cause(ctx), journal.ErrWrite))
	if report.Outcome != Done {
		return firstError(ctx, outcomes)
	}
	cleaner := &Cleaner{Backends: x.Backends, Retry: x.policy(""), Poll: x.Poll}
	litter := cleaner.Find(x.Journal.State())
	if x.resumed {
		strays, err := cleaner.FindStrays(ctx, p, report.Started)
		if err != nil {
			report.Outcome = Partial
			return err
		}
		litter = append(litter, strays...)
	}
	for _, l := range litter {
		if err := cleaner.Remove(ctx, x.Journal, l); err != nil {
			report.Outcome = Partial
			return fmt.Errorf("remove %s, which an earlier part of the run left: %w", l, err)
		}
	}
	return x.Journal.Write(journal.Record{End: &journal.End{Time: time.Now().UTC()}}, true)
}

// firstError returns why a run did not end well: the first failure, or else what interrupted it.
func firstError(ctx context.Context, outcomes []Outcome) error {
	err := context.Cause(ctx)
	for _, o := range outcomes {
		switch {
		case o.Err != nil && backend.KindOf(o.Err) != backend.Canceled:
			return fmt.Errorf("%s: %w", o.Step.ID, o.Err)
		case err == nil && o.Err != nil:
			err = fmt.Errorf("%s: %w", o.Step.ID, o.Err)
		}
	}
	if err == nil {
		err = errors.New("steps wait for each other, or for one that the plan does not have")
	}
	return err
}

// handle carries out one step.
func (x *run) handle(ctx context.Context, s plan.Step) (o Outcome) {
	o = Outcome{Step: s, Started: time.Now()}
	if o.Err = ctx.Err(); o.Err != nil {
		return o
	}
	p := &Progress{step: s.ID, resumed: x.resumed, journal: x.Journal}
	title, bytes := describe(s)
	x.Events.Emit(s.ID, "", event.StepStarted{Title: title, Bytes: bytes})
	switch {
	case s.Bucket != nil:
		o.Result, o.Err = x.bucket(ctx, s)
	case s.Export != nil:
		o.Result, o.Err = x.export(ctx, s, p)
	case s.Transfer != nil:
		o.Result, o.Err = x.transfer(ctx, s, p)
	default:
		o.Err = errors.New("the step has nothing to do that this program knows")
	}
	if o.Err == nil {
		o.Err = x.Journal.Write(journal.Record{Step: &journal.Step{ID: s.ID, Digest: s.Digest()}}, true)
	}
	if errors.Is(o.Err, journal.ErrWrite) {
		x.stop(o.Err)
	}
	o.Took = time.Since(o.Started)
	ended := event.StepEnded{Outcome: Done, Bytes: o.Moved, Took: o.Took}
	switch {
	case backend.KindOf(o.Err) == backend.Canceled:
		ended.Outcome = Interrupted
	case o.Err != nil:
		ended.Outcome, ended.Err, ended.Help = Failed, o.Err.Error(), Help(o.Err)
	}
	x.Events.Emit(s.ID, "", ended)
	return o
}

func describe(s plan.Step) (title string, bytes int64) {
	switch {
	case s.Bucket != nil:
		return "set rules of " + s.Bucket.At.String(), 0
	case s.Export != nil:
		return "export " + s.Export.Found.Name, -1
	case s.Transfer != nil && s.Transfer.Found.Unknown:
		return "copy " + s.Transfer.From.String(), -1
	case s.Transfer != nil:
		return "copy " + s.Transfer.From.String(), s.Transfer.Found.Bytes
	}
	return "", -1
}

// open opens the container of a location for a step, with calls retried.
func (x *run) open(step string, l backend.Location) (transfer.Ref, error) {
	storage, key, err := x.Backends.Open(l)
	if err != nil {
		return transfer.Ref{}, err
	}
	return transfer.Ref{Storage: wrap.Retry(storage, x.policy(step)), Key: key, At: l}, nil
}

func (x *run) policy(step string) wrap.Policy {
	p := x.Retry
	p.Events, p.Step, p.Exclusive = x.Events, step, true
	return p
}

// retryCounter counts repeated calls by step.
type retryCounter struct {
	mu    sync.Mutex
	steps map[string]int64
}

func newRetryCounter() *retryCounter { return &retryCounter{steps: map[string]int64{}} }

func (c *retryCounter) count(e event.Event) {
	if _, ok := e.Body.(event.Retrying); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.steps[e.Step]++
	}
}

func (c *retryCounter) of(step string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps[step]
}
