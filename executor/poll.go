package executor

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// busyPatience bounds how long something may stay Busy. What makes an instance busy, such as another image of it, takes
// minutes to hours.
const busyPatience = 6 * time.Hour

// Poll says how often the provider is asked how an export is going: after First, then ever more slowly, at least every
// Max. The zero value means 1 s and 15 s.
type Poll struct {
	First, Max time.Duration
}

func (p Poll) begin() *polling {
	if p.First <= 0 {
		p.First = time.Second
	}
	if p.Max <= 0 {
		p.Max = 15 * time.Second
	}
	return &polling{next: min(p.First, p.Max), most: p.Max}
}

// polling is one wait for a provider.
type polling struct {
	next, most time.Duration
	since      time.Time // when it began to be busy; zero if it is not
}

// busy reports whether err only says that the time has not come yet.
func (w *polling) busy(err error) bool {
	if !errors.Is(err, backend.Busy) {
		w.since = time.Time{}
		return false
	}
	if w.since.IsZero() {
		w.since = time.Now()
	}
	return time.Since(w.since) < busyPatience
}

// pause waits, each time a little longer, or until ctx ends.
func (w *polling) pause(ctx context.Context) error {
	timer := time.NewTimer(w.next/2 + rand.N(w.next/2+1))
	defer timer.Stop()
	w.next = min(w.next*3/2, w.most)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
