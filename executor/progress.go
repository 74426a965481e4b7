package executor

import (
	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// Progress is what a handler knows of earlier runs of its step, and where it writes down how far it has come.
type Progress struct {
	step    string
	resumed bool
	journal Journal
}

// Resumed reports whether an earlier process has worked on this run.
func (p *Progress) Resumed() bool { return p.resumed }

// Export returns how far an earlier run of the export came.
func (p *Progress) Export() (journal.Export, bool) { return p.journal.Export(p.step) }

// SaveExport writes down how far the export has come, durably.
func (p *Progress) SaveExport(e journal.Export) error {
	e.Step = p.step
	return p.journal.Write(journal.Record{Export: &e}, true)
}

// Checkpoint returns where an earlier run stopped to bring an item to a destination, nil for none.
func (p *Progress) Checkpoint(to backend.Location) *transfer.Checkpoint {
	return p.journal.Checkpoint(to)
}

// Note writes down a change of the checkpoint of an item.
func (p *Progress) Note(item string, to backend.Location, n transfer.Note) error {
	rec := journal.Record{Note: &journal.Note{Step: p.step, Item: item, To: to, Note: n}}
	return p.journal.Write(rec, n.Durable())
}

// Arrived writes down that an item of the export with that token is at its destination; obj is what that holds.
func (p *Progress) Arrived(item string, to backend.Location, obj backend.Object, token string) error {
	return p.journal.Write(journal.Record{Note: &journal.Note{Step: p.step, Item: item, To: to, Done: &obj, Of: token}}, false)
}

// Item returns what an earlier process has brought to a destination.
func (p *Progress) Item(to backend.Location) (journal.FinishedItem, bool) { return p.journal.Item(to) }

// Finish writes down that there is no upload any more to continue to a destination.
func (p *Progress) Finish(item string, to backend.Location) error {
	if p.journal.Checkpoint(to) == nil {
		return nil
	}
	return p.journal.Write(journal.Record{Note: &journal.Note{Step: p.step, Item: item, To: to, Drop: true}}, false)
}
