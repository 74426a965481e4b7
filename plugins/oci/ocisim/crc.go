package ocisim

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// castagnoli returns the table of CRC32C; the library makes it once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// combineCRC returns the CRC32C of a followed by b, from the CRC32C of both and the length of b.
//
// Appending n zero bytes to a multiplies its remainder by x^(8n) modulo the polynomial of CRC32C. The pre- and
// post-conditioning of the two parts cancels out, so that the product and the remainder of b need only be added.
func combineCRC(a, b uint32, lenB int64) uint32 {
	const x8 = uint32(1) << (31 - 8) // the polynomial x^8: bits are reflected, the highest is x^0
	power := uint32(1) << 31         // x^0
	for base, n := x8, uint64(lenB); n > 0; n >>= 1 {
		if n&1 == 1 {
			power = multiplyCRC(power, base)
		}
		base = multiplyCRC(base, base)
	}
	return multiplyCRC(a, power) ^ b
}

// multiplyCRC multiplies two reflected polynomials modulo that of CRC32C.
func multiplyCRC(a, b uint32) uint32 {
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

// encodeCRC gives a CRC32C as headers carry it: base64 of four big-endian bytes.
func encodeCRC(crc uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
}
