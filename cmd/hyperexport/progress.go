package main

import (
	"golang.org/x/term"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/event/sink"
)

// progress opens what stderr shows during a run, and returns what closes it.
func (a *app) progress(kind string) (event.Sink, func()) {
	if kind == "auto" {
		kind = "plain"
		if _, ok := a.terminal(a.stderr); ok {
			kind = "bar"
		}
	}
	switch kind {
	case "bar":
		bar := sink.NewBar(a.stderr, sink.BarOptions{Size: a.size, NoColor: !a.color(a.stderr)})
		a.talk.Store(bar)
		return bar.Sink(), func() {
			_ = bar.Close() // what could not be shown is in the report
			a.talk.Store(nil)
		}
	case "plain":
		plain := sink.NewPlain(a.plainPaths(a.stderr), sink.PlainOptions{})
		return plain.Sink(), func() { _ = plain.Close() }
	case "json":
		lines := sink.NewJSON(a.stderr)
		return lines.Sink(), func() { _ = lines.Close() }
	}
	return nil, func() {}
}

func (a *app) size() (width, height int) {
	f, ok := a.terminal(a.stderr)
	if !ok {
		return 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// retryTalk tells on stderr what is repeated while nothing else shows progress.
func (a *app) retryTalk() event.Sink {
	return func(e event.Event) {
		if r, ok := e.Body.(event.Retrying); ok {
			a.say("hyperexport: %s; again in %s", r.Err, human.Duration(r.Wait))
		}
	}
}
