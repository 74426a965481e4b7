package journal

import (
	"maps"
	"slices"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// State is the sum of a journal's records.
type State struct {
	Run    Run
	Ended  bool
	Done   map[string]string                 // digest of each step that ended well, by address
	Export map[string]Export                 // by address
	Open   map[backend.Location]OpenItem     // multipart uploads that were begun and not finished, by destination
	Item   map[backend.Location]FinishedItem // by destination
}

// FinishedItem is what a destination holds.
type FinishedItem struct {
	backend.Object
	Of string // token of the export that it comes from
}

// OpenItem is an item on its way.
type OpenItem struct {
	Step, Item string
	Checkpoint transfer.Checkpoint
}

func newState() State {
	return State{Done: map[string]string{}, Export: map[string]Export{}, Open: map[backend.Location]OpenItem{},
		Item: map[backend.Location]FinishedItem{}}
}

func (s *State) apply(rec Record) {
	switch {
	case rec.Run != nil:
		s.Run = *rec.Run
	case rec.Export != nil:
		s.Export[rec.Export.Step] = *rec.Export
	case rec.Note != nil:
		s.note(*rec.Note)
	case rec.Step != nil:
		s.Done[rec.Step.ID] = rec.Step.Digest
	case rec.End != nil:
		s.Ended = true
	}
}

func (s *State) note(n Note) {
	if n.Done != nil || n.Drop {
		delete(s.Open, n.To)
		if n.Done != nil {
			s.Item[n.To] = FinishedItem{*n.Done, n.Of}
		}
		return
	}
	item := s.Open[n.To]
	item.Step, item.Item = n.Step, n.Item
	item.Checkpoint.Apply(n.Note)
	s.Open[n.To] = item
}

// Finished reports whether the step of that address and digest has ended well.
func (j *Journal) Finished(id, digest string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	done, ok := j.state.Done[id]
	return ok && done == digest
}

// Run returns the head of the journal.
func (j *Journal) Run() Run {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state.Run
}

// Export returns how far the export of a step has come.
func (j *Journal) Export(step string) (Export, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, ok := j.state.Export[step]
	return e, ok
}

// Checkpoint returns what is known of the item on its way to a destination, nil for none. It is a copy.
func (j *Journal) Checkpoint(to backend.Location) *transfer.Checkpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	item, ok := j.state.Open[to]
	if !ok {
		return nil
	}
	item.Checkpoint.Parts = maps.Clone(item.Checkpoint.Parts)
	return &item.Checkpoint
}

// Item returns the finished item at a destination.
func (j *Journal) Item(to backend.Location) (FinishedItem, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	obj, ok := j.state.Item[to]
	return obj, ok
}

// State returns a copy of what the journal says now.
func (j *Journal) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.state
	s.Done, s.Export, s.Open, s.Item = maps.Clone(s.Done), maps.Clone(s.Export), maps.Clone(s.Open), maps.Clone(s.Item)
	for to, item := range s.Open {
		item.Checkpoint.Parts = maps.Clone(item.Checkpoint.Parts)
		s.Open[to] = item
	}
	return s
}

// Litter returns what the run has begun and neither finished nor released, stopped instances included: exports by address,
// and destinations with an open upload, sorted.
func (s State) Litter() (exports []Export, uploads []backend.Location) {
	for _, id := range slices.Sorted(maps.Keys(s.Export)) {
		if e := s.Export[id]; !e.Released || e.Power.Owed() {
			exports = append(exports, e)
		}
	}
	for to := range s.Open {
		uploads = append(uploads, to)
	}
	slices.SortFunc(uploads, func(a, b backend.Location) int { return strings.Compare(a.String(), b.String()) })
	return exports, uploads
}
