// Package transfer moves objects between containers.
//
// An Engine reads an object in parallel ranges into buffers of a bounded pool and uploads each part from the buffer it was
// read into. The CRC32C of every part is computed once, handed to the destination to be verified, and combined into that of
// the whole object, which is compared before the object becomes visible. The pool is the bound on memory and on parallelism
// together; it is shared by everything the Engine moves.
//
// Copy moves one object, CopyTree everything under a prefix. Neither retries a call that failed: policy like that is
// wrapped around the Storage (see pkg/backend/wrap). What makes a transfer continue after its process died is a
// Checkpoint, which the caller keeps in a durable place from the Notes that Copy gives it.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
)

// Defaults of Options.
const (
	DefaultMemory  = 256 << 20
	DefaultStreams = 8
	DefaultObjects = 32
)

// Options are the settings of an Engine. The zero value is usable.
type Options struct {
	Memory    int64      // bytes of part buffers, all transfers together
	Buffers   Buffers    // where they are; nil is the heap
	Streams   int        // parts of one object in flight
	Objects   int        // objects of one tree in flight
	Bandwidth int64      // bytes per second, all transfers together; 0 is unlimited
	Events    event.Sink // may be nil
}

// Engine moves objects. It is safe for concurrent use.
type Engine struct {
	pool    *Pool
	pace    *pacer
	streams int
	objects int
	events  event.Sink
}

// New returns an Engine.
func New(o Options) *Engine {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	if o.Streams <= 0 {
		o.Streams = DefaultStreams
	}
	if o.Objects <= 0 {
		o.Objects = DefaultObjects
	}
	return &Engine{
		pool:    NewPool(o.Memory, o.Buffers),
		pace:    newPacer(o.Bandwidth),
		streams: o.Streams,
		objects: o.Objects,
		events:  o.Events,
	}
}

// Ref names an object, or a prefix of objects, in an opened container.
type Ref struct {
	Storage backend.Storage
	Key     string           // the object's key, or the prefix of keys
	At      backend.Location // the same as a location, for server-side copies and messages
}

// Join returns the object called name under the prefix r.
func (r Ref) Join(name string) Ref {
	r.Key += name
	r.At.Path += name
	return r
}

// CopyOptions are the settings of one Copy. The zero value copies the current object over whatever is there.
type CopyOptions struct {
	Source *backend.Object   // pins the source, as Stat or List returned it; nil stats it
	If     backend.Condition // on what is at the destination
	Meta   map[string]string // nil keeps the source's
	SHA256 bool              // also compute the SHA-256, in order

	Resume *Checkpoint      // what an earlier Copy of the same source to the same destination left; may be nil
	Note   func(Note) error // keeps a Checkpoint up to date; its error ends the copy. Called by several goroutines at once

	Step, Item string // for events
}

// Result says what Copy did.
type Result struct {
	Object     backend.Object   // at the destination
	Checksum   backend.Checksum // CRC32C of the object; none after a server-side copy whose sides do not tell it
	SHA256     backend.Checksum // if asked for
	Moved      int64            // bytes that were sent in this call
	Reused     int64            // bytes that an earlier call had sent
	ServerSide bool             // the bytes did not pass through this process
}

// Copy makes to a copy of the object from. The destination shows the old object, or none, until it shows the whole
// verified new one. When Copy returns, also because ctx ended, nothing of it is running any more.
//
// If it fails in a way that may pass, or ctx ended, and o.Note is set, the upload is left in place for a later Copy with
// o.Resume. Otherwise the upload is aborted; an abort that fails is part of the error.
func (e *Engine) Copy(ctx context.Context, from, to Ref, o CopyOptions) (Result, error) {
	src, err := e.source(ctx, from, o)
	if err != nil {
		return Result{}, sourceError(from, err)
	}
	if o.Meta == nil {
		o.Meta = src.Meta
	}
	info := to.Storage.Info()
	if limit := info.Limits.MaxObject; limit > 0 && src.Size > limit {
		return Result{}, destinationError(to, &backend.Error{Op: "copy", Key: to.Key, Kind: backend.Invalid,
			Err: fmt.Errorf("the object has %d bytes and the destination takes at most %d", src.Size, limit)})
	}
	var reused int64
	if o.Resume != nil {
		reused = o.Resume.bytes()
	}
	e.events.Emit(o.Step, o.Item, event.ItemStarted{Bytes: src.Size, Resume: reused})
	res, err := e.copyObject(ctx, from, to, src, info, o)
	ended := event.ItemEnded{Outcome: "done", Bytes: res.Moved, Checksum: string(res.Checksum)}
	switch {
	case ctx.Err() != nil && err != nil:
		ended.Outcome = "interrupted"
	case err != nil:
		ended = event.ItemEnded{Outcome: "failed", Bytes: res.Moved, Err: err.Error()}
	}
	e.events.Emit(o.Step, o.Item, ended)
	return res, err
}

func (e *Engine) source(ctx context.Context, from Ref, o CopyOptions) (backend.Object, error) {
	if o.Source != nil {
		return *o.Source, nil
	}
	return from.Storage.Stat(ctx, from.Key)
}

// copyObject chooses among the three ways: the destination copies by itself, one request, or parts.
func (e *Engine) copyObject(ctx context.Context, from, to Ref, src backend.Object, info backend.Info, o CopyOptions) (Result, error) {
	if canCopyServerSide(from, to, info) && src.Size >= info.Limits.MinCopy && !o.SHA256 && o.Resume == nil {
		res, err := e.serverSide(ctx, from, to, src, o)
		if backend.KindOf(err) != backend.Unsupported {
			return res, err
		}
	}
	partSize, err := PartSize(src.Size, info.Limits, e.pool.Limit())
	if err != nil {
		return Result{}, destinationError(to, err)
	}
	if src.Size <= partSize && (info.Limits.MaxPut == 0 || src.Size <= info.Limits.MaxPut) {
		return e.put(ctx, from, to, src, o)
	}
	return e.multipart(ctx, from, to, src, partSize, o)
}

func canCopyServerSide(from, to Ref, info backend.Info) bool {
	if len(info.CopyFrom) == 0 || from.At == (backend.Location{}) {
		return false
	}
	return from.At.Scheme == to.At.Scheme || slices.Contains(info.CopyFrom, from.At.Scheme)
}

func (e *Engine) serverSide(ctx context.Context, from, to Ref, src backend.Object, o CopyOptions) (Result, error) {
	obj, err := to.Storage.Copy(ctx, from.At, src.Version, to.Key,
		backend.CopyOptions{If: o.If, Meta: o.Meta, ModTime: src.ModTime})
	if err != nil {
		return Result{}, destinationError(to, err)
	}
	if obj.Size != src.Size || src.Checksum.Contradicts(obj.Checksum) {
		return Result{}, destinationError(to, corrupt("copy", to.Key, "the copy has %d bytes, %s, and the source has %d bytes, %s",
			obj.Size, obj.Checksum, src.Size, src.Checksum))
	}
	e.events.Emit(o.Step, o.Item, event.Moved{Bytes: src.Size})
	sum := obj.Checksum
	if sum == "" {
		sum = src.Checksum
	}
	return Result{Object: obj, Checksum: sum, Moved: src.Size, ServerSide: true}, nil
}

// put moves a small object with one read and one write.
func (e *Engine) put(ctx context.Context, from, to Ref, src backend.Object, o CopyOptions) (Result, error) {
	buf, err := e.pool.Get(ctx, src.Size)
	if err != nil {
		return Result{}, err
	}
	defer e.pool.Put(buf)
	if err := readFull(ctx, from.Storage, src, buf, 0); err != nil {
		return Result{}, sourceError(from, err)
	}
	res := Result{Checksum: backend.SumCRC32C(buf)}
	if src.Checksum.Contradicts(res.Checksum) {
		return Result{}, sourceError(from, corrupt("read", src.Key, "the bytes have %s, the object should have %s", res.Checksum, src.Checksum))
	}
	if o.SHA256 {
		res.SHA256 = sha256Checksum(buf)
	}
	if err := e.pace.wait(ctx, src.Size); err != nil {
		return Result{}, err
	}
	if from.Storage.Info().Can.ModTime {
		if err := e.unchanged(ctx, from, src); err != nil {
			return Result{}, err
		}
	}
	if res.Object, err = putVerified(ctx, from, to, src, buf, res.Checksum, o); err != nil {
		return Result{}, err
	}
	if err := checkFinished(res.Object, src.Size, res.Checksum); err != nil {
		return Result{}, destinationError(to, err)
	}
	res.Moved = src.Size
	e.events.Emit(o.Step, o.Item, event.Moved{Bytes: src.Size})
	return res, nil
}

// putVerified stores buf, whose checksum is sum. Bytes that arrive corrupted are read again from the source, so that a bit
// that flipped in memory does not stay, and sent again.
func putVerified(ctx context.Context, from, to Ref, src backend.Object, buf []byte, sum backend.Checksum, o CopyOptions) (backend.Object, error) {
	options := backend.PutOptions{If: o.If, Checksum: sum, Meta: o.Meta, ModTime: src.ModTime}
	obj, err := to.Storage.Put(ctx, to.Key, buf, options)
	for try := 1; errors.Is(err, backend.Corrupt) && try < corruptTries; try++ {
		if readErr := readFull(ctx, from.Storage, src, buf, 0); readErr != nil {
			return backend.Object{}, sourceError(from, readErr)
		}
		if again := backend.SumCRC32C(buf); again != sum {
			return backend.Object{}, sourceError(from, otherBytes("read", src, sum, again))
		}
		var repeated error
		if obj, repeated = to.Storage.Put(ctx, to.Key, buf, options); errors.Is(repeated, backend.Changed) {
			break // what arrived corrupted was taken away, and o.If does not hold any more
		}
		err = repeated
	}
	return obj, destinationError(to, err)
}

// unchanged looks at the source once more before what was read of it is published. All of it may have been read before it
// changed, and the object would then be younger than the change that it does not have.
func (e *Engine) unchanged(ctx context.Context, from Ref, src backend.Object) error {
	now, err := from.Storage.Stat(ctx, from.Key)
	if errors.Is(err, backend.NotFound) || err == nil && !sameVersion(now, src) {
		err = &backend.Error{Op: "look again", Key: src.Key, Kind: backend.Changed, Err: errors.New("the object changed while it was read")}
	}
	return sourceError(from, err)
}

// checkFinished compares what the destination says of the finished object with what was sent.
func checkFinished(obj backend.Object, size int64, sum backend.Checksum) error {
	if obj.Size != size || obj.Checksum.Contradicts(sum) {
		return corrupt("check", obj.Key, "the destination holds %d bytes, %s; sent were %d bytes, %s", obj.Size, obj.Checksum, size, sum)
	}
	return nil
}
