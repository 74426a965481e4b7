package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/event/sink"
)

// stateFlags are the flags of every command that contacts backends on behalf of a run.
type stateFlags struct {
	State string `placeholder:"DIR" help:"Folder that keeps what runs remember (default: $$HYPEREXPORT_STATE, or hyperexport in the XDG state folder)."`
	logFlag
}

// logFlag is the flag of every command that contacts backends.
type logFlag struct {
	Log string `placeholder:"FILE" help:"Append everything that happens to FILE, as JSON lines: events, and what plugins print."`
}

// openLog begins the log, if there is to be one. It ends with the process: nothing in it is buffered.
func (f logFlag) openLog(a *app) error {
	if f.Log == "" {
		return nil
	}
	file, err := os.OpenFile(f.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return &codeError{exitFailed, fmt.Errorf("open the log: %w", err), "name another file with --log"}
	}
	a.log = slog.New(slog.NewJSONHandler(file, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return nil
}

// logged returns a sink that feeds the log as well as events, and what closes it.
func (a *app) logged(events event.Sink) (event.Sink, func()) {
	if a.log == nil {
		return events, func() {}
	}
	log := sink.NewLog(a.log)
	return event.Tee(events, log.Sink()), func() { _ = log.Close() } // a full disk must not end a run
}
