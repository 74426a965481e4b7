package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hyperexport/hyperexport/executor"
	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/plugin"
)

// The exit codes, one table for all commands. An unknown code means failure.
const (
	exitDone        = 0
	exitFailed      = 1
	exitChanges     = 2 // plan --detailed-exitcode: there is work to do
	exitPartial     = 3
	exitInvalid     = 4
	exitTemporary   = 5
	exitDenied      = 6
	exitBlocked     = 7
	exitLocked      = 11
	exitIntegrity   = 12
	exitPlugin      = 13
	exitUsage       = 80
	exitInterrupted = 130
	exitTerminated  = 143
)

// codeError ends the command with a code. Without an error nothing more is said: the command has said it all.
type codeError struct {
	code int
	err  error
	help string
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// exitCode gives the code of an error.
func (a *app) exitCode(err error) int {
	var coded *codeError
	var invalid *manifests.Errors
	var one *manifests.Error
	var fault *plugin.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &invalid), errors.As(err, &one):
		return exitInvalid
	case errors.Is(err, journal.ErrLocked):
		return exitLocked
	case errors.Is(err, context.Canceled) && a.signal.Load() != 0:
		return int(a.signal.Load())
	case errors.As(err, &fault) && backend.KindOf(err) != backend.Canceled:
		return exitPlugin
	}
	kind := backend.KindOf(err)
	if kind == backend.NotFound && errors.Is(err, backend.Forbidden) { // the service does not say which
		return exitDenied
	}
	return kindCode(kind)
}

// planError is the error of a plan that could not be made. A request that can never succeed, such as one for a location
// without a bucket, or for a list where there is none, is a mistake in the manifest: nothing was changed.
func planError(err error) error {
	coded := &codeError{code: exitInvalid, err: fmt.Errorf("plan: %w", err), help: "correct what the error names; nothing was changed"}
	if kind := backend.KindOf(err); kind == backend.Invalid || kind == backend.Unsupported {
		return coded
	}
	return coded.err
}

func kindCode(kind backend.Kind) int {
	switch {
	case kind == backend.Corrupt:
		return exitIntegrity
	case kind == backend.Unauthorized, kind == backend.Forbidden:
		return exitDenied
	case kind.Temporary():
		return exitTemporary
	}
	return exitFailed
}

// failure is the JSON document of a command that failed before it had one of its own.
type failure struct {
	Outcome  string       `json:"outcome"`
	ExitCode int          `json:"exit_code"`
	Error    string       `json:"error"`
	Kind     backend.Kind `json:"kind,omitempty"`
	Help     string       `json:"help,omitempty"`
	Errors   []mistake    `json:"errors,omitempty"` // of a manifest
}

type mistake struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"`
}

// conclude says what went wrong, if anything, and returns the exit code.
func (a *app) conclude(err error) int {
	code := a.exitCode(err)
	var coded *codeError
	if err == nil || errors.As(err, &coded) && coded.err == nil {
		return code
	}
	help := helpFor(err)
	var invalid *manifests.Errors
	var one *manifests.Error
	if errors.As(err, &one) && !errors.As(err, &invalid) {
		invalid = &manifests.Errors{List: []*manifests.Error{one}}
	}
	if a.json {
		doc := failure{Outcome: executor.Failed, ExitCode: code, Error: err.Error(), Kind: backend.KindOf(err), Help: help}
		if invalid != nil {
			doc.Error = "the manifest is invalid"
			for _, e := range invalid.List {
				doc.Errors = append(doc.Errors, mistake{e.File, e.Line, e.Column, e.Msg, e.Hint})
			}
		}
		if writeErr := a.writeJSON(doc); writeErr != nil {
			fmt.Fprintf(a.stderr, "hyperexport: write to stdout: %v\n", writeErr)
		}
		return code
	}
	if invalid != nil {
		fmt.Fprintln(a.stderr, invalid)
		return code
	}
	fmt.Fprintf(a.stderr, "hyperexport: %s\n", human.Plain(err.Error()))
	if help != "" {
		fmt.Fprintf(a.stderr, "help: %s\n", help)
	}
	return code
}

func helpFor(err error) string {
	var coded *codeError
	if errors.As(err, &coded) && coded.help != "" {
		return coded.help
	}
	var fault *plugin.Error
	if errors.As(err, &fault) {
		return pluginHelp(fault)
	}
	if errors.Is(err, journal.ErrLocked) {
		return "wait for the other run to end; the lock ends with its process"
	}
	return executor.Help(err)
}
