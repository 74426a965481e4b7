package ocisim

import (
	"slices"
	"testing"
	"time"
)

func testNow() time.Time { return time.Now().UTC().Truncate(time.Second) }

func TestManualClock(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	c := NewManualClock(start)
	var order []string
	at := func(name string, d time.Duration) func() bool {
		return c.AfterFunc(d, func() { order = append(order, name+c.Now().Sub(start).String()) })
	}
	at("late", 3*time.Second)
	at("early", time.Second)
	stop := at("stopped", 2*time.Second)
	c.AfterFunc(time.Second, func() { at("nested", time.Second) })
	if !stop() {
		t.Error("stop says that the function ran")
	}
	equal(t, "waiting", c.Waiting(), 3)
	c.Advance(2500 * time.Millisecond)
	if want := []string{"early1s", "nested2s"}; !slices.Equal(order, want) {
		t.Errorf("got %v, want %v", order, want)
	}
	c.Advance(time.Second)
	equal(t, "last", order[len(order)-1], "late3s")
	equal(t, "now", c.Now(), start.Add(3500*time.Millisecond))
	if stop() {
		t.Error("stop says twice that it stopped")
	}
}
