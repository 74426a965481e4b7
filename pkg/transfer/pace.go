package transfer

import (
	"context"
	"sync"
	"time"
)

// pacer spreads bytes over time so that together they stay below a rate. A nil pacer does not wait.
type pacer struct {
	perSecond int64
	mu        sync.Mutex
	free      time.Time // when everything admitted so far will have been sent
}

func newPacer(perSecond int64) *pacer {
	if perSecond <= 0 {
		return nil
	}
	return &pacer{perSecond: perSecond}
}

// wait returns when n more bytes may be sent, or when ctx ends.
func (p *pacer) wait(ctx context.Context, n int64) error {
	if p == nil {
		return nil
	}
	timer := time.NewTimer(time.Until(p.admit(n)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pacer) admit(n int64) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.free.Before(now) {
		p.free = now
	}
	start := p.free
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.perSecond) * float64(time.Second)))
	return start
}
