package oci

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// TestNamesAreNotEncodedTwice runs with the variable that makes the SDK do so.
func TestNamesAreNotEncodedTwice(t *testing.T) {
	t.Setenv("OCI_GOSDK_ENCODE_PATH_PARAMS", "true")
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	const key = "a/b//c d%41?x#y/ü"
	if _, err := s.Put(t.Context(), key, []byte("x"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), key); err != nil {
		t.Error(err)
	}
	for o, err := range s.List(t.Context(), "") {
		if err != nil || o.Key != key {
			t.Errorf("stored as %q (%v)", o.Key, err)
		}
	}
}

// TestEndpointStaysWithItsServices has every service called, with an endpoint set, and expects all of them there.
func TestEndpointStaysWithItsServices(t *testing.T) {
	w := computeWorld(t)
	w.config.Endpoint += "/"
	p := w.provider(t)
	for name, host := range map[string]string{
		"objects": p.objects.Host, "machines": p.machines.Host, "volumes": p.volumes.Host, "work": p.work.Host, "identity": p.identity.Host,
	} {
		if host != w.server.URL {
			t.Errorf("%s are sought at %s", name, host)
		}
	}
	w.config.Endpoint = ""
	p = w.provider(t)
	if p.objects.Endpoint() == w.server.URL || !strings.HasPrefix(p.machines.Host, "https://iaas.us-phoenix-1.") {
		t.Errorf("without an endpoint: %s, %s", p.objects.Host, p.machines.Host)
	}
}

// TestChangeThatWasSentIsWaitedFor ends the context while the service is at work.
func TestChangeThatWasSentIsWaitedFor(t *testing.T) {
	received := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("opc-request-id", "id")
		rw.Header().Set("ETag", "e")
		if n, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Errorf("the body ends after %d bytes: %v", n, err)
		}
		close(received)
		<-r.Context().Done() // the client must not hang up: this ends with the handler
	}))
	defer server.Close()
	s := bareProvider(t, server.URL)
	const limit = 100 * time.Millisecond
	o := webOptions(1)
	o.LastWord = limit
	s.(*bucket).p.web.quick = httpclient.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-received
		cancel()
	}()
	began := time.Now()
	_, err := s.Put(ctx, "k", make([]byte, 2<<20), backend.PutOptions{})
	if !errors.Is(err, backend.Canceled) || time.Since(began) < limit {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

func TestNothingIsHeldAfterManyRequests(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	data := bytes.Repeat([]byte("x"), 2<<20)
	for range 5 {
		if _, err := s.Put(t.Context(), "k", data, backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.server.CloseClientConnections()
	if _, err := s.Put(t.Context(), "k", data, backend.PutOptions{}); err != nil && !errors.Is(err, backend.Offline) {
		t.Error(err)
	}
}

func benchmarkWorld(b *testing.B) (backend.Storage, []byte) {
	w := newWorld(b, ocisim.Options{})
	return w.storage(b, "archive"), bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
}

// BenchmarkUploadPart and BenchmarkReadAt move 16 MiB; the simulator's part of time and memory is in the figures.
func BenchmarkUploadPart(b *testing.B) {
	s, data := benchmarkWorld(b)
	u, err := s.CreateUpload(b.Context(), "k", backend.UploadOptions{Size: int64(len(data)), PartSize: int64(len(data))})
	if err != nil {
		b.Fatal(err)
	}
	sum := backend.SumCRC32C(data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.UploadPart(b.Context(), u, 1, data, sum); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadAt(b *testing.B) {
	s, data := benchmarkWorld(b)
	obj, err := s.Put(b.Context(), "k", data, backend.PutOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.ReadAt(b.Context(), obj, data[:len(data)-1], 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStat(b *testing.B) {
	s, _ := benchmarkWorld(b)
	if _, err := s.Put(b.Context(), "k", []byte("x"), backend.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Stat(b.Context(), "k"); err != nil {
			b.Fatal(err)
		}
	}
}
