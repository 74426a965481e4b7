package oci

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// pageSize is the most entries that a list answers with.
const pageSize = 1000

// CreateUpload begins a multipart upload.
func (b *bucket) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
	const op = "create upload"
	headers, err := headersOf(op, key, o.Meta, o.ModTime)
	if err != nil {
		return backend.Upload{}, err
	}
	sse := b.p.store.customer()
	resp, err := b.p.objects.CreateMultipartUpload(quick(ctx), objectstorage.CreateMultipartUploadRequest{
		NamespaceName: &b.namespace, BucketName: &b.name,
		CreateMultipartUploadDetails: objectstorage.CreateMultipartUploadDetails{
			Object: &key, Metadata: prefixed(headers), StorageTier: objectstorage.StorageTierEnum(b.p.store.tier),
		},
		OpcChecksumAlgorithm: objectstorage.CreateMultipartUploadOpcChecksumAlgorithmCrc32c, OpcSseKmsKeyId: optional(b.p.store.kmsKey),
		OpcSseCustomerAlgorithm: sse.algorithm, OpcSseCustomerKey: sse.key, OpcSseCustomerKeySha256: sse.digest,
		RequestMetadata: b.p.once,
	})
	if err != nil {
		return backend.Upload{}, b.fail(ctx, op, key, resp, err)
	}
	b.works()
	if value(resp.UploadId) == "" {
		return backend.Upload{}, b.broken(op, key, resp, errors.New("the answer has no upload id"))
	}
	return backend.Upload{Key: key, ID: *resp.UploadId, Size: o.Size, PartSize: o.PartSize, Created: when(resp.TimeCreated)}, nil
}

// prefixed gives metadata keys the form that they have in bodies.
func prefixed(headers map[string]string) map[string]string {
	if len(headers) == 0 {
		return nil
	}
	meta := make(map[string]string, len(headers))
	for name, text := range headers {
		meta["opc-meta-"+name] = text
	}
	return meta
}

// UploadPart sends one part. The service verifies its CRC32C; the one it answers with is compared as well.
func (b *bucket) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
	op := fmt.Sprintf("upload part %d", n)
	if err := checkUpload(op, u); err != nil {
		return backend.Part{}, err
	}
	if n < 1 || n > b.Info().Limits.MaxParts {
		return backend.Part{}, invalid(op, u.Key, "parts have numbers from 1 to %d", b.Info().Limits.MaxParts)
	}
	if sum.Algorithm() != backend.CRC32C {
		sum = backend.SumCRC32C(p)
	}
	body := backend.Body(p)
	defer body.Release()
	length, sse := int64(len(p)), b.p.store.customer()
	resp, err := b.p.objects.UploadPart(quick(ctx), objectstorage.UploadPartRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, ObjectName: &u.Key, UploadId: &u.ID, UploadPartNum: &n,
		ContentLength: &length, UploadPartBody: body,
		OpcChecksumAlgorithm: objectstorage.UploadPartOpcChecksumAlgorithmCrc32c, OpcContentCrc32c: encodeCRC32C(sum),
		OpcSseCustomerAlgorithm: sse.algorithm, OpcSseCustomerKey: sse.key, OpcSseCustomerKeySha256: sse.digest,
		RequestMetadata: b.p.once,
	})
	if err != nil {
		return backend.Part{}, b.fail(ctx, op, u.Key, resp, err)
	}
	b.works()
	if answered := crc32cOf(resp.OpcContentCrc32c); sum.Contradicts(answered) {
		return backend.Part{}, &backend.Error{Op: op, Key: u.Key, Kind: backend.Corrupt, RequestID: requestID(resp),
			Err: fmt.Errorf("the service received %s, not %s", answered, sum)}
	}
	if value(resp.ETag) == "" {
		return backend.Part{}, b.broken(op, u.Key, resp, errors.New("the answer has no etag"))
	}
	return backend.Part{Number: n, Size: length, Tag: *resp.ETag, Checksum: sum}, nil
}

func checkUpload(op string, u backend.Upload) error {
	if u.ID == "" {
		return invalid(op, u.Key, "the upload has no id")
	}
	return checkKey(op, u.Key)
}

// ListParts yields the parts that the service holds. Their Checksum is the MD5, the only one that this list tells.
func (b *bucket) ListParts(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
	const op = "list parts"
	return func(yield func(backend.Part, error) bool) {
		if err := checkUpload(op, u); err != nil {
			yield(backend.Part{}, err)
			return
		}
		limit := pageSize
		fetch := func(page *string) ([]objectstorage.MultipartUploadPartSummary, *string, error) {
			resp, err := b.p.objects.ListMultipartUploadParts(quick(ctx), objectstorage.ListMultipartUploadPartsRequest{
				NamespaceName: &b.namespace, BucketName: &b.name, ObjectName: &u.Key, UploadId: &u.ID,
				Limit: &limit, Page: page, RequestMetadata: b.p.once,
			})
			if err != nil {
				return nil, nil, b.fail(ctx, op, u.Key, resp, err)
			}
			b.works()
			return resp.Items, resp.OpcNextPage, nil
		}
		for part, err := range pages(op, u.Key, fetch) {
			if err != nil {
				yield(backend.Part{}, err)
				return
			}
			p := backend.Part{Number: value(part.PartNumber), Size: value(part.Size), Tag: value(part.Etag), Checksum: checksumOf(nil, part.Md5)}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// maxStays is how often a list may answer with the token that it was asked with.
const maxStays = 10

var errStays = errors.New("the list does not advance")

// pages yields the items of all pages. A page may be short or empty and still have a successor: only the absence of the
// token ends the list. Only a list that stays at one token is a broken answer.
func pages[T any](op, key string, fetch func(page *string) ([]T, *string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		var page *string
		stays := 0
		for {
			items, next, err := fetch(page)
			if err != nil {
				yield(zero, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if value(next) == "" {
				return
			}
			if page == nil || *page != *next {
				stays = 0
			}
			if stays++; stays > maxStays {
				yield(zero, &backend.Error{Op: op, Key: key, Kind: backend.Unavailable, Err: errStays})
				return
			}
			page = next
		}
	}
}

// ListUploads yields the open uploads under prefix. The service lists those of the whole bucket.
func (b *bucket) ListUploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	const op = "list uploads"
	return func(yield func(backend.Upload, error) bool) {
		limit := pageSize
		fetch := func(page *string) ([]objectstorage.MultipartUpload, *string, error) {
			resp, err := b.p.objects.ListMultipartUploads(quick(ctx), objectstorage.ListMultipartUploadsRequest{
				NamespaceName: &b.namespace, BucketName: &b.name, Limit: &limit, Page: page, RequestMetadata: b.p.once,
			})
			if err != nil {
				return nil, nil, b.fail(ctx, op, prefix, resp, err)
			}
			b.works()
			return resp.Items, resp.OpcNextPage, nil
		}
		for upload, err := range pages(op, prefix, fetch) {
			if err != nil {
				yield(backend.Upload{}, err)
				return
			}
			u := backend.Upload{Key: value(upload.Object), ID: value(upload.UploadId), Created: when(upload.TimeCreated)}
			if strings.HasPrefix(u.Key, prefix) && !yield(u, nil) {
				return
			}
		}
	}
}

// AbortUpload drops an upload; one that is gone is no error.
func (b *bucket) AbortUpload(ctx context.Context, u backend.Upload) error {
	const op = "abort upload"
	if err := checkUpload(op, u); err != nil {
		return err
	}
	resp, err := b.p.objects.AbortMultipartUpload(quick(ctx), objectstorage.AbortMultipartUploadRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, ObjectName: &u.Key, UploadId: &u.ID, RequestMetadata: b.p.once,
	})
	if err != nil {
		e := b.fail(ctx, op, u.Key, resp, err)
		if e.Kind == backend.NotFound && codeOf(e) != codeBucketNotFound {
			return nil
		}
		return e
	}
	b.works()
	return nil
}
