package wrap

import (
	"context"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// RetryCompute returns c with every call repeated as the policy says. All calls of Compute are repeatable by contract.
func RetryCompute(c backend.Compute, p Policy) backend.Compute {
	return &retryCompute{c, p}
}

type retryCompute struct {
	backend.Compute // Formats, which cannot fail
	p               Policy
}

func (r *retryCompute) job(ctx context.Context, op string, f func(context.Context) (backend.Job, error)) (job backend.Job, err error) {
	err = r.p.Do(ctx, op, func(ctx context.Context) error {
		job, err = f(ctx)
		return err
	})
	return job, err
}

func (r *retryCompute) StartExport(ctx context.Context, q backend.ExportRequest) (backend.Job, error) {
	return r.job(ctx, "start export", func(ctx context.Context) (backend.Job, error) { return r.Compute.StartExport(ctx, q) })
}

func (r *retryCompute) FindExport(ctx context.Context, q backend.ExportRequest) (backend.Job, error) {
	return r.job(ctx, "find export", func(ctx context.Context) (backend.Job, error) { return r.Compute.FindExport(ctx, q) })
}

func (r *retryCompute) PollExport(ctx context.Context, id string) (backend.Job, error) {
	return r.job(ctx, "poll export", func(ctx context.Context) (backend.Job, error) { return r.Compute.PollExport(ctx, id) })
}

func (r *retryCompute) EndExport(ctx context.Context, id string, keepStaged bool) error {
	return r.p.Do(ctx, "end export", func(ctx context.Context) error { return r.Compute.EndExport(ctx, id, keepStaged) })
}
