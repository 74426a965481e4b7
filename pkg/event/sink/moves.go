package sink

import (
	"maps"
	"slices"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

// moves adds up the bytes of each step, for sinks that write a line at most once in a while. Its zero value is ready.
type moves struct {
	steps map[string]*move
}

type move struct {
	bytes int64 // since the line before
	sum   int64 // of the step in this run
	shown time.Time
}

func (m *moves) add(step string, n int64) {
	if m.steps == nil {
		m.steps = map[string]*move{}
	}
	s := m.steps[step]
	if s == nil {
		s = &move{}
		m.steps[step] = s
	}
	s.bytes += n
	s.sum += n
}

// due calls show for the steps that have moved bytes and have not been shown for the time every.
func (m *moves) due(now time.Time, every time.Duration, show func(step string, bytes, sum int64)) {
	for _, step := range names(m.steps) {
		if s := m.steps[step]; s.bytes > 0 && now.Sub(s.shown) >= every {
			show(step, s.bytes, s.sum)
			s.bytes, s.shown = 0, now
		}
	}
}

// before shows what must stand before the event e: a step's last bytes before its end, all before the end of the run.
func (m *moves) before(e event.Event, show func(step string, bytes, sum int64)) {
	switch e.Body.(type) {
	case event.StepEnded:
		if s := m.steps[e.Step]; s != nil && s.bytes > 0 {
			show(e.Step, s.bytes, s.sum)
		}
		delete(m.steps, e.Step)
	case event.RunEnded:
		m.due(e.Time, 0, show)
		clear(m.steps)
	}
}

// names gives the keys in order.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
