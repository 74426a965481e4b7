package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hyperexport/hyperexport/executor"
	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plan"
)

type applyCmd struct {
	manifestFlags
	stateFlags
	Parallel *int          `placeholder:"N" help:"Steps at once (default: limits.parallel of the manifest)."`
	Output   string        `short:"o" enum:"text,json" default:"text" help:"text or json: the report on stdout."`
	Progress string        `enum:"auto,bar,plain,json,none" default:"auto" help:"What stderr shows meanwhile: bar, plain, json or none; auto is bar on a terminal and plain elsewhere."`
	Poll     time.Duration `default:"1s" hidden:"" env:"HYPEREXPORT_POLL" help:"First pause between two looks at an export."`
}

func (c *applyCmd) Help() string {
	return `A run that was interrupted, also by kill -9 or a power cut, goes on when the same command is run again.

Examples:
  hyperexport apply -f manifest.yaml
  hyperexport apply -f manifest.yaml --var bucket=acme-dr --parallel 4
  hyperexport apply -f manifest.yaml -o json --progress none > report.json
  generate-manifest | hyperexport apply -f -`
}

// Validate refuses what no manifest could say either.
func (c *applyCmd) Validate() error {
	if c.Parallel != nil && *c.Parallel < 1 {
		return fmt.Errorf("--parallel must be 1 or more but got %d", *c.Parallel)
	}
	return nil
}

func (c *applyCmd) Run(a *app) error {
	a.json = c.Output == "json"
	m, err := c.load(a)
	if err != nil {
		return err
	}
	if c.Parallel != nil {
		m.Limits.Parallel = *c.Parallel
	}
	s, err := a.openSession(m, c.manifestFlags, c.stateFlags, journal.Lock)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.giveUpStale(a); err != nil {
		return err
	}
	p, err := s.plan(a.ctx, a.retryTalk())
	if err != nil {
		return planError(err)
	}
	if done, err := c.decide(a, s, p); done {
		return err
	}
	report, err := c.apply(a, s, p)
	if report == nil {
		return err
	}
	return c.conclude(a, report, err)
}

// decide shows the plan and ends the command if the plan is blocked or there is nothing to do.
func (c *applyCmd) decide(a *app, s *session, p *plan.Plan) (done bool, err error) {
	if !a.json {
		if err := plan.Render(a.plainPaths(a.stderr), p, plan.Style{Color: a.color(a.stderr)}); err != nil {
			return true, err
		}
	}
	steps, _ := p.Work()
	switch {
	case !p.Stopped() && steps > 0: // what is blocked is left out
	case len(p.Blocked) > 0 && a.json:
		return true, errors.Join(a.writeJSON(blocked{executor.Blocked, exitBlocked, p}), &codeError{code: exitBlocked})
	case len(p.Blocked) > 0:
		a.say("Nothing was changed.")
		return true, &codeError{code: exitBlocked}
	case steps == 0 && !s.resumes:
		return true, c.conclude(a, executor.NothingToDo(p, a.now()), nil)
	}
	return false, nil
}

// blocked is the JSON document of an apply that its plan stops.
type blocked struct {
	Outcome  string     `json:"outcome"`
	ExitCode int        `json:"exit_code"`
	Plan     *plan.Plan `json:"plan"`
}

// apply runs the plan and leaves its report in the run's folder.
func (c *applyCmd) apply(a *app, s *session, p *plan.Plan) (*executor.Report, error) {
	dir := s.store.Dir(p.Run)
	j, err := openJournal(s, dir)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	shown, closeProgress := a.progress(c.Progress)
	events, closeLog := a.logged(shown)
	defer closeLog()
	x := &executor.Executor{
		Backends: s.backends,
		Engine:   transfer.New(transfer.Options{Memory: s.m.Limits.Memory, Buffers: s.opener.buffers(), Bandwidth: s.m.Limits.Bandwidth, Events: events}),
		Journal:  j, Retry: s.policy(), Events: events, Parallel: s.m.Limits.Parallel,
		Poll: executor.Poll{First: c.Poll},
	}
	report, err := x.Apply(a.ctx, p)
	report.ExitCode = a.reportCode(report, err)
	closeProgress()
	return report, errors.Join(err, j.Close(), writeReport(dir, report))
}

func openJournal(s *session, dir string) (*journal.Journal, error) {
	if s.resumes {
		return journal.Open(dir)
	}
	return journal.Create(dir, s.run)
}

// writeReport leaves the report beside the journal.
func writeReport(dir string, r *executor.Report) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "result.json"), append(text, '\n'), 0o600)
}

// conclude prints the report, which is the one document of stdout, and gives the exit code. What the report does not tell of
// err goes to stderr.
func (c *applyCmd) conclude(a *app, r *executor.Report, err error) error {
	if tells(r) {
		err = nil
	}
	var writeErr error
	if a.json {
		writeErr = a.writeJSON(r)
	} else {
		writeErr = writeReportText(a.plainPaths(a.stdout), r, a.color(a.stdout))
	}
	if r.Outcome == executor.Interrupted {
		a.say("go on with: %s", c.command("apply", c.State))
	}
	code := r.ExitCode
	if err = errors.Join(err, writeErr); err != nil {
		a.say("hyperexport: %v", err)
		if code == exitDone {
			code = a.exitCode(err)
		}
	}
	if code == exitDone {
		return nil
	}
	return &codeError{code: code}
}

// tells reports whether the steps of r say what went wrong.
func tells(r *executor.Report) bool {
	return r.Outcome == executor.Interrupted || slices.ContainsFunc(r.Steps, func(s executor.StepReport) bool { return s.Error != "" })
}

// reportCode gives the exit code of a run. Broken integrity is never hidden behind another code.
func (a *app) reportCode(r *executor.Report, err error) int {
	for _, s := range r.Steps {
		if s.Kind == backend.Corrupt {
			return exitIntegrity
		}
	}
	switch r.Outcome {
	case executor.Done:
		return a.exitCode(err)
	case executor.Interrupted:
		if code := a.signal.Load(); code != 0 {
			return int(code)
		}
		return exitInterrupted
	case executor.Partial:
		return exitPartial
	}
	if code := a.exitCode(err); code != exitDone && !errors.Is(err, context.Canceled) {
		return code
	}
	return exitFailed
}
