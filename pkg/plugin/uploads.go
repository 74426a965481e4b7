package plugin

import (
	"context"
	"fmt"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

func (s *storage) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (u backend.Upload, err error) {
	const op = "create upload"
	request := &pb.CreateUploadRequest{Container: s.at, Key: []byte(key), Size: o.Size, PartSize: o.PartSize,
		Meta: pairsTo(o.Meta), HasMeta: o.Meta != nil, ModTime: timeTo(o.ModTime)}
	err = s.h.do(ctx, call{op: op, key: key}, func(ctx context.Context, g *guest) error {
		r, err := g.storage.CreateUpload(ctx, request)
		if err != nil {
			return err
		}
		u = uploadFrom(r.GetUpload())
		if u.Key != key || u.ID == "" || u.Size != o.Size || u.PartSize != o.PartSize {
			return lie(op, key, "upload %q of %q, %d bytes in parts of %d", u.ID, u.Key, u.Size, u.PartSize)
		}
		return nil
	})
	return u, err
}

func (s *storage) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (part backend.Part, err error) {
	const op = "upload part"
	request := &pb.UploadPartRequest{Container: s.at, Upload: uploadTo(u), Number: int64(n), Checksum: text(string(sum)),
		Span: s.span(p), Length: int64(len(p))}
	err = s.h.do(ctx, call{op: op, key: u.Key, bytes: true}, func(ctx context.Context, g *guest) error {
		var r *pb.UploadPartResponse
		var err error
		if request.GetSpan() == nil {
			request.Data = p[:min(len(p), inlineChunk)]
		}
		if request.GetSpan() != nil || len(p) <= inlineChunk {
			r, err = g.storage.UploadPart(ctx, request)
		} else {
			r, err = sendPieces(ctx, g.storage.UploadPartStream, request, p,
				func(data []byte) *pb.UploadPartRequest { return &pb.UploadPartRequest{Data: data} })
		}
		if err != nil {
			return err
		}
		part = partFrom(r.GetPart())
		if part.Number != n || part.Size != int64(len(p)) || part.Tag == "" || part.Checksum.Contradicts(sum) {
			return lie(op, u.Key, "part %d with tag %q has %d bytes, %s; sent was part %d with %d bytes, %s",
				part.Number, part.Tag, part.Size, part.Checksum, n, len(p), sum)
		}
		return nil
	})
	return part, err
}

// ListParts yields what the guest lists, as long as it is in order.
func (s *storage) ListParts(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
	begin := func(ctx context.Context, g *guest) (grpc.ServerStreamingClient[pb.ListPartsResponse], error) {
		return g.storage.ListParts(ctx, &pb.ListPartsRequest{Container: s.at, Upload: uploadTo(u)})
	}
	batch := func(r *pb.ListPartsResponse) []backend.Part { return each(r.GetParts(), partFrom) }
	return values(ctx, s.h, call{op: "list parts", key: u.Key}, begin, batch, func(p backend.Part, last *backend.Part) error {
		if p.Number < 1 || p.Size < 0 || last != nil && p.Number <= last.Number {
			return lie("list parts", u.Key, "part %d of %d bytes is out of order", p.Number, p.Size)
		}
		return nil
	})
}

func (s *storage) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (obj backend.Object, err error) {
	const op = "complete upload"
	request := &pb.CompleteUploadRequest{Container: s.at, Upload: uploadTo(u), Parts: each(parts, partTo), If: conditionTo(o.If),
		Checksum: text(string(o.Checksum)), ModTime: timeTo(o.ModTime)}
	if size := proto.Size(request); size > maxMessage {
		return obj, &backend.Error{Op: op, Key: u.Key, Kind: backend.Invalid,
			Err: fmt.Errorf("%d parts do not fit into a message to a plugin: use longer parts", len(parts))}
	}
	err = s.h.do(ctx, call{op: op, key: u.Key, long: true}, func(ctx context.Context, g *guest) error {
		r, err := g.storage.CompleteUpload(ctx, request)
		if err != nil {
			return err
		}
		obj, err = objectAnswer(op, u.Key, u.Size, o.Checksum, r.GetObject())
		return err
	})
	return obj, err
}

func (s *storage) AbortUpload(ctx context.Context, u backend.Upload) error {
	return s.h.do(ctx, call{op: "abort upload", key: u.Key}, func(ctx context.Context, g *guest) error {
		_, err := g.storage.AbortUpload(ctx, &pb.AbortUploadRequest{Container: s.at, Upload: uploadTo(u)})
		return err
	})
}

// ListUploads yields what the guest lists.
func (s *storage) ListUploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	begin := func(ctx context.Context, g *guest) (grpc.ServerStreamingClient[pb.ListUploadsResponse], error) {
		return g.storage.ListUploads(ctx, &pb.ListUploadsRequest{Container: s.at, Prefix: []byte(prefix)})
	}
	batch := func(r *pb.ListUploadsResponse) []backend.Upload { return each(r.GetUploads(), uploadFrom) }
	return values(ctx, s.h, call{op: "list uploads", key: prefix}, begin, batch, func(backend.Upload, *backend.Upload) error { return nil })
}
