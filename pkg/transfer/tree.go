package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
)

// mostErrors is how many failures of single objects a TreeResult keeps.
const mostErrors = 100

// ErrTooManyDeletes is in the error of a CopyTree that would delete more than it may. Nothing was deleted then.
var ErrTooManyDeletes = errors.New("too many deletes")

// TreeOptions are the settings of CopyTree.
type TreeOptions struct {
	Selection
	MaxDeletes int  // fail with ErrTooManyDeletes rather than delete more
	SHA256     bool // compute it for every object that is copied
	Resuming   bool // an earlier run of the same transfer was cut short: what is there and equal is kept, also under Overwrite and Fail

	Checkpoint func(name string) *Checkpoint      // may be nil
	Note       func(name string, n Note) error    // may be nil
	Done       func(d Difference, r Result) error // after each object that was copied or summed; may be nil; called by several goroutines at once

	// Summed reports whether the SHA-256 of an object that is up to date is known. With SHA256, those of which it is not
	// are read from the source and handed to Done. nil leaves them out.
	Summed func(name string) bool

	Step string // for events
}

// TreeResult says what CopyTree did.
type TreeResult struct {
	Copied, Kept, Deleted, Failed int64
	Bytes                         int64   // moved in this call
	Reused                        int64   // moved by an earlier one
	Errors                        []error // of single objects, the first hundred
}

// CopyTree copies everything selected under the prefix from to the prefix to, then, if asked, deletes what only the
// destination has. Objects are streamed: memory does not grow with their number. An object that fails does not stop the others; the
// error then says how many failed and wraps the first failure. Deletes happen only if every copy succeeded and their
// number stays within MaxDeletes.
func (e *Engine) CopyTree(ctx context.Context, from, to Ref, o TreeOptions) (TreeResult, error) {
	t := &tree{e: e, from: from, to: to, o: o, can: to.Storage.Info().Can}
	if err := o.Validate(); err != nil {
		return TreeResult{}, &backend.Error{Op: "copy tree", Key: from.At.String(), Kind: backend.Invalid, Err: err}
	}
	if err := t.copyAll(ctx); err != nil {
		return t.res, err
	}
	if err := t.failed(); err != nil {
		return t.res, err
	}
	if o.Delete {
		return t.res, t.deleteAll(ctx)
	}
	return t.res, nil
}

// failed is the error of a tree whose walk went well.
func (t *tree) failed() error {
	switch {
	case t.res.Failed == 0:
		return nil
	case t.res.Failed == 1 && t.res.Copied+t.res.Kept == 0:
		return t.res.Errors[0]
	}
	return fmt.Errorf("%d objects were not copied, the first: %w", t.res.Failed, t.res.Errors[0])
}

type tree struct {
	e        *Engine
	from, to Ref
	o        TreeOptions
	can      backend.Capabilities
	each     bool // the objects are pairs, whose errors have their whole locations

	mu  sync.Mutex
	res TreeResult
}

// copyAll walks the comparison and copies. Its error means that the walk or the whole destination failed, not one object.
func (t *tree) copyAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(t.e.objects)
	selection := t.o.Selection
	selection.Delete = false
	for d, err := range Compare(ctx, t.from, t.to, selection) {
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		switch {
		case d.Action == ActionKeep || t.o.Resuming && d.Dest != nil && UpToDate(*d.Source, *d.Dest):
			t.count(func(r *TreeResult) { r.Kept++ })
			if t.o.SHA256 && t.o.Summed != nil && !t.o.Summed(d.Name) {
				g.Go(func() error { return t.sum(ctx, d) })
			}
		case d.Action == ActionRefuse:
			t.fail(d, &backend.Error{Op: "copy", Key: t.to.Key + d.Name, Kind: backend.Exists,
				Err: errors.New("it exists and existing: fail is set")})
		default:
			g.Go(func() error { return t.copyOne(ctx, d) })
		}
	}
	return g.Wait()
}

func (t *tree) copyOne(ctx context.Context, d Difference) error {
	o := CopyOptions{Source: d.Source, If: condition(d, t.can), SHA256: t.o.SHA256, Step: t.o.Step, Item: d.Name}
	return t.copyTo(ctx, d, t.from.Join(d.Name), t.to.Join(d.Name), o)
}

func (t *tree) copyTo(ctx context.Context, d Difference, from, to Ref, o CopyOptions) error {
	if t.o.Checkpoint != nil {
		o.Resume = t.o.Checkpoint(d.Name)
	}
	if t.o.Note != nil {
		o.Note = func(n Note) error { return t.o.Note(d.Name, n) }
	}
	res, err := t.e.Copy(ctx, from, to, o)
	if err == nil && t.o.Done != nil {
		err = t.o.Done(d, res)
	}
	t.count(func(r *TreeResult) { r.Bytes += res.Moved })
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		t.fail(d, err)
		if stopsTree(err) {
			return err
		}
		return nil
	}
	t.count(func(r *TreeResult) { r.Copied++; r.Reused += res.Reused })
	return nil
}

// sum computes the SHA-256 of an object that need not be copied.
func (t *tree) sum(ctx context.Context, d Difference) error {
	sum, err := t.e.SHA256(ctx, t.from.Join(d.Name), *d.Source)
	if err == nil && t.o.Done != nil {
		err = t.o.Done(d, Result{Object: *d.Dest, SHA256: sum})
	}
	if err != nil && ctx.Err() == nil {
		t.fail(d, err)
		return nil
	}
	return err
}

// stopsTree reports whether the objects that follow would fail in the same way.
func stopsTree(err error) bool {
	switch backend.KindOf(err) {
	case backend.Full, backend.Unauthorized, backend.Offline:
		return true
	}
	return false
}

// condition makes the write replace only what the comparison saw, where the destination can check that.
func condition(d Difference, can backend.Capabilities) backend.Condition {
	switch {
	case d.Dest == nil:
		return backend.Condition{Absent: can.PutIfAbsent && can.CompleteIfAbsent}
	case can.IfVersion:
		return backend.Condition{Version: d.Dest.Version}
	}
	return backend.Condition{}
}

func (t *tree) deleteAll(ctx context.Context) error {
	selection := t.o.Selection
	selection.Delete = true
	var surplus []Difference
	for d, err := range Compare(ctx, t.from, t.to, selection) {
		if err != nil {
			return err
		}
		if d.Action != ActionDelete {
			continue
		}
		if surplus = append(surplus, d); len(surplus) > t.o.MaxDeletes {
			return &backend.Error{Op: "mirror", Key: t.to.At.String(), Kind: backend.Invalid, Err: fmt.Errorf(
				"%w: more than max_deletes (%d) objects are only at the destination; nothing was deleted", ErrTooManyDeletes, t.o.MaxDeletes)}
		}
	}
	g, going := errgroup.WithContext(ctx)
	g.SetLimit(t.deletes())
	if most := together(t.to.Storage.Info()); most > 1 {
		for part := range slices.Chunk(surplus, most) {
			g.Go(func() error {
				if err := going.Err(); err != nil {
					return err
				}
				return t.deleteSurplusTogether(ctx, part)
			})
		}
		return g.Wait()
	}
	for _, d := range surplus {
		g.Go(func() error {
			if err := going.Err(); err != nil { // another one failed
				return err
			}
			return t.deleteSurplus(ctx, d) // to the end: of one that is cut off nobody knows whether it took effect
		})
	}
	return g.Wait()
}

// deletesAtOnce is how many deletes are sent together: each waits for its answer and does little else.
const deletesAtOnce = 16

func (t *tree) deletes() int {
	if most := t.to.Storage.Info().Limits.Connections; most > 0 {
		return min(most, deletesAtOnce)
	}
	return deletesAtOnce
}

// deleteSurplusTogether deletes in one request. The first failure is returned, after what became of the others was counted.
func (t *tree) deleteSurplusTogether(ctx context.Context, part []Difference) (first error) {
	objs := make([]backend.Object, len(part))
	for i, d := range part {
		objs[i] = *d.Dest
	}
	for i, err := range t.to.Storage.DeleteAll(ctx, objs) {
		if err != nil && !errors.Is(err, backend.NotFound) {
			if first == nil {
				first = destinationError(t.to.Join(part[i].Name), err)
			}
			continue
		}
		t.count(func(r *TreeResult) { r.Deleted++ })
		t.e.events.Emit(t.o.Step, part[i].Name, event.ItemEnded{Outcome: "deleted"})
	}
	return first
}

func (t *tree) deleteSurplus(ctx context.Context, d Difference) error {
	if err := t.to.Storage.Delete(ctx, *d.Dest); err != nil && !errors.Is(err, backend.NotFound) {
		return destinationError(t.to.Join(d.Name), err)
	}
	t.count(func(r *TreeResult) { r.Deleted++ })
	t.e.events.Emit(t.o.Step, d.Name, event.ItemEnded{Outcome: "deleted"})
	return nil
}

func (t *tree) fail(d Difference, err error) {
	t.count(func(r *TreeResult) {
		r.Failed++
		if len(r.Errors) < mostErrors {
			if d.Name != "" && !t.each {
				err = fmt.Errorf("%s: %w", d.Name, err)
			}
			r.Errors = append(r.Errors, err)
		}
	})
}

func (t *tree) count(change func(*TreeResult)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.res)
}
