package sink

import (
	"slices"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

// model is the state of a run as its events tell it. It holds the steps and objects that are under way; of those that
// have ended, sums and the steps' addresses. One goroutine owns it.
type model struct {
	name    string
	started time.Time
	steps   int   // of the plan
	planned int64 // bytes of the plan; -1 is not known

	running []*step // in the order they started
	ended   map[string]bool
	counts  map[string]int // ended steps by outcome
	items   map[source]*item
	pauses  []pause

	endedDone int64 // bytes that count as done, of the steps that have ended
	endedLost int64 // bytes that will not come, of the steps that have ended
	moved     int64 // in this run
	meter     meter

	total   int64 // as last seen by sample
	totalAt time.Time
}

// step is a step that runs.
type step struct {
	addr    string
	title   string
	started time.Time

	bytes int64 // as planned; -1 is not known
	sized int64 // sum of the items' sizes
	lost  int64 // bytes of failed items that will not come
	done  int64 // with what an earlier run moved and what was skipped
	moved int64 // in this run
	meter meter

	inFlight int            // items
	items    map[string]int // ended items by outcome

	phase      string
	phaseDone  int64
	phaseTotal int64
	phaseFresh bool // set since the items in flight began

	retries   int
	lastRetry event.Retrying
	retriedAt time.Time
}

// item is an object in flight.
type item struct{ bytes, resume, moved int64 }

type pause struct {
	step string
	at   time.Time
	event.Paused
}

func newModel() *model {
	return &model{planned: -1, total: -1, ended: map[string]bool{}, counts: map[string]int{}, items: map[source]*item{}}
}

func (m *model) apply(e event.Event) {
	switch b := e.Body.(type) {
	case event.RunStarted:
		m.name, m.started, m.steps, m.planned = b.Name, e.Time, b.Steps, b.Bytes
		m.total = b.Bytes
	case event.StepStarted:
		m.drop(e.Step)
		delete(m.ended, e.Step)
		s := m.add(e)
		s.title, s.bytes = b.Title, b.Bytes
	case event.StepEnded:
		m.endStep(e.Step, b)
	case event.StepPhase:
		if s := m.step(e); s != nil {
			s.phaseFresh = s.phaseFresh || s.phase != b.Phase
			s.phase, s.phaseDone, s.phaseTotal = b.Phase, b.Done, b.Total
		}
	case event.ItemStarted:
		m.startItem(e, b)
	case event.ItemEnded:
		m.endItem(e, b)
	case event.Moved:
		m.move(e, b.Bytes)
	case event.Retrying:
		if s := m.step(e); s != nil {
			s.retries++
			s.lastRetry, s.retriedAt = b, e.Time
		}
	case event.Paused:
		if m.paused(e.Step, b.Endpoint) == nil {
			m.pauses = append(m.pauses, pause{e.Step, e.Time, b})
		}
	case event.Resumed:
		m.resume(b.Endpoint)
	}
}

// step finds the running step of an event. Events may come without the start of their step, and after its end: the first
// make a step, the others do not.
func (m *model) step(e event.Event) *step {
	if s := m.find(e.Step); s != nil {
		return s
	}
	if m.ended[e.Step] {
		return nil
	}
	return m.add(e)
}

func (m *model) find(addr string) *step {
	for _, s := range m.running {
		if s.addr == addr {
			return s
		}
	}
	return nil
}

func (m *model) add(e event.Event) *step {
	s := &step{addr: e.Step, started: e.Time, bytes: -1, items: map[string]int{}}
	m.running = append(m.running, s)
	return s
}

func (m *model) drop(addr string) {
	m.running = slices.DeleteFunc(m.running, func(s *step) bool { return s.addr == addr })
	for from := range m.items {
		if from.step == addr {
			delete(m.items, from)
		}
	}
	m.pauses = slices.DeleteFunc(m.pauses, func(p pause) bool { return addr != "" && p.step == addr })
}

func (m *model) endStep(addr string, b event.StepEnded) {
	if s := m.find(addr); s != nil {
		done := s.shown()
		if b.Outcome == "done" || b.Outcome == "skipped" {
			done = max(done, s.total())
		}
		m.endedDone += done
		m.endedLost += max(s.total()-done, 0) + s.lost
	}
	m.drop(addr)
	if !m.ended[addr] {
		m.ended[addr] = true
		m.counts[b.Outcome]++
	}
}

func (m *model) startItem(e event.Event, b event.ItemStarted) {
	s := m.step(e)
	if s == nil {
		return
	}
	from := source{e.Step, e.Item}
	if old := m.items[from]; old != nil { // begins anew
		s.done -= old.resume + old.moved
		s.sized -= max(old.bytes, 0)
		s.inFlight--
	}
	m.items[from] = &item{bytes: b.Bytes, resume: b.Resume}
	if s.inFlight == 0 {
		s.phaseFresh = false
	}
	s.inFlight++
	s.done += b.Resume
	s.sized += max(b.Bytes, 0)
}

func (m *model) endItem(e event.Event, b event.ItemEnded) {
	s := m.step(e)
	if s == nil {
		return
	}
	s.items[b.Outcome]++
	from := source{e.Step, e.Item}
	it := m.items[from]
	if it == nil { // ended without a start: was not moved
		it = &item{bytes: b.Bytes}
		if b.Outcome == "deleted" {
			it.bytes = 0
		}
		s.sized += max(it.bytes, 0)
	} else {
		delete(m.items, from)
		s.inFlight--
	}
	rest := max(it.bytes, 0) - it.resume - it.moved
	switch {
	case it.bytes < 0:
		s.sized += it.resume + it.moved
	case b.Outcome == "failed":
		s.lost += max(rest, 0)
	default:
		s.done += rest
	}
}

func (m *model) move(e event.Event, n int64) {
	m.moved += n
	s := m.step(e)
	if s == nil {
		return
	}
	s.moved += n
	s.done += n
	if it := m.items[source{e.Step, e.Item}]; it != nil {
		it.moved += n
	}
}

func (m *model) paused(step, endpoint string) *pause {
	for i := range m.pauses {
		if p := &m.pauses[i]; p.step == step && p.Endpoint == endpoint {
			return p
		}
	}
	return nil
}

// resume ends the waiting for an endpoint. Rates measured before it say nothing of those to come, where all stood still.
func (m *model) resume(endpoint string) {
	waited := 0
	for _, p := range m.pauses {
		if p.Endpoint != endpoint {
			continue
		}
		if s := m.find(p.step); s != nil {
			s.meter.reset()
			waited++
		}
		if p.step == "" {
			waited = len(m.running)
		}
	}
	if waited > 0 && waited >= len(m.running) {
		m.meter.reset()
	}
	m.pauses = slices.DeleteFunc(m.pauses, func(p pause) bool { return p.Endpoint == endpoint })
}

// sample is to be called at least once a second.
func (m *model) sample(now time.Time) {
	m.meter.sample(now, m.moved)
	for _, s := range m.running {
		s.meter.sample(now, s.moved)
	}
	if _, total, _ := m.progress(); total != m.total {
		m.total, m.totalAt = total, now
	}
}

// first gives the pause that began first.
func (m *model) first() *pause {
	if len(m.pauses) == 0 {
		return nil
	}
	return &m.pauses[0]
}
