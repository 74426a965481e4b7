package plan

import (
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// probe stands for an object of any name below a prefix.
const probe = "any-object"

// checkOverlaps blocks transfers that would read what they write, and mirrors that would delete what other steps write.
func (b *builder) checkOverlaps() {
	writers := map[backend.Location]string{}
	for i := range b.plan.Steps {
		s := &b.plan.Steps[i]
		if s.Transfer == nil {
			continue
		}
		b.checkSelf(s)
		if other, ok := writers[s.Transfer.To]; ok && !s.Transfer.Tree {
			b.block(s.ID, "give each its own to:", "it would write the same object as %s: %s", other, s.Transfer.To)
		} else if ok {
			b.warn(s.ID, "", "%s writes below %s too; of objects with one name the last one stays", other, s.Transfer.To)
		}
		writers[s.Transfer.To] = s.ID
		for j := range b.plan.Steps {
			if other := &b.plan.Steps[j]; i != j && s.Transfer.deletes(other) {
				b.block(s.ID, "give each its own to:, or exclude what the other writes", "delete: true would remove what %s writes at %s", other.ID, s.Transfer.To)
			}
		}
	}
}

func (b *builder) checkSelf(s *Step) {
	t := s.Transfer
	switch {
	case t.From == t.To:
		b.block(s.ID, "correct from: or to:", "it would copy %s onto itself", t.From)
	case !t.Tree:
	case t.takes(t.From, t.To):
		b.block(s.ID, "exclude the destination, or choose one that is not below the source",
			"the destination lies below the source, and every run would copy the copies too: %s", t.To)
	case t.Delete && t.takes(t.To, t.From):
		b.block(s.ID, "choose a destination that the source is not below", "delete: true would remove the source, which lies below the destination: %s", t.From)
	}
}

// takes reports whether an object below inner, a prefix or object below the prefix outer, would be selected.
func (t *Transfer) takes(outer, inner backend.Location) bool {
	rest, below := strings.CutPrefix(inner.Path, outer.Path)
	if !below || outer.Scheme != inner.Scheme {
		return false
	}
	if inner.IsPrefix() {
		rest += probe
	}
	return t.Selection().Match(rest)
}

// deletes reports whether the mirror t would remove what the step other writes.
func (t *Transfer) deletes(other *Step) bool {
	switch {
	case !t.Delete || other.Bucket != nil:
		return false
	case other.Transfer != nil:
		o := other.Transfer
		return t.To == o.To || t.takes(t.To, o.To) || o.Tree && o.takes(o.To, t.To)
	}
	for _, to := range other.Export.destinations() {
		if t.To == to || t.takes(t.To, to) {
			return true
		}
	}
	return false
}
