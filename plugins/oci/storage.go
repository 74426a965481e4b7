package oci

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// mtimeKey is the metadata key under which the ModTime that an object was written with is kept. Lists do not return
// metadata, so the container does not promise Capabilities.ModTime.
const mtimeKey = "hyperexport-mtime"

const gib = 1 << 30

// minCopy is the size from which on a copy by the service pays: it takes a work request that is looked at every few seconds.
const minCopy = 64 << 20

// bucket is a backend.Storage. An object's Version is its ETag.
type bucket struct {
	backend.Unimplemented

	p               *Provider
	namespace, name string
}

var _ backend.Storage = (*bucket)(nil)

// Info says what object storage promises.
func (b *bucket) Info() backend.Info {
	return backend.Info{
		Can: backend.Capabilities{
			Write: true, List: true, ListParts: true, ListUploads: true, Delete: true,
			PutIfAbsent: true, CompleteIfAbsent: true, IfVersion: true,
			Browse: true, Versions: true, Restore: true, CreateContainer: true, Space: true, DeleteAll: true, Lifecycle: true,
		},
		Checksums: []backend.Algorithm{backend.CRC32C},
		CopyFrom:  b.p.copyFrom(),
		Limits: backend.Limits{
			MaxPart: 50 * gib, MaxParts: 10_000, MaxPut: 50 * gib, MaxObject: 10 << 10 * gib, MinCopy: minCopy, DeleteAll: mostDeletes,
			Connections: b.p.connections,
		},
	}
}

// Stat asks with HEAD. Its errors have no body: a 404 does not tell a missing object from a missing bucket, and a 400 not
// what is wrong with a key of the caller's own. So a read of one byte asks again; an object that this one finds, because it
// has just appeared, is asked for a second time.
func (b *bucket) Stat(ctx context.Context, key string) (backend.Object, error) {
	if err := checkKey("stat", key); err != nil {
		return backend.Object{}, err
	}
	obj, err := b.head(ctx, "stat", key)
	if err != nil && (err.Kind == backend.NotFound || err.Kind == backend.Invalid) {
		if reason := b.explain(ctx, key); reason != nil {
			return backend.Object{}, reason
		}
		if obj, err = b.head(ctx, "stat", key); err != nil && err.Kind == backend.NotFound {
			err.Kind, err.Err = backend.Unavailable, errors.New("HEAD does not find the object, GET does")
		}
	}
	if err != nil {
		return backend.Object{}, err
	}
	return obj, nil
}

func (b *bucket) head(ctx context.Context, op, key string) (backend.Object, *backend.Error) {
	sse := b.p.store.customer()
	resp, err := b.p.objects.HeadObject(quick(ctx), objectstorage.HeadObjectRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, ObjectName: &key,
		OpcSseCustomerAlgorithm: sse.algorithm, OpcSseCustomerKey: sse.key, OpcSseCustomerKeySha256: sse.digest,
		RequestMetadata: b.p.once,
	})
	if err != nil {
		return backend.Object{}, b.fail(ctx, op, key, resp, err)
	}
	b.works()
	if value(resp.ETag) == "" || resp.ContentLength == nil {
		return backend.Object{}, b.broken(op, key, resp, errors.New("the answer has no etag or no length"))
	}
	return backend.Object{
		Key: key, Size: *resp.ContentLength, ModTime: when(resp.LastModified), Version: *resp.ETag,
		Checksum: checksumOf(resp.OpcContentCrc32c, resp.ContentMd5), Meta: metaOf(resp.OpcMeta),
		Tier: tierOf(string(resp.StorageTier)), Archived: isArchived(string(resp.ArchivalState)),
	}, nil
}

// tierOf names a storage tier; the standard one has no name.
func tierOf(tier string) string {
	if tier == string(objectstorage.StorageTierStandard) {
		return ""
	}
	return tier
}

// isArchived reports whether an object in that state of the archive tier cannot be read.
func isArchived(state string) bool {
	return state == string(objectstorage.ArchivalStateArchived) || state == string(objectstorage.ArchivalStateRestoring)
}

// explain asks for an object that HEAD did not find. It returns nil if the object is there. A bucket that is said to
// be missing is asked for some more times, because that is not always true, see missingBucket.
func (b *bucket) explain(ctx context.Context, key string) error {
	for n := 1; ; n++ {
		resp, err := b.get(ctx, backend.Object{Key: key}, 0, 1)
		closeContent(resp)
		if err == nil {
			return nil
		}
		e := b.fail(ctx, "stat", key, resp, err)
		if e.Kind == backend.Changed || codeOf(e) == codeNotRestored { // an empty object has no first byte, an archived one does not give it
			return nil
		}
		if codeOf(e) != codeBucketNotFound || n == bucketAsks {
			return e
		}
	}
}

// ReadAt reads a range of exactly the version of obj.
func (b *bucket) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	if err := checkKey("read", obj.Key); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, invalid("read", obj.Key, "offset %d is negative", off)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= obj.Size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), obj.Size-off)
	if err := b.readRange(ctx, obj, p[:want], off); err != nil {
		return 0, err
	}
	if want < int64(len(p)) {
		return int(want), io.EOF
	}
	return int(want), nil
}

// readRange fills p, all of which lies within obj.
func (b *bucket) readRange(ctx context.Context, obj backend.Object, p []byte, off int64) error {
	resp, err := b.get(ctx, obj, off, int64(len(p)))
	defer closeContent(resp)
	if err != nil {
		e := b.fail(ctx, "read", obj.Key, resp, err)
		if e.Kind == backend.NotFound && codeOf(e) != codeBucketNotFound && !errors.Is(e, backend.Forbidden) {
			e.Kind = backend.Changed
		}
		return e
	}
	b.works()
	if err := checkRange(resp.RawResponse, off, int64(len(p)), obj.Size); err != nil {
		return b.broken("read", obj.Key, resp, err)
	}
	if n, err := io.ReadFull(resp.Content, p); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return b.fail(ctx, "read", obj.Key, resp, fmt.Errorf("answer ends after %d of %d bytes: %w", n, len(p), err))
	}
	if sum := crc32cOf(resp.OpcContentCrc32c); int64(len(p)) == obj.Size && sum != "" && sum != backend.SumCRC32C(p) {
		return &backend.Error{Op: "read", Key: obj.Key, Kind: backend.Corrupt, RequestID: requestID(resp),
			Err: fmt.Errorf("the bytes have %s, the service says %s", backend.SumCRC32C(p), sum)}
	}
	return nil
}

// get asks for n bytes of obj from off on.
func (b *bucket) get(ctx context.Context, obj backend.Object, off, n int64) (objectstorage.GetObjectResponse, error) {
	span, sse := fmt.Sprintf("bytes=%d-%d", off, off+n-1), b.p.store.customer()
	return b.p.objects.GetObject(quick(ctx), objectstorage.GetObjectRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, ObjectName: &obj.Key, VersionId: optional(obj.Generation),
		Range: &span, IfMatch: optional(obj.Version),
		OpcSseCustomerAlgorithm: sse.algorithm, OpcSseCustomerKey: sse.key, OpcSseCustomerKeySha256: sse.digest,
		RequestMetadata: b.p.once,
	})
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

func closeContent(resp objectstorage.GetObjectResponse) {
	if resp.RawResponse != nil {
		_ = resp.RawResponse.Body.Close() // all that was wanted has been read
	}
}

// Delete removes an object, of exactly obj.Version if that is set, or for good the version that obj.Generation names.
func (b *bucket) Delete(ctx context.Context, obj backend.Object) error {
	if err := checkKey("delete", obj.Key); err != nil {
		return err
	}
	resp, err := b.p.objects.DeleteObject(quick(ctx), objectstorage.DeleteObjectRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, ObjectName: &obj.Key, VersionId: optional(obj.Generation),
		IfMatch: optional(obj.Version), RequestMetadata: b.p.once,
	})
	if err != nil {
		return b.notDeleted(ctx, obj, b.fail(ctx, "delete", obj.Key, resp, err))
	}
	b.works()
	return nil
}

// notDeleted tells an object that is gone from one that may not be deleted: the service says the same of both.
func (b *bucket) notDeleted(ctx context.Context, obj backend.Object, answer *backend.Error) error {
	if answer.Kind != backend.NotFound || obj.Generation != "" {
		return answer
	}
	if _, err := b.Stat(ctx, obj.Key); err != nil {
		return answer
	}
	answer.Kind = backend.Forbidden
	answer.Err = fmt.Errorf("the object is there and may not be deleted: the permission OBJECT_DELETE is missing: %w", answer.Err)
	return answer
}

// bucketAsks is how often a bucket that has never answered must be said to be missing.
const bucketAsks = 4

const (
	codeBucketNotFound = "BucketNotFound"
	codeUploadNotFound = "UploadNotFound"
	codeNotRestored    = "NotRestored"

	codeNoServicePolicy = "InsufficientServicePermissions"
)

// fail is failure with what a bucket knows.
func (b *bucket) fail(ctx context.Context, op, key string, resp common.OCIResponse, err error) *backend.Error {
	e := failure(ctx, op, key, resp, err)
	if codeOf(e) == codeBucketNotFound {
		b.missingBucket(e)
	}
	return e
}

// failWrite is fail after a conditional write: without a code, a failed precondition is the one that was asked for.
func (b *bucket) failWrite(ctx context.Context, op, key string, resp common.OCIResponse, err error, c backend.Condition) *backend.Error {
	e := b.fail(ctx, op, key, resp, err)
	if c.Absent && e.Kind == backend.Changed {
		e.Kind = backend.Exists
	}
	return e
}

// broken is an answer that cannot be what the service meant to send.
func (b *bucket) broken(op, key string, resp common.OCIResponse, cause error) *backend.Error {
	return &backend.Error{Op: op, Key: key, Kind: backend.Unavailable, RequestID: requestID(resp), Err: cause}
}

// missingBucket tells a bucket that does not exist from one that has answered this process before: real tenancies deny
// for a while, now and then, that a bucket is there.
func (b *bucket) missingBucket(e *backend.Error) {
	if _, ok := b.p.seen.Load(b.namespace + "/" + b.name); ok {
		e.Kind = backend.Unavailable
		return
	}
	e.Err = fmt.Errorf("bucket %s/%s: %w: check the name and the region, and that a policy lets this user see it", b.namespace, b.name, e.Err)
}

// works remembers that the bucket has answered.
func (b *bucket) works() {
	name := b.namespace + "/" + b.name
	if _, ok := b.p.seen.Load(name); !ok {
		b.p.seen.Store(name, true)
	}
}

func requestID(resp common.OCIResponse) string {
	if raw := resp.HTTPResponse(); raw != nil {
		return raw.Header.Get("opc-request-id")
	}
	return ""
}

func invalid(op, key, format string, args ...any) *backend.Error {
	return &backend.Error{Op: op, Key: key, Kind: backend.Invalid, Err: fmt.Errorf(format, args...)}
}

// checkKey refuses names that the service refuses.
func checkKey(op, key string) error {
	switch {
	case key == "":
		return invalid(op, key, "the name of the object is empty")
	case len(key) > 1024:
		return invalid(op, clip(key), "the name of the object has %d bytes, more than 1024", len(key))
	case !utf8.ValidString(key):
		return invalid(op, fmt.Sprintf("%q", key), "the name of the object is not UTF-8")
	case strings.ContainsAny(key, "\x00\r\n"):
		return invalid(op, fmt.Sprintf("%q", key), "the name of the object contains a NUL or a line break")
	}
	return nil
}

// metaOf is the metadata of an answer, nil if there is none.
func metaOf(headers map[string]string) map[string]string {
	if len(headers) == 0 {
		return nil
	}
	meta := make(map[string]string, len(headers))
	for name, text := range headers {
		meta[strings.ToLower(name)] = text
	}
	return meta
}

// checksumOf takes the CRC32C, or else the MD5, of headers or list entries.
func checksumOf(crc32c, md5 *string) backend.Checksum {
	if sum := crc32cOf(crc32c); sum != "" {
		return sum
	}
	return decodeSum(backend.MD5, md5, 16)
}

func crc32cOf(text *string) backend.Checksum { return decodeSum(backend.CRC32C, text, 4) }

// decodeSum reads base64 of n bytes; anything else is no checksum.
func decodeSum(a backend.Algorithm, text *string, n int) backend.Checksum {
	raw, err := base64.StdEncoding.DecodeString(value(text))
	if err != nil || len(raw) != n {
		return ""
	}
	return backend.NewChecksum(a, raw)
}

func encodeCRC32C(sum backend.Checksum) *string {
	text := base64.StdEncoding.EncodeToString(bytes.Clone(sum.Bytes()))
	return &text
}

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// optional is nil for the empty string, which the SDK would send.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func when(t *common.SDKTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
