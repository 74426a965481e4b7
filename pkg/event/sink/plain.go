package sink

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/event"
)

const (
	heartbeat    = 30 * time.Second
	quietFor     = 10 * time.Second // between the lines about a step's retries and failed objects
	plainTick    = time.Second
	namedFailure = 20 // failed objects of a step that get a line each
)

// PlainOptions are the options of NewPlain.
type PlainOptions struct {
	Zone *time.Location // of the times; nil is local time
}

// Plain writes lines for a log: one for each change of a step, what fails, what waits, and every 30 s, while something
// runs, how far it is. It never writes a carriage return or an escape code.
type Plain struct {
	pump  *pump
	out   output
	zone  *time.Location
	model *model
	buf   bytes.Buffer
	beat  time.Time // of the last heartbeat
	quiet map[string]*quiet
}

// quiet holds back lines about one step.
type quiet struct {
	retried, failed time.Time // of the last line
	retries, fails  int       // held back since
	named           int       // failed objects with a line
	retry           string    // the last one held back
}

// NewPlain starts a Plain sink on w, which is used by one goroutine until Close.
func NewPlain(w io.Writer, o PlainOptions) *Plain {
	p := &Plain{out: output{w: w}, zone: o.Zone, model: newModel(), quiet: map[string]*quiet{}}
	if p.zone == nil {
		p.zone = time.Local
	}
	p.pump = newPump(plainTick, 1, p.handle)
	return p
}

// Emit takes an event; it never blocks.
func (p *Plain) Emit(e event.Event) { p.pump.emit(e) }

// Sink is Emit as a value.
func (p *Plain) Sink() event.Sink { return p.Emit }

// Close writes what is left and returns the first error of the writer.
func (p *Plain) Close() error { return p.out.closed(p.pump) }

func (p *Plain) handle(b batch) {
	for _, e := range b.events {
		p.before(e)
		ended := p.model.find(e.Step) // gone once applied
		paused := len(p.model.pauses)
		p.model.apply(e)
		p.after(e, ended, paused)
	}
	if b.dropped > 0 {
		p.line(b.now, "", human.Plural(int64(b.dropped), "event")+" not shown: the output was blocked")
	}
	if b.tick {
		p.tick(b.now, b.last)
	}
	p.out.write(p.buf.Bytes())
	p.buf.Reset()
}

func (p *Plain) tick(now time.Time, last bool) {
	p.model.sample(now)
	for _, step := range names(p.quiet) {
		p.flush(step, now, last)
	}
	if len(p.model.running) == 0 || p.beat.IsZero() {
		p.beat = now
	} else if now.Sub(p.beat) >= heartbeat {
		p.beat = now
		p.line(now, "", p.progress(now))
	}
}

// before writes what stands in the state that e changes.
func (p *Plain) before(e event.Event) {
	switch b := e.Body.(type) {
	case event.StepPhase:
		if s := p.model.find(e.Step); b.Phase != "" && (s == nil || s.phase != b.Phase) {
			p.line(e.Time, e.Step, clean(b.Phase))
		}
	case event.StepEnded:
		p.flush(e.Step, e.Time, true)
		delete(p.quiet, e.Step)
	}
}

func (p *Plain) after(e event.Event, s *step, paused int) {
	switch b := e.Body.(type) {
	case event.RunStarted:
		p.line(e.Time, "", startText(b))
	case event.RunEnded:
		p.line(e.Time, "", join(" ", "run", clean(p.model.name), runText(b, p.model)))
	case event.StepStarted:
		size := ""
		if b.Bytes > 0 {
			size = human.Bytes(b.Bytes)
		}
		p.line(e.Time, e.Step, join(", ", join(": ", "started", clean(b.Title)), size))
	case event.StepEnded:
		text := endText(b, s)
		if b.Outcome == "done" {
			text = "done: " + text
		}
		p.line(e.Time, e.Step, text)
		for _, help := range cleanLines(b.Help) {
			p.line(e.Time, e.Step, "help: "+help)
		}
	case event.ItemEnded:
		if b.Outcome == "failed" {
			p.failed(e, b)
		}
	case event.Retrying:
		p.retrying(e, b)
	case event.Paused:
		if len(p.model.pauses) > paused && p.paused(b.Endpoint) == 1 {
			limit := ""
			if b.Limit > 0 {
				limit = "gives up after " + human.Duration(b.Limit)
			}
			p.line(e.Time, "", join(", ", "paused: "+pauseReason(b), limit))
		}
	case event.Resumed:
		if len(p.model.pauses) < paused {
			p.line(e.Time, "", "resumed: "+clean(b.Endpoint)+" is back after "+human.Duration(b.After))
		}
	case event.Warning:
		p.line(e.Time, e.Step, "warning: "+join(": ", clean(e.Item), clean(b.Text)))
	}
}

// paused counts the steps that wait for an endpoint: only the first gets a line.
func (p *Plain) paused(endpoint string) int {
	n := 0
	for _, w := range p.model.pauses {
		if w.Endpoint == endpoint {
			n++
		}
	}
	return n
}

func startText(b event.RunStarted) string {
	verb := "started"
	if b.Resumed {
		verb = "continued"
	}
	text := join(" ", "run", clean(b.Name), verb) + ": " + human.Plural(int64(b.Steps), "step")
	if b.Bytes > 0 {
		text += ", " + human.Bytes(b.Bytes)
	}
	return text
}

func (p *Plain) held(step string) *quiet {
	q := p.quiet[step]
	if q == nil {
		q = &quiet{}
		p.quiet[step] = q
	}
	return q
}

func (p *Plain) failed(e event.Event, b event.ItemEnded) {
	q := p.held(e.Step)
	if q.named == namedFailure {
		q.fails++
		return
	}
	q.named++
	q.failed = e.Time
	p.line(e.Time, e.Step, join(": ", clean(e.Item)+" failed", clean(b.Err)))
}

func (p *Plain) retrying(e event.Event, b event.Retrying) {
	q := p.held(e.Step)
	q.retries++
	q.retry = join(": ", clean(e.Item), retryText(b))
	p.flushRetries(e.Step, q, e.Time, false)
}

func (p *Plain) flushRetries(step string, q *quiet, now time.Time, all bool) {
	since := now.Sub(q.retried)
	if q.retries == 0 || since < quietFor && !all {
		return
	}
	text := q.retry
	if q.retries > 1 {
		text = strconv.Itoa(q.retries) + " in " + human.Duration(since) + ", the last: " + text
	}
	p.line(now, step, "retry: "+text)
	q.retries, q.retried = 0, now
}

// flush writes what was held back long enough.
func (p *Plain) flush(step string, now time.Time, all bool) {
	q := p.quiet[step]
	if q == nil {
		return
	}
	p.flushRetries(step, q, now, all)
	if q.fails > 0 && (all || now.Sub(q.failed) >= quietFor) {
		p.line(now, step, human.Plural(int64(q.fails), "more object")+" failed")
		q.fails, q.failed = 0, now
	}
}

// progress is `progress: 3 of 8 steps, 12.4 of 80.0 GiB (15 %), 210 MiB/s, about 5m 40s left, running: export.web (...)`.
func (p *Plain) progress(now time.Time) string {
	m := p.model
	done, total, _ := m.progress()
	text := "progress: " + strconv.Itoa(len(m.ended))
	if m.steps > 0 {
		text += " of " + human.Plural(int64(m.steps), "step")
	} else {
		text += " steps"
	}
	if done > 0 || total > 0 {
		text += ", " + human.BytesOf(done, total)
		if percent := human.Percent(done, total); percent != "" {
			text += " (" + percent + ")"
		}
		if rate := m.meter.over(heartbeat); rate >= 0 && len(m.pauses) == 0 {
			text += ", " + human.Rate(rate)
		}
	}
	if left, ok := m.left(now); ok {
		text += ", about " + human.Duration(left) + " left"
	}
	if w := m.first(); w != nil {
		text += ", " + pauseText(w, now, 0)
	}
	const named = 5
	for i, s := range m.running {
		if i == named {
			return text + " and " + strconv.Itoa(len(m.running)-named) + " more"
		}
		text += [...]string{", running: ", ", "}[min(i, 1)] + address(s.addr)
		if doing := join(", ", s.doing(), s.itemsText()); doing != "" {
			text += " (" + doing + ")"
		}
	}
	return text
}

func (p *Plain) line(at time.Time, step, text string) {
	p.buf.WriteString(at.In(p.zone).Format(time.TimeOnly))
	p.buf.WriteByte(' ')
	if step != "" {
		p.buf.WriteString(address(step) + ": ")
	}
	p.buf.WriteString(text)
	p.buf.WriteByte('\n')
}
