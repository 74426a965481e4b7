package oci

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// world is a simulator and the credentials for it.
type world struct {
	sim    *ocisim.Server
	server *httptest.Server
	config Config
}

func newWorld(t testing.TB, o ocisim.Options) *world {
	t.Helper()
	o.Dir = t.TempDir()
	sim, err := ocisim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{sim: sim, server: httptest.NewServer(sim)}
	key := testKey()
	fingerprint := fingerprintOf(key)
	if err := sim.RegisterKey(sim.Tenancy()+"/"+sim.User()+"/"+fingerprint, &key.PublicKey); err != nil {
		t.Fatal(err)
	}
	w.config = Config{
		TenancyOCID: sim.Tenancy(), UserOCID: sim.User(), Fingerprint: fingerprint, Region: sim.Region(),
		PrivateKeyPath: writeKey(t, key), Endpoint: w.server.URL,
	}
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
		w.server.Close()
	})
	return w
}

// testKey is one short key for all tests: under the race detector, a signature with a key of usual length takes longer than
// the request it is for.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
})

func writeKey(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// provider returns a new Provider that does not wait as long as the service wishes.
func (w *world) provider(t testing.TB) *Provider {
	t.Helper()
	p, err := New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	p.pause = func(ctx context.Context, d time.Duration) error { return pause(ctx, min(d, 10*time.Millisecond)) }
	t.Cleanup(func() { p.Close() })
	return p
}

func (w *world) location(bucket, key string) backend.Location {
	return backend.Location{Scheme: scheme, Path: w.sim.Namespace() + "/" + bucket + "/" + key}
}

func (w *world) storage(t testing.TB, name string) backend.Storage {
	t.Helper()
	s, _, err := w.provider(t).Open(w.location(name, ""))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	want := bytes.Repeat([]byte("hyperexport"), 300_000)
	obj, err := s.Put(t.Context(), "a//b/../c d%41", want, backend.PutOptions{Meta: map[string]string{"owner": "platform"}})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if n, err := s.ReadAt(t.Context(), obj, got, 0); err != nil || !bytes.Equal(got[:n], want) {
		t.Fatalf("%d bytes, %v", n, err)
	}
}
