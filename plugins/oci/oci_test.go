package oci

import (
	"bytes"
	"context"
	"net/http/httptest"
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
	path, profile, err := sim.WriteConfig(t.TempDir(), w.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.config = Config{ConfigFile: path, Profile: profile, Endpoint: w.server.URL}
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
		w.server.Close()
	})
	return w
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
