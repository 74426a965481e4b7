// Package sink turns the stream of events into output: a bar on a terminal, plain lines, JSON lines, slog records and
// metrics.
//
// A sink never blocks a run. Emit puts the event into memory and returns; one goroutine per sink writes. A writer that
// hangs costs events about single objects, which are then counted and reported as dropped, and a writer that fails ends
// the output; the run goes on in both cases. Close writes what is left, ends the goroutine and returns the first error
// of the writer.
package sink

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

const (
	// maxQueued bounds the events that wait for a slow writer. The bytes, and the events about the run and whole steps,
	// are kept beyond it: they are few, and without them what is shown later would be wrong.
	maxQueued = 1 << 14
	// closeWait is how long Close waits for a writer that hangs.
	closeWait = 2 * time.Second
)

var errBlocked = errors.New("write progress: the output is blocked")

// pump carries events from the many goroutines of a run to the one of a sink.
type pump struct {
	mu      sync.Mutex
	queue   []event.Event
	open    map[source]int // the queued Moved of each source that a later one may be added to
	dropped int
	closed  bool

	wakeAt int           // wakes the goroutine when so many events wait
	wake   chan struct{} // holds at most one
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once
}

type source struct{ step, item string }

// batch is what a sink's goroutine is given: events in their order, Moved of one source in a row added up.
type batch struct {
	events  []event.Event
	dropped int // events that are missing
	now     time.Time
	tick    bool // the time for what is to be done once in a while
	last    bool // nothing follows
}

// newPump starts the goroutine. It calls handle every tick, when wakeAt events wait, and a last time on close.
func newPump(tick time.Duration, wakeAt int, handle func(batch)) *pump {
	p := &pump{
		open:   map[source]int{},
		wakeAt: wakeAt,
		wake:   make(chan struct{}, 1),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	go p.run(tick, handle)
	return p
}

func (p *pump) emit(e event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || e.Body == nil {
		return
	}
	full := len(p.queue) >= maxQueued
	moved, isMoved := e.Body.(event.Moved)
	if isMoved && full {
		e.Item = "" // bytes are kept by step
	}
	from := source{e.Step, e.Item}
	if isMoved {
		if i, ok := p.open[from]; ok {
			p.queue[i].Body = event.Moved{Bytes: p.queue[i].Body.(event.Moved).Bytes + moved.Bytes}
			p.queue[i].Time = e.Time
			return
		}
	}
	if full && !essential(e.Body) {
		p.dropped++
		return
	}
	if isMoved {
		p.open[from] = len(p.queue)
	} else {
		delete(p.open, from)
	}
	p.queue = append(p.queue, e)
	if len(p.queue) >= p.wakeAt {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// essential tells what must not be dropped.
func essential(b event.Body) bool {
	switch b.(type) {
	case event.RunStarted, event.RunEnded, event.StepStarted, event.StepEnded, event.Moved, event.Paused, event.Resumed:
		return true
	}
	return false
}

func (p *pump) run(tick time.Duration, handle func(batch)) {
	defer close(p.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var spare []event.Event
	for last := false; !last; {
		tick := false
		select {
		case <-p.wake:
		case <-ticker.C:
			tick = true
		case <-p.quit:
			last = true
		}
		b := p.take(spare)
		b.tick, b.last = tick || last, last
		handle(b)
		clear(b.events) // lets go of the bodies
		spare = b.events[:0]
	}
}

// take swaps the queue for an empty one.
func (p *pump) take(spare []event.Event) batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := batch{events: p.queue, dropped: p.dropped, now: time.Now()}
	p.queue, p.dropped = spare, 0
	clear(p.open)
	return b
}

// close reports whether the goroutine has ended; it has not when its writer hangs.
func (p *pump) close() bool {
	p.once.Do(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		close(p.quit)
	})
	late := time.NewTimer(closeWait)
	defer late.Stop()
	select {
	case <-p.done:
		return true
	case <-late.C:
		return false
	}
}

// output is a writer that is given up after its first error. It belongs to the goroutine of a pump; err may be read when
// that has ended.
type output struct {
	w   io.Writer
	err error
}

func (o *output) write(p []byte) {
	if o.err != nil || len(p) == 0 {
		return
	}
	n, err := o.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	o.err = err
}

// closed ends p and gives the error for Close.
func (o *output) closed(p *pump) error {
	if !p.close() {
		return errBlocked
	}
	return o.err
}
