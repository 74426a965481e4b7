package ocisim

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// newBenchmark starts a simulator and returns the URI of a bucket that needs no signature: those of clients cost more than
// what is measured.
func newBenchmark(b *testing.B, skipMD5 bool) (uri string) {
	b.Helper()
	s, err := New(Options{Dir: b.TempDir(), Seed: &Seed{}, SkipMD5: skipMD5})
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(s)
	b.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.seedBucket(SeedBucket{Name: "b"}); err != nil {
		b.Fatal(err)
	}
	s.state.ObjectStorage.Buckets["b"].PARs["t"] = &par{Token: "t", AccessType: "AnyObjectReadWrite", Expires: time.Now().Add(time.Hour)}
	return web.URL + "/p/t/n/axsim/b/b/o/"
}

func do(b *testing.B, method, uri string, body []byte) {
	b.Helper()
	r, err := http.NewRequest(method, uri, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode >= 300 {
		b.Fatalf("%s: %d, %v", method, resp.StatusCode, err)
	}
}

func BenchmarkPut16MiB(b *testing.B) { benchmarkPut(b, false) }

func BenchmarkPut16MiBSkipMD5(b *testing.B) { benchmarkPut(b, true) }

func benchmarkPut(b *testing.B, skipMD5 bool) {
	uri := newBenchmark(b, skipMD5)
	body := make([]byte, 16<<20)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		do(b, "PUT", uri+"o", body)
	}
}

func BenchmarkGet16MiB(b *testing.B) {
	uri := newBenchmark(b, false)
	do(b, "PUT", uri+"o", make([]byte, 16<<20))
	b.SetBytes(16 << 20)
	b.ReportAllocs()
	for b.Loop() {
		do(b, "GET", uri+"o", nil)
	}
}

func BenchmarkPutSmall(b *testing.B) {
	uri := newBenchmark(b, false)
	body := make([]byte, 4<<10)
	i := 0
	for b.Loop() {
		do(b, "PUT", uri+strconv.Itoa(i), body)
		i++
	}
}
