package local

import (
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const benchPart = 16 << 20

func BenchmarkUploadPart(b *testing.B) {
	for name, p := range map[string][]byte{"data": noise(benchPart, 1), "zeros": make([]byte, benchPart)} {
		b.Run(name, func(b *testing.B) {
			s := open(b, b.TempDir())
			u := must(s.CreateUpload(b.Context(), "k", backend.UploadOptions{Size: 8 * benchPart, PartSize: benchPart}))(b)
			sum := backend.SumCRC32C(p)
			b.SetBytes(benchPart)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				must(s.UploadPart(b.Context(), u, i%8+1, p, sum))(b)
			}
		})
	}
}

func BenchmarkReadAt(b *testing.B) {
	s := open(b, b.TempDir())
	must(s.Put(b.Context(), "data", noise(benchPart, 1), backend.PutOptions{}))(b)
	must(s.Put(b.Context(), "zeros", make([]byte, benchPart), backend.PutOptions{}))(b)
	for _, c := range []struct {
		name, key string
		size      int
	}{{"data-16MiB", "data", benchPart}, {"data-4KiB", "data", 4096}, {"holes-16MiB", "zeros", benchPart}} {
		b.Run(c.name, func(b *testing.B) {
			obj := must(s.Stat(b.Context(), c.key))(b)
			p := make([]byte, c.size)
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				must(s.ReadAt(b.Context(), obj, p, 0))(b)
			}
		})
	}
}

func BenchmarkCopy(b *testing.B) {
	s := open(b, b.TempDir())
	must(s.Put(b.Context(), "k", noise(4*benchPart, 1), backend.PutOptions{}))(b)
	from := backend.Location{Scheme: "file", Path: s.dir + "/k"}
	b.SetBytes(4 * benchPart)
	for b.Loop() {
		must(s.Copy(b.Context(), from, "", "to", backend.CopyOptions{}))(b)
	}
}

func BenchmarkPut4KiB(b *testing.B) {
	s, p := open(b, b.TempDir()), noise(4096, 1)
	b.ReportAllocs()
	for b.Loop() {
		must(s.Put(b.Context(), "k", p, backend.PutOptions{}))(b)
	}
}
