package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const (
	mib = 1 << 20
	gib = 1 << 30
	tib = 1 << 40
)

// bucket is a backend.Storage. An object's Version is its entity tag, without the quotes: lists tell no version ids, and a
// read by id would go on with what was replaced meanwhile, which the contract does not want.
type bucket struct {
	backend.Unimplemented

	p    *Provider
	name string
}

var _ backend.Storage = (*bucket)(nil)

// Info says what the service promises, or what is promised on top of it here: a copy under a condition, a delete of one
// version, the CRC32C with services that verify MD5.
func (b *bucket) Info() backend.Info {
	on := b.p.o.conditions
	return backend.Info{
		Can: backend.Capabilities{
			Write: true, List: true, ListParts: true, ListUploads: true, Delete: true,
			PutIfAbsent: on, CompleteIfAbsent: on, IfVersion: on,
			Browse: true, Versions: true, Restore: b.p.o.aws, CreateContainer: true,
		},
		Checksums: b.p.sums.promised(),
		CopyFrom:  []string{b.p.o.scheme},
		Limits: backend.Limits{
			MinPart: b.p.minPart, MaxPart: 5 * gib, MaxParts: 10_000, MaxPut: 5 * gib, MaxObject: 5 * tib,
			Connections: b.p.o.connections,
		},
	}
}

// Stat asks with HEAD. Its 404 has no body that would tell a missing object from a missing bucket, so that a bucket which has
// not answered yet is asked for by itself.
func (b *bucket) Stat(ctx context.Context, key string) (backend.Object, error) {
	const op = "stat"
	if e := b.checkKey(op, key); e != nil {
		return backend.Object{}, e
	}
	obj, e := b.head(ctx, op, key, "")
	if e == nil {
		return obj, nil
	}
	if _, seen := b.p.seen.Load(b.name); !seen && e.Kind == backend.NotFound {
		if missing := b.explainMissing(ctx, op, key); missing != nil {
			return backend.Object{}, missing
		}
	}
	return backend.Object{}, e
}

// head asks for the current object, or for the version that generation names.
func (b *bucket) head(ctx context.Context, op, key, generation string) (backend.Object, *backend.Error) {
	h := b.access()
	h.Set("X-Amz-Checksum-Mode", "ENABLED")
	a, e := b.p.send(ctx, call{op: op, key: key, method: http.MethodHead, bucket: b.name, object: key, query: versionQuery(generation), header: h})
	if e != nil {
		return backend.Object{}, e
	}
	defer a.Body.Close()
	version := versionOf(a.Header.Get("Etag"))
	if version == "" || a.ContentLength < 0 {
		return backend.Object{}, a.broken(op, key, errors.New("the answer has no entity tag or no length"))
	}
	return backend.Object{
		Key: key, Size: a.ContentLength, ModTime: modified(a.Header), Version: version, Checksum: checksumOf(a.Header), Meta: metaOf(a.Header),
		Tier: tierOf(a.Header.Get("X-Amz-Storage-Class")), Archived: archivedBy(a.Header),
	}, nil
}

// explainMissing asks whether the bucket is there, in a way that is answered with a body. It returns nil if it is, or if
// the answer says nothing about that.
func (b *bucket) explainMissing(ctx context.Context, op, key string) error {
	a, e := b.p.send(ctx, call{op: op, key: key, method: http.MethodGet, bucket: b.name, object: key, header: b.access()})
	if e == nil {
		_ = a.Body.Close() // of an object that has just appeared
		return nil
	}
	switch codeOf(e) {
	case codeNoSuchBucket:
		return e
	case "NoSuchKey":
		b.p.works(b.name)
	}
	return nil
}

func modified(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// ReadAt reads a range of exactly the version of obj.
func (b *bucket) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	const op = "read"
	if e := b.checkKey(op, obj.Key); e != nil {
		return 0, e
	}
	if off < 0 {
		return 0, invalid(op, obj.Key, "offset %d is negative", off)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= obj.Size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), obj.Size-off)
	if e := b.readRange(ctx, op, obj, p[:want], off); e != nil {
		return 0, e
	}
	if want < int64(len(p)) {
		return int(want), io.EOF
	}
	return int(want), nil
}

// readRange fills p, all of which lies within obj. A read of the whole object asks for its checksum too, and compares it.
func (b *bucket) readRange(ctx context.Context, op string, obj backend.Object, p []byte, off int64) *backend.Error {
	h := b.access()
	whole := int64(len(p)) == obj.Size
	if whole {
		h.Set("X-Amz-Checksum-Mode", "ENABLED")
	} else {
		h.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))
	}
	if obj.Version != "" {
		h.Set("If-Match", etagOf(obj.Version))
	}
	a, e := b.p.send(ctx, call{op: op, key: obj.Key, method: http.MethodGet, bucket: b.name, object: obj.Key, query: versionQuery(obj.Generation), header: h})
	if e != nil {
		if e.Kind == backend.NotFound && codeOf(e) != codeNoSuchBucket {
			e.Kind = backend.Changed
		}
		return e
	}
	defer a.Body.Close()
	if now := versionOf(a.Header.Get("Etag")); obj.Version != "" && now != obj.Version {
		e := a.broken(op, obj.Key, fmt.Errorf("version %s is there, not %s", clip(now), clip(obj.Version)))
		e.Kind = backend.Changed
		return e
	}
	if err := checkRange(a.Response, off, int64(len(p)), obj.Size); err != nil {
		return a.broken(op, obj.Key, err)
	}
	if n, err := io.ReadFull(a.Body, p); err != nil {
		e := failure(ctx, op, obj.Key, fmt.Errorf("answer ends after %d of %d bytes: %w", n, len(p), cutShort(err)))
		e.RequestID = a.request
		return e
	}
	if !whole {
		return nil
	}
	if want := checksumOf(a.Header); want.Contradicts(sumLike(want, p)) {
		return &backend.Error{Op: op, Key: obj.Key, Kind: backend.Corrupt, RequestID: a.request,
			Err: fmt.Errorf("the bytes have %s, the service says %s", sumLike(want, p), want)}
	}
	return nil
}

// checkRange compares what came with what was asked for.
func checkRange(resp *http.Response, off, n, size int64) error {
	if resp.StatusCode == http.StatusOK && off == 0 && n == size && resp.ContentLength == n {
		return nil
	}
	got, want := resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, size)
	if resp.StatusCode != http.StatusPartialContent || got != want || resp.ContentLength != n {
		return fmt.Errorf("asked for %q, got %q and %d bytes with status %d", want, got, resp.ContentLength, resp.StatusCode)
	}
	return nil
}

// Put stores p in one request. The service verifies it, and a checksum that it answers with is compared as well.
func (b *bucket) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
	const op = "put"
	if e := b.checkKey(op, key); e != nil {
		return backend.Object{}, e
	}
	if int64(len(p)) > b.Info().Limits.MaxPut {
		return backend.Object{}, invalid(op, key, "%d bytes are more than one request can store", len(p))
	}
	h, e := b.creation(op, key, o.Meta, o.ModTime)
	if e != nil {
		return backend.Object{}, e
	}
	meta := metaOf(h)
	if e := b.conditions(op, key, h, o.If); e != nil {
		return backend.Object{}, e
	}
	c := call{op: op, key: key, method: http.MethodPut, bucket: b.name, object: key, header: h, payload: p}
	answered, sum, e := b.store(ctx, c, o.Checksum)
	if e != nil {
		return backend.Object{}, unmet(e, o.If)
	}
	obj := backend.Object{Key: key, Size: int64(len(p)), Version: versionOf(answered.Get("Etag")), Checksum: sum, Meta: meta,
		Tier: tierOf(b.p.o.store.class), Archived: isArchive(b.p.o.store.class)}
	if obj.Version == "" {
		return b.Stat(ctx, key)
	}
	if now := decodeSum(backend.CRC32C, answered.Get(crc32cHeader), 4); now != "" {
		obj.Checksum = now
	}
	if b.p.sums.mode.Load() == noSums {
		return b.measured(ctx, op, obj)
	}
	return obj, b.verify(ctx, op, obj, sum)
}

// store sends the bytes of an object or a part, sealed by their checksum. A service that refuses the kind of seal, and has
// not accepted it before, is sent them with another.
func (b *bucket) store(ctx context.Context, c call, want backend.Checksum) (http.Header, backend.Checksum, *backend.Error) {
	for {
		h := c.header.Clone()
		sealed := c
		sealed.header = h
		sum, e := b.p.sums.seal(c.op, c.key, h, c.payload, want)
		if e != nil {
			return nil, "", e
		}
		answered, e := b.p.finish(ctx, sealed)
		if e == nil {
			b.p.sums.learn(answered)
			return answered, sum, nil
		}
		if !b.p.sums.refusedSums(e) {
			return nil, "", e
		}
	}
}
