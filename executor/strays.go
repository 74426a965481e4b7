package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plan"
)

// removeStrays removes what the writes of an earlier process of this run left at the destinations of p when it was killed.
// The journal does not know them: an object that goes in one request is not worth a line there. Strays that appeared since
// the given time belong to somebody else.
func (x *run) removeStrays(ctx context.Context, p *plan.Plan, since time.Time) error {
	seen := map[backend.Location]bool{}
	for _, s := range p.Steps {
		for _, to := range folders(s) {
			if seen[to] {
				continue
			}
			seen[to] = true
			ref, err := x.open(s.ID, to)
			if err == nil && ref.Storage.Info().Can.Strays {
				err = abortStrays(ctx, ref, since)
			}
			if err != nil {
				return fmt.Errorf("remove what an earlier part of the run left below %s: %w", to, err)
			}
		}
	}
	return nil
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

func abortStrays(ctx context.Context, at transfer.Ref, since time.Time) error {
	var found []backend.Upload
	for u, err := range at.Storage.ListUploads(ctx, at.Key) {
		if err != nil {
			return err
		}
		if u.Stray && u.Created.Before(since) {
			found = append(found, u)
		}
	}
	for _, u := range found {
		err := at.Storage.AbortUpload(ctx, u)
		if err != nil && !errors.Is(err, backend.NotFound) && !errors.Is(err, backend.Busy) {
			return err
		}
	}
	return nil
}
