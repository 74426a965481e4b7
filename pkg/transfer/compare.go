package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Existing says what happens to an object that the destination already has.
type Existing string

// The rules for existing objects. The zero value means Newer.
const (
	Newer     Existing = "newer"     // replace it unless it is up to date, see UpToDate
	Overwrite Existing = "overwrite" // replace it
	Skip      Existing = "skip"      // leave it
	Fail      Existing = "fail"      // an error
)

// Selection says which objects of two prefixes are compared and how. The zero value selects all.
type Selection struct {
	Include, Exclude []string // patterns with *, ?, [..], {a,b} and ** on the key below the prefix
	Existing         Existing
	Delete           bool // also yield what only the destination has
}

// Validate reports the first pattern that cannot be read.
func (s Selection) Validate() error {
	for _, p := range append(s.Include[:len(s.Include):len(s.Include)], s.Exclude...) {
		if !doublestar.ValidatePattern(p) {
			return fmt.Errorf("pattern %q is malformed", p)
		}
	}
	return nil
}

// Match reports whether the object called name below the prefix is selected.
func (s Selection) Match(name string) bool {
	included := len(s.Include) == 0
	for _, p := range s.Include {
		included = included || doublestar.MatchUnvalidated(p, name)
	}
	for _, p := range s.Exclude {
		included = included && !doublestar.MatchUnvalidated(p, name)
	}
	return included
}

// Action is what a tree transfer does with one object.
type Action string

// The actions.
const (
	ActionCopy   Action = "copy"
	ActionKeep   Action = "keep" // up to date, or left because of Skip
	ActionDelete Action = "delete"
	ActionRefuse Action = "refuse" // it exists and the rule is Fail
)

// Difference is one object of two compared prefixes. At least one of Source and Dest is set.
type Difference struct {
	Name         string // key below the prefix
	Action       Action
	Source, Dest *backend.Object
}

// Compare yields what a transfer of everything under from to to would do, in ascending order of keys. It reads both
// listings side by side and keeps one object of each in memory.
func Compare(ctx context.Context, from, to Ref, s Selection) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		source, dest := newCursor(ctx, from, s), newCursor(ctx, to, s)
		if errors.Is(dest.err, backend.NotFound) && to.Storage.Info().Can.MakesContainer {
			dest.err = nil
		}
		defer source.stop()
		defer dest.stop()
		for {
			if source.err != nil {
				yield(Difference{}, sourceError(from, source.err))
				return
			}
			if dest.err != nil {
				yield(Difference{}, destinationError(to, dest.err))
				return
			}
			d, ok := s.merge(source, dest)
			if !ok || (d.Action != ActionDelete || s.Delete) && !yield(d, nil) {
				return
			}
		}
	}
}

// merge takes the lowest name from the two cursors and moves on those that stand at it. ok is false at the end of both.
func (s Selection) merge(source, dest *cursor) (d Difference, ok bool) {
	switch {
	case source.at == nil && dest.at == nil:
		return d, false
	case dest.at == nil || source.at != nil && source.name < dest.name:
		d = Difference{Name: source.name, Action: ActionCopy, Source: source.at}
		source.advance()
	case source.at == nil || dest.name < source.name:
		d = Difference{Name: dest.name, Action: ActionDelete, Dest: dest.at}
		dest.advance()
	default:
		d = Difference{Name: source.name, Action: s.decide(*source.at, *dest.at), Source: source.at, Dest: dest.at}
		source.advance()
		dest.advance()
	}
	return d, true
}

// cursor steps through the selected objects under a prefix.
type cursor struct {
	r    Ref
	s    Selection
	next func() (backend.Object, error, bool)
	stop func()

	at   *backend.Object // nil at the end and after an error
	name string          // of at, below the prefix
	err  error
}

func newCursor(ctx context.Context, r Ref, s Selection) *cursor {
	c := &cursor{r: r, s: s}
	c.next, c.stop = iter.Pull2(r.Storage.List(ctx, r.Key))
	c.advance()
	return c
}

func (c *cursor) advance() {
	for {
		obj, err, ok := c.next()
		if c.at, c.err = nil, err; !ok || err != nil {
			return
		}
		if c.name = obj.Key[len(c.r.Key):]; c.name != "" && c.s.Match(c.name) {
			c.at = &obj
			return
		}
	}
}

func (s Selection) decide(source, dest backend.Object) Action {
	switch s.Existing {
	case Overwrite:
		return ActionCopy
	case Skip:
		return ActionKeep
	case Fail:
		return ActionRefuse
	}
	if UpToDate(source, dest) {
		return ActionKeep
	}
	return ActionCopy
}

// UpToDate reports whether dest need not be replaced by source, as far as listings tell: the sizes are equal and, if both
// sides tell a checksum of one algorithm, so are these; otherwise dest is not older than source.
func UpToDate(source, dest backend.Object) bool {
	if source.Size != dest.Size {
		return false
	}
	if a := source.Checksum.Algorithm(); a != "" && a == dest.Checksum.Algorithm() {
		return source.Checksum == dest.Checksum
	}
	return !dest.ModTime.Before(source.ModTime)
}
