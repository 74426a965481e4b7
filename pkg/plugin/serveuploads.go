package plugin

import (
	"context"

	"google.golang.org/grpc"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

func (s storageServer) CreateUpload(ctx context.Context, r *pb.CreateUploadRequest) (*pb.CreateUploadResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	u, err := c.CreateUpload(ctx, string(r.GetKey()), backend.UploadOptions{Size: r.GetSize(), PartSize: r.GetPartSize(),
		Meta: pairsFrom(r.GetMeta(), r.GetHasMeta()), ModTime: timeFrom(r.GetModTime())})
	if err != nil {
		return nil, err
	}
	return &pb.CreateUploadResponse{Upload: uploadTo(u)}, nil
}

func (s storageServer) UploadPart(ctx context.Context, r *pb.UploadPartRequest) (*pb.UploadPartResponse, error) {
	p := r.GetData()
	if r.GetSpan() != nil {
		var err error
		if p, err = s.memory("upload part", r.GetSpan()); err != nil {
			return nil, err
		}
	}
	return s.uploadPart(ctx, r, p)
}

func (s storageServer) uploadPart(ctx context.Context, r *pb.UploadPartRequest, p []byte) (*pb.UploadPartResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	part, err := c.UploadPart(ctx, uploadFrom(r.GetUpload()), int(r.GetNumber()), p, backend.Checksum(r.GetChecksum()))
	if err != nil {
		return nil, err
	}
	return &pb.UploadPartResponse{Part: partTo(part)}, nil
}

func (s storageServer) UploadPartStream(stream grpc.ClientStreamingServer[pb.UploadPartRequest, pb.UploadPartResponse]) error {
	first, p, err := gather("upload part", &s.buffers, stream.Recv)
	defer s.buffers.put(p)
	if err != nil {
		return err
	}
	answer, err := s.uploadPart(stream.Context(), first, p)
	if err != nil {
		return err
	}
	return stream.SendAndClose(answer)
}

func (s storageServer) ListParts(r *pb.ListPartsRequest, stream grpc.ServerStreamingServer[pb.ListPartsResponse]) error {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return err
	}
	return batched(c.ListParts(stream.Context(), uploadFrom(r.GetUpload())), partTo, func(parts []*pb.Part) error {
		return stream.Send(&pb.ListPartsResponse{Parts: parts})
	})
}

func (s storageServer) CompleteUpload(ctx context.Context, r *pb.CompleteUploadRequest) (*pb.CompleteUploadResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	o, err := c.CompleteUpload(ctx, uploadFrom(r.GetUpload()), each(r.GetParts(), partFrom), backend.CompleteOptions{
		If: conditionFrom(r.GetIf()), Checksum: backend.Checksum(r.GetChecksum()), ModTime: timeFrom(r.GetModTime())})
	if err != nil {
		return nil, err
	}
	return &pb.CompleteUploadResponse{Object: objectTo(o)}, nil
}

func (s storageServer) AbortUpload(ctx context.Context, r *pb.AbortUploadRequest) (*pb.AbortUploadResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	return &pb.AbortUploadResponse{}, c.AbortUpload(ctx, uploadFrom(r.GetUpload()))
}

func (s storageServer) ListUploads(r *pb.ListUploadsRequest, stream grpc.ServerStreamingServer[pb.ListUploadsResponse]) error {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return err
	}
	return batched(c.ListUploads(stream.Context(), string(r.GetPrefix())), uploadTo, func(uploads []*pb.Upload) error {
		return stream.Send(&pb.ListUploadsResponse{Uploads: uploads})
	})
}
