package main

import (
	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/plan"
)

type planCmd struct {
	manifestFlags
	stateFlags
	Output           string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	DetailedExitcode bool   `name:"detailed-exitcode" help:"Exit with 2 if there is something to do, 0 if there is not."`
}

func (c *planCmd) Help() string {
	return `Examples:
  hyperexport plan -f manifest.yaml
  hyperexport plan -f manifest.yaml -o json
  hyperexport plan -f manifest.yaml --detailed-exitcode   # 0 up to date, 2 work to do, 7 blocked`
}

func (c *planCmd) Run(a *app) error {
	a.json = c.Output == "json"
	m, err := c.load(a)
	if err != nil {
		return err
	}
	s, err := a.openSession(m, c.manifestFlags, c.stateFlags, journal.Look)
	if err != nil {
		return err
	}
	defer s.close()
	if s.store.Locked() {
		a.say("hyperexport: a run of this manifest is under way; this is what it had left to do")
	}
	p, err := s.plan(a.ctx, a.retryTalk())
	if err != nil {
		return planError(err)
	}
	if a.json {
		err = a.writeJSON(p)
	} else {
		err = plan.Render(a.plainPaths(a.stdout), p, plan.Style{Color: a.color(a.stdout)})
	}
	if err != nil {
		return err
	}
	if !a.json {
		if err := a.writeString("Nothing was changed.\n"); err != nil {
			return err
		}
	}
	steps, _ := p.Work()
	switch {
	case len(p.Blocked) > 0:
		return &codeError{code: exitBlocked}
	case c.DetailedExitcode && steps > 0:
		return &codeError{code: exitChanges}
	}
	return nil
}
