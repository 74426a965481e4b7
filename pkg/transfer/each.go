package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
)

// Pair is one object and where it goes.
type Pair struct {
	Name     string // for messages
	From, To Ref
	Source   backend.Object
}

// Decide says what a copy of the pair would do: it looks at the destination, unless the rule is Overwrite.
func (s Selection) Decide(ctx context.Context, p Pair) (Difference, error) {
	return s.decidePair(ctx, p, s.Existing != Overwrite)
}

func (s Selection) decidePair(ctx context.Context, p Pair, look bool) (Difference, error) {
	d := Difference{Name: p.Name, Action: ActionCopy, Source: &p.Source}
	if !look {
		return d, nil
	}
	there, err := p.To.Storage.Stat(ctx, p.To.Key)
	if errors.Is(err, backend.NotFound) {
		return d, nil
	}
	if err != nil {
		return d, destinationError(p.To, err)
	}
	d.Dest, d.Action = &there, s.decide(p.Source, there)
	return d, nil
}

// CopyEach copies the objects of pairs, each to where it goes, as CopyTree does those under a prefix. An error that pairs
// yields ends it.
func (e *Engine) CopyEach(ctx context.Context, pairs iter.Seq2[Pair, error], o TreeOptions) (TreeResult, error) {
	t := &tree{e: e, o: o, each: true}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.objects)
	for p, err := range pairs {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		g.Go(func() error { return t.copyPair(ctx, p) })
	}
	if err := g.Wait(); err != nil {
		return t.res, err
	}
	return t.res, t.failed()
}

// copyPair decides about one pair. Without a look at the destination nothing is said about what may be there.
func (t *tree) copyPair(ctx context.Context, p Pair) error {
	d, err := t.o.decidePair(ctx, p, t.o.Existing != Overwrite || t.o.Resuming)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		t.fail(d, err)
		return nil
	case d.Action == ActionKeep || t.o.Resuming && d.Dest != nil && UpToDate(*d.Source, *d.Dest):
		t.count(func(r *TreeResult) { r.Kept++ })
		return nil
	case d.Action == ActionRefuse:
		t.fail(d, existsError(p.To))
		return nil
	}
	o := CopyOptions{Source: d.Source, SHA256: t.o.SHA256, Step: t.o.Step, Item: d.Name}
	if t.o.Existing != Overwrite {
		o.If = condition(d, p.To.Storage.Info().Can)
	}
	return t.copyTo(ctx, d, p.From, p.To, o)
}

func existsError(to Ref) error {
	return destinationError(to, &backend.Error{Op: "copy", Key: to.Key, Kind: backend.Exists, Err: errors.New("it exists and existing: fail is set")})
}

// DeleteResult says what DeleteEach did.
type DeleteResult struct {
	Deleted, Failed int64
	Bytes           int64
	Errors          []error // of single objects, the first hundred
}

// DeleteEach removes objects of a container, several at once. Each is removed only in the version that it is given with; one that
// is gone already counts as removed. An object that fails does not stop the others: the error then says how many failed and
// wraps the first failure. Done is told of each that was removed, by several goroutines at once, and may be nil.
func (e *Engine) DeleteEach(ctx context.Context, in Ref, objects iter.Seq2[backend.Object, error], done func(backend.Object) error) (DeleteResult, error) {
	t := &tree{e: e, to: in}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.objects)
	var waiting []backend.Object // to be deleted together
	most := together(in.Storage.Info())
	flush := func() {
		if part := waiting; len(part) > 0 {
			g.Go(func() error { return t.deleteSome(ctx, part, done) })
		}
		waiting = nil
	}
	for obj, err := range objects {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		if most > 1 && obj.Generation == "" {
			if waiting = append(waiting, obj); len(waiting) == most {
				flush()
			}
			continue
		}
		g.Go(func() error { return t.deleteOne(ctx, obj, done) })
	}
	flush()
	err := g.Wait()
	res := DeleteResult{Deleted: t.res.Deleted, Failed: t.res.Failed, Bytes: t.res.Bytes, Errors: t.res.Errors}
	if err == nil && res.Failed > 0 {
		err = fmt.Errorf("%d objects were not deleted, the first: %w", res.Failed, res.Errors[0])
	}
	return res, err
}

// mostTogether is how many objects are deleted in one request where the container sets no bound.
const mostTogether = 1000

// together returns how many objects are deleted in one request; 1 if each needs its own.
func together(info backend.Info) int {
	switch most := info.Limits.DeleteAll; {
	case !info.Can.DeleteAll:
		return 1
	case most > 0:
		return most
	}
	return mostTogether
}

func (t *tree) deleteSome(ctx context.Context, objs []backend.Object, done func(backend.Object) error) error {
	for i, err := range t.to.Storage.DeleteAll(ctx, objs) {
		if err := t.deleted(ctx, objs[i], err, done); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) deleteOne(ctx context.Context, obj backend.Object, done func(backend.Object) error) error {
	return t.deleted(ctx, obj, t.to.Storage.Delete(ctx, obj), done)
}

// deleted counts what became of one object. Its error ends the others.
func (t *tree) deleted(ctx context.Context, obj backend.Object, err error, done func(backend.Object) error) error {
	if errors.Is(err, backend.NotFound) {
		err = nil
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		t.fail(Difference{}, err)
		if stopsTree(err) {
			return err
		}
		return nil
	}
	t.count(func(r *TreeResult) { r.Deleted++; r.Bytes += obj.Size })
	t.e.events.Emit("", obj.Key, event.ItemEnded{Outcome: "deleted"})
	if done != nil {
		return done(obj)
	}
	return nil
}
