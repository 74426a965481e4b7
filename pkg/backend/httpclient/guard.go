package httpclient

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

var errHeldBack = errors.New("the context ended before the request was sent whole")

// guard is the body of a request that changes something, and decides what happens when the caller's context ends: what has
// not been sent whole is held back, so that the service drops it; what has been is waited for, up to limit.
type guard struct {
	body  io.ReadCloser
	limit time.Duration

	mu       sync.Mutex
	left     int64 // bytes that have not been handed over for sending
	headed   bool  // the header has been
	heldBack bool
	timer    *time.Timer
	unwatch  func() bool
}

// attach returns the context of the request, which outlives caller if need be. stop releases what it holds.
func (g *guard) attach(caller context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(caller))
	switch {
	case g.body == nil || g.body == http.NoBody:
		g.left = 0
	case g.left <= 0: // net/http's way to say that it is not known; the end of the body will tell
		g.left = math.MaxInt64
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.headed = true
	}})
	unwatch := context.AfterFunc(caller, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.left > 0 || !g.headed {
			g.heldBack = true
			cancel(context.Cause(caller))
			return
		}
		g.timer = time.AfterFunc(g.limit, func() { cancel(context.Cause(caller)) })
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unwatch = unwatch
	return ctx, cancel
}

// stop ends the watch over the caller's context.
func (g *guard) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unwatch()
	if g.timer != nil {
		g.timer.Stop()
	}
}

// Read hands over the next bytes, unless the request is held back.
func (g *guard) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.heldBack {
		return 0, errHeldBack
	}
	n, err := g.body.Read(p)
	g.left -= int64(n)
	if err == io.EOF {
		g.left = 0
	}
	return n, err
}

// Close closes the body.
func (g *guard) Close() error { return g.body.Close() }
