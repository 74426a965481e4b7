package s3

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/internal/gateway"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// versity is the S3 server of all tests.
var versity *gateway.Server

func TestMain(m *testing.M) {
	code, err := runWithVersity(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func runWithVersity(m *testing.M) (code int, err error) {
	if versity, err = gateway.Start(context.Background()); err != nil {
		return 0, err
	}
	code = m.Run()
	if err := versity.Stop(); err != nil || code != 0 {
		return code, err
	}
	return 0, goleak.Find()
}

// The keys of the services that the tests play themselves.
const (
	testAccess = "AKIDTESTTESTTEST"
	testSecret = "canary+secret/of/the/tests"
)

// ofVersity is the configuration for it.
func ofVersity() Config {
	none := filepath.Join(versity.Dir, ".none")
	return Config{Endpoint: versity.URL, Region: versity.Region, Credentials: Credentials{AccessKey: versity.Access, SecretKey: versity.Secret,
		CredentialsFile: none, ConfigFile: none}}
}

// newBucket makes a bucket there.
func newBucket(t testing.TB, prefix string) string {
	t.Helper()
	name, err := versity.Bucket(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func provider(t testing.TB, c Config) *Provider {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func storage(t testing.TB, p *Provider, bucket string) backend.Storage {
	t.Helper()
	s, key, err := p.Open(backend.Location{Scheme: "s3", Path: bucket})
	if err != nil || key != "" {
		t.Fatal(key, err)
	}
	return s
}

// content returns bytes that differ from place to place; those of a shorter length are the beginning of those of a longer.
func content(n int) []byte {
	p := make([]byte, n)
	if _, err := backendtest.NewPattern(7).ReadAt(p, 0); err != nil {
		panic(err)
	}
	return p
}
