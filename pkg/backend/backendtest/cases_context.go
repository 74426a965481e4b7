package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var contextCases = []testCase{
	{"canceled-before", writes, canceledBefore},
	{"canceled-read", writes, canceledRead},
	{"canceled-put", writes, canceledPut},
	{"canceled-part", uploads, canceledPart},
}

// canceledBefore calls every method with a context that has ended. Nothing may change.
func canceledBefore(r *run) error {
	key, data := r.key("object"), r.bytes(1000)
	o, err := r.s.Put(r.ctx, key, data, backend.PutOptions{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	r.refusesEnded(ctx, o)
	_, err = r.s.Put(ctx, r.key("new"), data, backend.PutOptions{})
	r.fails(err, backend.Canceled, "put")
	_, err = r.s.Put(ctx, key, r.bytes(10), backend.PutOptions{})
	r.fails(err, backend.Canceled, "put over an object")
	if copies(r.info) && r.o.Locate != nil {
		_, err = r.s.Copy(ctx, r.o.Locate(key), "", r.key("new"), backend.CopyOptions{})
		r.fails(err, backend.Canceled, "copy")
	}
	if r.info.Can.Delete {
		r.fails(r.s.Delete(ctx, o), backend.Canceled, "delete")
	}
	if r.info.Can.DeleteAll {
		for _, err := range r.s.DeleteAll(ctx, []backend.Object{o}) {
			r.fails(err, backend.Canceled, "delete all")
		}
	}
	if r.info.Can.ListUploads {
		_, err = collect(r.s.ListUploads(ctx, r.prefix))
		r.fails(err, backend.Canceled, "list uploads")
	}
	r.absent(r.key("new"), "after calls with an ended context")
	r.holds(key, data)
	r.refusesLate(key)
	if !uploads(r.info) {
		return nil
	}
	return r.canceledUpload(ctx)
}

// refusesEnded calls what reads with a context that has ended.
func (r *run) refusesEnded(ctx context.Context, o backend.Object) {
	_, err := r.s.Stat(ctx, o.Key)
	r.fails(err, backend.Canceled, "stat")
	n, err := r.s.ReadAt(ctx, o, make([]byte, 10), 0)
	r.fails(err, backend.Canceled, "read (%d bytes)", n)
	if r.info.Can.List {
		_, err = collect(r.s.List(ctx, r.prefix))
		r.fails(err, backend.Canceled, "list")
	}
	if r.info.Can.Browse {
		_, err = collect(r.s.Browse(ctx, r.prefix))
		r.fails(err, backend.Canceled, "browse")
	}
	if r.info.Can.Versions {
		_, err = collect(r.s.Versions(ctx, r.prefix))
		r.fails(err, backend.Canceled, "list versions")
	}
	if r.info.Can.Restore {
		r.fails(r.s.Restore(ctx, o, time.Hour), backend.Canceled, "restore")
	}
	if r.info.Can.Space {
		_, err = r.s.Space(ctx, r.prefix)
		r.fails(err, backend.Canceled, "look for space")
	}
	if r.info.Can.CreateContainer {
		r.fails(r.s.CreateContainer(ctx), backend.Canceled, "create container")
	}
	if r.info.Can.Lifecycle {
		_, err = r.s.Lifecycle(ctx)
		r.fails(err, backend.Canceled, "read lifecycle")
		_, err = r.s.SetLifecycle(ctx, suiteRules())
		r.fails(err, backend.Canceled, "set lifecycle")
	}
}

// refusesLate has a deadline that is over.
func (r *run) refusesLate(key string) {
	late, cancel := context.WithDeadline(r.ctx, time.Unix(1, 0))
	defer cancel()
	if _, err := r.s.Stat(late, key); !errors.Is(err, backend.Timeout) && !errors.Is(err, backend.Canceled) {
		r.errorf("stat past its deadline: want %q, got %w", backend.Timeout, errOr(err))
	}
}

func (r *run) canceledUpload(ctx context.Context) error {
	key, data := r.key("upload"), r.content(2)
	u, err := r.create(key, data)
	if err != nil {
		return err
	}
	first, err := r.part(u, data, 1)
	if err != nil {
		return err
	}
	p := r.piece(data, 2)
	_, err = r.s.CreateUpload(ctx, r.key("new"), backend.UploadOptions{Size: 10, PartSize: r.partSize()})
	r.fails(err, backend.Canceled, "create upload")
	_, err = r.s.UploadPart(ctx, u, 2, p, r.sum(p))
	r.fails(err, backend.Canceled, "upload part")
	r.fails(r.s.AbortUpload(ctx, u), backend.Canceled, "abort upload")
	if r.info.Can.ListParts {
		_, err = collect(r.s.ListParts(ctx, u))
		r.fails(err, backend.Canceled, "list parts")
	}
	r.partsAre(r.s.Storage, u, []backend.Part{first})
	if r.info.Can.ListUploads {
		r.uploadsAre(r.prefix, []backend.Upload{u})
	}
	second, err := r.part(u, data, 2)
	if err != nil {
		return err
	}
	_, err = r.s.CompleteUpload(ctx, u, []backend.Part{first, second}, backend.CompleteOptions{})
	r.fails(err, backend.Canceled, "complete upload")
	r.absent(key, "after complete upload with an ended context")
	if _, err := r.complete(u, []backend.Part{first, second}, data); err != nil {
		return err
	}
	r.holds(key, data)
	return nil
}

// midway calls f with contexts that end at different moments of it: before, at the end and between. f returns what the
// method did: nothing is wrong with success, and any error must be Canceled.
func (r *run) midway(what string, f func(ctx context.Context, i int) error) {
	const moments = 16
	began := time.Now()
	if err := f(r.ctx, 0); err != nil {
		r.errorf("%s: %w", what, err)
		return
	}
	whole := time.Since(began)
	for i := range moments {
		ctx, cancel := context.WithCancel(r.ctx)
		if i == 0 {
			cancel()
		}
		timer := time.AfterFunc(whole*time.Duration(i)/(moments-1), cancel)
		err := f(ctx, i+1)
		timer.Stop()
		cancel()
		if err != nil {
			r.fails(err, backend.Canceled, "%s whose context ends in the middle", what)
		}
	}
}

// atMost returns size, or less if a limit is lower. Zero is no limit.
func atMost(size int64, limits ...int64) int64 {
	for _, limit := range limits {
		if limit > 0 {
			size = min(size, limit)
		}
	}
	return size
}

// canceledSize is how much is moved when a context ends in the middle, in bytes.
const canceledSize = 256 << 10

func canceledRead(r *run) error {
	o, data, err := r.put(r.key("object"), atMost(canceledSize, r.info.Limits.MaxPut, r.info.Limits.MaxObject))
	if err != nil {
		return err
	}
	r.canceledReads(o, edgesOf(data))
	return nil
}

// canceledReads relies on the ledger, which overwrites the memory of each read at once and looks at it again at the end.
func (r *run) canceledReads(o backend.Object, e edges) {
	data := e.head[:min(canceledSize, len(e.head))]
	r.midway("read", func(ctx context.Context, _ int) error {
		p := make([]byte, len(data))
		n, err := r.s.ReadAt(ctx, o, p, 0)
		if !bytes.Equal(p[:n], data[:n]) {
			r.errorf("a read that was canceled gives wrong bytes")
		}
		if same(err, io.EOF) && n == len(data) && e.size == int64(n) {
			err = nil
		}
		return err
	})
	r.readsRange(o, e, span{0, int64(len(data))})
}

// canceledPut looks after each put: a whole object must be there, the old one or the new one.
func canceledPut(r *run) error {
	key := r.key("object")
	_, last, err := r.put(key, atMost(canceledSize, r.info.Limits.MaxPut, r.info.Limits.MaxObject))
	if err != nil {
		return err
	}
	r.midway("put", func(ctx context.Context, _ int) error {
		p := r.bytes(int64(len(last)))
		_, err := r.s.Put(ctx, key, p, backend.PutOptions{})
		switch now := r.current(key, len(p)); {
		case bytes.Equal(now, p):
			last = p
		case err == nil || !bytes.Equal(now, last):
			r.errorf("after a put that returned %v the object is neither the old nor the new one", err)
		}
		return err
	})
	return nil
}

// current returns up to size bytes of what is under key.
func (r *run) current(key string, size int) []byte {
	p := make([]byte, size)
	o, err := r.s.Stat(r.ctx, key)
	if err == nil {
		_, err = r.s.ReadAt(r.ctx, o, p, 0)
	}
	if err != nil && !same(err, io.EOF) {
		r.errorf("read %q: %w", key, err)
	}
	return p
}

// canceledPart sends one part until it succeeds, and then looks whether anything of the attempts before got in its way.
func canceledPart(r *run) error {
	key := r.key("object")
	data := r.bytes(atMost(max(r.partSize(), canceledSize), r.info.Limits.MaxPart, r.info.Limits.MaxObject))
	u, err := r.s.CreateUpload(r.ctx, key, backend.UploadOptions{Size: int64(len(data)), PartSize: int64(len(data))})
	if err != nil {
		return err
	}
	r.midway("upload part", func(ctx context.Context, _ int) error {
		_, err := r.s.UploadPart(ctx, u, 1, data, r.sum(data))
		return err
	})
	part, err := r.s.UploadPart(r.ctx, u, 1, data, r.sum(data))
	if err != nil {
		return err
	}
	r.partsAre(r.s.Storage, u, []backend.Part{part})
	if _, err := r.s.CompleteUpload(r.ctx, u, []backend.Part{part}, backend.CompleteOptions{Checksum: r.whole(data)}); err != nil {
		return err
	}
	r.holds(key, data)
	return nil
}
