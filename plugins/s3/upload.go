package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// CreateUpload begins a multipart upload whose object the service verifies by one CRC32C.
func (b *bucket) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
	const op = "create upload"
	if e := b.checkKey(op, key); e != nil {
		return backend.Upload{}, e
	}
	if e := b.checkShape(op, key, o); e != nil {
		return backend.Upload{}, e
	}
	h, e := b.creation(op, key, o.Meta, o.ModTime)
	if e != nil {
		return backend.Upload{}, e
	}
	id, e := b.begin(ctx, op, key, h)
	if e != nil {
		return backend.Upload{}, e
	}
	return backend.Upload{Key: key, ID: id, Size: o.Size, PartSize: o.PartSize}, nil
}

// checkShape refuses what would fail when all parts have been sent.
func (b *bucket) checkShape(op, key string, o backend.UploadOptions) *backend.Error {
	l := b.Info().Limits
	switch {
	case o.Size > l.MaxObject:
		return invalid(op, key, "%d bytes are more than an object can have", o.Size)
	case o.PartSize > l.MaxPart:
		return invalid(op, key, "parts of %d bytes are larger than %d", o.PartSize, l.MaxPart)
	case o.PartSize > 0 && o.Size > o.PartSize && o.PartSize < l.MinPart:
		return invalid(op, key, "parts of %d bytes are smaller than %d", o.PartSize, l.MinPart)
	case o.PartSize > 0 && (o.Size+o.PartSize-1)/o.PartSize > int64(l.MaxParts):
		return invalid(op, key, "%d bytes in parts of %d are more than %d parts", o.Size, o.PartSize, l.MaxParts)
	}
	return nil
}

// begin starts an upload and returns its id.
func (b *bucket) begin(ctx context.Context, op, key string, h http.Header) (string, *backend.Error) {
	c := call{op: op, key: key, method: http.MethodPost, bucket: b.name, object: key, query: url.Values{"uploads": {""}}, header: h}
	var to struct {
		UploadID string `xml:"UploadId"`
	}
	for {
		h.Del(algorithmHeader)
		h.Del(sumTypeHeader)
		if b.p.sums.crc32c() {
			h.Set(algorithmHeader, "CRC32C")
			h.Set(sumTypeHeader, fullObject)
		}
		answered, e := b.p.exchange(ctx, c, &to)
		if e != nil && b.p.sums.refusedSums(e) {
			continue
		}
		if e != nil {
			return "", e
		}
		if to.UploadID == "" {
			return "", &backend.Error{Op: op, Key: key, Kind: backend.Unavailable, RequestID: requestID(answered), Err: errors.New("the answer has no upload id")}
		}
		switch kind := answered.Get(sumTypeHeader); {
		case strings.EqualFold(kind, fullObject):
			b.p.sums.whole.CompareAndSwap(unknownWhole, verifiesWhole)
		case kind != "" || answered.Get(algorithmHeader) != "":
			b.p.sums.whole.CompareAndSwap(unknownWhole, composes)
		}
		return to.UploadID, nil
	}
}

// UploadPart sends one part. The service verifies it; a checksum that it answers with is compared as well.
func (b *bucket) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
	op := fmt.Sprintf("upload part %d", n)
	if e := b.checkUpload(op, u); e != nil {
		return backend.Part{}, e
	}
	l := b.Info().Limits
	if n < 1 || n > l.MaxParts {
		return backend.Part{}, invalid(op, u.Key, "parts have numbers from 1 to %d", l.MaxParts)
	}
	if int64(len(p)) > l.MaxPart {
		return backend.Part{}, invalid(op, u.Key, "%d bytes are more than a part can have", len(p))
	}
	c := call{op: op, key: u.Key, method: http.MethodPut, bucket: b.name, object: u.Key, header: b.access(), payload: p,
		query: url.Values{"partNumber": {strconv.Itoa(n)}, "uploadId": {u.ID}}}
	answered, sum, e := b.store(ctx, c, sum)
	if e != nil {
		return backend.Part{}, e
	}
	if now := decodeSum(backend.CRC32C, answered.Get(crc32cHeader), 4); sum.Contradicts(now) {
		return backend.Part{}, &backend.Error{Op: op, Key: u.Key, Kind: backend.Corrupt, RequestID: requestID(answered),
			Err: fmt.Errorf("the service received %s, not %s", now, sum)}
	}
	tag := versionOf(answered.Get("Etag"))
	if tag == "" {
		return backend.Part{}, &backend.Error{Op: op, Key: u.Key, Kind: backend.Unavailable, RequestID: requestID(answered), Err: errors.New("the answer has no entity tag")}
	}
	return backend.Part{Number: n, Size: int64(len(p)), Tag: tag, Checksum: sum}, nil
}

func (b *bucket) checkUpload(op string, u backend.Upload) *backend.Error {
	if e := b.checkKey(op, u.Key); e != nil {
		return e
	}
	if u.ID == "" {
		return invalid(op, u.Key, "the upload has no id")
	}
	return nil
}

// listedParts is a page of the parts of an upload.
type listedParts struct {
	ChecksumType         string
	IsTruncated          bool
	NextPartNumberMarker string
	Part                 []struct {
		PartNumber     int
		Size           int64
		ETag           string
		ChecksumCRC32C string
	}
}

func (b *bucket) partsAfter(ctx context.Context, op string, u backend.Upload, marker string, most int) (*listedParts, *backend.Error) {
	q := url.Values{"uploadId": {u.ID}, "max-parts": {strconv.Itoa(most)}}
	if marker != "" {
		q.Set("part-number-marker", marker)
	}
	page := new(listedParts)
	_, e := b.p.exchange(ctx, call{op: op, key: u.Key, method: http.MethodGet, bucket: b.name, object: u.Key, query: q, header: b.access()}, page)
	return page, e
}

// ListParts yields the parts that the service holds.
func (b *bucket) ListParts(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
	const op = "list parts"
	return func(yield func(backend.Part, error) bool) {
		if e := b.checkUpload(op, u); e != nil {
			yield(backend.Part{}, e)
			return
		}
		marker, last := "", 0
		for {
			page, e := b.partsAfter(ctx, op, u, marker, pageSize)
			if e != nil {
				yield(backend.Part{}, e)
				return
			}
			for _, p := range page.Part {
				if p.PartNumber <= last {
					yield(backend.Part{}, disordered(op, u.Key))
					return
				}
				last = p.PartNumber
				part := backend.Part{Number: p.PartNumber, Size: p.Size, Tag: versionOf(p.ETag), Checksum: decodeSum(backend.CRC32C, p.ChecksumCRC32C, 4)}
				if !yield(part, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			if page.NextPartNumberMarker == "" || page.NextPartNumberMarker == marker {
				yield(backend.Part{}, disordered(op, u.Key))
				return
			}
			marker = page.NextPartNumberMarker
		}
	}
}

// listedUploads is a page of the uploads of a bucket.
type listedUploads struct {
	EncodingType  string
	IsTruncated   bool
	NextKeyMarker string
	NextIDMarker  string `xml:"NextUploadIdMarker"`
	Upload        []struct {
		Key       string
		ID        string `xml:"UploadId"`
		Initiated time.Time
	}
}

func (b *bucket) uploadsAfter(ctx context.Context, op, prefix, key, id string) (*listedUploads, *backend.Error) {
	q := url.Values{"uploads": {""}, "max-uploads": {strconv.Itoa(pageSize)}, "encoding-type": {"url"}}
	set(q, "prefix", prefix)
	set(q, "key-marker", key)
	set(q, "upload-id-marker", id)
	page := new(listedUploads)
	_, e := b.p.exchange(ctx, call{op: op, key: prefix, method: http.MethodGet, bucket: b.name, query: q}, page)
	return page, e
}

// ListUploads yields the open uploads under prefix.
func (b *bucket) ListUploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	const op = "list uploads"
	return func(yield func(backend.Upload, error) bool) {
		key, id := "", ""
		for {
			page, e := b.uploadsAfter(ctx, op, prefix, key, id)
			if e != nil {
				yield(backend.Upload{}, e)
				return
			}
			decode := decoder(page.EncodingType)
			for _, item := range page.Upload {
				u := backend.Upload{Key: decode(item.Key), ID: item.ID, Created: item.Initiated}
				if strings.HasPrefix(u.Key, prefix) && !yield(u, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			nextKey, nextID := decode(page.NextKeyMarker), page.NextIDMarker
			if nextKey == "" || nextKey == key && nextID == id {
				yield(backend.Upload{}, disordered(op, prefix))
				return
			}
			key, id = nextKey, nextID
		}
	}
}

// AbortUpload drops an upload; one that is gone is no error.
func (b *bucket) AbortUpload(ctx context.Context, u backend.Upload) error {
	const op = "abort upload"
	if e := b.checkUpload(op, u); e != nil {
		return e
	}
	_, e := b.p.finish(ctx, call{op: op, key: u.Key, method: http.MethodDelete, bucket: b.name, object: u.Key, query: url.Values{"uploadId": {u.ID}}})
	if e != nil && (e.Kind != backend.NotFound || codeOf(e) == codeNoSuchBucket) {
		return e
	}
	return nil
}
