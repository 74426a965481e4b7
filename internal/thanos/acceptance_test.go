package thanos

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-kit/log"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/oci"
	"gopkg.in/yaml.v2"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// TestAcceptance runs the suite. It uploads in parts and reads whole objects and ranges.
func TestAcceptance(t *testing.T) {
	sim, bucket := newBucket(t)
	objstore.AcceptanceTest(t, bucket)
	for _, operation := range []string{"CreateMultipartUpload", "UploadPart", "CommitMultipartUpload", "GetObject", "ListObjects", "DeleteObject"} {
		if sim.Log().Count(operation) == 0 {
			t.Errorf("the suite sent no %s: what does it judge?", operation)
		}
	}
}

// newBucket starts a simulator and returns the provider's bucket on it, which it reaches with a key of its own.
func newBucket(t *testing.T) (*ocisim.Server, objstore.Bucket) {
	t.Helper()
	sim, err := ocisim.New(ocisim.Options{Dir: t.TempDir(), Seed: &ocisim.Seed{Buckets: []ocisim.SeedBucket{{Name: "thanos"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	web := httptest.NewServer(sim)
	t.Cleanup(web.Close)
	bucket, err := oci.NewBucket(log.NewNopLogger(), config(t, sim, web.URL), func(next http.RoundTripper) http.RoundTripper {
		return redirect{to: strings.TrimPrefix(web.URL, "http://"), next: next}
	})
	if err != nil {
		t.Fatal(err)
	}
	return sim, bucket
}

// config is a configuration of Thanos with an API key.
func config(t *testing.T, sim *ocisim.Server, endpoint string) []byte {
	t.Helper()
	path, profile, err := sim.WriteConfig(t.TempDir(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	provider := common.CustomProfileConfigProvider(path, profile)
	fingerprint, err := provider.KeyFingerprint()
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(filepath.Dir(path), "oci_api_key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(oci.Config{
		Provider: "raw", Bucket: "thanos", Compartment: sim.Tenancy(), Tenancy: sim.Tenancy(), User: sim.User(), Region: sim.Region(),
		Fingerprint: fingerprint, PrivateKey: string(key), MaxRequestRetries: 1, RequestRetryInterval: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// redirect sends to the simulator what the provider, which takes no endpoint, signed for the region's host.
type redirect struct {
	to   string
	next http.RoundTripper
}

func (d redirect) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL = &url.URL{Scheme: "http", Host: d.to, Opaque: r.URL.Opaque, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	return d.next.RoundTrip(r)
}
