package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

type pluginCheckCmd struct {
	backendFlags
	logFlag
	Location string `arg:"" help:"Where the check may write, as a prefix; where nothing can be written, an object that is there."`
	Only     string `placeholder:"TEXT" help:"Run only the cases whose name contains it."`
	Output   string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c *pluginCheckCmd) Help() string {
	return `The check writes some thousand small objects below a folder of its own, reads, replaces, copies and deletes them, and
leaves nothing. It looks at no other object. Requests that fail in a way that passes are repeated.

Examples:
  hyperexport plugin check s3://bucket/scratch/
  hyperexport plugin check -f manifest.yaml tape://vault/scratch/
  hyperexport plugin check ./scratch/`
}

// checked is the JSON document.
type checked struct {
	Outcome  string        `json:"outcome"` // done or failed
	ExitCode int           `json:"exit_code"`
	Location string        `json:"location"`
	Cases    []checkedCase `json:"cases"`
}

type checkedCase struct {
	Name    string  `json:"name"`
	Result  string  `json:"result"` // ok, wrong or "does not apply"
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

const (
	caseOK      = "ok"
	caseWrong   = "wrong"
	caseSkipped = "does not apply"

	mostShown = 5 // lines of what is wrong with one case
)

func (c *pluginCheckCmd) Run(a *app) error {
	a.json = c.Output == "json"
	if err := c.openLog(a); err != nil {
		return err
	}
	opened, err := c.open(a, c.Location)
	if err != nil {
		return err
	}
	defer opened.close()
	s, key, err := opened.provider.Open(opened.at)
	if err != nil {
		return err
	}
	report := checked{Outcome: "done", Location: opened.at.String(), Cases: []checkedCase{}}
	if err := reaches(a, s, key); err != nil {
		return err
	}
	o := backendtest.CheckOptions{Only: c.Only, Locate: opened.locate(key), Each: func(name string, took time.Duration, err error) {
		report.Cases = append(report.Cases, newCheckedCase(name, took, err))
		if c := report.Cases[len(report.Cases)-1]; !a.json && c.Result != caseSkipped {
			_ = a.writeString(c.text()) // the end of the check tells
		}
	}}
	if !s.Info().Can.Write {
		o.Existing = key
	}
	err = backendtest.Check(a.ctx, func() (backend.Storage, string, error) {
		s, key, err := opened.provider.Open(opened.at)
		if err != nil {
			return nil, "", err
		}
		return wrap.Retry(s, wrap.Policy{Events: a.retryTalk()}), key, nil
	}, o)
	return c.conclude(a, report, err)
}

// reaches makes one request, so that what is wrong with the location or the account is told once and not by every case.
func reaches(a *app, s backend.Storage, key string) error {
	s = wrap.Retry(s, wrap.Policy{Events: a.retryTalk()})
	if !s.Info().Can.List {
		_, err := s.Stat(a.ctx, key)
		if s.Info().Can.Write && backend.KindOf(err) == backend.NotFound {
			return nil
		}
		return err
	}
	for _, err := range s.List(a.ctx, key) {
		if s.Info().Can.MakesContainer && backend.KindOf(err) == backend.NotFound {
			return nil
		}
		return err
	}
	return nil
}

func newCheckedCase(name string, took time.Duration, err error) checkedCase {
	c := checkedCase{Name: name, Result: caseOK, Seconds: took.Round(time.Millisecond).Seconds()}
	switch {
	case errors.Is(err, backendtest.ErrSkipped):
		c.Result = caseSkipped
	case err != nil:
		c.Result, c.Error = caseWrong, err.Error()
	}
	return c
}

func (c checkedCase) text() string {
	text := fmt.Sprintf("%-5s  %s", c.Result, c.Name)
	if c.Result == caseOK {
		text += fmt.Sprintf("  %.2f s", c.Seconds)
	}
	lines := strings.Split(c.Error, "\n")
	for i, line := range lines {
		if i == mostShown && len(lines) > mostShown+1 {
			text += fmt.Sprintf("\n    and %d lines more; -o json has them all", len(lines)-mostShown)
			break
		}
		if line != "" {
			text += "\n    " + human.Plain(line)
		}
	}
	return text + "\n"
}

// conclude says what was found. The cases have told it already.
func (c *pluginCheckCmd) conclude(a *app, r checked, err error) error {
	counts := map[string]int64{}
	for _, c := range r.Cases {
		counts[c.Result]++
	}
	if err != nil && counts[caseWrong] == 0 { // nothing was found: the check itself could not go on
		return err
	}
	if err != nil {
		r.Outcome, r.ExitCode = "failed", exitFailed
	}
	var writeErr error
	if a.json {
		writeErr = a.writeJSON(r)
	} else {
		writeErr = a.writeString(fmt.Sprintf("%s: %s ok, %d wrong, %d do not apply\n", human.Plain(r.Location),
			human.Plural(counts[caseOK], "case"), counts[caseWrong], counts[caseSkipped]))
	}
	switch {
	case writeErr != nil:
		return writeErr
	case a.ctx.Err() != nil:
		return a.ctx.Err()
	case err != nil:
		return &codeError{code: exitFailed}
	case counts[caseOK] == 0:
		return &codeError{exitFailed, errors.New("no case was run"), "leave --only out to run all"}
	}
	return nil
}
