package plugin

import (
	"context"

	"google.golang.org/grpc"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// computeServer serves the virtual machines.
type computeServer struct {
	pb.UnimplementedComputeServer
	*server
}

func (s computeServer) machines() (backend.Compute, error) {
	p, err := s.configured()
	if err != nil {
		return nil, err
	}
	return p.Compute()
}

func (s computeServer) CheckExports(ctx context.Context, r *pb.CheckExportsRequest) (*pb.CheckExportsResponse, error) {
	c, err := s.machines()
	if err != nil {
		return nil, err
	}
	checked, err := c.CheckExports(ctx, each(r.GetRequests(), exportFrom))
	if err != nil {
		return nil, err
	}
	return &pb.CheckExportsResponse{Checked: each(checked, func(c []backend.Concern) *pb.Concerns {
		return &pb.Concerns{Concerns: each(c, concernTo)}
	})}, nil
}

func (s computeServer) StartExport(ctx context.Context, r *pb.StartExportRequest) (*pb.StartExportResponse, error) {
	c, err := s.machines()
	if err != nil {
		return nil, err
	}
	job, err := c.StartExport(ctx, exportFrom(r.GetRequest()))
	if err != nil {
		return nil, err
	}
	return &pb.StartExportResponse{Job: jobTo(job)}, nil
}

func (s computeServer) FindExport(ctx context.Context, r *pb.FindExportRequest) (*pb.FindExportResponse, error) {
	c, err := s.machines()
	if err != nil {
		return nil, err
	}
	job, err := c.FindExport(ctx, exportFrom(r.GetRequest()))
	if err != nil {
		return nil, err
	}
	return &pb.FindExportResponse{Job: jobTo(job)}, nil
}

func (s computeServer) PollExport(ctx context.Context, r *pb.PollExportRequest) (*pb.PollExportResponse, error) {
	c, err := s.machines()
	if err != nil {
		return nil, err
	}
	job, err := c.PollExport(ctx, string(r.GetId()))
	if err != nil {
		return nil, err
	}
	return &pb.PollExportResponse{Job: jobTo(job)}, nil
}

func (s computeServer) EndExport(ctx context.Context, r *pb.EndExportRequest) (*pb.EndExportResponse, error) {
	c, err := s.machines()
	if err != nil {
		return nil, err
	}
	return &pb.EndExportResponse{}, c.EndExport(ctx, string(r.GetId()), r.GetKeepStaged())
}

// inventoryServer serves the listing of the account.
type inventoryServer struct {
	pb.UnimplementedInventoryServer
	*server
}

func (s inventoryServer) account() (backend.Inventory, error) {
	p, err := s.configured()
	if err != nil {
		return nil, err
	}
	return p.Inventory()
}

func (s inventoryServer) Scopes(_ *pb.ScopesRequest, stream grpc.ServerStreamingServer[pb.ScopesResponse]) error {
	i, err := s.account()
	if err != nil {
		return err
	}
	return batched(i.Scopes(stream.Context()), scopeTo, func(scopes []*pb.Scope) error {
		return stream.Send(&pb.ScopesResponse{Scopes: scopes})
	})
}

func (s inventoryServer) Resources(r *pb.ResourcesRequest, stream grpc.ServerStreamingServer[pb.ResourcesResponse]) error {
	i, err := s.account()
	if err != nil {
		return err
	}
	return batched(i.Resources(stream.Context(), queryFrom(r)), resourceTo, func(resources []*pb.Resource) error {
		return stream.Send(&pb.ResourcesResponse{Resources: resources})
	})
}

func (s inventoryServer) Metrics(ctx context.Context, r *pb.MetricsRequest) (*pb.MetricsResponse, error) {
	i, err := s.account()
	if err != nil {
		return nil, err
	}
	series, err := i.Metrics(ctx, string(r.GetId()), metricsFrom(r))
	if err != nil {
		return nil, err
	}
	return &pb.MetricsResponse{Series: each(series, seriesTo)}, nil
}

func (s inventoryServer) Act(ctx context.Context, r *pb.ActRequest) (*pb.ActResponse, error) {
	i, err := s.account()
	if err != nil {
		return nil, err
	}
	return &pb.ActResponse{}, i.Act(ctx, string(r.GetId()), r.GetAction())
}
