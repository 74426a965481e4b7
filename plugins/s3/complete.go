package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// completion is the request that makes an object of parts.
type completion struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUpload"`
	Part    []completedPart
}

type completedPart struct {
	ChecksumCRC32C string `xml:",omitempty"`
	ETag           string
	PartNumber     int
}

// completed is its answer.
type completed struct {
	ETag           string
	ChecksumCRC32C string
	ChecksumType   string
}

// CompleteUpload makes the object of exactly parts. What can be known to be wrong before is found before; the service
// verifies the checksum of the whole before the object is visible, where it can.
func (b *bucket) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
	const op = "complete upload"
	if e := b.checkUpload(op, u); e != nil {
		return backend.Object{}, e
	}
	sum, e := checkParts(op, u, parts, o.Checksum)
	if e != nil {
		if e.Kind == backend.Corrupt && b.isGone(ctx, u) {
			return b.alreadyCompleted(ctx, op, u, o.Checksum, gone(op, u.Key, e))
		}
		return backend.Object{}, e
	}
	done, e := b.complete(ctx, op, u, parts, o.If, sum)
	switch {
	case e == nil:
		return b.described(ctx, op, u, parts, sum, done)
	case codeOf(e) == codeNoSuchUpload, codeOf(e) == "" && statusOf(e) == http.StatusNotFound:
		return b.alreadyCompleted(ctx, op, u, o.Checksum, e)
	case (e.Kind == backend.Exists || e.Kind == backend.Changed) && b.isGone(ctx, u):
		return b.alreadyCompleted(ctx, op, u, o.Checksum, e) // perhaps by ourselves
	}
	return backend.Object{}, e
}

// checkParts looks at what the caller says of the parts, and returns the checksum of the whole as far as it is known.
func checkParts(op string, u backend.Upload, parts []backend.Part, want backend.Checksum) (backend.Checksum, *backend.Error) {
	if len(parts) == 0 {
		return "", invalid(op, u.Key, "no parts; an empty object is stored with Put")
	}
	var size int64
	var sum uint32
	known := true
	for i, p := range parts {
		if p.Tag == "" || p.Number < 1 || i > 0 && p.Number <= parts[i-1].Number {
			return "", invalid(op, u.Key, "part %d has no tag or is out of order", p.Number)
		}
		crc, ok := p.Checksum.CRC32C()
		known = known && ok
		sum = backend.CombineCRC32C(sum, crc, p.Size)
		size += p.Size
	}
	if u.Size > 0 && size != u.Size {
		return "", invalid(op, u.Key, "the parts have %d bytes, the upload was begun for %d: a part is missing", size, u.Size)
	}
	if !known {
		if want.Algorithm() != backend.CRC32C {
			return "", nil
		}
		return want, nil
	}
	whole := backend.CRC32CChecksum(sum)
	if want.Contradicts(whole) {
		return "", &backend.Error{Op: op, Key: u.Key, Kind: backend.Corrupt, Err: fmt.Errorf("the parts make an object with %s, not %s", whole, want)}
	}
	return whole, nil
}

// complete sends the request.
func (b *bucket) complete(ctx context.Context, op string, u backend.Upload, parts []backend.Part, c backend.Condition, sum backend.Checksum) (completed, *backend.Error) {
	var done completed
	h := b.access()
	if e := b.conditions(op, u.Key, h, c); e != nil {
		return done, e
	}
	crc := b.p.sums.crc32c()
	if crc {
		whole, e := b.verifiesWhole(ctx, op, u)
		if e != nil {
			return done, e
		}
		if whole && sum != "" {
			h.Set(crc32cHeader, encodeSum(sum))
			h.Set(sumTypeHeader, fullObject)
			h.Set("X-Amz-Mp-Object-Size", strconv.FormatInt(sizeOf(parts), 10))
		}
	}
	request := completion{Part: make([]completedPart, len(parts))}
	for i, p := range parts {
		request.Part[i] = completedPart{ETag: etagOf(p.Tag), PartNumber: p.Number}
		if crc && p.Checksum.Algorithm() == backend.CRC32C {
			request.Part[i].ChecksumCRC32C = encodeSum(p.Checksum)
		}
	}
	_, e := b.p.exchange(ctx, call{op: op, key: u.Key, method: http.MethodPost, bucket: b.name, object: u.Key, header: h,
		query: url.Values{"uploadId": {u.ID}}, xml: request, patient: true}, &done)
	if e != nil {
		return done, unmet(e, c)
	}
	return done, nil
}

// verifiesWhole reports whether the service verifies the checksum of an upload's object. A process that has begun no upload
// itself asks.
func (b *bucket) verifiesWhole(ctx context.Context, op string, u backend.Upload) (bool, *backend.Error) {
	if b.p.sums.whole.Load() == unknownWhole {
		page, e := b.partsAfter(ctx, op, u, "", 1)
		if e != nil {
			return false, e
		}
		if strings.EqualFold(page.ChecksumType, fullObject) {
			b.p.sums.whole.CompareAndSwap(unknownWhole, verifiesWhole)
		} else {
			b.p.sums.whole.CompareAndSwap(unknownWhole, composes)
		}
	}
	return b.p.sums.whole.Load() == verifiesWhole, nil
}

func sizeOf(parts []backend.Part) (size int64) {
	for _, p := range parts {
		size += p.Size
	}
	return size
}

// described is the object that a completion made. An answer that tells its checksum is enough. One that does not is not
// believed: a service may say yes to a completion of an upload that is gone because something is under the key. The object
// is looked at then, and if that tells no checksum either, it has that of the parts, which were verified one by one.
func (b *bucket) described(ctx context.Context, op string, u backend.Upload, parts []backend.Part, sum backend.Checksum, done completed) (backend.Object, error) {
	obj := backend.Object{Key: u.Key, Size: sizeOf(parts), Version: versionOf(done.ETag)}
	if !strings.EqualFold(done.ChecksumType, "COMPOSITE") {
		obj.Checksum = decodeSum(backend.CRC32C, done.ChecksumCRC32C, 4)
	}
	if obj.Version == "" || obj.Checksum == "" {
		now, err := b.Stat(ctx, u.Key)
		if err != nil && !errors.Is(err, backend.NotFound) {
			return backend.Object{}, err
		}
		if err == nil && now.Version == obj.Version && now.Size != obj.Size {
			return backend.Object{}, &backend.Error{Op: op, Key: u.Key, Kind: backend.Corrupt, Err: fmt.Errorf("the object has %d bytes, its parts had %d", now.Size, obj.Size)}
		}
		if err != nil || now.Size != obj.Size || obj.Version != "" && obj.Version != now.Version || sum.Contradicts(now.Checksum) {
			return backend.Object{}, gone(op, u.Key, errors.New("the upload is gone, and what is under its key is not its object"))
		}
		obj = now
	}
	if obj.Checksum.Algorithm() != backend.CRC32C && allSummed(parts) && b.p.sums.mode.Load() != noSums {
		obj.Checksum = sum
	}
	return obj, b.verify(ctx, op, obj, sum)
}

func allSummed(parts []backend.Part) bool {
	for _, p := range parts {
		if p.Checksum.Algorithm() != backend.CRC32C {
			return false
		}
	}
	return true
}

// alreadyCompleted succeeds if the object is there that the upload was to become: then an earlier call did the work and its
// answer was lost. An object of which the service tells no checksum is read.
func (b *bucket) alreadyCompleted(ctx context.Context, op string, u backend.Upload, want backend.Checksum, gone *backend.Error) (backend.Object, error) {
	obj, err := b.Stat(ctx, u.Key)
	var e *backend.Error
	if err == nil && obj.Size == u.Size && want.Algorithm() == backend.CRC32C && obj.Checksum.Algorithm() != backend.CRC32C {
		obj.Checksum, err = b.sumOf(ctx, obj)
	}
	switch {
	case err == nil && obj.Size == u.Size && !want.Contradicts(obj.Checksum):
		return obj, nil
	case err == nil || errors.Is(err, backend.NotFound):
		return backend.Object{}, gone
	case errors.As(err, &e):
		e.Op = op + ": " + e.Op
	}
	return backend.Object{}, err
}

// isGone reports whether the service denies that the upload is open.
func (b *bucket) isGone(ctx context.Context, u backend.Upload) bool {
	_, e := b.partsAfter(ctx, "list parts", u, "", 1)
	return e != nil && e.Kind == backend.NotFound
}

// gone turns an error about an upload into one that says that there is no such upload.
func gone(op, key string, cause error) *backend.Error {
	return &backend.Error{Op: op, Key: key, Kind: backend.NotFound, Err: cause}
}
