package plugin

import (
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// storage is a container of a plugin, as the host sees it. What the guest answers is believed as far as it can be true:
// an answer about another object or with the wrong length is Corrupt.
type storage struct {
	h    *Host
	at   *pb.Location // never changed, so that requests share it
	info backend.Info
}

var _ backend.Storage = (*storage)(nil)

// Info says what the guest said when the container was opened.
func (s *storage) Info() backend.Info {
	info := s.info
	info.Checksums, info.CopyFrom = slices.Clone(info.Checksums), slices.Clone(info.CopyFrom)
	return info
}

func (s *storage) Stat(ctx context.Context, key string) (o backend.Object, err error) {
	err = s.h.do(ctx, call{op: "stat", key: key}, func(ctx context.Context, g *guest) error {
		r, err := g.storage.Stat(ctx, &pb.StatRequest{Container: s.at, Key: []byte(key)})
		if err != nil {
			return err
		}
		o, err = objectAnswer("stat", key, -1, "", r.GetObject())
		return err
	})
	return o, err
}

// objectAnswer looks whether the guest speaks of the object under key. size is what it must have, or negative.
func objectAnswer(op, key string, size int64, sum backend.Checksum, answer *pb.Object) (backend.Object, error) {
	o := objectFrom(answer)
	switch {
	case o.Key != key:
		return backend.Object{}, lie(op, key, "it speaks of %q", o.Key)
	case o.Size < 0 || size >= 0 && o.Size != size:
		return backend.Object{}, lie(op, key, "the object has %d bytes, not %d", o.Size, size)
	case o.Checksum.Contradicts(sum):
		return backend.Object{}, lie(op, key, "the object has %s, not %s", o.Checksum, sum)
	}
	return o, nil
}

// span returns where p lies in the memory that the guest shares, nil if it lies elsewhere.
func (s *storage) span(p []byte) *pb.Span {
	off, ok := s.h.o.Arena.Offset(p)
	if !ok {
		return nil
	}
	return &pb.Span{Offset: off, Length: int64(len(p))}
}

func (s *storage) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	if err := s.checkGeneration("read", obj); err != nil {
		return 0, err
	}
	request := &pb.ReadAtRequest{Container: s.at, Object: objectTo(obj), Offset: off, Span: s.span(p), Length: int64(len(p))}
	var n int
	var end bool
	err := s.h.do(ctx, call{op: "read", key: obj.Key, bytes: true}, func(ctx context.Context, g *guest) (err error) {
		switch {
		case request.GetSpan() != nil:
			var r *pb.ReadAtResponse
			r, err = g.storage.ReadAt(ctx, request)
			n, end = int(r.GetN()), r.GetEof()
		case len(p) <= inlineChunk:
			var r *pb.ReadAtResponse
			r, err = g.storage.ReadAt(ctx, request)
			n, end, err = inlined(p, 0, r, err)
		default:
			n, end, err = readStream(ctx, g, request, p)
		}
		if err != nil {
			return err
		}
		return checkRead(obj, off, len(p), n, end)
	})
	switch {
	case err != nil:
		return 0, err
	case end:
		return n, io.EOF
	}
	return n, nil
}

// inlined copies the bytes of an answer behind the n bytes of p that are there, and returns how many there are now.
func inlined(p []byte, n int, r *pb.ReadAtResponse, err error) (int, bool, error) {
	data := r.GetData()
	switch {
	case err != nil:
		return n, false, err
	case len(data) > len(p)-n || int64(len(data)) != r.GetN():
		return n, false, lie("read", "", "%d bytes, said to be %d, where %d were asked for", len(data), r.GetN(), len(p)-n)
	}
	return n + copy(p[n:], data), r.GetEof(), nil
}

func readStream(ctx context.Context, g *guest, request *pb.ReadAtRequest, p []byte) (n int, end bool, err error) {
	stream, err := g.storage.ReadAtStream(ctx, request)
	for err == nil {
		var r *pb.ReadAtResponse
		if r, err = stream.Recv(); err == nil {
			n, end, err = inlined(p, n, r, nil)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, end, err
}

// checkRead looks whether a read of want bytes can have brought n.
func checkRead(obj backend.Object, off int64, want, n int, end bool) error {
	last := off + int64(n)
	switch {
	case n < 0 || n > want:
		return lie("read", obj.Key, "%d bytes, where %d were asked for", n, want)
	case n < want && !end:
		return lie("read", obj.Key, "%d bytes of %d, which is not the end", n, want)
	case end && last < obj.Size:
		return lie("read", obj.Key, "it ends at %d of %d bytes", last, obj.Size)
	case n > 0 && last > obj.Size:
		return lie("read", obj.Key, "it has bytes up to %d of %d", last, obj.Size)
	}
	return nil
}

func (s *storage) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (obj backend.Object, err error) {
	request := &pb.PutRequest{Container: s.at, Key: []byte(key), If: conditionTo(o.If), Checksum: text(string(o.Checksum)),
		Meta: pairsTo(o.Meta), HasMeta: o.Meta != nil, ModTime: timeTo(o.ModTime), Span: s.span(p), Length: int64(len(p))}
	err = s.h.do(ctx, call{op: "put", key: key, bytes: true}, func(ctx context.Context, g *guest) error {
		var r *pb.PutResponse
		var err error
		if request.GetSpan() == nil {
			request.Data = p[:min(len(p), inlineChunk)]
		}
		if request.GetSpan() != nil || len(p) <= inlineChunk {
			r, err = g.storage.Put(ctx, request)
		} else {
			r, err = sendPieces(ctx, g.storage.PutStream, request, p, func(data []byte) *pb.PutRequest { return &pb.PutRequest{Data: data} })
		}
		if err != nil {
			return err
		}
		obj, err = objectAnswer("put", key, int64(len(p)), o.Checksum, r.GetObject())
		return err
	})
	return obj, err
}

// sendPieces sends p in pieces: first has the first one, next makes the messages of the others.
func sendPieces[Req, Resp any](
	ctx context.Context, begin func(context.Context, ...grpc.CallOption) (grpc.ClientStreamingClient[Req, Resp], error),
	first *Req, p []byte, next func([]byte) *Req,
) (*Resp, error) {
	stream, err := begin(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(first)
	for p = p[inlineChunk:]; len(p) > 0 && err == nil; p = p[min(len(p), inlineChunk):] {
		err = stream.Send(next(p[:min(len(p), inlineChunk)]))
	}
	if err != nil && !errors.Is(err, io.EOF) { // at EOF the answer says why
		return nil, err
	}
	return stream.CloseAndRecv()
}

// Copy lets the guest's service copy.
func (s *storage) Copy(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (obj backend.Object, err error) {
	request := &pb.CopyRequest{Container: s.at, From: locationTo(from), Version: []byte(version), Key: []byte(key),
		If: conditionTo(o.If), Meta: pairsTo(o.Meta), HasMeta: o.Meta != nil, ModTime: timeTo(o.ModTime)}
	err = s.h.do(ctx, call{op: "copy", key: key, long: true}, func(ctx context.Context, g *guest) error {
		r, err := g.storage.Copy(ctx, request)
		if err != nil {
			return err
		}
		obj, err = objectAnswer("copy", key, -1, "", r.GetObject())
		return err
	})
	return obj, err
}

func (s *storage) Delete(ctx context.Context, obj backend.Object) error {
	if err := s.checkGeneration("delete", obj); err != nil {
		return err
	}
	return s.h.do(ctx, call{op: "delete", key: obj.Key}, func(ctx context.Context, g *guest) error {
		_, err := g.storage.Delete(ctx, &pb.DeleteRequest{Container: s.at, Object: objectTo(obj)})
		return err
	})
}
