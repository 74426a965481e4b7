package backendtest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"math/rand/v2"
	"slices"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// content is what a version is made of. readAt fills p, which lies within the object.
type content interface {
	readAt(p []byte, off int64)
}

var errDiscarded = errors.New("the container keeps no bytes (MemOptions.Discard)")

// chunks is content in pieces of one size; the last may be shorter.
type chunks struct {
	size int64
	list [][]byte
}

func (c *chunks) readAt(p []byte, off int64) {
	for len(p) > 0 {
		n := copy(p, c.list[off/c.size][off%c.size:])
		p, off = p[n:], off+int64(n)
	}
}

// content makes a whole object of a single part.
func (p memPart) content(discard bool) content {
	if discard {
		return nil
	}
	return &chunks{size: max(1, int64(len(p.data))), list: [][]byte{p.data}}
}

// receive verifies p against sum and keeps a copy of it unless the container discards.
func (m *Mem) receive(p []byte, sum backend.Checksum) (memPart, error) {
	part := memPart{crc: crc32.Checksum(p, castagnoli)}
	if want, ok := sum.CRC32C(); ok {
		if want != part.crc && slices.Contains(m.info.Checksums, backend.CRC32C) {
			return memPart{}, fmt.Errorf("the bytes have %s instead of %s", backend.CRC32CChecksum(part.crc), sum)
		}
	} else if slices.Contains(m.info.Checksums, sum.Algorithm()) {
		if got := Sum(sum.Algorithm(), p); got != sum {
			return memPart{}, fmt.Errorf("the bytes have %s instead of %s", got, sum)
		}
	}
	if !m.o.Discard {
		part.data = bytes.Clone(p)
	}
	return part, nil
}

// matches reports whether the whole object has the checksum, as far as the container verifies such checksums.
func (m *Mem) matches(o *memObject, sum backend.Checksum) bool {
	switch {
	case !slices.Contains(m.info.Checksums, sum.Algorithm()):
		return true
	case sum.Algorithm() == o.Checksum.Algorithm():
		return sum == o.Checksum
	case o.data == nil:
		return true
	}
	p := make([]byte, o.Size)
	o.data.readAt(p, 0)
	return Sum(sum.Algorithm(), p) == sum
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// Sum returns the checksum of p, and none for an algorithm that the contract does not know.
func Sum(a backend.Algorithm, p []byte) backend.Checksum {
	h := newHash(a)
	if h == nil {
		return ""
	}
	h.Write(p)
	return backend.NewChecksum(a, h.Sum(nil))
}

// newHash returns what computes checksums of the algorithm, nil if the contract does not know it.
func newHash(a backend.Algorithm) hash.Hash {
	switch a {
	case backend.CRC32C:
		return crc32.New(castagnoli)
	case backend.CRC64NVME:
		return crc64.New(nvme)
	case backend.MD5:
		return md5.New()
	case backend.SHA256:
		return sha256.New()
	}
	return nil
}

// segment is the length in bytes of a piece of a Pattern that is one run of its block.
const segment = 256 << 10

// Pattern is an endless sequence of bytes that looks random, takes no memory and costs as much as a copy. Each byte is a
// function of the seed and its offset, so a piece that comes out at the wrong place is seen. It is safe for concurrent use.
type Pattern struct {
	seed  uint64
	block *[2 * segment]byte // random bytes, twice, so that a run may begin anywhere in the first half
}

// NewPattern returns the pattern of seed.
func NewPattern(seed uint64) *Pattern {
	block := new([2 * segment]byte)
	rng := rand.New(rand.NewPCG(0x6879706572, 0x6578706f7274))
	for i := 0; i < segment; i += 8 {
		binary.LittleEndian.PutUint64(block[i:], rng.Uint64())
	}
	copy(block[segment:], block[:segment])
	return &Pattern{seed: seed, block: block}
}

// With returns the pattern of another seed. It shares memory with p.
func (p *Pattern) With(seed uint64) *Pattern {
	return &Pattern{seed: seed, block: p.block}
}

// ReadAt fills dst with the bytes from off on. It never fails.
func (p *Pattern) ReadAt(dst []byte, off int64) (int, error) {
	p.readAt(dst, off)
	return len(dst), nil
}

func (p *Pattern) readAt(dst []byte, off int64) {
	for len(dst) > 0 {
		within := off % segment
		start := int64(mix(p.seed^mix(uint64(off/segment)))%segment) + within
		n := copy(dst[:min(int64(len(dst)), segment-within)], p.block[start:])
		dst, off = dst[n:], off+int64(n)
	}
}

// CRC32C returns the checksum of the first size bytes.
func (p *Pattern) CRC32C(size int64) backend.Checksum {
	buf := make([]byte, segment)
	var crc uint32
	for off := int64(0); off < size; off += segment {
		n := min(segment, size-off)
		p.readAt(buf[:n], off)
		crc = crc32.Update(crc, castagnoli, buf[:n])
	}
	return backend.CRC32CChecksum(crc)
}

// mix scatters the bits of x over the whole word.
func mix(x uint64) uint64 {
	x ^= x >> 31
	x *= 0x9e3779b97f4a7c15
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 32
	return x
}
