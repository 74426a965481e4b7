package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"google.golang.org/grpc"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// maxOpened is how many containers a guest remembers.
const maxOpened = 256

// storageServer serves the containers.
type storageServer struct {
	pb.UnimplementedStorageServer
	*server
}

// container opens what a request names, or remembers it.
func (s *server) container(l *pb.Location) (backend.Storage, error) {
	at := locationFrom(l)
	s.mu.Lock()
	opened, ok := s.opened[at]
	s.mu.Unlock()
	if ok {
		return opened, nil
	}
	p, err := s.configured()
	if err != nil {
		return nil, err
	}
	opened, _, err = p.Open(at)
	if err == nil {
		s.remember(at, opened)
	}
	return opened, err
}

func (s *server) remember(at backend.Location, opened backend.Storage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.opened) >= maxOpened {
		clear(s.opened)
	}
	s.opened[at] = opened
}

// memory returns the piece of the shared memory that a request names.
func (s *server) memory(op string, span *pb.Span) ([]byte, error) {
	off, length := span.GetOffset(), span.GetLength()
	s.mu.Lock()
	defer s.mu.Unlock()
	if off < 0 || length < 0 || off > int64(len(s.arena)) || length > int64(len(s.arena))-off {
		return nil, &backend.Error{Op: op, Kind: backend.Invalid,
			Err: fmt.Errorf("%d bytes at %d of %d bytes of shared memory", length, off, len(s.arena))}
	}
	return s.arena[off : off+length : off+length], nil
}

func (s storageServer) Open(_ context.Context, r *pb.OpenRequest) (*pb.OpenResponse, error) {
	p, err := s.configured()
	if err != nil {
		return nil, err
	}
	at := locationFrom(r.GetLocation())
	opened, key, err := p.Open(at)
	if err != nil {
		return nil, err
	}
	s.remember(at, opened)
	return &pb.OpenResponse{Key: []byte(key), Info: infoTo(opened.Info())}, nil
}

func (s storageServer) Stat(ctx context.Context, r *pb.StatRequest) (*pb.StatResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	o, err := c.Stat(ctx, string(r.GetKey()))
	if err != nil {
		return nil, err
	}
	return &pb.StatResponse{Object: objectTo(o)}, nil
}

func (s storageServer) ReadAt(ctx context.Context, r *pb.ReadAtRequest) (*pb.ReadAtResponse, error) {
	p, err := s.target(r, inlineChunk)
	if err != nil {
		return nil, err
	}
	answer, err := s.read(ctx, r, p)
	if err == nil && r.GetSpan() == nil {
		answer.Data = p[:answer.GetN()]
	}
	return answer, err
}

// target returns the memory that a read fills: at most most bytes if it is not shared.
func (s storageServer) target(r *pb.ReadAtRequest, most int64) ([]byte, error) {
	if r.GetSpan() != nil {
		return s.memory("read", r.GetSpan())
	}
	if r.GetLength() < 0 || r.GetLength() > most {
		return nil, &backend.Error{Op: "read", Kind: backend.Invalid, Err: fmt.Errorf("%d bytes in a message", r.GetLength())}
	}
	return make([]byte, r.GetLength()), nil
}

func (s storageServer) read(ctx context.Context, r *pb.ReadAtRequest, p []byte) (*pb.ReadAtResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	n, err := c.ReadAt(ctx, objectFrom(r.GetObject()), p, r.GetOffset())
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n < 0 || n > len(p) {
		return nil, &backend.Error{Op: "read", Key: string(r.GetObject().GetKey()), Kind: backend.Corrupt,
			Err: fmt.Errorf("a read of %d bytes returned %d", len(p), n)}
	}
	return &pb.ReadAtResponse{N: int64(n), Eof: err != nil}, nil
}

func (s storageServer) ReadAtStream(r *pb.ReadAtRequest, stream grpc.ServerStreamingServer[pb.ReadAtResponse]) error {
	if r.GetLength() < 0 || r.GetLength() > maxObjectInline {
		return &backend.Error{Op: "read", Kind: backend.Invalid, Err: fmt.Errorf("%d bytes in messages", r.GetLength())}
	}
	p := s.buffers.get(int(r.GetLength()))
	defer s.buffers.put(p)
	whole, err := s.read(stream.Context(), r, p)
	if err != nil {
		return err
	}
	for p = p[:whole.GetN()]; len(p) > inlineChunk; p = p[inlineChunk:] {
		if err := stream.Send(&pb.ReadAtResponse{N: inlineChunk, Data: p[:inlineChunk]}); err != nil {
			return err
		}
	}
	return stream.Send(&pb.ReadAtResponse{N: int64(len(p)), Data: p, Eof: whole.GetEof()})
}

// maxObjectInline is the longest part that crosses in messages, in bytes: the guest has to keep all of it.
const maxObjectInline = 8 << 30

func (s storageServer) Put(ctx context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	p := r.GetData()
	if r.GetSpan() != nil {
		var err error
		if p, err = s.memory("put", r.GetSpan()); err != nil {
			return nil, err
		}
	}
	return s.put(ctx, r, p)
}

func (s storageServer) put(ctx context.Context, r *pb.PutRequest, p []byte) (*pb.PutResponse, error) {
	c, err := s.container(r.GetContainer())
	if err != nil {
		return nil, err
	}
	o, err := c.Put(ctx, string(r.GetKey()), p, backend.PutOptions{If: conditionFrom(r.GetIf()),
		Checksum: backend.Checksum(r.GetChecksum()), Meta: pairsFrom(r.GetMeta(), r.GetHasMeta()), ModTime: timeFrom(r.GetModTime())})
	if err != nil {
		return nil, err
	}
	return &pb.PutResponse{Object: objectTo(o)}, nil
}

func (s storageServer) PutStream(stream grpc.ClientStreamingServer[pb.PutRequest, pb.PutResponse]) error {
	first, p, err := gather("put", &s.buffers, stream.Recv)
	defer s.buffers.put(p)
	if err != nil {
		return err
	}
	answer, err := s.put(stream.Context(), first, p)
	if err != nil {
		return err
	}
	return stream.SendAndClose(answer)
}

// buffers keeps memory for bytes that come in messages, because the system takes longer to give a guest new memory than to
// fill it. A provider does not touch it after a call, as everywhere.
type buffers struct{ pool sync.Pool }

// get returns n bytes with any content.
func (b *buffers) get(n int) []byte {
	if p, ok := b.pool.Get().(*[]byte); ok && cap(*p) >= n {
		return (*p)[:n]
	}
	return make([]byte, n)
}

func (b *buffers) put(p []byte) {
	if cap(p) > 0 {
		b.pool.Put(&p)
	}
}

// piece is a message that has bytes of an object.
type piece interface {
	GetData() []byte
	GetLength() int64
}

// gather receives all pieces of one part. It returns the first message, which has what is not bytes, and the bytes, in
// memory that the caller gives back, also after an error.
func gather[M piece](op string, buffers *buffers, receive func() (M, error)) (first M, p []byte, err error) {
	refuse := func(format string, args ...any) (M, []byte, error) {
		return first, p, &backend.Error{Op: op, Kind: backend.Invalid, Err: fmt.Errorf(format, args...)}
	}
	first, err = receive()
	if err != nil {
		return first, nil, err
	}
	length := first.GetLength()
	if length < 0 || length > maxObjectInline {
		return refuse("%d bytes in messages", length)
	}
	if int64(len(first.GetData())) > length {
		return refuse("more than the %d bytes that were said to come", length)
	}
	p = append(buffers.get(int(length))[:0], first.GetData()...)
	for {
		next, err := receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return first, p, err
		}
		if int64(len(p)+len(next.GetData())) > length {
			return refuse("more than the %d bytes that were said to come", length)
		}
		p = append(p, next.GetData()...)
	}
	if int64(len(p)) != length {
		return refuse("%d bytes came, %d were said to come", len(p), length)
	}
	return first, p, nil
}

// batched sends a list in messages of several values each: few in the first, so that a caller who wants one does not
// wait for many.
func batched[T, M any](list iter.Seq2[T, error], translate func(T) M, send func([]M) error) error {
	const first, growth, most = 16, 4, 512
	batch := make([]M, 0, first)
	for v, err := range list {
		if err != nil {
			if sendErr := send(batch); sendErr != nil {
				return sendErr
			}
			return err
		}
		if batch = append(batch, translate(v)); len(batch) < cap(batch) {
			continue
		}
		if err := send(batch); err != nil {
			return err
		}
		batch = make([]M, 0, min(most, growth*cap(batch)))
	}
	return send(batch)
}
