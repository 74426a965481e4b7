package plugin

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

func (s storageServer) List(r *pb.ListRequest, stream grpc.ServerStreamingServer[pb.ListResponse]) error {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return err
	}
	return batched(c.List(stream.Context(), string(r.GetPrefix())), objectTo, func(objects []*pb.Object) error {
		return stream.Send(&pb.ListResponse{Objects: objects})
	})
}

func (s storageServer) Copy(ctx context.Context, r *pb.CopyRequest) (*pb.CopyResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	o, err := c.Copy(ctx, locationFrom(r.GetFrom()), string(r.GetVersion()), string(r.GetKey()), backend.CopyOptions{
		If: conditionFrom(r.GetIf()), Meta: pairsFrom(r.GetMeta(), r.GetHasMeta()), ModTime: timeFrom(r.GetModTime())})
	if err != nil {
		return nil, err
	}
	return &pb.CopyResponse{Object: objectTo(o)}, nil
}

func (s storageServer) Delete(ctx context.Context, r *pb.DeleteRequest) (*pb.DeleteResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	return &pb.DeleteResponse{}, c.Delete(ctx, objectFrom(r.GetObject()))
}

func (s storageServer) Browse(r *pb.BrowseRequest, stream grpc.ServerStreamingServer[pb.BrowseResponse]) error {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return err
	}
	return batched(c.Browse(stream.Context(), string(r.GetPrefix())), entryTo, func(entries []*pb.Entry) error {
		return stream.Send(&pb.BrowseResponse{Entries: entries})
	})
}

func (s storageServer) Versions(r *pb.VersionsRequest, stream grpc.ServerStreamingServer[pb.VersionsResponse]) error {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return err
	}
	return batched(c.Versions(stream.Context(), string(r.GetPrefix())), versionTo, func(versions []*pb.ObjectVersion) error {
		return stream.Send(&pb.VersionsResponse{Versions: versions})
	})
}

func (s storageServer) Restore(ctx context.Context, r *pb.RestoreRequest) (*pb.RestoreResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	return &pb.RestoreResponse{}, c.Restore(ctx, objectFrom(r.GetObject()), time.Duration(r.GetPeriod()))
}

func (s storageServer) CreateContainer(ctx context.Context, r *pb.CreateContainerRequest) (*pb.CreateContainerResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	return &pb.CreateContainerResponse{}, c.CreateContainer(ctx)
}

func (s storageServer) Space(ctx context.Context, r *pb.SpaceRequest) (*pb.SpaceResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	space, err := c.Space(ctx, string(r.GetPrefix()))
	if err != nil {
		return nil, err
	}
	return &pb.SpaceResponse{Space: spaceTo(space)}, nil
}

func (s storageServer) DeleteAll(ctx context.Context, r *pb.DeleteAllRequest) (*pb.DeleteAllResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	return &pb.DeleteAllResponse{Deleted: each(c.DeleteAll(ctx, each(r.GetObjects(), objectFrom)), func(err error) *pb.Deleted {
		if err == nil {
			return &pb.Deleted{}
		}
		return &pb.Deleted{Error: wireError("delete", err)}
	})}, nil
}

func (s storageServer) Lifecycle(ctx context.Context, r *pb.LifecycleRequest) (*pb.LifecycleResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	rules, err := c.Lifecycle(ctx)
	if err != nil {
		return nil, err
	}
	return &pb.LifecycleResponse{Rules: each(rules, ruleTo)}, nil
}

func (s storageServer) SetLifecycle(ctx context.Context, r *pb.SetLifecycleRequest) (*pb.SetLifecycleResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	changed, err := c.SetLifecycle(ctx, each(r.GetRules(), ruleFrom))
	if err != nil {
		return nil, err
	}
	return &pb.SetLifecycleResponse{Changed: changed}, nil
}
