// Package wrap adds policy to a backend.Storage or backend.Compute, one concern per wrapper. A wrapper keeps the whole
// contract of what it wraps, so wrappers can be stacked and the conformance suite runs on the stack as on the bare backend.
package wrap

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
)

// Policy says how often and after what time a call that failed is repeated. This is the only layer of the program that
// repeats calls: backends switch the retries of their SDKs off.
type Policy struct {
	Attempts int           // calls in all, at least 1; 0 means 5
	First    time.Duration // upper bound of the first wait; 0 means 2 s
	Max      time.Duration // upper bound of every wait; 0 means 30 s
	Events   event.Sink    // told of each repetition; may be nil
	Step     string        // for events
}

// Do calls f until it succeeds, fails in a way that does not pass, or the attempts are used up. The wait before
// repetition n is random between 0 and min(Max, First*2^n) (full jitter), and never shorter than what the service asked for. When
// ctx ends Do returns the last error.
func (p Policy) Do(ctx context.Context, op string, f func(ctx context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := f(ctx)
		if err == nil || ctx.Err() != nil || !backend.KindOf(err).Temporary() || attempt >= p.attempts() {
			return err
		}
		wait := p.wait(attempt, err)
		p.Events.Emit(p.Step, "", event.Retrying{Op: op, Attempt: attempt, Wait: wait, Err: err.Error()})
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		}
	}
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
// caller never learned of are settled by looking: a conditional Put that then meets its own object has succeeded, and an upload whose
// id was lost is aborted before another is created.
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
		if unknown && (errors.Is(err, backend.Exists) || errors.Is(err, backend.Changed)) {
			if found, statErr := r.Storage.Stat(ctx, key); statErr == nil && isOurs(found, int64(len(p)), o.Checksum) {
				obj, err = found, nil
			}
		}
		unknown = unknown || unknownOutcome(err)
		return err
	})
	return obj, err
}

// isOurs reports whether an object is certainly the one that was sent.
func isOurs(obj backend.Object, size int64, sum backend.Checksum) bool {
	return obj.Size == size && sum != "" && obj.Checksum == sum
}

func (r *retry) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (u backend.Upload, err error) {
	began, unknown := time.Now(), false
	err = r.p.Do(ctx, "create upload", func(ctx context.Context) error {
		if unknown && r.Info().Can.ListUploads {
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
	err = r.p.Do(ctx, "complete upload", func(ctx context.Context) error {
		obj, err = r.Storage.CompleteUpload(ctx, u, parts, o)
		return err
	})
	return obj, err
}

func (r *retry) AbortUpload(ctx context.Context, u backend.Upload) error {
	return r.p.Do(ctx, "abort upload", func(ctx context.Context) error { return r.Storage.AbortUpload(ctx, u) })
}

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

func (r *retry) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	return resumed(ctx, r.p, "list", func(ctx context.Context) iter.Seq2[backend.Object, error] {
		return r.Storage.List(ctx, prefix)
	}, func() func(backend.Object) bool {
		last, any := "", false
		return func(o backend.Object) bool {
			fresh := !any || o.Key > last
			last, any = max(last, o.Key), true
			return fresh
		}
	})
}

func (r *retry) ListParts(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
	return resumed(ctx, r.p, "list parts", func(ctx context.Context) iter.Seq2[backend.Part, error] {
		return r.Storage.ListParts(ctx, u)
	}, func() func(backend.Part) bool {
		last := 0
		return func(p backend.Part) bool {
			fresh := p.Number > last
			last = max(last, p.Number)
			return fresh
		}
	})
}

func (r *retry) ListUploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return resumed(ctx, r.p, "list uploads", func(ctx context.Context) iter.Seq2[backend.Upload, error] {
		return r.Storage.ListUploads(ctx, prefix)
	}, firstSight(func(u backend.Upload) string { return u.ID }))
}

// resumed repeats a listing that broke off. The function that newFresh returns says of each item whether it is seen for the
// first time. An item that arrives gives the listing its attempts back.
func resumed[T any](ctx context.Context, p Policy, op string, list func(context.Context) iter.Seq2[T, error], newFresh func() func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		fresh, stopped := newFresh(), false
		for {
			progress := false
			err := p.Do(ctx, op, func(ctx context.Context) error {
				for item, err := range list(ctx) {
					if err != nil {
						return err
					}
					if !fresh(item) {
						continue
					}
					progress = true
					if !yield(item, nil) {
						stopped = true
						return nil
					}
				}
				return nil
			})
			if stopped || err == nil {
				return
			}
			if progress && backend.KindOf(err).Temporary() && ctx.Err() == nil {
				continue
			}
			var zero T
			yield(zero, err)
			return
		}
	}
}
