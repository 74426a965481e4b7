package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/plan"
)

// FindStrays lists what writes left at the destinations of p when their process was killed, before the given time. The
// journal does not know it, since an object that goes in one request is not worth a line there: the destinations are asked.
func (c *Cleaner) FindStrays(ctx context.Context, p *plan.Plan, before time.Time) ([]Litter, error) {
	var all []Litter
	seen := map[backend.Location]bool{}
	for _, s := range p.Steps {
		for _, to := range folders(s) {
			if seen[to] {
				continue
			}
			seen[to] = true
			found, err := c.straysBelow(ctx, s.ID, to, before)
			if err != nil {
				return all, fmt.Errorf("look for unfinished writes below %s: %w", to, err)
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

// folders returns where a step writes.
func folders(s plan.Step) []backend.Location {
	switch {
	case s.Export != nil:
		return s.Export.To
	case s.Transfer != nil:
		to := s.Transfer.To
		to.Path = strings.TrimSuffix(to.Path, to.Base())
		return []backend.Location{to}
	}
	return nil
}

func (c *Cleaner) straysBelow(ctx context.Context, step string, to backend.Location, before time.Time) ([]Litter, error) {
	storage, prefix, err := c.Backends.Open(to)
	if err != nil || !storage.Info().Can.Strays {
		return nil, err
	}
	var found []Litter
	for u, err := range wrap.Retry(storage, c.Retry).ListUploads(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if u.Stray && u.Created.Before(before) {
			at := to
			at.Path = strings.TrimSuffix(to.Path, prefix) + u.Key
			found = append(found, Litter{Step: step, To: &at, Stray: &u})
		}
	}
	return found, nil
}

// removeStray removes a stray, unless somebody turns out to write it.
func (c *Cleaner) removeStray(ctx context.Context, l Litter) error {
	folder := *l.To
	folder.Path = strings.TrimSuffix(folder.Path, l.Stray.Key)
	storage, _, err := c.Backends.Open(folder)
	if err != nil {
		return err
	}
	err = wrap.Retry(storage, c.Retry).AbortUpload(ctx, *l.Stray)
	if errors.Is(err, backend.NotFound) || errors.Is(err, backend.Busy) {
		return nil
	}
	return err
}
