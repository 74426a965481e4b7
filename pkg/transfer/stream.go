package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
)

// StreamOptions are the settings of one Stream.
type StreamOptions struct {
	If     backend.Condition
	Meta   map[string]string
	SHA256 bool // also compute the SHA-256

	// Spool makes a file for a destination that has to know the size before it takes the first byte. What is in it when
	// the copy has ended is of no use; who gave it removes it. nil refuses such destinations.
	Spool func() (File, error)

	Step, Item string // for events
}

// File is where Stream keeps bytes whose number is not known yet.
type File interface {
	io.Writer
	io.ReaderAt
}

// Stream makes to an object of everything that r holds up to its end. Nothing is visible until that end has come, and
// nothing at all if r fails or ctx ends: the upload is aborted then. What fits into one part is sent in one request. The size
// of the parts grows with their number, so that as many as the destination takes suffice for the largest object it takes,
// as far as half of the memory allows.
//
// A read that hangs keeps its goroutine and its buffer after Stream has returned because ctx ended.
func (e *Engine) Stream(ctx context.Context, r io.Reader, to Ref, o StreamOptions) (Result, error) {
	s := &stream{e: e, r: r, to: to, o: o, limits: to.Storage.Info().Limits, parts: map[int]backend.Part{}}
	if o.SHA256 {
		s.sha = sha256.New()
	}
	e.events.Emit(o.Step, o.Item, event.ItemStarted{Bytes: -1})
	err := s.run(ctx)
	ended := event.ItemEnded{Outcome: "done", Bytes: s.res.Moved, Checksum: string(s.res.Checksum)}
	if err != nil {
		ended = event.ItemEnded{Outcome: "failed", Bytes: s.res.Moved, Err: err.Error()}
	}
	e.events.Emit(o.Step, o.Item, ended)
	return s.res, err
}

type stream struct {
	e      *Engine
	r      io.Reader
	to     Ref
	o      StreamOptions
	limits backend.Limits
	sha    hash.Hash // nil if not wanted

	upload backend.Upload
	total  int64 // bytes read
	parts  map[int]backend.Part
	res    Result
}

// run reads the first part and chooses the way.
func (s *stream) run(ctx context.Context) error {
	size, err := s.partSize(firstPartIndex)
	if err != nil {
		return destinationError(s.to, err)
	}
	first, err := s.e.pool.Get(ctx, size)
	if err != nil {
		return err
	}
	n, end, err := s.fill(ctx, first)
	switch {
	case err != nil:
		s.giveBack(ctx, first)
		return err
	case end && (s.limits.MaxPut == 0 || int64(n) <= s.limits.MaxPut):
		defer s.e.pool.Put(first)
		return s.put(ctx, first[:n])
	}
	err = s.multipart(ctx, first, n, end)
	if err != nil && s.upload.ID != "" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
		defer cancel()
		if abortErr := s.to.Storage.AbortUpload(ctx, s.upload); abortErr != nil {
			return errors.Join(err, fmt.Errorf("left behind: upload %s of %s: %w", s.upload.ID, s.to.At, abortErr))
		}
	}
	return err
}

// fill reads until p is full or the input ends. When ctx ends before, the read goes on by itself.
func (s *stream) fill(ctx context.Context, p []byte) (n int, end bool, err error) {
	type filled struct {
		n   int
		err error
	}
	read := make(chan filled, 1)
	go func() {
		n, err := io.ReadFull(s.r, p)
		read <- filled{n, err}
	}()
	select {
	case <-ctx.Done():
		return 0, false, ctx.Err()
	case got := <-read:
		end = errors.Is(got.err, io.EOF) || errors.Is(got.err, io.ErrUnexpectedEOF)
		if got.err != nil && !end {
			return 0, false, fmt.Errorf("read the input after %d bytes: %w", s.total+int64(got.n), got.err)
		}
		s.total += int64(got.n)
		if s.sha != nil {
			s.sha.Write(p[:got.n])
		}
		if s.limits.MaxObject > 0 && s.total > s.limits.MaxObject {
			return 0, false, destinationError(s.to, invalidSize("the input has more than the %d MiB that an object can have here", s.limits.MaxObject/mib))
		}
		return got.n, end, nil
	}
}

// giveBack returns the buffer of a fill that failed, unless the read may still be writing to it.
func (s *stream) giveBack(ctx context.Context, buf []byte) {
	if ctx.Err() == nil {
		s.e.pool.Put(buf)
	}
}

func (s *stream) put(ctx context.Context, p []byte) error {
	if err := s.e.pace.wait(ctx, int64(len(p))); err != nil {
		return err
	}
	sum := backend.SumCRC32C(p)
	o := backend.PutOptions{If: s.o.If, Checksum: sum, Meta: s.o.Meta}
	obj, err := s.to.Storage.Put(ctx, s.to.Key, p, o)
	if err == nil {
		err = checkFinished(obj, s.total, sum)
	}
	if err != nil {
		return destinationError(s.to, err)
	}
	s.e.events.Emit(s.o.Step, s.o.Item, event.Moved{Bytes: s.total})
	s.finished(obj, sum)
	s.res.Moved = s.total
	return nil
}

func (s *stream) finished(obj backend.Object, sum backend.Checksum) {
	s.res.Object, s.res.Checksum = obj, sum
	if s.sha != nil {
		s.res.SHA256 = backend.NewChecksum(backend.SHA256, s.sha.Sum(nil))
	}
}

// multipart sends the first part, and the others if the destination takes an upload whose size is not known.
func (s *stream) multipart(ctx context.Context, first []byte, n int, end bool) error {
	defer s.e.pool.Put(first)
	var size int64
	if end {
		size = int64(n)
	}
	u, err := s.to.Storage.CreateUpload(ctx, s.to.Key, backend.UploadOptions{Size: size, PartSize: size, Meta: s.o.Meta})
	if err == nil {
		s.upload = u
		err = s.send(ctx, firstPartIndex, first[:n])
	}
	if errors.Is(err, backend.Invalid) && !end { // it needs the size first
		return s.spool(ctx, first[:n])
	}
	if err == nil && !end {
		err = s.rest(ctx)
	}
	if err != nil {
		return err
	}
	s.upload.Size = s.total
	var sum uint32
	for i := firstPartIndex; i <= len(s.parts); i++ {
		part, _ := s.parts[i].Checksum.CRC32C()
		sum = backend.CombineCRC32C(sum, part, s.parts[i].Size)
	}
	whole := backend.CRC32CChecksum(sum)
	obj, err := s.to.Storage.CompleteUpload(ctx, s.upload, ascending(s.parts), backend.CompleteOptions{If: s.o.If, Checksum: whole})
	if err == nil {
		err = checkFinished(obj, s.total, whole)
	}
	if err != nil {
		return destinationError(s.to, err)
	}
	s.upload.ID = "" // it is an object
	s.finished(obj, whole)
	return nil
}

// rest reads and sends the parts after the first.
func (s *stream) rest(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.e.streams)
	if s.to.Storage.Info().Can.Sequential {
		g.SetLimit(1)
	}
	sent := make(chan backend.Part, 1)
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for p := range sent {
			s.parts[p.Number] = p
			s.res.Moved += p.Size
		}
	}()
	readErr := s.readOn(ctx, g, sent)
	err := g.Wait()
	close(sent)
	<-collected
	if err != nil { // that ended the reading too
		return err
	}
	return readErr
}

func (s *stream) readOn(ctx context.Context, g *errgroup.Group, sent chan<- backend.Part) error {
	for n := firstPartIndex + 1; ; n++ {
		size, err := s.partSize(n)
		if err != nil {
			return destinationError(s.to, err)
		}
		buf, err := s.e.pool.Get(ctx, size)
		if err != nil {
			return err
		}
		filled, end, err := s.fill(ctx, buf)
		if err != nil {
			s.giveBack(ctx, buf)
			return err
		}
		if filled == 0 {
			s.e.pool.Put(buf)
			return nil
		}
		g.Go(func() error {
			defer s.e.pool.Put(buf)
			part, err := s.uploadPart(ctx, n, buf[:filled])
			if err == nil {
				sent <- part
			}
			return err
		})
		if end {
			return nil
		}
	}
}

func (s *stream) send(ctx context.Context, n int, p []byte) error {
	part, err := s.uploadPart(ctx, n, p)
	if err == nil {
		s.parts[n] = part
		s.res.Moved += part.Size
	}
	return err
}

// uploadPart sends p, again if it arrives corrupted. Bytes that have changed here meanwhile cannot be had a second time.
func (s *stream) uploadPart(ctx context.Context, n int, p []byte) (backend.Part, error) {
	sum := backend.SumCRC32C(p)
	if err := s.e.pace.wait(ctx, int64(len(p))); err != nil {
		return backend.Part{}, err
	}
	part, err := s.to.Storage.UploadPart(ctx, s.upload, n, p, sum)
	for try := 1; errors.Is(err, backend.Corrupt) && try < corruptTries && backend.SumCRC32C(p) == sum; try++ {
		part, err = s.to.Storage.UploadPart(ctx, s.upload, n, p, sum)
	}
	if err != nil {
		return part, destinationError(s.to, err)
	}
	part.Number, part.Size, part.Checksum = n, int64(len(p)), sum
	s.e.events.Emit(s.o.Step, s.o.Item, event.Moved{Bytes: part.Size})
	return part, nil
}

// partSize grows in step with n: the sum of all sizes is then that of the largest object.
func (s *stream) partSize(n int) (int64, error) {
	memory := s.e.pool.Limit()
	size := max(min(defaultPartSize, memory/leastInFlight), s.limits.MinPart, 1)
	if most := int64(s.limits.MaxParts); most > 0 && s.limits.MaxObject > 0 {
		grown := 2 * float64(s.limits.MaxObject) / float64(most) / float64(most) * float64(n+1)
		size = max(size, min(ceilDiv(int64(grown), mib)*mib, memory/2))
	}
	if s.limits.MaxPart > 0 {
		size = min(size, s.limits.MaxPart)
	}
	switch {
	case size > memory:
		return 0, invalidSize("a part needs at least %d MiB, and limits.memory is %d MiB; raise limits.memory", size/mib, memory/mib)
	case s.limits.MaxParts > 0 && n > s.limits.MaxParts:
		return 0, invalidSize("the input is longer than %d parts hold that fit into limits.memory of %d MiB twice; raise limits.memory", s.limits.MaxParts, memory/mib)
	}
	return size, nil
}

// spool writes what was read, and the rest, to a file, and copies that.
func (s *stream) spool(ctx context.Context, first []byte) error {
	if s.upload.ID != "" {
		if err := s.to.Storage.AbortUpload(ctx, s.upload); err != nil {
			return destinationError(s.to, err)
		}
		s.upload.ID = ""
	}
	if s.o.Spool == nil {
		return destinationError(s.to, &backend.Error{Op: "create upload", Key: s.to.Key, Kind: backend.Unsupported, Err: errors.New("the size has to be known first")})
	}
	f, err := s.o.Spool()
	if err != nil {
		return fmt.Errorf("keep the input until its size is known: %w", err)
	}
	buf, err := s.e.pool.Get(ctx, int64(len(first)))
	if err != nil {
		return err
	}
	for p, end := first, false; ; {
		if _, err := f.Write(p); err != nil {
			return fmt.Errorf("keep the input until its size is known: %w", err)
		}
		if end {
			break
		}
		var n int
		if n, end, err = s.fill(ctx, buf); err != nil {
			s.giveBack(ctx, buf)
			return err
		}
		p = buf[:n]
	}
	s.e.pool.Put(buf)
	from := Ref{Storage: spooled{f: f, size: s.total}, Key: "input", At: backend.Location{Scheme: "input", Path: "-"}}
	src := backend.Object{Key: "input", Size: s.total, Version: "1", ModTime: time.Now()}
	res, err := s.e.Copy(ctx, from, s.to, CopyOptions{Source: &src, If: s.o.If, Meta: s.o.Meta, Step: s.o.Step, Item: s.o.Item})
	if err == nil {
		s.finished(res.Object, res.Checksum)
		s.res.Moved = res.Moved
	}
	return err
}

// spooled is the input as the only object of a container.
type spooled struct {
	backend.Unimplemented
	f    io.ReaderAt
	size int64
}

// Stat knows the input under every name.
func (s spooled) Stat(_ context.Context, key string) (backend.Object, error) {
	return backend.Object{Key: key, Size: s.size, Version: "1"}, nil
}

// ReadAt reads the file.
func (s spooled) ReadAt(_ context.Context, _ backend.Object, p []byte, off int64) (int, error) {
	n, err := s.f.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, &backend.Error{Op: "read", Key: "input", Err: err}
	}
	return n, err
}
