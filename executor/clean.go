package executor

import (
	"context"
	"errors"
	"fmt"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

// Litter is one thing that a run made and neither finished nor released: an export with its image and staged objects, an
// upload with its parts or temporary file, or a stray, what a write in one request left when its process died.
type Litter struct {
	Step   string            `json:"step"`
	Export *journal.Export   `json:"export,omitempty"`
	To     *backend.Location `json:"to,omitempty"` // of the upload; of a stray: where it is
	Item   *journal.OpenItem `json:"-"`
	Stray  *backend.Upload   `json:"-"`
}

// String says what it is, for people.
func (l Litter) String() string {
	if l.Export != nil {
		return l.export()
	}
	if l.Stray != nil {
		return fmt.Sprintf("unfinished write %s", l.To)
	}
	return fmt.Sprintf("unfinished upload to %s", l.To)
}

func (l Litter) export() string {
	e := l.Export
	what := "custom image and staged objects"
	switch {
	case e.Request.Image != "":
		what = "staged objects"
	case e.Job == "": // the provider was asked and the answer not written down
		what = "perhaps a custom image"
	}
	if e.Power.Owed() {
		what = "a stopped instance, and " + what
	}
	return fmt.Sprintf("%s of %s (%s, token %s)", what, l.Step, e.Request.Source(), e.Request.Token)
}

// Cleaner removes what interrupted runs left.
type Cleaner struct {
	Backends backend.Set
	Retry    wrap.Policy
	Poll     Poll // of an instance that is started again
}

// Find lists what the run of a journal left, as far as the journal tells. It makes no request.
func (c *Cleaner) Find(state journal.State) []Litter {
	var all []Litter
	exports, uploads := state.Litter()
	for _, e := range exports {
		all = append(all, Litter{Step: e.Step, Export: &e})
	}
	for _, to := range uploads {
		item := state.Open[to]
		all = append(all, Litter{Step: item.Step, To: &to, Item: &item})
	}
	return all
}

// Remove removes one piece of litter and writes that down. What is gone already is no error.
func (c *Cleaner) Remove(ctx context.Context, j Journal, l Litter) error {
	switch {
	case l.Export != nil:
		return c.removeExport(ctx, j, *l.Export)
	case l.Stray != nil:
		return c.removeStray(ctx, l)
	}
	return c.removeUpload(ctx, j, l)
}

func (c *Cleaner) removeExport(ctx context.Context, j Journal, e journal.Export) error {
	provider, err := c.Backends.Provider(e.Backend)
	if err != nil {
		return err
	}
	compute, err := provider.Compute()
	if err != nil {
		return err
	}
	compute = wrap.RetryCompute(compute, c.Retry)
	write := func() error { return j.Write(journal.Record{Export: &e}, true) }
	if e.Power.Owed() {
		inventory, err := provider.Inventory()
		if err != nil {
			return err
		}
		p := power{inventory: inventory, retry: c.Retry, poll: c.Poll, instance: e.Request.Instance, state: &e.Power, save: write}
		if err := p.restore(ctx); err != nil {
			return err
		}
	}
	if e.Released {
		return nil
	}
	id := e.Job
	if id == "" {
		job, err := compute.FindExport(ctx, e.Request)
		if err != nil && !errors.Is(err, backend.NotFound) {
			return err
		}
		id = job.ID
	}
	if id != "" {
		if err := compute.EndExport(ctx, id, e.Kept && e.Arrived); err != nil {
			return err
		}
	}
	e.Released = true
	return write()
}

func (c *Cleaner) removeUpload(ctx context.Context, j Journal, l Litter) error {
	storage, key, err := c.Backends.Open(*l.To)
	if err != nil {
		return err
	}
	storage = wrap.Retry(storage, c.Retry)
	if u := l.Item.Checkpoint.Upload; u.ID != "" {
		u.Key = key // the upload of a tree names its object from the top of the tree
		err = storage.AbortUpload(ctx, u)
	} else if storage.Info().Can.ListUploads {
		_, err = backend.AbortUploads(ctx, storage, key, l.Item.Checkpoint.Begun)
	}
	if err != nil && !errors.Is(err, backend.NotFound) {
		return err
	}
	return j.Write(journal.Record{Note: &journal.Note{Step: l.Step, Item: l.Item.Item, To: *l.To, Drop: true}}, true)
}
