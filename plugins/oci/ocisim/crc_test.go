package ocisim

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func TestCombineCRC(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 1<<20+13)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	table := castagnoli()
	want := crc32.Checksum(data, table)
	for _, cut := range []int{0, 1, 7, 8, 4096, 1 << 19, len(data) - 1, len(data)} {
		got := combineCRC(crc32.Checksum(data[:cut], table), crc32.Checksum(data[cut:], table), int64(len(data)-cut))
		if got != want {
			t.Errorf("cut at %d: got %08x, want %08x", cut, got, want)
		}
	}
	equal(t, "check value of CRC32C", encodeCRC(crc32.Checksum([]byte("123456789"), table)), "4waSgw==")
}
