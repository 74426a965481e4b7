package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

func (b *builder) transfer(ctx context.Context, t manifests.Transfer) error {
	id := "transfer." + t.ID
	from, err := b.m.Location(t.From, b.lookup(nil))
	if err != nil {
		return err
	}
	to, err := b.m.Location(t.To, b.lookup(nil))
	if err != nil {
		return err
	}
	from, to = b.wholeContainer(from), b.wholeContainer(to)
	x := &Transfer{From: from, To: to, Tree: from.IsPrefix(), Include: t.Include, Exclude: t.Exclude,
		Existing: transfer.Existing(t.Existing), Delete: t.Delete, MaxDeletes: t.MaxDeletes, SHA256: t.Checksum == "sha256"}
	switch {
	case x.Tree && !to.IsPrefix():
		x.To.Path += "/"
	case !x.Tree && to.IsPrefix():
		x.To = to.Join(from.Base())
	}
	step := Step{ID: id, Transfer: x}
	for _, parent := range t.After {
		step.Needs = append(step.Needs, b.members[parent]...)
	}
	for _, need := range step.Needs {
		if b.stuck[need] && step.Blocked == "" {
			b.blockStep(&step, "see what blocks that", "it needs %s, which is blocked", need)
		}
	}
	switch {
	case b.pending(step):
		x.Found = Counts{Unknown: true}
	case x.Tree:
		err = b.countTree(ctx, &step)
	default:
		err = b.countObject(ctx, &step)
	}
	if err != nil {
		return err
	}
	b.add(id, step)
	return nil
}

// wholeContainer puts the slash at the end of a location that names a container and no object in it.
func (b *builder) wholeContainer(l backend.Location) backend.Location {
	if _, key, err := b.o.Backends.Open(l); err == nil && key == "" && !l.IsPrefix() {
		l.Path += "/"
	}
	return l
}

// pending reports whether a step that s needs has something to do: what s will find is then not known.
func (b *builder) pending(s Step) bool {
	return slices.ContainsFunc(s.Needs, func(need string) bool { return b.busy[need] })
}

// open returns both sides of a transfer.
func (b *builder) open(t *Transfer) (from, to transfer.Ref, err error) {
	source, sourceKey, err := b.o.Backends.Open(t.From)
	if err != nil {
		return from, to, err
	}
	dest, destKey, err := b.o.Backends.Open(t.To)
	return transfer.Ref{Storage: source, Key: sourceKey, At: t.From}, transfer.Ref{Storage: dest, Key: destKey, At: t.To}, err
}

func (b *builder) countTree(ctx context.Context, s *Step) error {
	t := s.Transfer
	from, to, err := b.open(t)
	if err != nil {
		return err
	}
	sources, refused := int64(0), int64(0)
	for d, err := range transfer.Compare(ctx, from, to, t.Selection()) {
		if unusable(err) && b.isObject(ctx, t.From) {
			b.judgeTree(s, 0, 0, true)
			return nil
		}
		if unusable(err) {
			return b.missing(s, err)
		}
		if err != nil {
			return err
		}
		if d.Source != nil {
			sources++
		}
		if b.o.Resumes && d.Source != nil && d.Dest != nil && transfer.UpToDate(*d.Source, *d.Dest) {
			d.Action = transfer.ActionKeep // as the executor does
		}
		switch d.Action {
		case transfer.ActionCopy:
			t.Found.Copy++
			t.Found.Bytes += d.Source.Size
			t.Found.Largest = max(t.Found.Largest, d.Source.Size)
			if d.Dest != nil {
				t.Found.Replace++
			}
		case transfer.ActionKeep:
			t.Found.Keep++
		case transfer.ActionDelete:
			t.Found.Delete++
		case transfer.ActionRefuse:
			refused++
		}
	}
	b.judgeTree(s, sources, refused, sources == 0 && b.isObject(ctx, t.From))
	return nil
}

// isObject reports whether a prefix is an object when the slash at its end is left out.
func (b *builder) isObject(ctx context.Context, l backend.Location) bool {
	l.Path = strings.TrimSuffix(l.Path, "/")
	storage, key, err := b.o.Backends.Open(l)
	if err != nil || key == "" {
		return false
	}
	_, err = storage.Stat(ctx, key)
	return err == nil
}

// isPrefix reports whether there is something below an object's location.
func (b *builder) isPrefix(ctx context.Context, l backend.Location) bool {
	l.Path += "/"
	storage, prefix, err := b.o.Backends.Open(l)
	if err != nil {
		return false
	}
	for _, err := range storage.List(ctx, prefix) {
		return err == nil
	}
	return false
}

func (b *builder) judgeTree(s *Step, sources, refused int64, object bool) {
	t := s.Transfer
	switch {
	case object:
		b.block(s.ID, "leave out the slash at the end of from:", "%s is one object, and a trailing slash means everything under it", strings.TrimSuffix(t.From.String(), "/"))
		return
	case sources == 0 && t.Found.Delete > 0:
		b.block(s.ID, "check from:, include and exclude; a mirror of nothing would delete everything",
			"there is nothing at %s, and delete: true would remove all %s at %s", t.From, human.Plural(t.Found.Delete, "object"), t.To)
	case sources == 0:
		b.warn(s.ID, "check from:, include and exclude", "there is nothing to transfer at %s", t.From)
	case t.Delete && t.Found.Delete > int64(t.MaxDeletes):
		b.block(s.ID, "raise max_deletes if that is meant", "%s at %s would be deleted, max_deletes is %d", human.Plural(t.Found.Delete, "object"), t.To, t.MaxDeletes)
	case refused > 0:
		b.block(s.ID, "remove them, or choose existing: newer, skip or overwrite", "there are %s at %s already and existing: fail is set", human.Plural(refused, "object"), t.To)
	}
	if t.Found.Copy+t.Found.Delete+refused == 0 && !b.owesSums(t) {
		s.Current = "nothing differs"
	}
}

// owesSums reports whether an interrupted run may have copied everything and not written the list of sums.
func (b *builder) owesSums(t *Transfer) bool { return t.SHA256 && b.o.Resumes }

func (b *builder) countObject(ctx context.Context, s *Step) error {
	t := s.Transfer
	from, to, err := b.open(t)
	if err != nil {
		return err
	}
	src, err := from.Storage.Stat(ctx, from.Key)
	if isNotFound(err) && b.isPrefix(ctx, t.From) {
		b.block(s.ID, "put a slash at the end of from: to transfer everything under it", "%s is no object, but there are objects under it", t.From)
		return nil
	}
	if isNotFound(err) {
		return b.missing(s, err)
	}
	if err != nil {
		return err
	}
	dest, err := to.Storage.Stat(ctx, to.Key)
	if err != nil && !isNotFound(err) {
		return err
	}
	exists := err == nil
	if !exists {
		if err := b.mustExist(ctx, s, t.To); err != nil {
			return err
		}
	}
	same := exists && transfer.UpToDate(src, dest)
	switch {
	case exists && t.Existing == transfer.Fail && !(same && b.o.Resumes):
		b.block(s.ID, "remove it, or choose existing: newer, skip or overwrite", "%s exists and existing: fail is set", t.To)
	case exists && t.Existing == transfer.Skip, same && (t.Existing != transfer.Overwrite || b.o.Resumes):
		t.Found.Keep = 1
		if !b.owesSums(t) {
			s.Current = "nothing differs"
		}
	default:
		t.Found = Counts{Copy: 1, Bytes: src.Size, Largest: src.Size}
		if exists {
			t.Found.Replace = 1
		}
	}
	return nil
}

// mustExist blocks s if the container of an object, such as its bucket, is not there. A list tells that; a stat cannot tell
// it from an object that is not there.
func (b *builder) mustExist(ctx context.Context, s *Step, at backend.Location) error {
	storage, key, err := b.o.Backends.Open(at)
	if err != nil {
		return err
	}
	for _, err := range storage.List(ctx, key) {
		switch {
		case isNotFound(err) && storage.Info().Can.MakesContainer:
			return nil
		case unusable(err):
			return b.missing(s, err)
		case err == nil, errors.Is(err, backend.Forbidden), errors.Is(err, backend.Unsupported):
			return nil // who may not list may still write
		}
		return fmt.Errorf("look at %s: %w", at, err)
	}
	return nil
}

// unusable reports whether err says that a container is not there, or is no container.
func unusable(err error) bool { return isNotFound(err) || errors.Is(err, backend.Invalid) }

// missing blocks a transfer whose source, or whose destination's container, is not there.
func (b *builder) missing(s *Step, err error) error {
	b.blockStep(s, "check the location, and that the user may read it", "%v", err)
	return nil
}
