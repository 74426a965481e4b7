package executor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// machine is an inventory of one instance. A switch takes two looks.
type machine struct {
	mu    sync.Mutex
	state string
	next  []string
	asked []string
	deaf  map[string]bool // actions that the instance does not carry out
	fails map[string]int  // how often an action fails first, after its effect
}

func (m *machine) Scopes(context.Context) iter.Seq2[backend.Scope, error] { panic("not asked for") }

func (m *machine) Metrics(context.Context, string, backend.MetricQuery) ([]backend.Series, error) {
	panic("not asked for")
}

func (m *machine) Resources(ctx context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	return func(yield func(backend.Resource, error) bool) {
		m.mu.Lock()
		if len(m.next) > 0 {
			m.state, m.next = m.next[0], m.next[1:]
		}
		r := backend.Resource{ID: q.ID, State: m.state}
		m.mu.Unlock()
		yield(r, ctx.Err())
	}
}

func (m *machine) Act(ctx context.Context, id, action string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to := "RUNNING", "STOPPED"
	if action == "start" {
		from, to = to, from
	}
	if err := ctx.Err(); err != nil {
		return &backend.Error{Op: action, Key: id, Kind: backend.KindOf(err)}
	}
	if m.state != from {
		return &backend.Error{Op: action, Key: id, Kind: backend.Busy}
	}
	m.asked = append(m.asked, action)
	if !m.deaf[action] {
		m.next = []string{"CHANGING", "CHANGING", to}
		if action == "reset" {
			m.next[2] = from
		}
		m.state = "CHANGING"
	}
	if m.fails[action] > 0 {
		m.fails[action]--
		return &backend.Error{Op: action, Key: id, Kind: backend.Unavailable}
	}
	return nil
}

// account is the world's provider with a machine.
type account struct {
	*backendtest.MemProvider
	machine *machine
}

func (a account) Inventory() (backend.Inventory, error) { return a.machine, nil }

// applyTo runs a plan with one export that stops the machine.
func (w *world) applyTo(ctx context.Context, m *machine, how string) (*Report, error) {
	return w.applySlowlyTo(ctx, m, how, time.Millisecond)
}

// applySlowlyTo looks at the machine once in so long.
func (w *world) applySlowlyTo(ctx context.Context, m *machine, how string, poll time.Duration) (*Report, error) {
	w.t.Helper()
	s := exportStep()
	s.Export.Stop, s.Export.StopTimeout = how, time.Hour
	p := planOf(s)
	p.Resumes = w.began
	j := w.open()
	defer j.Close()
	x := w.executor(j, nil)
	x.Backends["mem"] = account{w.mem, m}
	x.Poll.Max = poll
	return x.Apply(ctx, p)
}

func TestStopsAndStartsAgain(t *testing.T) {
	for _, c := range []struct{ how, found, asked string }{
		{"soft", "RUNNING", "softstop start"}, {"hard", "RUNNING", "stop start"}, {"soft", "STOPPED", ""},
	} {
		w := newWorld(t)
		m := &machine{state: c.found, fails: map[string]int{"softstop": 1, "start": 1}}
		report, err := w.applyTo(t.Context(), m, c.how)
		if err != nil || report.Outcome != Done || m.state != c.found || strings.Join(m.asked, " ") != c.asked {
			t.Errorf("%+v: %v, the instance is %s after %q", c, err, m.state, m.asked)
		}
		w.clean()
	}
}

// However the export fails, once or for good, the instance runs again.
func TestPowerAfterFailures(t *testing.T) {
	for _, op := range []string{backendtest.OpStartExport, backendtest.OpPollExport, backendtest.OpEndExport} {
		for _, kind := range []backend.Kind{backend.Unavailable, backend.Invalid, backend.Unauthorized, backend.Forbidden} {
			for _, after := range []bool{false, true} {
				w := newWorld(t)
				w.mem.Exports.Rules = []backendtest.Rule{{Op: op, Err: kind, After: after}}
				m := &machine{state: "RUNNING"}
				_, err := w.applyTo(t.Context(), m, "hard")
				if err == nil || m.state != "RUNNING" {
					t.Errorf("%s fails with %s: %v, the instance is %s", op, kind, err, m.state)
				}
				for step, e := range w.state().Export {
					if e.Power.Owed() {
						t.Errorf("%s fails with %s: the journal thinks that %s is still stopped", op, kind, step)
					}
				}
			}
		}
	}
}

func TestInstanceThatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := &machine{state: "RUNNING", deaf: map[string]bool{"softstop": true}}
		report, err := w.applySlowlyTo(t.Context(), m, "soft", 15*time.Second)
		if err == nil || !strings.Contains(err.Error(), "not stopped within 1h0m0s") || report.Took < time.Hour {
			t.Errorf("%v after %s", err, report.Took)
		}
		if m.state != "RUNNING" || w.mem.Exports.Began() != 0 {
			t.Errorf("the instance is %s, %d images were begun", m.state, w.mem.Exports.Began())
		}
	})
}

// A process that died leaves a stopped instance: the next run or clean starts it.
func TestPowerAfterAKill(t *testing.T) {
	for _, next := range []string{"apply", "apply without stop", "clean"} {
		for left := 1; left < 6; left++ {
			w := newWorld(t)
			m := &machine{state: "RUNNING"}
			s := exportStep()
			s.Export.Stop = "hard"
			j := w.open()
			x := w.executor(&failing{Journal: j, left: left}, nil)
			x.Backends["mem"] = account{w.mem, &machine{state: "RUNNING"}}
			_, err := x.Apply(t.Context(), planOf(s))
			j.Close()
			if !errors.Is(err, journal.ErrWrite) {
				break
			}
			m.state = "STOPPED"
			if !w.state().Export["export.web"].Power.Owed() {
				continue
			}
			switch next {
			case "apply":
				_, err = w.applyTo(t.Context(), m, "hard")
			case "apply without stop":
				_, err = w.applyTo(t.Context(), m, "")
			case "clean":
				err = w.cleanedOf(m)
			}
			if err != nil || m.state != "RUNNING" {
				t.Errorf("%s after the death at record %d: %v, the instance is %s", next, left, err, m.state)
			}
			w.clean()
		}
	}
}

func (w *world) cleanedOf(m *machine) error {
	j := w.open()
	defer j.Close()
	x := w.executor(j, nil)
	x.Backends["mem"] = account{w.mem, m}
	cleaner := &Cleaner{Backends: x.Backends, Retry: x.Retry, Poll: x.Poll}
	for _, l := range cleaner.Find(j.State()) {
		if l.Export != nil && l.Export.Power.Owed() && !strings.Contains(l.String(), "stopped instance") {
			return fmt.Errorf("clean calls it %q", l)
		}
		if err := cleaner.Remove(w.t.Context(), j, l); err != nil {
			return err
		}
	}
	return nil
}

// denied is a machine that may be stopped and not started: the service answers as if it were not there.
type denied struct{ *machine }

func (d denied) Act(ctx context.Context, id, action string) error {
	if action == "start" {
		return &backend.Error{Op: action, Key: id, Kind: backend.NotFound}
	}
	return d.machine.Act(ctx, id, action)
}

func TestDeniedStartStaysOwed(t *testing.T) {
	m := &machine{state: "STOPPED"}
	state := journal.Power{Stopping: true}
	p := power{inventory: denied{m}, poll: Poll{First: time.Millisecond}, instance: "id", state: &state, save: func() error { return nil }}
	if err := p.restore(t.Context()); !errors.Is(err, backend.NotFound) || !state.Owed() || m.state != "STOPPED" {
		t.Errorf("%v, %+v, the instance is %s", err, state, m.state)
	}
}
