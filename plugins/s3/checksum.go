package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc64"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// What the service verifies of the bytes that it is sent.
const (
	unknownSums int32 = iota // both go along until the first answer tells
	crc32cSums
	md5Sums
	noSums
)

// What the service knows of the checksum of a multipart upload's object.
const (
	unknownWhole  int32 = iota
	verifiesWhole       // that of the object, before it is visible
	composes            // only one made of the parts' checksums, which says nothing about the object
)

// checksums is what has been learned of the service. A service that ignores the header with the CRC32C does not answer with
// it either; the bytes are then verified by their MD5, which every service knows and which costs thirty times as much.
type checksums struct{ mode, whole atomic.Int32 }

// begin takes the setting for what is known.
func (c *checksums) begin(o options) {
	switch {
	case o.checksums == "md5":
		c.mode.Store(md5Sums)
	case o.checksums == "none":
		c.mode.Store(noSums)
	case o.checksums == "crc32c" || o.aws:
		c.mode.Store(crc32cSums)
	}
	if o.aws {
		c.whole.Store(verifiesWhole)
	}
}

// promised are the algorithms of Info. CRC32C is kept with MD5 too: what the caller says of the bytes is compared here, and
// the service verifies that they arrive.
func (c *checksums) promised() []backend.Algorithm {
	if c.mode.Load() == noSums {
		return nil
	}
	return []backend.Algorithm{backend.CRC32C}
}

// crc32c reports whether requests carry CRC32C.
func (c *checksums) crc32c() bool {
	mode := c.mode.Load()
	return mode == crc32cSums || mode == unknownSums
}

// seal sets the headers by which the service verifies p. It returns the CRC32C of p: sum, unless that is of another
// algorithm, in which case the bytes are summed here; none if nothing is verified.
func (c *checksums) seal(op, key string, h http.Header, p []byte, sum backend.Checksum) (backend.Checksum, *backend.Error) {
	mode := c.mode.Load()
	if mode == noSums {
		return "", nil
	}
	if sum.Algorithm() != backend.CRC32C {
		sum = backend.SumCRC32C(p)
	} else if mode == unknownSums || mode == md5Sums {
		if is := backend.SumCRC32C(p); is != sum {
			return "", &backend.Error{Op: op, Key: key, Kind: backend.Corrupt, Err: fmt.Errorf("the bytes have %s, not %s", is, sum)}
		}
	}
	if mode == unknownSums || mode == crc32cSums {
		h.Set(crc32cHeader, encodeSum(sum))
	}
	if mode == unknownSums || mode == md5Sums {
		digest := md5.Sum(p)
		h.Set("Content-Md5", base64.StdEncoding.EncodeToString(digest[:]))
	}
	return sum, nil
}

// learn takes from the answer to a request that was sealed what the service has verified.
func (c *checksums) learn(h http.Header) {
	if h.Get(crc32cHeader) != "" {
		c.mode.CompareAndSwap(unknownSums, crc32cSums)
	} else {
		c.mode.CompareAndSwap(unknownSums, md5Sums)
	}
}

// refusedSums reports whether e may be a service's way to say that it does not know the headers of checksums, and that it
// is worth while to try without. It then stops using them.
func (c *checksums) refusedSums(e *backend.Error) bool {
	if c.mode.Load() != unknownSums {
		return false
	}
	switch codeOf(e) {
	case "NotImplemented", "XNotImplemented", "InvalidArgument", "InvalidRequest", "InvalidHeader":
		c.mode.CompareAndSwap(unknownSums, md5Sums)
		return true
	}
	return false
}

const (
	crc32cHeader    = "X-Amz-Checksum-Crc32c"
	nvmeHeader      = "X-Amz-Checksum-Crc64nvme"
	sumTypeHeader   = "X-Amz-Checksum-Type"
	algorithmHeader = "X-Amz-Checksum-Algorithm"
	fullObject      = "FULL_OBJECT"
)

// checksumOf takes the checksum of the whole object from a header; one that is made of the parts' is none.
func checksumOf(h http.Header) backend.Checksum {
	if strings.EqualFold(h.Get(sumTypeHeader), "COMPOSITE") {
		return ""
	}
	if sum := decodeSum(backend.CRC32C, h.Get(crc32cHeader), 4); sum != "" {
		return sum
	}
	return decodeSum(backend.CRC64NVME, h.Get(nvmeHeader), 8)
}

// decodeSum reads base64 of n bytes; anything else, such as a checksum of checksums with the number of parts behind it, is
// no checksum.
func decodeSum(a backend.Algorithm, text string, n int) backend.Checksum {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != n {
		return ""
	}
	return backend.NewChecksum(a, raw)
}

func encodeSum(sum backend.Checksum) string {
	return base64.StdEncoding.EncodeToString(sum.Bytes())
}

var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// sumLike returns the checksum of p by the algorithm of want, or want for an algorithm that is not computed here.
func sumLike(want backend.Checksum, p []byte) backend.Checksum {
	switch want.Algorithm() {
	case backend.CRC32C:
		return backend.SumCRC32C(p)
	case backend.CRC64NVME:
		sum := crc64.Checksum(p, nvme)
		return backend.NewChecksum(backend.CRC64NVME, []byte{
			byte(sum >> 56), byte(sum >> 48), byte(sum >> 40), byte(sum >> 32), byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	}
	return want
}

// verify compares a new object with what it must be, and takes it away again if it is something else. Where nobody has told
// its checksum, although one is wanted, the object is read.
func (b *bucket) verify(ctx context.Context, op string, obj backend.Object, want backend.Checksum) error {
	if want.Algorithm() == backend.CRC32C && obj.Checksum == "" && b.p.sums.mode.Load() != noSums {
		sum, err := b.sumOf(ctx, obj)
		if err != nil {
			return err
		}
		obj.Checksum = sum
	}
	if !want.Contradicts(obj.Checksum) {
		return nil
	}
	cause := fmt.Errorf("the object has %s, not %s, and was removed", obj.Checksum, want)
	if err := b.Delete(ctx, obj); err != nil && !errors.Is(err, backend.NotFound) && !errors.Is(err, backend.Changed) {
		cause = fmt.Errorf("the object has %s, not %s, and could not be removed: %w", obj.Checksum, want, err)
	}
	return &backend.Error{Op: op, Key: obj.Key, Kind: backend.Corrupt, Err: cause}
}

// measured compares the length of a new object of which nothing was verified: a connection that is cut off can leave a
// shorter one.
func (b *bucket) measured(ctx context.Context, op string, obj backend.Object) (backend.Object, error) {
	now, e := b.head(ctx, op, obj.Key, "")
	if e != nil {
		return backend.Object{}, e
	}
	if now.Version != obj.Version || now.Size != obj.Size {
		return backend.Object{}, &backend.Error{Op: op, Key: obj.Key, Kind: backend.Corrupt,
			Err: fmt.Errorf("version %s of %d bytes is there; sent was version %s of %d", now.Version, now.Size, obj.Version, obj.Size)}
	}
	return now, nil
}

// sumOf reads an object and returns its CRC32C.
func (b *bucket) sumOf(ctx context.Context, obj backend.Object) (backend.Checksum, error) {
	const window = 8 << 20
	p := make([]byte, min(window, obj.Size))
	var sum uint32
	for off := int64(0); off < obj.Size; off += window {
		n := min(window, obj.Size-off)
		if _, err := b.ReadAt(ctx, obj, p[:n], off); err != nil {
			return "", err
		}
		part, _ := backend.SumCRC32C(p[:n]).CRC32C()
		sum = backend.CombineCRC32C(sum, part, n)
	}
	return backend.CRC32CChecksum(sum), nil
}
