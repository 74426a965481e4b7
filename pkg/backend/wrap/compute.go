package wrap

import (
	"context"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// RetryCompute returns c with every call repeated as the policy says. All calls of Compute are repeatable by contract. One
// thing is passed on at once: a StartExport or PollExport that is Busy. An instance stays so for minutes, and the caller
// polls anyway.
func RetryCompute(c backend.Compute, p Policy) backend.Compute {
	return &retryCompute{c, p}
}

type retryCompute struct {
	backend.Compute // Formats, which cannot fail
	p               Policy
}

func (r *retryCompute) CheckExports(ctx context.Context, q []backend.ExportRequest) (concerns [][]backend.Concern, err error) {
	err = r.p.Do(ctx, "check exports", func(ctx context.Context) error {
		concerns, err = r.Compute.CheckExports(ctx, q)
		return err
	})
	return concerns, err
}

func (r *retryCompute) StartExport(ctx context.Context, q backend.ExportRequest) (job backend.Job, err error) {
	err = r.p.do(ctx, "start export", passesSoon, func(ctx context.Context) error {
		job, err = r.Compute.StartExport(ctx, q)
		return err
	})
	return job, err
}

func (r *retryCompute) FindExport(ctx context.Context, q backend.ExportRequest) (job backend.Job, err error) {
	err = r.p.Do(ctx, "find export", func(ctx context.Context) error {
		job, err = r.Compute.FindExport(ctx, q)
		return err
	})
	return job, err
}

func (r *retryCompute) PollExport(ctx context.Context, id string) (job backend.Job, err error) {
	err = r.p.do(ctx, "poll export", passesSoon, func(ctx context.Context) error {
		job, err = r.Compute.PollExport(ctx, id)
		return err
	})
	return job, err
}

func passesSoon(k backend.Kind) bool { return k.Temporary() && k != backend.Busy }

func (r *retryCompute) EndExport(ctx context.Context, id string, keepStaged bool) error {
	return r.p.Do(ctx, "end export", func(ctx context.Context) error { return r.Compute.EndExport(ctx, id, keepStaged) })
}
