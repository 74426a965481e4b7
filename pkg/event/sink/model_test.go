package sink

import (
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

func TestProgress(t *testing.T) {
	type ev = event.Event
	at := func(step, item string, b event.Body) ev {
		return ev{Time: time.Unix(0, 0), Step: step, Item: item, Body: b}
	}
	run := func(steps int, bytes int64) ev { return at("", "", event.RunStarted{Steps: steps, Bytes: bytes}) }
	started := func(step string, n int64) ev { return at(step, "", event.StepStarted{Bytes: n}) }
	begun := func(step, item string, n, resume int64) ev {
		return at(step, item, event.ItemStarted{Bytes: n, Resume: resume})
	}
	moved := func(step, item string, n int64) ev { return at(step, item, event.Moved{Bytes: n}) }
	item := func(step, item, outcome string, n int64) ev {
		return at(step, item, event.ItemEnded{Outcome: outcome, Bytes: n})
	}
	ended := func(step, outcome string) ev { return at(step, "", event.StepEnded{Outcome: outcome}) }
	for _, c := range []struct {
		name        string
		events      []ev
		done, total int64
		final       bool
	}{
		{"nothing known", []ev{run(2, -1), started("a", -1)}, 0, -1, false},
		{"moved, nothing known", []ev{run(2, -1), started("a", -1), moved("a", "x", 7)}, 7, -1, false},
		{"as planned", []ev{run(2, 100), started("a", 60), moved("a", "x", 7)}, 7, 100, true},
		{"a step without a size yet", []ev{run(2, 100), started("a", -1)}, 0, 100, false},
		{"all steps are known", []ev{run(2, -1), started("a", 60), started("b", 40)}, 0, 100, true},
		{"not all sizes are", []ev{run(2, -1), started("a", 60), started("b", -1)}, 0, 60, false},
		{"items tell the size", []ev{run(1, -1), started("a", -1), begun("a", "x", 30, 0)}, 0, 30, true},
		{"more than planned", []ev{run(2, 100), started("a", -1), begun("a", "x", 300, 0)}, 0, 300, true},
		{"resumed bytes count", []ev{run(1, 100), started("a", 100), begun("a", "x", 100, 40), moved("a", "x", 10)}, 50, 100, true},
		{"sent twice", []ev{run(1, 100), started("a", 100), begun("a", "x", 50, 0), moved("a", "x", 70), item("a", "x", "done", 50)}, 50, 100, true},
		{"begun anew", []ev{run(1, 100), started("a", 100), begun("a", "x", 50, 0), moved("a", "x", 30), begun("a", "x", 50, 20)}, 20, 100, true},
		{"skipped items count", []ev{run(1, 100), started("a", 100), item("a", "x", "skipped", 60)}, 60, 100, true},
		{"deleted ones do not", []ev{run(1, 100), started("a", 100), item("a", "x", "deleted", 60)}, 0, 100, true},
		{"failed bytes will not come", []ev{run(1, 100), started("a", 100), begun("a", "x", 60, 0), moved("a", "x", 10), item("a", "x", "failed", 60)}, 10, 50, true},
		{"a failed step's will not", []ev{run(2, 100), started("a", 60), moved("a", "x", 10), ended("a", "failed")}, 10, 50, true},
		{"a skipped step is done", []ev{run(2, 100), started("a", 60), ended("a", "skipped")}, 60, 100, true},
		{"after the end of a step", []ev{run(2, 100), started("a", 60), ended("a", "done"), moved("a", "x", 5)}, 60, 100, true},
		{"without a start", []ev{moved("", "x", 5)}, 5, -1, false},
		{"a step of no bytes", []ev{run(1, 0), started("a", 0)}, 0, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newModel()
			for _, e := range c.events {
				m.apply(e)
			}
			done, total, final := m.progress()
			if done != c.done || total != c.total || final != c.final {
				t.Errorf("%d of %d, final %v; want %d of %d, %v", done, total, final, c.done, c.total, c.final)
			}
		})
	}
}

func TestTimeLeft(t *testing.T) {
	now := time.Unix(1000, 0)
	m := newModel()
	emit := func(step, item string, b event.Body) {
		m.apply(event.Event{Time: now, Step: step, Item: item, Body: b})
	}
	tick := func(seconds int, n int64) {
		for range seconds {
			emit("a", "x", event.Moved{Bytes: n})
			now = now.Add(time.Second)
			m.sample(now)
		}
	}
	want := func(what string, d time.Duration) {
		t.Helper()
		if got, ok := m.left(now); got != d || ok != (d > 0) {
			t.Errorf("%s: %v, %v; want %v", what, got, ok, d)
		}
	}
	emit("", "", event.RunStarted{Steps: 2, Bytes: 10_000})
	emit("a", "", event.StepStarted{Bytes: 10_000})
	tick(3, 10)
	want("too short to tell", 0)
	tick(7, 10)
	want("steady", 16*time.Minute+30*time.Second+30*time.Second) // 990 s, to the minute
	emit("b", "", event.StepStarted{Bytes: -1})
	tick(1, 10)
	want("a step is being sized", 0)
	emit("b", "", event.StepEnded{Outcome: "done"})
	tick(1, 10)
	if _, total, final := m.progress(); total != 10_000 || !final {
		t.Fatalf("total %d, final %v", total, final)
	}
	emit("a", "big", event.ItemStarted{Bytes: 20_000})
	tick(1, 10)
	want("the total has just grown", 0)
	tick(10, 10)
	want("and is steady again", 33*time.Minute)
	emit("a", "", event.Paused{Endpoint: "h"})
	want("paused", 0)
	emit("a", "", event.Resumed{Endpoint: "h"})
	want("the rate before a pause is forgotten", 0)
	tick(7, 1000)
	want("measured anew", 13*time.Second)
	tick(12, 0)
	want("stalled", 0)
}
