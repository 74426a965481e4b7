package backend

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
)

// Algorithm names a checksum algorithm.
type Algorithm string

// The algorithms that the contract knows. CRC32C (Castagnoli) is the common ground: the engine computes it for every part,
// and the CRC32C of an object follows from those of its parts.
const (
	CRC32C    Algorithm = "crc32c"
	CRC64NVME Algorithm = "crc64nvme"
	MD5       Algorithm = "md5"
	SHA256    Algorithm = "sha256"
)

// Checksum is an algorithm and its value in hexadecimal: "crc32c:1a2b3c4d". It is comparable; the zero value means none.
type Checksum string

// NewChecksum makes a Checksum of the algorithm's raw output.
func NewChecksum(a Algorithm, sum []byte) Checksum {
	return Checksum(string(a) + ":" + hex.EncodeToString(sum))
}

// ParseChecksum reads the text form.
func ParseChecksum(s string) (Checksum, error) {
	algorithm, value, ok := strings.Cut(s, ":")
	if raw, err := hex.DecodeString(value); !ok || algorithm == "" || err != nil || len(raw) == 0 {
		return "", fmt.Errorf("checksum %q is not of the form algorithm:hex", s)
	}
	return Checksum(s), nil
}

// Algorithm returns the algorithm, or "" for no checksum.
func (c Checksum) Algorithm() Algorithm {
	a, _, _ := strings.Cut(string(c), ":")
	return Algorithm(a)
}

// Bytes returns the raw value, nil for no checksum.
func (c Checksum) Bytes() []byte {
	_, value, _ := strings.Cut(string(c), ":")
	raw, err := hex.DecodeString(value)
	if err != nil {
		return nil
	}
	return raw
}

// CRC32C returns c's value as a number; ok is false if c is not a CRC32C.
func (c Checksum) CRC32C() (sum uint32, ok bool) {
	if raw := c.Bytes(); c.Algorithm() == CRC32C && len(raw) == 4 {
		return binary.BigEndian.Uint32(raw), true
	}
	return 0, false
}

// Contradicts reports whether c and d are of one algorithm and differ. Checksums of different algorithms, and none, say
// nothing about each other.
func (c Checksum) Contradicts(d Checksum) bool {
	return c != "" && d != "" && c.Algorithm() == d.Algorithm() && c != d
}

// SumCRC32C returns the CRC32C of p.
func SumCRC32C(p []byte) Checksum {
	return CRC32CChecksum(crc32.Checksum(p, castagnoli))
}

// CRC32CChecksum makes a Checksum of a CRC32C value.
func CRC32CChecksum(sum uint32) Checksum {
	return NewChecksum(CRC32C, binary.BigEndian.AppendUint32(nil, sum))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CombineCRC32C returns the CRC32C of the concatenation of two byte sequences from the CRC32C of each and the length of
// the second. Appending n bytes to a sequence multiplies its CRC by x^(8n) modulo the polynomial: the function raises x
// to that power by squaring, in O(log n) steps.
func CombineCRC32C(first, second uint32, secondLen int64) uint32 {
	power := uint32(1) << 30 // x in the reflected representation, where bit 31 is x^0
	shift := uint32(1) << 31 // x^0
	for n := uint64(secondLen) * 8; n > 0; n >>= 1 {
		if n&1 == 1 {
			shift = multiply(shift, power)
		}
		power = multiply(power, power)
	}
	return multiply(first, shift) ^ second
}

// multiply returns a*b modulo the Castagnoli polynomial, all in the reflected representation.
func multiply(a, b uint32) uint32 {
	var product uint32
	for bit := uint32(1) << 31; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= crc32.Castagnoli
		}
	}
	return product
}
