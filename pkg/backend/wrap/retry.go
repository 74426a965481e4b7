// Package wrap adds policy to a backend.Storage or backend.Compute, one concern per wrapper. A wrapper keeps the whole
// contract of what it wraps, so wrappers can be stacked and the conformance suite runs on the stack as on the bare backend.
package wrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
)

// compareWindow is how much of an object is read back at once, in bytes.
const compareWindow = 256 << 10

// Policy says how often and after what time a call that failed is repeated. This is the only layer of the program that
// repeats calls: backends switch the retries of their SDKs off.
type Policy struct {
	Attempts int           // calls in all, at least 1; 0 means 5
	First    time.Duration // upper bound of the first wait; 0 means 2 s
	Max      time.Duration // upper bound of every wait; 0 means 30 s
	Events   event.Sink    // told of each repetition; may be nil
	Step     string        // for events

	// Exclusive says that nobody else uploads to the keys that are written through the wrapper. An upload whose
	// CreateUpload may have worked although its answer was lost is then found by its key and aborted; otherwise it stays.
	Exclusive bool
}

// Do calls f until it succeeds, fails in a way that does not pass, or the attempts are used up. The wait before
// repetition n is random between 0 and min(Max, First*2^n) (full jitter), and never shorter than what the service asked for.
// If ctx ends meanwhile, Do returns at once, with an error of Kind Canceled or Timeout.
func (p Policy) Do(ctx context.Context, op string, f func(ctx context.Context) error) error {
	return p.do(ctx, op, backend.Kind.Temporary, f)
}

func (p Policy) do(ctx context.Context, op string, passes func(backend.Kind) bool, f func(ctx context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := f(ctx)
		if err == nil || !passes(backend.KindOf(err)) {
			return err
		}
		if err := p.pause(ctx, op, attempt, err); err != nil {
			return err
		}
	}
}

// pause waits before what failed with err is repeated. It returns the error to give up with.
func (p Policy) pause(ctx context.Context, op string, attempt int, err error) error {
	if ctx.Err() == nil && attempt < p.attempts() {
		wait := p.wait(attempt, err)
		p.Events.Emit(p.Step, "", event.Retrying{Op: op, Attempt: attempt, Wait: wait, Err: err.Error()})
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
		}
	}
	if ctx.Err() == nil {
		return err
	}
	return &backend.Error{Op: op, Kind: backend.KindOf(ctx.Err()), Err: fmt.Errorf("%w, and so it is not repeated after: %s", ctx.Err(), err.Error())}
}

func (p Policy) attempts() int {
	if p.Attempts <= 0 {
		return 5
	}
	return p.Attempts
}

func (p Policy) wait(attempt int, err error) time.Duration {
	first, most := p.First, p.Max
	if first <= 0 {
		first = 2 * time.Second
	}
	if most <= 0 {
		most = 30 * time.Second
	}
	bound := most
	if shift := attempt - 1; shift < 20 {
		bound = min(most, first<<shift)
	}
	wait := rand.N(bound + 1)
	if asked := backend.RetryAfter(err); asked > wait {
		wait = asked + rand.N(asked/10+1)
	}
	return wait
}

// unknownOutcome reports whether a call that failed with err may have had its effect all the same.
func unknownOutcome(err error) bool {
	switch backend.KindOf(err) {
	case backend.Unavailable, backend.Timeout, backend.Offline:
		return true
	}
	return false
}

// Retry returns s with every call repeated as the policy says. Calls whose first attempt may have had an effect that the
// caller never learned of are settled by looking: a conditional Put that then meets its own object has succeeded, and a
// Delete that then finds nothing has done its work, and so has a CreateContainer that then finds one, and a SetLifecycle that
// then finds nothing to change has changed it. For CreateUpload see Policy.Exclusive.
func Retry(s backend.Storage, p Policy) backend.Storage {
	return &retry{Storage: s, p: p}
}

type retry struct {
	backend.Storage // Info, which cannot fail
	p               Policy
}

func (r *retry) Stat(ctx context.Context, key string) (obj backend.Object, err error) {
	err = r.p.Do(ctx, "stat", func(ctx context.Context) error {
		obj, err = r.Storage.Stat(ctx, key)
		return err
	})
	return obj, err
}

func (r *retry) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (n int, err error) {
	err = r.p.Do(ctx, "read", func(ctx context.Context) error {
		n, err = r.Storage.ReadAt(ctx, obj, p, off)
		return err
	})
	return n, err
}

func (r *retry) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (obj backend.Object, err error) {
	unknown := false
	err = r.p.Do(ctx, "put", func(ctx context.Context) error {
		obj, err = r.Storage.Put(ctx, key, p, o)
		if unknown && refused(err) {
			if found, ok := r.holds(ctx, key, p, o.Checksum); ok {
				obj, err = found, nil
			}
		}
		unknown = unknown || unknownOutcome(err)
		return err
	})
	return obj, err
}

// refused reports whether a condition did not hold, as it does not if an earlier attempt did the work.
func refused(err error) bool {
	return errors.Is(err, backend.Exists) || errors.Is(err, backend.Changed)
}

// holds reports whether the object under key is certainly p. Where checksums do not tell, it is read.
func (r *retry) holds(ctx context.Context, key string, p []byte, sum backend.Checksum) (backend.Object, bool) {
	found, err := r.Stat(ctx, key)
	if err != nil || found.Size != int64(len(p)) {
		return found, false
	}
	if sum != "" && sum.Algorithm() == found.Checksum.Algorithm() {
		return found, found.Checksum == sum
	}
	chunk := make([]byte, min(len(p), compareWindow))
	for off := 0; off < len(p); off += len(chunk) {
		chunk = chunk[:min(len(chunk), len(p)-off)]
		n, err := r.ReadAt(ctx, found, chunk, int64(off))
		if n != len(chunk) || err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(chunk, p[off:off+n]) {
			return found, false
		}
	}
	return found, true
}

func (r *retry) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (u backend.Upload, err error) {
	began, unknown := time.Now(), false
	err = r.p.Do(ctx, "create upload", func(ctx context.Context) error {
		if unknown && r.p.Exclusive && r.Info().Can.ListUploads {
			if _, err := backend.AbortUploads(ctx, r.Storage, key, began); err != nil {
				return err
			}
		}
		u, err = r.Storage.CreateUpload(ctx, key, o)
		unknown = unknown || unknownOutcome(err)
		return err
	})
	return u, err
}

func (r *retry) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (part backend.Part, err error) {
	err = r.p.Do(ctx, "upload part", func(ctx context.Context) error {
		part, err = r.Storage.UploadPart(ctx, u, n, p, sum)
		return err
	})
	return part, err
}

func (r *retry) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (obj backend.Object, err error) {
	unknown := false
	err = r.p.Do(ctx, "complete upload", func(ctx context.Context) error {
		obj, err = r.Storage.CompleteUpload(ctx, u, parts, o)
		if unknown && refused(err) {
			found, statErr := r.Stat(ctx, u.Key)
			if statErr == nil && found.Size == u.Size && o.Checksum != "" && found.Checksum == o.Checksum {
				obj, err = found, nil
			}
		}
		unknown = unknown || unknownOutcome(err)
		return err
	})
	return obj, err
}

func (r *retry) AbortUpload(ctx context.Context, u backend.Upload) error {
	return r.p.Do(ctx, "abort upload", func(ctx context.Context) error { return r.Storage.AbortUpload(ctx, u) })
}

// Copy is not settled: nothing here tells whether what a conditional copy then meets is its own.
func (r *retry) Copy(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (obj backend.Object, err error) {
	err = r.p.Do(ctx, "copy", func(ctx context.Context) error {
		obj, err = r.Storage.Copy(ctx, from, version, key, o)
		return err
	})
	return obj, err
}

func (r *retry) Delete(ctx context.Context, obj backend.Object) error {
	unknown := false
	return r.p.Do(ctx, "delete", func(ctx context.Context) error {
		err := r.Storage.Delete(ctx, obj)
		if unknown && errors.Is(err, backend.NotFound) {
			return nil
		}
		unknown = unknown || unknownOutcome(err)
		return err
	})
}

// DeleteAll repeats it for those objects whose failure passes.
func (r *retry) DeleteAll(ctx context.Context, objs []backend.Object) []error {
	errs, unknown := make([]error, len(objs)), make([]bool, len(objs))
	left := make([]int, len(objs))
	for i := range left {
		left[i] = i
	}
	ended := r.p.Do(ctx, "delete", func(ctx context.Context) (passes error) { // errs has what becomes of each
		part := make([]backend.Object, len(left))
		for i, at := range left {
			part[i] = objs[at]
		}
		var again []int
		for i, err := range r.Storage.DeleteAll(ctx, part) {
			at := left[i]
			if unknown[at] && errors.Is(err, backend.NotFound) {
				err = nil
			}
			errs[at], unknown[at] = err, unknown[at] || unknownOutcome(err)
			if backend.KindOf(err).Temporary() {
				again, passes = append(again, at), err
			}
		}
		left = again
		return passes
	})
	if ctx.Err() != nil {
		for _, at := range left {
			errs[at] = ended
		}
	}
	return errs
}

func (r *retry) Restore(ctx context.Context, obj backend.Object, period time.Duration) error {
	return r.p.Do(ctx, "restore", func(ctx context.Context) error { return r.Storage.Restore(ctx, obj, period) })
}

func (r *retry) Space(ctx context.Context, prefix string) (space backend.Space, err error) {
	err = r.p.Do(ctx, "look for space", func(ctx context.Context) error {
		space, err = r.Storage.Space(ctx, prefix)
		return err
	})
	return space, err
}

func (r *retry) CreateContainer(ctx context.Context) error {
	unknown := false
	return r.p.Do(ctx, "create container", func(ctx context.Context) error {
		err := r.Storage.CreateContainer(ctx)
		if unknown && errors.Is(err, backend.Exists) {
			return nil
		}
		unknown = unknown || unknownOutcome(err)
		return err
	})
}

func (r *retry) Lifecycle(ctx context.Context) (rules []backend.LifecycleRule, err error) {
	err = r.p.Do(ctx, "read lifecycle", func(ctx context.Context) error {
		rules, err = r.Storage.Lifecycle(ctx)
		return err
	})
	return rules, err
}

func (r *retry) SetLifecycle(ctx context.Context, rules []backend.LifecycleRule) (changed bool, err error) {
	unknown := false
	err = r.p.Do(ctx, "set lifecycle", func(ctx context.Context) error {
		changed, err = r.Storage.SetLifecycle(ctx, rules)
		changed = err == nil && (changed || unknown)
		unknown = unknown || unknownOutcome(err)
		return err
	})
	return changed, err
}
