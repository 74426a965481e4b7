package oci

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Put stores p in one request. The service verifies its CRC32C, and the one it answers with is compared as well.
func (b *bucket) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
	const op = "put"
	meta, err := headersOf(op, key, o.Meta, o.ModTime)
	if err != nil {
		return backend.Object{}, err
	}
	ifMatch, ifNoneMatch, err := conditions(op, key, o.If)
	if err != nil {
		return backend.Object{}, err
	}
	sum := o.Checksum
	if sum.Algorithm() != backend.CRC32C {
		sum = backend.SumCRC32C(p)
	}
	body := backend.Body(p)
	defer body.Release()
	length := int64(len(p))
	sse := b.p.store.customer()
	resp, err := b.p.objects.PutObject(quick(ctx), objectstorage.PutObjectRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, ObjectName: &key,
		ContentLength: &length, PutObjectBody: body, IfMatch: ifMatch, IfNoneMatch: ifNoneMatch,
		OpcChecksumAlgorithm: objectstorage.PutObjectOpcChecksumAlgorithmCrc32c, OpcContentCrc32c: encodeCRC32C(sum),
		OpcMeta: meta, StorageTier: objectstorage.PutObjectStorageTierEnum(b.p.store.tier), OpcSseKmsKeyId: optional(b.p.store.kmsKey),
		OpcSseCustomerAlgorithm: sse.algorithm, OpcSseCustomerKey: sse.key, OpcSseCustomerKeySha256: sse.digest,
		RequestMetadata: b.p.once,
	})
	if err != nil {
		return backend.Object{}, b.failWrite(ctx, op, key, resp, err, o.If)
	}
	b.works()
	obj := backend.Object{
		Key: key, Size: length, ModTime: when(resp.LastModified), Version: value(resp.ETag), Checksum: sum, Meta: metaOf(meta),
		Tier: tierOf(b.p.store.tier), Archived: b.p.store.archives(),
	}
	return obj, b.verify(ctx, op, obj, crc32cOf(resp.OpcContentCrc32c), requestID(resp))
}

// verify compares the checksum that the service says a new object has with the one it must have, and takes the object
// away again if they differ.
func (b *bucket) verify(ctx context.Context, op string, obj backend.Object, answered backend.Checksum, request string) error {
	if !obj.Checksum.Contradicts(answered) {
		return nil
	}
	cause := fmt.Errorf("the object has %s, not %s, and was removed", answered, obj.Checksum)
	if err := b.Delete(ctx, obj); err != nil && !errors.Is(err, backend.NotFound) && !errors.Is(err, backend.Changed) {
		cause = fmt.Errorf("the object has %s, not %s, and could not be removed: %w", answered, obj.Checksum, err)
	}
	return &backend.Error{Op: op, Key: obj.Key, Kind: backend.Corrupt, RequestID: request, Err: cause}
}

// conditions translates a Condition to headers.
func conditions(op, key string, c backend.Condition) (ifMatch, ifNoneMatch *string, err error) {
	if c.Absent && c.Version != "" {
		return nil, nil, invalid(op, key, "a condition asks for absence and for version %s", c.Version)
	}
	if c.Absent {
		return nil, optional("*"), nil
	}
	return optional(c.Version), nil, nil
}

// headersOf checks the key and the metadata that are to be sent, and adds the modification time.
func headersOf(op, key string, meta map[string]string, modTime time.Time) (map[string]string, error) {
	if err := checkKey(op, key); err != nil {
		return nil, err
	}
	headers := map[string]string{}
	for name, text := range meta {
		if !isToken(name) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, invalid(op, key, "metadata %q cannot be sent as a header", name)
		}
		headers[strings.ToLower(name)] = text
	}
	if !modTime.IsZero() {
		headers[mtimeKey] = modTime.UTC().Format(time.RFC3339Nano)
	}
	size := 0
	for name, text := range headers {
		size += len(name) + len(text)
	}
	if size > maxMetadata {
		return nil, invalid(op, key, "the metadata has %d bytes, names and values together, and the service keeps at most %d: leave some out or shorten it",
			size, maxMetadata)
	}
	return headers, nil
}

// maxMetadata is how much metadata an object may have: the bytes of all names and values.
const maxMetadata = 4 << 10

// isToken reports whether s can be part of a header's name.
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(others, r))
	})
}
