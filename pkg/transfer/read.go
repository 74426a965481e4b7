package transfer

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
)

// readWindow is how many bytes Read asks for at once. The first ones go out when so many have arrived.
const readWindow = 4 * mib

// nvme is the polynomial of CRC-64/NVME, reflected.
const nvme = 0x9a6c9329ac4bc9b5

// ReadOptions are the settings of one Read. The zero value reads the whole object.
type ReadOptions struct {
	Source *backend.Object // pins the source, as Stat returned it; nil stats it
	Off    int64           // first byte
	Length int64           // at most so many bytes; 0 means up to the end
	SHA256 bool            // also compute the SHA-256

	Step, Item string // for events
}

// Read writes the bytes of the object from to w, in order, while it reads ahead as far as memory and streams allow. One
// version is read: an object that is replaced meanwhile ends it with Changed. When the whole object was written and it does
// not have the checksum that the container tells, the error is Corrupt: the bytes are out then, and wrong.
//
// Result.Checksum is the CRC32C of what was written, Result.Object the source.
func (e *Engine) Read(ctx context.Context, from Ref, w io.Writer, o ReadOptions) (Result, error) {
	src, err := e.source(ctx, from, CopyOptions{Source: o.Source})
	if err != nil {
		return Result{}, sourceError(from, err)
	}
	length := max(src.Size-o.Off, 0)
	if o.Length > 0 {
		length = min(length, o.Length)
	}
	e.events.Emit(o.Step, o.Item, event.ItemStarted{Bytes: length})
	res := Result{Object: src}
	sums := newSums(src.Checksum.Algorithm(), o.SHA256)
	err = e.readOrdered(ctx, from, src, o.Off, length, func(p []byte) error {
		sums.add(p)
		n, err := w.Write(p)
		res.Moved += int64(n)
		e.events.Emit(o.Step, o.Item, event.Moved{Bytes: int64(n)})
		return err
	})
	if err == nil {
		res.Checksum, res.SHA256 = sums.result(o.SHA256)
		if length == src.Size {
			err = sums.check(from, src)
		}
	}
	ended := event.ItemEnded{Outcome: "done", Bytes: res.Moved, Checksum: string(res.Checksum)}
	if err != nil {
		ended = event.ItemEnded{Outcome: "failed", Bytes: res.Moved, Err: err.Error()}
	}
	e.events.Emit(o.Step, o.Item, ended)
	return res, err
}

// window is a piece of an object that is being read.
type window struct {
	buf  []byte
	err  error
	done chan struct{} // closed when buf has the bytes, or err is why not
}

// readOrdered hands length bytes of src from off on to use, in order.
func (e *Engine) readOrdered(ctx context.Context, from Ref, src backend.Object, off, length int64, use func([]byte) error) error {
	size := min(readWindow, max(e.pool.Limit()/leastInFlight, 1))
	queue := make(chan *window, e.streams)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error {
		defer close(queue)
		for end := off + length; off < end; {
			buf, err := e.pool.Get(ctx, min(size, end-off))
			if err != nil {
				return nil //nolint:nilerr // the context has ended: who ended it says why
			}
			next := &window{buf: buf, done: make(chan struct{})}
			at := off
			g.Go(func() error {
				defer close(next.done)
				next.err = readFull(ctx, from.Storage, src, next.buf, at)
				return nil // it is reported in its turn
			})
			select {
			case queue <- next:
			case <-ctx.Done():
				<-next.done
				e.pool.Put(buf)
				return nil
			}
			off += int64(len(buf))
		}
		return nil
	})
	g.Go(func() (failed error) {
		for next := range queue {
			<-next.done
			if failed == nil {
				failed = sourceError(from, next.err)
			}
			if failed == nil {
				failed = use(next.buf)
			}
			e.pool.Put(next.buf)
			if failed != nil {
				cancel() // what is read ahead ends, and the queue with it
			}
		}
		return failed
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// sums are the checksums of bytes that come in order.
type sums struct {
	crc   hash.Hash32
	other hash.Hash // of the algorithm that the container tells; nil if that is CRC32C or not known here
	told  backend.Algorithm
	sha   hash.Hash // nil if not wanted
}

func newSums(told backend.Algorithm, sha bool) *sums {
	s := &sums{crc: crc32.New(crc32.MakeTable(crc32.Castagnoli)), told: told}
	switch told {
	case backend.MD5:
		s.other = md5.New()
	case backend.CRC64NVME:
		s.other = crc64.New(crc64.MakeTable(nvme))
	case backend.SHA256:
		sha = true
	}
	if sha {
		s.sha = sha256.New()
	}
	return s
}

func (s *sums) add(p []byte) {
	s.crc.Write(p)
	if s.other != nil {
		s.other.Write(p)
	}
	if s.sha != nil {
		s.sha.Write(p)
	}
}

func (s *sums) result(sha bool) (crc, sum backend.Checksum) {
	if sha {
		sum = backend.NewChecksum(backend.SHA256, s.sha.Sum(nil))
	}
	return backend.CRC32CChecksum(s.crc.Sum32()), sum
}

// check compares with what the container tells of the whole object.
func (s *sums) check(from Ref, src backend.Object) error {
	got := backend.CRC32CChecksum(s.crc.Sum32())
	switch {
	case s.other != nil:
		got = backend.NewChecksum(s.told, s.other.Sum(nil))
	case s.told == backend.SHA256:
		got = backend.NewChecksum(s.told, s.sha.Sum(nil))
	}
	if src.Checksum.Contradicts(got) {
		return sourceError(from, corrupt("read", src.Key, "the bytes that were written out have %s, the object should have %s: do not use them", got, src.Checksum))
	}
	return nil
}
