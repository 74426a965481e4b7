package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/hyperexport/hyperexport/executor"
	"github.com/hyperexport/hyperexport/executor/journal"
)

type cleanCmd struct {
	manifestFlags
	stateFlags
	Remove bool          `help:"Remove what was found, instead of only showing it. The interrupted run can then not be continued."`
	Output string        `short:"o" enum:"text,json" default:"text" help:"text or json."`
	Poll   time.Duration `default:"1s" hidden:"" env:"HYPEREXPORT_POLL" help:"First pause between two looks at an instance."`
}

func (c *cleanCmd) Help() string {
	return `Examples:
  hyperexport clean -f manifest.yaml            # show what interrupted runs of this manifest left
  hyperexport clean -f manifest.yaml --remove   # remove it`
}

// finding is one piece of litter in the JSON document.
type finding struct {
	Run     string `json:"run"`
	Step    string `json:"step"`
	What    string `json:"what"`
	Removed bool   `json:"removed"`
	Error   string `json:"error,omitempty"`
}

func (c *cleanCmd) Run(a *app) error {
	a.json = c.Output == "json"
	m, err := c.load(a)
	if err != nil {
		return err
	}
	s, err := a.openSession(m, c.manifestFlags, c.stateFlags, journal.Lock)
	if err != nil {
		return err
	}
	defer s.close()
	runs, err := s.store.Runs()
	if err != nil {
		return err
	}
	cleaner := &executor.Cleaner{Backends: s.backends, Retry: s.policy(), Poll: executor.Poll{First: c.Poll}}
	found, err := c.cleanStrays(a, s, cleaner)
	failures := []error{err}
	for _, run := range runs {
		of, err := c.cleanRun(a, s, cleaner, run)
		found = append(found, of...)
		failures = append(failures, err)
	}
	if err := c.print(a, found); err != nil {
		return err
	}
	if err := errors.Join(failures...); err != nil {
		a.say("hyperexport: %v", err)
		return &codeError{code: a.exitCode(err)} // the one document of -o json is written
	}
	return nil
}

// cleanStrays shows or removes what single writes of an unfinished run left. The plan says where it wrote.
func (c *cleanCmd) cleanStrays(a *app, s *session, cleaner *executor.Cleaner) ([]finding, error) {
	if !s.resumes {
		return []finding{}, nil
	}
	p, err := s.plan(a.ctx, a.retryTalk())
	if err != nil {
		return []finding{}, fmt.Errorf("look for unfinished writes: %w", err)
	}
	litter, err := cleaner.FindStrays(a.ctx, p, a.now())
	found, failures := c.handle(a, cleaner, nil, s.run.ID, litter)
	return found, errors.Join(append(failures, err)...)
}

// cleanRun shows or removes what one run left, as its journal says. A run of which everything was removed is over.
func (c *cleanCmd) cleanRun(a *app, s *session, cleaner *executor.Cleaner, run string) ([]finding, error) {
	state, err := journal.Read(s.store.Dir(run))
	if err != nil || state.Ended {
		return nil, err
	}
	if !c.Remove {
		found, _ := c.handle(a, cleaner, nil, run, cleaner.Find(state))
		return found, nil
	}
	j, err := journal.Open(s.store.Dir(run))
	if err != nil {
		return nil, err
	}
	found, failures := c.handle(a, cleaner, j, run, cleaner.Find(state))
	if len(failures) == 0 {
		failures = append(failures, j.Write(journal.Record{End: &journal.End{Time: a.now().UTC()}}, true))
	}
	return found, errors.Join(append(failures, j.Close())...)
}

// handle removes each piece of litter if that was asked for, and says what became of it.
func (c *cleanCmd) handle(a *app, cleaner *executor.Cleaner, j executor.Journal, run string, litter []executor.Litter) ([]finding, []error) {
	found := []finding{}
	var failures []error
	for _, l := range litter {
		f := finding{Run: run, Step: l.Step, What: l.String()}
		if c.Remove {
			if err := cleaner.Remove(a.ctx, j, l); err != nil {
				f.Error = err.Error()
				failures = append(failures, fmt.Errorf("remove %s: %w", l, err))
			}
			f.Removed = f.Error == ""
		}
		found = append(found, f)
	}
	return found, failures
}

func (c *cleanCmd) print(a *app, found []finding) error {
	if a.json {
		return a.writeJSON(map[string]any{"found": found})
	}
	text := ""
	for _, f := range found {
		verb := "found"
		switch {
		case f.Removed:
			verb = "removed"
		case f.Error != "":
			verb = "could not remove"
		}
		text += fmt.Sprintf("%s: %s (run %s)\n", verb, f.What, f.Run)
	}
	switch {
	case len(found) == 0:
		text = "nothing was left behind\n"
	case !c.Remove:
		text += fmt.Sprintf("\ngo on with the run:  %s\nremove it instead:   %s --remove\n", c.command("apply", c.State), c.command("clean", c.State))
	}
	return a.writeString(text)
}
