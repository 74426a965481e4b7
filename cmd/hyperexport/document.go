package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"syscall"
)

// document writes the one document of -o json piece by piece: an object whose member has the items, one after the other,
// and then how it ended. It is whole whatever happens meanwhile. In text it writes lines.
type document struct {
	a     *app
	out   *bufio.Writer
	mu    sync.Mutex
	items int
	live  bool  // each item is shown at once
	err   error // of a write
}

// newDocument begins a document whose items are in member. But for a terminal, nothing is seen before a flush.
func newDocument(a *app, member string) *document {
	d := &document{a: a, out: bufio.NewWriterSize(product{a.stdout}, 32<<10)}
	if _, terminal := a.terminal(a.stdout); terminal {
		d.live = !a.json
	}
	if a.json {
		d.write("{\n  \"" + member + "\": [")
	}
	return d
}

// above lets items stand above the bar, if there is one and both are on the terminal. What it returns ends that and comes
// before the bar is closed.
func (d *document) above() (end func()) {
	bar := d.a.talk.Load()
	if bar == nil || !d.live {
		return d.flush
	}
	d.flush()
	d.out.Reset(bar)
	return func() {
		d.flush()
		d.out.Reset(product{d.a.stdout})
	}
}

func (d *document) write(text string) {
	if d.err == nil {
		_, d.err = io.WriteString(d.out, text)
	}
}

// item writes one: text, or value with -o json. The error is that of a write. It may be called concurrently.
func (d *document) item(text string, value any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live {
		defer d.flush()
	}
	if !d.a.json {
		d.write(text)
		return d.err
	}
	separator := ",\n    "
	if d.items == 0 {
		separator = "\n    "
	}
	d.items++
	d.write(separator + compactJSON(value))
	return d.err
}

// flush shows what was written so far.
func (d *document) flush() {
	if d.err == nil {
		d.err = d.out.Flush()
	}
}

// end closes the document with how it ended, and gives the error of the command. rest are further members.
func (d *document) end(f *failures, text string, rest map[string]any) error {
	if d.a.json {
		if rest == nil {
			rest = map[string]any{}
		}
		code := f.code(d.a.ctx, d.a)
		rest["exit_code"], rest["outcome"] = code, outcomeOf(code)
		if f.count > 0 {
			rest["errors"], rest["failed"] = f.errs, f.count
		}
		if d.items > 0 {
			d.write("\n  ")
		}
		d.write("],\n  " + string(bytes.Trim([]byte(compactJSON(rest)), "{}\n")) + "\n}\n")
	} else {
		d.write(text)
	}
	d.flush()
	if d.err != nil {
		return quietPipe(d.err)
	}
	return f.end(d.a)
}

// product is stdout whose errors are told from those of services.
type product struct{ w io.Writer }

// outputError is an error of a write to stdout.
type outputError struct{ err error }

func (e *outputError) Error() string { return "write to stdout: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

func (p product) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if err != nil {
		err = &outputError{err}
	}
	return n, err
}

// gone reports whether err is that of a reader of stdout who has seen enough, such as head: nothing is wrong then.
func gone(err error) bool {
	var output *outputError
	return errors.As(err, &output) && errors.Is(err, syscall.EPIPE)
}

// quietPipe makes such an error none.
func quietPipe(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

func outcomeOf(code int) string {
	switch code {
	case exitDone:
		return "done"
	case exitPartial:
		return "partial"
	case exitInterrupted, exitTerminated:
		return "interrupted"
	}
	return "failed"
}

func compactJSON(v any) string {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return `{"error":"` + err.Error() + `"}` // only what this program defines is written
	}
	return string(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
}
