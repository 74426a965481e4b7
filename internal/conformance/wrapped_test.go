// Package conformance runs the conformance suite on the backends as the program uses them: inside the retry layer, while
// every few calls fail in a way that passes, before or after their effect.
package conformance

import (
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/internal/gateway"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/plugins/local"
	"github.com/hyperexport/hyperexport/plugins/oci"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
	"github.com/hyperexport/hyperexport/plugins/s3"
)

func TestLocal(t *testing.T) {
	root := backend.Location{Scheme: "file", Path: filepath.ToSlash(t.TempDir()) + "/container/"}
	suite(t, local.New(local.Options{}), root, 1001)
}

// TestS3 has versitygw, which keeps objects in folders.
func TestS3(t *testing.T) {
	server, err := gateway.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	bucket, err := server.Bucket("wrapped")
	if err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none")
	provider, err := s3.New(s3.Config{Endpoint: server.URL, Region: server.Region, Keys: "tree", Credentials: s3.Credentials{
		AccessKey: server.Access, SecretKey: server.Secret, CredentialsFile: none, ConfigFile: none}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := provider.Close(); err != nil {
			t.Error(err)
		}
	})
	suite(t, provider, backend.Location{Scheme: "s3", Path: bucket + "/"}, 121)
}

func TestOCI(t *testing.T) {
	sim, err := ocisim.New(ocisim.Options{Dir: t.TempDir(), Timings: ocisim.Timings{Copy: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		server.Close()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	config, profile, err := sim.WriteConfig(t.TempDir(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := oci.New(oci.Config{ConfigFile: config, Profile: profile, Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := provider.Close(); err != nil {
			t.Error(err)
		}
	})
	suite(t, provider, backend.Location{Scheme: "oci", Path: sim.Namespace() + "/archive/"}, 121)
}

// settled are the operations that the retry layer settles when their answer is lost. An upload whose id was lost it
// settles only for a caller that owns the key, which twenty racing writers do not.
var settled = []string{backendtest.OpPut, backendtest.OpUploadPart, backendtest.OpCompleteUpload, backendtest.OpAbortUpload, backendtest.OpDelete}

// suite runs the whole suite on the container at root, wrapped.
func suite(t *testing.T, p backend.Provider, root backend.Location, objects int) {
	backendtest.TestStorage(t, func(t *testing.T) backend.Storage {
		s, prefix, err := p.Open(root)
		if err != nil || prefix != "" {
			t.Fatalf("open %s: prefix %q, %v", root, prefix, err)
		}
		shaky := &backendtest.Faults{Storage: s, Seed: 1, Rules: []backendtest.Rule{{Every: 7, Err: backend.Unavailable}}}
		for _, op := range settled {
			shaky.Rules = append(shaky.Rules, backendtest.Rule{Op: op, Every: 3, Err: backend.Timeout, After: true})
		}
		return wrap.Retry(shaky, wrap.Policy{Attempts: 100, First: time.Microsecond, Max: time.Millisecond})
	}, backendtest.CheckOptions{
		Locate:  func(key string) backend.Location { return root.Join(key) },
		Objects: objects,
	})
}
