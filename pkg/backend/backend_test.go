package backend_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func TestLocation(t *testing.T) {
	for _, c := range []struct {
		text, scheme, path, out string
	}{
		{"oci://ns/bucket/a//b/../%41 c", "oci", "ns/bucket/a//b/../%41 c", "oci://ns/bucket/a//b/../%41 c"},
		{"s3://bucket", "s3", "bucket", "s3://bucket"},
		{"file:///data/x.qcow2", "file", "/data/x.qcow2", "file:///data/x.qcow2"},
		{"./exports/", "file", "./exports/", "./exports/"},
		{"/abs/dir/", "file", "/abs/dir/", "file:///abs/dir/"},
	} {
		l, err := backend.ParseLocation(c.text)
		if err != nil || l.Scheme != c.scheme || l.Path != c.path || l.String() != c.out {
			t.Errorf("ParseLocation(%q) = %+v %q, %v", c.text, l, l, err)
		}
		again, err := backend.ParseLocation(l.String())
		if err != nil || again != l {
			t.Errorf("ParseLocation(%q) = %+v, %v; want %+v", l, again, err, l)
		}
	}
	for _, bad := range []string{"", "OCI://x/y", "oci://", "file://data/x"} {
		if l, err := backend.ParseLocation(bad); err == nil {
			t.Errorf("ParseLocation(%q) = %+v, want an error", bad, l)
		}
	}
}

func TestLocationAbs(t *testing.T) {
	for text, want := range map[string]string{
		"./exports/":       "file:///work/exports/",
		"exports/../d.img": "file:///work/d.img",
		"..":               "file:///",
		"/x/./y/":          "file:///x/y/",
		"oci://ns/b/../k":  "oci://ns/b/../k",
	} {
		l, err := backend.ParseLocation(text)
		if got := l.Abs("/work"); err != nil || got.String() != want {
			t.Errorf("%q below /work = %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestCombineCRC32C(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	table := crc32.MakeTable(crc32.Castagnoli)
	for _, size := range []int{0, 1, 2, 63, 64, 1000, 4096, 65537} {
		p := make([]byte, size)
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		cut := rng.IntN(size + 1)
		got := backend.CombineCRC32C(crc32.Checksum(p[:cut], table), crc32.Checksum(p[cut:], table), int64(size-cut))
		if want := crc32.Checksum(p, table); got != want {
			t.Errorf("%d bytes cut at %d: %08x, want %08x", size, cut, got, want)
		}
	}
}

func TestChecksum(t *testing.T) {
	c := backend.SumCRC32C([]byte("123456789"))
	if c != "crc32c:e3069283" {
		t.Errorf("CRC32C of the check string is %s", c)
	}
	if v, ok := c.CRC32C(); !ok || v != 0xe3069283 {
		t.Errorf("value %08x %v", v, ok)
	}
	if c.Contradicts("md5:00") || c.Contradicts("") || !c.Contradicts("crc32c:00000000") {
		t.Error("Contradicts compares what cannot be compared, or misses a difference")
	}
	for _, bad := range []string{"", "crc32c", "crc32c:", "crc32c:xyz", ":00"} {
		if _, err := backend.ParseChecksum(bad); err == nil {
			t.Errorf("ParseChecksum(%q) succeeded", bad)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	cause := errors.New("etag differs")
	err := fmt.Errorf("source: %w", &backend.Error{Op: "read", Key: "a", Kind: backend.Changed, RequestID: "r1", Err: cause})
	if !errors.Is(err, backend.Changed) || errors.Is(err, backend.NotFound) || !errors.Is(err, cause) {
		t.Error("errors.Is does not see the kind and the cause")
	}
	if got := err.Error(); got != "source: read a: etag differs (request r1)" {
		t.Errorf("text %q", got)
	}
	for want, err := range map[backend.Kind]error{
		backend.Changed:  err,
		backend.Canceled: fmt.Errorf("x: %w", context.Canceled),
		backend.Timeout:  context.DeadlineExceeded,
		backend.Full:     fmt.Errorf("y: %w", backend.Full),
		backend.Unknown:  io.EOF,
	} {
		if got := backend.KindOf(err); got != want {
			t.Errorf("KindOf(%v) = %q, want %q", err, got, want)
		}
	}
}

func TestBodyIsNotReadAfterRelease(t *testing.T) {
	p := make([]byte, 1<<20)
	body := backend.Body(p)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			buf := make([]byte, 100)
			for {
				if _, err := body.Read(buf); err != nil {
					return
				}
			}
		})
	}
	body.Release()
	for i := range p { // the race detector sees a read that Release did not wait for
		p[i] = 1
	}
	readers.Wait()
	if _, err := body.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("read after release: %v", err)
	}
}

func TestUnimplementedFailsWithUnsupported(t *testing.T) {
	var s backend.Unimplemented
	ctx := t.Context()
	_, err := s.Stat(ctx, "k")
	errs := []error{err, s.AbortUpload(ctx, backend.Upload{}), s.Delete(ctx, backend.Object{})}
	for _, err := range s.List(ctx, "") {
		errs = append(errs, err)
	}
	for _, err := range errs {
		if !errors.Is(err, backend.Unsupported) {
			t.Errorf("%v is not Unsupported", err)
		}
	}
	if len(errs) != 4 {
		t.Errorf("List yielded %d times, want once", len(errs)-3)
	}
}

func TestQueryMatchesName(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"?", "", false}, {"a*b*c", "a/b/c", true}, {"a*b", "abab", true}, {"a?c", "aüc", true}, {"[a]", "[a]", true}, {"a*", "b", false}, {"**x", "x", true}, {"", "any", true},
	} {
		if got := (backend.Query{Name: c.pattern}).MatchesName(c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
	}
}
