package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func customerKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// TestConformanceWithOwnKey runs the suite with objects that nothing is answered about without the caller's key.
func TestConformanceWithOwnKey(t *testing.T) {
	w := newWorld(t, ocisim.Options{Timings: ocisim.Timings{Copy: 10 * time.Millisecond}})
	w.config.EncryptionKey = customerKey("ours")
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return w.storage(t, "archive") }, backendtest.CheckOptions{
		Locate: func(key string) backend.Location { return w.location("archive", key) }, Objects: 11,
	})
	for _, e := range w.sim.Log().All() {
		if strings.Contains(e.Query, "uploadId") && e.Method == "PUT" && e.Header.Get("opc-sse-customer-algorithm") != "AES256" {
			t.Errorf("a part without the key: %s", e.Path)
			break
		}
	}
}

func TestOwnKeyIsNeededToRead(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	plain := w.storage(t, "archive")
	if _, err := plain.Put(t.Context(), "plain", []byte("x"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	w.config.EncryptionKey = customerKey("ours")
	s := w.storage(t, "archive")
	o, err := s.Put(t.Context(), "k", []byte("secret"), backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.config.EncryptionKey = customerKey("theirs")
	theirs := w.storage(t, "archive")
	for name, c := range map[string]struct {
		s      backend.Storage
		key    string
		kind   backend.Kind
		advice string
	}{
		"without": {plain, "k", backend.Invalid, "only encryption_key of the backend can give"},
		"wrong":   {theirs, "k", backend.Forbidden, ""},
		"surplus": {s, "plain", backend.Invalid, "InvalidSSECustomerKey"},
	} {
		_, statErr := c.s.Stat(t.Context(), c.key)
		_, readErr := c.s.ReadAt(t.Context(), backend.Object{Key: c.key, Size: 1}, make([]byte, 1), 0)
		for _, err := range []error{statErr, readErr} {
			if !errors.Is(err, c.kind) || name != "wrong" && !strings.Contains(err.Error(), c.advice) {
				t.Errorf("%s: %v", name, err)
			}
			for _, key := range []string{customerKey("ours"), customerKey("theirs")} {
				if strings.Contains(fmt.Sprintf("%+v %#v", err, err), key) {
					t.Errorf("%s: the key shows: %v", name, err)
				}
			}
		}
	}
	if _, err := s.ReadAt(t.Context(), o, make([]byte, 6), 0); err != nil {
		t.Error(err)
	}
}

// TestVaultKey looks at whether the key arrives with everything that begins an object.
func TestVaultKey(t *testing.T) {
	w := newWorld(t, ocisim.Options{Timings: ocisim.Timings{Copy: 10 * time.Millisecond},
		Seed: &ocisim.Seed{Buckets: []ocisim.SeedBucket{{Name: "archive"}}, Keys: []ocisim.SeedKey{{Name: "mine"}}}})
	w.config.KMSKey = w.sim.KeyID("mine")
	s := w.storage(t, "archive")
	if _, err := s.Put(t.Context(), "k", []byte("x"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUpload(t.Context(), "u", backend.UploadOptions{Size: 1, PartSize: 1}); err != nil {
		t.Error(err)
	}
	if _, err := s.Copy(t.Context(), w.location("archive", "k"), "", "c", backend.CopyOptions{}); err != nil {
		t.Error(err)
	}
	for _, e := range w.sim.Log().All() {
		switch e.Operation {
		case "PutObject", "CreateMultipartUpload", "CopyObject":
			if got := e.Header.Get("opc-sse-kms-key-id"); got != w.config.KMSKey {
				t.Errorf("%s with key %q", e.Operation, got)
			}
		}
	}
	if err := w.sim.SetKey("mine", false); err != nil {
		t.Fatal(err)
	}
	o, err := s.Stat(t.Context(), "k")
	if err == nil {
		_, err = s.ReadAt(t.Context(), o, make([]byte, 1), 0)
	}
	if !errors.Is(err, backend.Invalid) || !strings.Contains(err.Error(), "Vault") {
		t.Errorf("a disabled key: %v", err)
	}
}

// regions has a bucket of one name in two regions, and a provider for each.
func regions(t *testing.T, change func(west, east *Config)) (w *world, west, east *Provider) {
	t.Helper()
	w = newWorld(t, ocisim.Options{Timings: ocisim.Timings{Copy: 30 * time.Millisecond},
		Seed: &ocisim.Seed{Regions: []string{"us-ashburn-1"}, Buckets: []ocisim.SeedBucket{{Name: "same"}, {Name: "same", Region: "us-ashburn-1"}}}})
	server := httptest.NewServer(w.sim.RegionHandler("us-ashburn-1"))
	t.Cleanup(server.Close)
	here, there := w.config, w.config
	there.Region, there.Endpoint, there.Scheme = "us-ashburn-1", server.URL, "dr"
	change(&here, &there)
	w.config = here
	west = w.provider(t)
	w.config = there
	east = w.provider(t)
	Join(west, east)
	return w, west, east
}

func opened(t *testing.T, w *world, p *Provider) backend.Storage {
	t.Helper()
	s, _, err := p.Open(w.location("same", ""))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCopyToAnotherRegion copies with a key of its own on each side and to another tier.
func TestCopyToAnotherRegion(t *testing.T) {
	for name, change := range map[string]func(west, east *Config){
		"plain": func(_, _ *Config) {},
		"keys": func(west, east *Config) {
			west.EncryptionKey, east.EncryptionKey = customerKey("west"), customerKey("east")
		},
		"from a key":      func(west, _ *Config) { west.EncryptionKey = customerKey("west") },
		"to a key, tier":  func(_, east *Config) { east.EncryptionKey, east.StorageTier = customerKey("east"), "infrequent_access" },
		"to another tier": func(_, east *Config) { east.StorageTier = "infrequent_access" },
	} {
		t.Run(name, func(t *testing.T) {
			w, west, east := regions(t, change)
			from, to := opened(t, w, west), opened(t, w, east)
			want := bytes.Repeat([]byte("bytes"), 1000)
			src, err := from.Put(t.Context(), "k", want, backend.PutOptions{Meta: map[string]string{"a": "b"}})
			if err != nil {
				t.Fatal(err)
			}
			at := w.location("same", "k")
			o, err := to.Copy(t.Context(), at, src.Version, "copy", backend.CopyOptions{If: backend.Condition{Absent: true}})
			if err != nil || o.Size != src.Size || o.Checksum != src.Checksum || o.Meta["a"] != "b" || o.Tier != tierOf(east.store.tier) {
				t.Fatalf("%+v, %v", o, err)
			}
			got := make([]byte, len(want))
			if _, err := to.ReadAt(t.Context(), o, got, 0); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the copy: %v", err)
			}
			if _, err := from.Stat(t.Context(), "copy"); !errors.Is(err, backend.NotFound) {
				t.Errorf("the copy in the region of the source: %v", err)
			}
			if _, err := to.Copy(t.Context(), at, src.Version, "copy", backend.CopyOptions{If: backend.Condition{Absent: true}}); !errors.Is(err, backend.Exists) {
				t.Errorf("onto an object: %v", err)
			}
			if _, err := to.Copy(t.Context(), at, "old", "other", backend.CopyOptions{}); !errors.Is(err, backend.Changed) {
				t.Errorf("of another version: %v", err)
			}
			back, err := from.Copy(t.Context(), backend.Location{Scheme: "dr", Path: w.location("same", "copy").Path}, o.Version, "back", backend.CopyOptions{})
			if err != nil || back.Checksum != src.Checksum {
				t.Errorf("back: %+v, %v", back, err)
			}
		})
	}
}
