package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var errInjected = errors.New("injected fault")

// Faults passes every call on to a Storage, lets some go wrong as its rules say, and counts. What a rule with Probability
// picks depends on the seed and on the calls only, not on the order in which goroutines make them. Set the fields before
// the first call; the methods are safe for concurrent use. A test prints the value when it fails: that names the seed.
type Faults struct {
	Storage backend.Storage
	Seed    uint64
	Rules   []Rule

	script script
	mu     sync.Mutex
	sent   []SentPart
	bytes  int64 // sent by UploadPart and Put
	read   int64
	late   []latePart
}

// SentPart is one call of UploadPart that reached the Storage.
type SentPart struct {
	Key, ID string
	Number  int
	Size    int64
}

type latePart struct {
	u    backend.Upload
	n    int
	data []byte
	sum  backend.Checksum
}

var _ backend.Storage = (*Faults)(nil)

// String names the seed and how often each rule fired.
func (f *Faults) String() string {
	fired := make([]int, len(f.Rules))
	for i := range fired {
		fired[i] = f.Fired(i)
	}
	return fmt.Sprintf("faults of seed %d, rules fired %v", f.Seed, fired)
}

// Calls returns how often an operation was called; of a list, how often its loop began.
func (f *Faults) Calls(op string) int { return f.script.count(op) }

// Fired returns how often the rule of that index fired.
func (f *Faults) Fired(rule int) int { return f.script.firedTimes(rule) }

// Sent returns the parts that reached the Storage, in the order in which they did, the late ones too.
func (f *Faults) Sent() []SentPart {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]SentPart(nil), f.sent...)
}

// BytesSent returns the bytes of the parts and puts that reached the Storage.
func (f *Faults) BytesSent() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes
}

// BytesRead returns the bytes that reads returned.
func (f *Faults) BytesRead() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read
}

func (f *Faults) pass(ctx context.Context, c call, effect func(firing []*Rule) error) error {
	firing := f.script.begin(ctx, c, f.Seed, f.Rules)
	return c.run(ctx, firing, func() error { return effect(firing) })
}

// answer keeps an answer that was lost from the caller.
func answer[T any](v T, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}

// Info passes on.
func (f *Faults) Info() backend.Info { return f.Storage.Info() }

// Stat passes on.
func (f *Faults) Stat(ctx context.Context, key string) (o backend.Object, err error) {
	err = f.pass(ctx, call{op: OpStat, key: key}, func([]*Rule) (err error) {
		o, err = f.Storage.Stat(ctx, key)
		return err
	})
	return answer(o, err)
}

// ReadAt passes on, and shortens or spoils what came.
func (f *Faults) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (n int, err error) {
	c := call{op: OpRead, key: obj.Key, n: off}
	var end error
	err = f.pass(ctx, c, func(firing []*Rule) error {
		var err error
		n, err = f.Storage.ReadAt(ctx, obj, p, off)
		if errors.Is(err, io.EOF) {
			end, err = err, nil
		}
		if err != nil {
			return err
		}
		return spoilRead(c, firing, p, &n)
	})
	f.mu.Lock()
	f.read += int64(n)
	f.mu.Unlock()
	if err == nil {
		err = end
	}
	return n, err
}

func spoilRead(c call, firing []*Rule, p []byte, n *int) error {
	for _, r := range firing {
		if r.Corrupt && *n > 0 {
			at := int(mix(uint64(c.n)) % uint64(*n))
			p[at] ^= 1 << (at % 8)
		}
		if r.Truncate > 0 && r.Truncate < *n {
			*n = r.Truncate
			return r.cut(c)
		}
	}
	return nil
}

// cut is the error of a body that ends too early.
func (r *Rule) cut(c call) error {
	if r.Err != nil {
		return r.error(c)
	}
	return fail(c.op, c.key, backend.Unavailable, io.ErrUnexpectedEOF)
}

// Put passes on.
func (f *Faults) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (obj backend.Object, err error) {
	c := call{op: OpPut, key: key}
	err = f.pass(ctx, c, func(firing []*Rule) (err error) {
		f.mu.Lock()
		f.bytes += int64(len(p))
		f.mu.Unlock()
		obj, err = f.Storage.Put(ctx, key, spoilPart(c, firing, p), o)
		return err
	})
	return answer(obj, err)
}

// CreateUpload passes on.
func (f *Faults) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (u backend.Upload, err error) {
	err = f.pass(ctx, call{op: OpCreateUpload, key: key}, func([]*Rule) (err error) {
		u, err = f.Storage.CreateUpload(ctx, key, o)
		return err
	})
	return answer(u, err)
}

// UploadPart passes on, and keeps a copy of the parts that come again late.
func (f *Faults) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (part backend.Part, err error) {
	c := call{op: OpUploadPart, key: u.Key, n: int64(n)}
	firing := f.script.begin(ctx, c, f.Seed, f.Rules)
	for _, r := range firing {
		if r.Late {
			f.keepLate(latePart{u: u, n: n, data: bytes.Clone(p), sum: sum})
		}
	}
	err = c.run(ctx, firing, func() (err error) {
		f.record(u, n, len(p))
		part, err = f.Storage.UploadPart(ctx, u, n, spoilPart(c, firing, p), sum)
		return err
	})
	return answer(part, err)
}

func (f *Faults) record(u backend.Upload, n, size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, SentPart{Key: u.Key, ID: u.ID, Number: n, Size: int64(size)})
	f.bytes += int64(size)
}

// spoilPart returns p, or a copy with one bit flipped.
func spoilPart(c call, firing []*Rule, p []byte) []byte {
	for _, r := range firing {
		if r.Corrupt && len(p) > 0 {
			p = bytes.Clone(p)
			at := int(mix(uint64(c.n)) % uint64(len(p)))
			p[at] ^= 1 << (at % 8)
		}
	}
	return p
}

// ListParts passes on.
func (f *Faults) ListParts(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
	return listed(ctx, f, call{op: OpListParts, key: u.Key}, f.Storage.ListParts(ctx, u))
}

// CompleteUpload first lets the late parts of the upload land, then passes on.
func (f *Faults) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (obj backend.Object, err error) {
	err = f.pass(ctx, call{op: OpCompleteUpload, key: u.Key}, func([]*Rule) (err error) {
		for _, late := range f.takeLate(u) {
			f.record(u, late.n, len(late.data))
			if _, err := f.Storage.UploadPart(ctx, late.u, late.n, late.data, late.sum); err != nil {
				return err
			}
		}
		obj, err = f.Storage.CompleteUpload(ctx, u, parts, o)
		return err
	})
	return answer(obj, err)
}

func (f *Faults) keepLate(p latePart) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = append(f.late, p)
}

func (f *Faults) takeLate(u backend.Upload) []latePart {
	f.mu.Lock()
	defer f.mu.Unlock()
	var taken, rest []latePart
	for _, late := range f.late {
		if late.u.ID == u.ID && late.u.Key == u.Key {
			taken = append(taken, late)
		} else {
			rest = append(rest, late)
		}
	}
	f.late = rest
	return taken
}

// AbortUpload passes on.
func (f *Faults) AbortUpload(ctx context.Context, u backend.Upload) error {
	return f.pass(ctx, call{op: OpAbortUpload, key: u.Key}, func([]*Rule) error {
		return f.Storage.AbortUpload(ctx, u)
	})
}

// List passes on.
func (f *Faults) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	return listed(ctx, f, call{op: OpList, key: prefix}, f.Storage.List(ctx, prefix))
}

// ListUploads passes on.
func (f *Faults) ListUploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return listed(ctx, f, call{op: OpListUploads, key: prefix}, f.Storage.ListUploads(ctx, prefix))
}

// listed runs a list under the rules. Of a rule with After the error comes after the last value.
func listed[T any](ctx context.Context, f *Faults, c call, list iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		over := false
		err := f.pass(ctx, c, func(firing []*Rule) error {
			n := 0
			for v, err := range list {
				for _, r := range firing {
					if r.Truncate > 0 && n == r.Truncate {
						return r.cut(c)
					}
				}
				n++
				if !yield(v, err) || err != nil {
					over = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !over {
			yield(zero, err)
		}
	}
}

// Copy passes on.
func (f *Faults) Copy(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (obj backend.Object, err error) {
	err = f.pass(ctx, call{op: OpCopy, key: key}, func([]*Rule) (err error) {
		obj, err = f.Storage.Copy(ctx, from, version, key, o)
		return err
	})
	return answer(obj, err)
}

// Delete passes on.
func (f *Faults) Delete(ctx context.Context, obj backend.Object) error {
	return f.pass(ctx, call{op: OpDelete, key: obj.Key}, func([]*Rule) error {
		return f.Storage.Delete(ctx, obj)
	})
}

// DeleteAll deletes one after the other, if the container could do so at once. A fault of it strikes all of its objects, one
// of Delete its own.
func (f *Faults) DeleteAll(ctx context.Context, objs []backend.Object) []error {
	if !f.Storage.Info().Can.DeleteAll {
		return f.Storage.DeleteAll(ctx, objs)
	}
	errs := make([]error, len(objs))
	err := f.pass(ctx, call{op: OpDeleteAll}, func([]*Rule) error {
		for i, obj := range objs {
			errs[i] = f.Delete(ctx, obj)
		}
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// Browse passes on.
func (f *Faults) Browse(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
	return listed(ctx, f, call{op: OpBrowse, key: prefix}, f.Storage.Browse(ctx, prefix))
}

// Versions passes on.
func (f *Faults) Versions(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error] {
	return listed(ctx, f, call{op: OpVersions, key: prefix}, f.Storage.Versions(ctx, prefix))
}

// Restore passes on.
func (f *Faults) Restore(ctx context.Context, obj backend.Object, period time.Duration) error {
	return f.pass(ctx, call{op: OpRestore, key: obj.Key}, func([]*Rule) error {
		return f.Storage.Restore(ctx, obj, period)
	})
}

// Space passes on.
func (f *Faults) Space(ctx context.Context, prefix string) (space backend.Space, err error) {
	err = f.pass(ctx, call{op: OpSpace, key: prefix}, func([]*Rule) error {
		space, err = f.Storage.Space(ctx, prefix)
		return err
	})
	return answer(space, err)
}

// CreateContainer passes on.
func (f *Faults) CreateContainer(ctx context.Context) error {
	return f.pass(ctx, call{op: OpCreate}, func([]*Rule) error { return f.Storage.CreateContainer(ctx) })
}

// Lifecycle passes on.
func (f *Faults) Lifecycle(ctx context.Context) (rules []backend.LifecycleRule, err error) {
	err = f.pass(ctx, call{op: OpLifecycle}, func([]*Rule) (err error) {
		rules, err = f.Storage.Lifecycle(ctx)
		return err
	})
	return answer(rules, err)
}

// SetLifecycle passes on.
func (f *Faults) SetLifecycle(ctx context.Context, rules []backend.LifecycleRule) (changed bool, err error) {
	err = f.pass(ctx, call{op: OpSetLifecycle}, func([]*Rule) (err error) {
		changed, err = f.Storage.SetLifecycle(ctx, rules)
		return err
	})
	return answer(changed, err)
}
