package wrap_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/pkg/event"
)

// fails calls f with a policy until it gives up and returns the time between the calls.
func fails(p wrap.Policy, err error) (waits []time.Duration, last error) {
	var before time.Time
	last = p.Do(context.Background(), "op", func(context.Context) error {
		if !before.IsZero() {
			waits = append(waits, time.Since(before))
		}
		before = time.Now()
		return err
	})
	return waits, last
}

func TestWaitsAreRandomUpToABoundThatDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unavailable := &backend.Error{Op: "x", Kind: backend.Unavailable}
		bounds := []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}
		longest, shortest := make([]time.Duration, len(bounds)), make([]time.Duration, len(bounds))
		for range 300 {
			waits, err := fails(wrap.Policy{Attempts: 7}, unavailable)
			if len(waits) != len(bounds) || !errors.Is(err, backend.Unavailable) {
				t.Fatalf("%d waits, %v", len(waits), err)
			}
			for i, w := range waits {
				if w > bounds[i] {
					t.Fatalf("wait %d is %s, over %s", i+1, w, bounds[i])
				}
				longest[i] = max(longest[i], w)
				if shortest[i] == 0 || w < shortest[i] {
					shortest[i] = w
				}
			}
		}
		for i, bound := range bounds { // of 300 waits one is in each tail but for one time in 10^13
			if longest[i] < bound*9/10 || shortest[i] > bound/10 {
				t.Errorf("wait %d is between %s and %s, want it spread over 0 to %s", i+1, shortest[i], longest[i], bound)
			}
		}
	})
}

func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for attempts, want := range map[int]int{0: 5, -1: 5, 1: 1, 3: 3} {
			waits, _ := fails(wrap.Policy{Attempts: attempts}, backend.Throttled)
			if len(waits)+1 != want {
				t.Errorf("Attempts %d calls %d times, want %d", attempts, len(waits)+1, want)
			}
		}
		for _, kind := range []backend.Kind{backend.NotFound, backend.Unauthorized, backend.Forbidden, backend.Exists, backend.Changed,
			backend.Invalid, backend.Unsupported, backend.Corrupt, backend.Full, backend.Canceled, backend.Unknown} {
			if waits, err := fails(wrap.Policy{}, &backend.Error{Kind: kind}); len(waits) != 0 || backend.KindOf(err) != kind {
				t.Errorf("%q is repeated %d times and gives %v", kind, len(waits), err)
			}
		}
		if waits, err := fails(wrap.Policy{}, errors.New("foreign")); len(waits) != 0 || err == nil {
			t.Errorf("a foreign error is repeated %d times", len(waits))
		}
	})
}

func TestRetryAfterIsTheLeastWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			waits, _ := fails(wrap.Policy{Attempts: 3}, &backend.Error{Kind: backend.Throttled, RetryAfter: time.Minute})
			for _, w := range waits {
				if w < time.Minute || w > 66*time.Second {
					t.Fatalf("waits %s, asked for 1m", w)
				}
			}
		}
	})
}

func TestEndOfContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		began, calls := time.Now(), 0
		err := wrap.Policy{}.Do(ctx, "op", func(context.Context) error {
			calls++
			return &backend.Error{Kind: backend.Unavailable, RetryAfter: time.Hour}
		})
		if took := time.Since(began); took != 10*time.Second || calls != 1 || backend.KindOf(err) != backend.Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("%v after %s and %d calls", err, took, calls)
		}
		deadline, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = wrap.Policy{}.Do(deadline, "op", func(context.Context) error { return &backend.Error{Kind: backend.Offline, RetryAfter: time.Hour} })
		if backend.KindOf(err) != backend.Timeout {
			t.Errorf("past a deadline it is %v", err)
		}
	})
}

func TestRepetitionsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []event.Event
		p := wrap.Policy{Attempts: 3, Step: "export.web", Events: func(e event.Event) { told = append(told, e) }}
		waits, _ := fails(p, backend.Throttled)
		if len(told) != 2 {
			t.Fatalf("%d events", len(told))
		}
		for i, e := range told {
			body, ok := e.Body.(event.Retrying)
			if !ok || e.Step != "export.web" || body.Op != "op" || body.Attempt != i+1 || body.Wait != waits[i] || body.Err != "throttled" {
				t.Errorf("event %d is %+v", i, e)
			}
		}
	})
}

// The caller polls an export anyway: an instance that is busy for minutes does not use up attempts.
func TestBusyExportsArePassedOn(t *testing.T) {
	p := backendtest.NewMemProvider()
	staging := backend.Location{Scheme: "mem", Path: "staging/"}
	q := backend.ExportRequest{Token: "t", Instance: "i", Name: "i", Formats: []string{"qcow2"}, Staging: staging}
	p.Exports.Rules = []backendtest.Rule{
		{Op: backendtest.OpStartExport, Nth: 1, Err: backend.Busy}, {Op: backendtest.OpPollExport, Nth: 1, Err: backend.Busy},
		{Op: backendtest.OpStartExport, Nth: 2, Err: backend.Unavailable}, {Op: backendtest.OpPollExport, Nth: 2, Err: backend.Timeout},
		{Op: backendtest.OpFindExport, Nth: 1, Err: backend.Busy}, {Op: backendtest.OpEndExport, Nth: 1, Err: backend.Busy},
	}
	c := wrap.RetryCompute(p.Exports, quick)
	if _, err := c.StartExport(t.Context(), q); !errors.Is(err, backend.Busy) || p.Exports.Calls(backendtest.OpStartExport) != 1 {
		t.Errorf("a busy start gives %v after %d calls", err, p.Exports.Calls(backendtest.OpStartExport))
	}
	job, err := c.StartExport(t.Context(), q)
	if err != nil || p.Exports.Calls(backendtest.OpStartExport) != 3 {
		t.Fatalf("%v after %d calls", err, p.Exports.Calls(backendtest.OpStartExport))
	}
	if _, err := c.PollExport(t.Context(), job.ID); !errors.Is(err, backend.Busy) {
		t.Errorf("a busy poll gives %v", err)
	}
	if _, err := c.PollExport(t.Context(), job.ID); err != nil {
		t.Error(err)
	}
	if found, err := c.FindExport(t.Context(), q); err != nil || found.ID != job.ID {
		t.Errorf("found %+v, %v", found, err)
	}
	if err := c.EndExport(t.Context(), job.ID, false); err != nil || p.Exports.Jobs() != 0 {
		t.Errorf("%v, %d jobs", err, p.Exports.Jobs())
	}
}
