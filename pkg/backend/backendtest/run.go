package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// run is what a case works with: the container, a fresh prefix, and the helpers below. Helpers that end in a verb of
// finding tell the run what is wrong and go on; those that return an error give back what makes going on pointless.
type run struct {
	*suite
	ctx    context.Context
	s      *ledger
	info   backend.Info
	prefix string

	mu    sync.Mutex
	seed  uint64
	errs  []error
	fills *Pattern
}

// maxErrors is how many findings of a case are kept: one mistake often shows under every key.
const maxErrors = 20

// errorf tells what is wrong.
func (r *run) errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.errs) == maxErrors {
		format, args = "and more", nil
	} else if len(r.errs) > maxErrors {
		return
	}
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

func (r *run) key(name string) string { return r.prefix + name }

// bytes returns so many bytes as no other call in this run.
func (r *run) bytes(size int64) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fills == nil {
		r.fills = NewPattern(0)
	}
	r.seed++
	p := make([]byte, size)
	r.fills.With(r.seed).readAt(p, 0)
	return p
}

// put stores so many new bytes under key.
func (r *run) put(key string, size int64) (backend.Object, []byte, error) {
	p := r.bytes(size)
	o, err := r.s.Put(r.ctx, key, p, backend.PutOptions{})
	if err == nil {
		r.describes(o, key, p)
	}
	return o, p, err
}

// describes checks what a method says of an object.
func (r *run) describes(o backend.Object, key string, want []byte) {
	if o.Key != key || o.Size != int64(len(want)) || o.Version == "" {
		r.errorf("described as %q, %d bytes, version %q; it is %q, %d bytes", o.Key, o.Size, o.Version, key, len(want))
	}
	if sum := Sum(o.Checksum.Algorithm(), want); sum.Contradicts(o.Checksum) {
		r.errorf("%q is said to have checksum %s, it has %s", key, o.Checksum, sum)
	}
}

// holds checks that key holds exactly these bytes, by Stat, a whole read and, where it can, a list.
func (r *run) holds(key string, want []byte) {
	o, err := r.s.Stat(r.ctx, key)
	if err != nil {
		r.errorf("stat %q: %w", key, err)
		return
	}
	r.describes(o, key, want)
	r.reads(o, want)
	if !r.info.Can.List {
		return
	}
	found := 0
	for o, err := range r.s.List(r.ctx, key) {
		if err != nil {
			r.errorf("list %q: %w", key, err)
			return
		}
		if o.Key == key {
			found++
			r.describes(o, key, want)
		}
	}
	if found != 1 {
		r.errorf("%q is listed %d times", key, found)
	}
}

// reads checks that the version o has exactly these bytes.
func (r *run) reads(o backend.Object, want []byte) {
	p := make([]byte, len(want)+1)
	n, err := r.s.ReadAt(r.ctx, o, p, 0)
	switch {
	case !same(err, io.EOF):
		r.errorf("read %q past its end: %d bytes of %d and %v, want a bare io.EOF", o.Key, n, len(want), err)
	case !bytes.Equal(p[:n], want):
		r.errorf("read %q: %s", o.Key, differ(p[:n], want))
	}
}

// same compares without unwrapping.
func same(err, want error) bool {
	return err == want //nolint:errorlint // the contract asks for the bare value
}

func differ(got, want []byte) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d bytes instead of %d", len(got), len(want))
	}
	at := 0
	for at < len(got) && got[at] == want[at] {
		at++
	}
	return fmt.Sprintf("wrong bytes from offset %d on", at)
}

// absent checks that nothing is visible under key.
func (r *run) absent(key, when string) {
	_, err := r.s.Stat(r.ctx, key)
	r.fails(err, backend.NotFound, "%s: stat %q", when, key)
	if !r.info.Can.List {
		return
	}
	for o, err := range r.s.List(r.ctx, key) {
		if err != nil {
			r.errorf("%s: list %q: %w", when, key, err)
		} else if o.Key == key {
			r.errorf("%s: list shows %q", when, key)
		}
	}
}

// fails checks the Kind of an error, and that it is an *Error.
func (r *run) fails(err error, kind backend.Kind, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	var e *backend.Error
	switch {
	case err == nil:
		r.errorf("%s: succeeded, want %q", what, kind)
	case !errors.Is(err, kind):
		r.errorf("%s: want %q, got %q: %w", what, kind, backend.KindOf(err), err)
	case !errors.As(err, &e):
		r.errorf("%s: %w is no *backend.Error", what, err)
	case e.Op == "":
		r.errorf("%s: %w has no Op", what, err)
	}
}

// collect runs a list to its end.
func collect[T any](list iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range list {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

// onlyOurs checks that the container shows nothing beside the keys of the suite, such as the temporary names of uploads.
func (r *run) onlyOurs() {
	if r.own == nil || !r.info.Can.List {
		return
	}
	for o, err := range r.s.List(r.ctx, "") {
		switch {
		case err != nil:
			r.errorf("list everything: %w", err)
			return
		case !r.own[o.Key] && !strings.HasPrefix(o.Key, r.root):
			r.errorf("list shows %q, which nobody wrote", o.Key)
		}
	}
}

// partSize is the length of a part in bytes: short, but as long as the container wants it.
func (r *run) partSize() int64 {
	return atMost(max(r.info.Limits.MinPart, 5000), r.info.Limits.MaxPart)
}

// content returns the bytes of an object of so many parts, of which the last is short.
func (r *run) content(parts int) []byte {
	return r.bytes(int64(parts-1)*r.partSize() + 777)
}

// create begins an upload of data.
func (r *run) create(key string, data []byte) (backend.Upload, error) {
	u, err := r.s.CreateUpload(r.ctx, key, backend.UploadOptions{Size: int64(len(data)), PartSize: r.partSize()})
	if err != nil {
		return u, err
	}
	if u.Key != key || u.ID == "" || u.Size != int64(len(data)) || u.PartSize != r.partSize() {
		r.errorf("create upload of %q, %d bytes in parts of %d, gives %+v", key, len(data), r.partSize(), u)
	}
	return u, nil
}

// piece returns the bytes of part n of data.
func (r *run) piece(data []byte, n int) []byte {
	size := int(r.partSize())
	return data[(n-1)*size : min(n*size, len(data))]
}

func (r *run) count(data []byte) int {
	return (len(data) + int(r.partSize()) - 1) / int(r.partSize())
}

// part uploads part n of data with its checksum.
func (r *run) part(u backend.Upload, data []byte, n int) (backend.Part, error) {
	p := r.piece(data, n)
	part, err := r.s.UploadPart(r.ctx, u, n, p, r.sum(p))
	if err != nil {
		return part, err
	}
	if part.Number != n || part.Size != int64(len(p)) || part.Tag == "" {
		r.errorf("upload part %d of %d bytes gives %+v", n, len(p), part)
	}
	if sum := Sum(part.Checksum.Algorithm(), p); sum.Contradicts(part.Checksum) {
		r.errorf("part %d is said to have checksum %s, it has %s", n, part.Checksum, sum)
	}
	return part, nil
}

// sum returns a checksum of p that the container verifies: CRC32C if it can, none if it verifies nothing.
func (r *run) sum(p []byte) backend.Checksum {
	if r.verifies(backend.CRC32C) || len(r.info.Checksums) == 0 {
		return Sum(backend.CRC32C, p)
	}
	return Sum(r.info.Checksums[0], p)
}

func (r *run) verifies(a backend.Algorithm) bool { return verifies(r.info, a) }

func verifies(info backend.Info, a backend.Algorithm) bool {
	for _, have := range info.Checksums {
		if have == a {
			return true
		}
	}
	return false
}

// upload uploads all parts of data in order.
func (r *run) upload(key string, data []byte) (backend.Upload, []backend.Part, error) {
	u, err := r.create(key, data)
	if err != nil {
		return u, nil, err
	}
	var parts []backend.Part
	for n := 1; n <= r.count(data); n++ {
		part, err := r.part(u, data, n)
		if err != nil {
			return u, parts, err
		}
		parts = append(parts, part)
	}
	return u, parts, nil
}

// complete completes an upload, with the checksum of the whole if the container verifies CRC32C.
func (r *run) complete(u backend.Upload, parts []backend.Part, data []byte) (backend.Object, error) {
	o, err := r.s.CompleteUpload(r.ctx, u, parts, backend.CompleteOptions{Checksum: r.whole(data)})
	if err == nil {
		r.describes(o, u.Key, data)
	}
	return o, err
}

func (r *run) whole(data []byte) backend.Checksum {
	if !r.verifies(backend.CRC32C) {
		return ""
	}
	return backend.SumCRC32C(data)
}

// wrong returns a checksum of the same algorithm that p does not have.
func (r *run) wrong(p []byte) backend.Checksum {
	return r.sum(append(bytes.Clone(p), 1))
}

// What a case may need.

func writes(i backend.Info) bool  { return i.Can.Write }
func uploads(i backend.Info) bool { return i.Can.Write && i.Limits.MaxParts > 0 }
func lists(i backend.Info) bool   { return i.Can.Write && i.Can.List }
func deletes(i backend.Info) bool { return i.Can.Write && i.Can.Delete }
func copies(i backend.Info) bool  { return i.Can.Write && len(i.CopyFrom) > 0 }
