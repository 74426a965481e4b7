package plugin

import (
	"context"
	"errors"
	"iter"
	"slices"

	"google.golang.org/grpc"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// compute is the virtual machine side of a plugin.
type compute struct{ h *Host }

var _ backend.Compute = (*compute)(nil)

func (c *compute) Formats() []string { return slices.Clone(c.h.formats) }

// CheckExports of a guest that does not know it finds nothing.
func (c *compute) CheckExports(ctx context.Context, r []backend.ExportRequest) (concerns [][]backend.Concern, err error) {
	const op = "check exports"
	err = c.h.do(ctx, call{op: op}, func(ctx context.Context, g *guest) error {
		answer, err := g.compute.CheckExports(ctx, &pb.CheckExportsRequest{Requests: each(r, exportTo)})
		if err == nil && len(answer.GetChecked()) != len(r) {
			return lie(op, "", "%d answers to %d requests", len(answer.GetChecked()), len(r))
		}
		concerns = each(answer.GetChecked(), func(c *pb.Concerns) []backend.Concern { return each(c.GetConcerns(), concernFrom) })
		return err
	})
	if errors.Is(err, backend.Unsupported) {
		return make([][]backend.Concern, len(r)), nil
	}
	return concerns, err
}

// job makes a call that is answered with a job. id is what the job must have, if it is known.
func (c *compute) job(ctx context.Context, op, key, id string, f func(ctx context.Context, g *guest) (*pb.Job, error)) (job backend.Job, err error) {
	err = c.h.do(ctx, call{op: op, key: key}, func(ctx context.Context, g *guest) error {
		answer, err := f(ctx, g)
		if err != nil {
			return err
		}
		job = jobFrom(answer)
		if job.ID == "" || id != "" && job.ID != id {
			return lie(op, key, "it speaks of job %q", job.ID)
		}
		return nil
	})
	return job, err
}

func (c *compute) StartExport(ctx context.Context, r backend.ExportRequest) (backend.Job, error) {
	return c.job(ctx, "start export", r.Source(), "", func(ctx context.Context, g *guest) (*pb.Job, error) {
		answer, err := g.compute.StartExport(ctx, &pb.StartExportRequest{Request: exportTo(r)})
		return answer.GetJob(), err
	})
}

func (c *compute) FindExport(ctx context.Context, r backend.ExportRequest) (backend.Job, error) {
	return c.job(ctx, "find export", r.Source(), "", func(ctx context.Context, g *guest) (*pb.Job, error) {
		answer, err := g.compute.FindExport(ctx, &pb.FindExportRequest{Request: exportTo(r)})
		return answer.GetJob(), err
	})
}

func (c *compute) PollExport(ctx context.Context, id string) (backend.Job, error) {
	return c.job(ctx, "poll export", id, id, func(ctx context.Context, g *guest) (*pb.Job, error) {
		answer, err := g.compute.PollExport(ctx, &pb.PollExportRequest{Id: []byte(id)})
		return answer.GetJob(), err
	})
}

func (c *compute) EndExport(ctx context.Context, id string, keepStaged bool) error {
	return c.h.do(ctx, call{op: "end export", key: id, long: true}, func(ctx context.Context, g *guest) error {
		_, err := g.compute.EndExport(ctx, &pb.EndExportRequest{Id: []byte(id), KeepStaged: keepStaged})
		return err
	})
}

// inventory is the listing side of a plugin.
type inventory struct{ h *Host }

var _ backend.Inventory = (*inventory)(nil)

func (i *inventory) Scopes(ctx context.Context) iter.Seq2[backend.Scope, error] {
	begin := func(ctx context.Context, g *guest) (grpc.ServerStreamingClient[pb.ScopesResponse], error) {
		return g.inventory.Scopes(ctx, &pb.ScopesRequest{})
	}
	batch := func(r *pb.ScopesResponse) []backend.Scope { return each(r.GetScopes(), scopeFrom) }
	return values(ctx, i.h, call{op: "list scopes"}, begin, batch, func(backend.Scope, *backend.Scope) error { return nil })
}

func (i *inventory) Resources(ctx context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	begin := func(ctx context.Context, g *guest) (grpc.ServerStreamingClient[pb.ResourcesResponse], error) {
		return g.inventory.Resources(ctx, queryTo(q))
	}
	batch := func(r *pb.ResourcesResponse) []backend.Resource { return each(r.GetResources(), resourceFrom) }
	return values(ctx, i.h, call{op: "list resources", key: q.Scope}, begin, batch,
		func(backend.Resource, *backend.Resource) error { return nil })
}

func (i *inventory) Metrics(ctx context.Context, id string, q backend.MetricQuery) (series []backend.Series, err error) {
	err = i.h.do(ctx, call{op: "read metrics", key: id}, func(ctx context.Context, g *guest) error {
		r, err := g.inventory.Metrics(ctx, metricsTo(id, q))
		series = each(r.GetSeries(), seriesFrom)
		return err
	})
	return series, err
}

func (i *inventory) Act(ctx context.Context, id, action string) error {
	return i.h.do(ctx, call{op: action, key: id}, func(ctx context.Context, g *guest) error {
		_, err := g.inventory.Act(ctx, &pb.ActRequest{Id: []byte(id), Action: text(action)})
		return err
	})
}
