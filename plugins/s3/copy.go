package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const (
	copyPart    = 512 * mib // of a copy in parts: large, because no bytes pass through here
	copyStreams = 4
	copyAtOnce  = 5 * gib // the most that one request copies
)

// Copy lets the service copy an object, also from another bucket that it has. Without o.Meta and o.ModTime the copy keeps
// the metadata of its source. One request copies up to 5 GiB; what is larger, or may replace only what a condition says, is
// copied as an upload of parts, because services know conditions there.
func (b *bucket) Copy(ctx context.Context, from backend.Location, version string, key string, o backend.CopyOptions) (backend.Object, error) {
	const op = "copy"
	if e := b.checkKey(op, key); e != nil {
		return backend.Object{}, e
	}
	if from.Scheme != b.p.o.scheme {
		return backend.Object{}, &backend.Error{Op: op, Key: key, Kind: backend.Unsupported, Err: fmt.Errorf("the source %s is not served by this account", from)}
	}
	name, sourceKey, err := split(from)
	if err != nil {
		return backend.Object{}, invalid(op, key, "source %s: %w", from, err)
	}
	source := &bucket{p: b.p, name: name}
	if e := source.checkKey(op, sourceKey); e != nil {
		return backend.Object{}, e
	}
	if e := b.conditions(op, key, http.Header{}, o.If); e != nil {
		return backend.Object{}, e
	}
	src, err := source.Stat(ctx, sourceKey)
	if err != nil {
		return backend.Object{}, asCopy(err, version)
	}
	if version != "" && version != src.Version {
		return backend.Object{}, &backend.Error{Op: op, Key: key, Kind: backend.Changed, Err: fmt.Errorf("the source %s has version %s, not %s", from, src.Version, clip(version))}
	}
	if src.Size > b.p.copyAtOnce || o.If != (backend.Condition{}) {
		return b.copyInParts(ctx, source, src, key, o)
	}
	return b.copyWhole(ctx, source, src, key, o)
}

// asCopy makes the error of a look at the source one of the copy.
func asCopy(err error, version string) error {
	var e *backend.Error
	if !errors.As(err, &e) {
		return err
	}
	e.Op = "copy"
	if e.Kind == backend.NotFound && version != "" && codeOf(e) != codeNoSuchBucket {
		e.Kind = backend.Changed
	}
	return e
}

// fromSource sets the headers that name the source and pin its version.
func (b *bucket) fromSource(h http.Header, source *bucket, src backend.Object) {
	h.Set("X-Amz-Copy-Source", s3utils.EncodePath("/"+source.name+"/"+src.Key))
	h.Set("X-Amz-Copy-Source-If-Match", etagOf(src.Version))
	b.customerKey(h, "Copy-Source-")
}

// copyWhole copies in one request, which may answer 200 before it fails.
func (b *bucket) copyWhole(ctx context.Context, source *bucket, src backend.Object, key string, o backend.CopyOptions) (backend.Object, error) {
	const op = "copy"
	onto := source.name == b.name && src.Key == key // is refused unless something changes
	if onto && len(o.Meta) == 0 && o.ModTime.IsZero() {
		o.Meta = src.Meta
	}
	h, e := b.creation(op, key, o.Meta, o.ModTime)
	if e != nil {
		return backend.Object{}, e
	}
	b.fromSource(h, source, src)
	h.Set("X-Amz-Metadata-Directive", "COPY")
	if len(o.Meta) > 0 || !o.ModTime.IsZero() || onto {
		h.Set("X-Amz-Metadata-Directive", "REPLACE")
	}
	if b.p.o.store.tags != "" {
		h.Set("X-Amz-Tagging-Directive", "REPLACE")
	}
	if b.p.sums.mode.Load() == crc32cSums {
		h.Set(algorithmHeader, "CRC32C")
	}
	var done completed
	if _, e := b.p.exchange(ctx, call{op: op, key: key, method: http.MethodPut, bucket: b.name, object: key, header: h, patient: true}, &done); e != nil {
		if e.Kind == backend.NotFound && codeOf(e) != codeNoSuchBucket {
			e.Kind = backend.Changed // it was there a moment ago
		}
		return backend.Object{}, e
	}
	return b.copied(ctx, op, key, src)
}

// copied looks at the copy.
func (b *bucket) copied(ctx context.Context, op, key string, src backend.Object) (backend.Object, error) {
	obj, err := b.Stat(ctx, key)
	if err != nil {
		return backend.Object{}, err
	}
	if obj.Size != src.Size || src.Checksum.Contradicts(obj.Checksum) {
		return backend.Object{}, &backend.Error{Op: op, Key: key, Kind: backend.Changed,
			Err: fmt.Errorf("the copy has %d bytes, %s, and its source %d, %s", obj.Size, obj.Checksum, src.Size, src.Checksum)}
	}
	return obj, nil
}

// copyInParts copies by an upload whose parts the service takes from the source. What fails is aborted.
func (b *bucket) copyInParts(ctx context.Context, source *bucket, src backend.Object, key string, o backend.CopyOptions) (backend.Object, error) {
	const op = "copy"
	meta := o.Meta
	if len(o.Meta) == 0 && o.ModTime.IsZero() {
		meta = maps.Clone(src.Meta)
	}
	if src.Size == 0 { // an upload has no empty part
		return b.Put(ctx, key, nil, backend.PutOptions{If: o.If, Meta: meta, ModTime: o.ModTime})
	}
	h, e := b.creation(op, key, meta, o.ModTime)
	if e != nil {
		return backend.Object{}, e
	}
	id, e := b.begin(ctx, op, key, h)
	if e != nil {
		return backend.Object{}, e
	}
	u := backend.Upload{Key: key, ID: id, Size: src.Size}
	parts, e := b.copyParts(ctx, source, src, u)
	if e == nil {
		complete := backend.CompleteOptions{If: o.If}
		if src.Checksum.Algorithm() == backend.CRC32C {
			complete.Checksum = src.Checksum
		}
		obj, err := b.CompleteUpload(ctx, u, parts, complete)
		if err == nil {
			return obj, nil
		}
		if !errors.As(err, &e) {
			return backend.Object{}, err
		}
		e.Op = op
	}
	const tidyWithin = 5 * time.Second
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyWithin)
	defer cancel()
	if err := b.AbortUpload(tidy, u); err != nil {
		e.Err = fmt.Errorf("%w; upload %s stays: %w", cmp.Or[error](e.Err, e.Kind), u.ID, err)
	}
	return backend.Object{}, e
}

// copyParts copies all parts, several at once, and returns them in order.
func (b *bucket) copyParts(ctx context.Context, source *bucket, src backend.Object, u backend.Upload) ([]backend.Part, *backend.Error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	size := max(b.p.copySize, (src.Size+9999)/10_000)
	parts := make([]backend.Part, (src.Size+size-1)/size)
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed *backend.Error
		next   int
	)
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil || next == len(parts) {
			return -1
		}
		next++
		return next - 1
	}
	for range min(copyStreams, len(parts)) {
		wg.Go(func() {
			for i := take(); i >= 0; i = take() {
				off := int64(i) * size
				part, e := b.copyPart(ctx, source, src, u, i+1, off, min(size, src.Size-off))
				mu.Lock()
				parts[i] = part
				if e != nil && failed == nil {
					failed = e
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return parts, failed
}

// copyPart copies the bytes [off, off+n) as one part.
func (b *bucket) copyPart(ctx context.Context, source *bucket, src backend.Object, u backend.Upload, number int, off, n int64) (backend.Part, *backend.Error) {
	op := fmt.Sprintf("copy part %d", number)
	h := b.access()
	b.fromSource(h, source, src)
	if n < src.Size {
		h.Set("X-Amz-Copy-Source-Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	}
	var done completed
	_, e := b.p.exchange(ctx, call{op: op, key: u.Key, method: http.MethodPut, bucket: b.name, object: u.Key, header: h, patient: true,
		query: url.Values{"partNumber": {strconv.Itoa(number)}, "uploadId": {u.ID}}}, &done)
	if e != nil {
		if codeOf(e) == "NoSuchKey" {
			e.Kind = backend.Changed
		}
		return backend.Part{}, e
	}
	return backend.Part{Number: number, Size: n, Tag: versionOf(done.ETag), Checksum: decodeSum(backend.CRC32C, done.ChecksumCRC32C, 4)}, nil
}
