package executor

import (
	"context"

	"github.com/hyperexport/hyperexport/plan"
)

// bucket carries out a bucket step. What the plan saw may have changed: the backend compares again before it writes.
func (x *run) bucket(ctx context.Context, s plan.Step) (Result, error) {
	at, err := x.open(s.ID, s.Bucket.At)
	if err != nil {
		return Result{}, err
	}
	changed, err := at.Storage.SetLifecycle(ctx, s.Bucket.Rules)
	if err != nil || !changed {
		return Result{}, err
	}
	return Result{Rules: int64(len(s.Bucket.Changes()))}, nil
}
