package plugin

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hyperexport/hyperexport/internal/gateway"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/local"
	"github.com/hyperexport/hyperexport/plugins/s3"
)

// factoryOf returns the factory of a kind of guest, nil if there is no such kind.
func factoryOf(kind string) Factory {
	switch kind {
	case "mem":
		return memFactory
	case "local":
		return func(context.Context, Config) (backend.Provider, error) { return local.New(local.Options{}), nil }
	case "s3":
		return s3Factory
	case "oci":
		return ociFactory
	}
	return nil
}

func s3Factory(_ context.Context, c Config) (backend.Provider, error) {
	return s3.New(s3.Config{Endpoint: c.Settings["endpoint"], Region: c.Settings["region"], Credentials: s3.Credentials{
		AccessKey: c.Secrets["access"], SecretKey: c.Secrets["secret"],
		CredentialsFile: c.Settings["no-file"], ConfigFile: c.Settings["no-file"]}, Keys: "tree"})
}

// versity is the S3 server of the tests. The first test that needs it starts it.
var versity struct {
	sync.Mutex
	server *gateway.Server
}

func versityOf(t testing.TB) *gateway.Server {
	t.Helper()
	versity.Lock()
	defer versity.Unlock()
	if versity.server == nil {
		server, err := gateway.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		versity.server = server
	}
	return versity.server
}

func stopVersity() error {
	versity.Lock()
	defer versity.Unlock()
	if versity.server == nil {
		return nil
	}
	return versity.server.Stop()
}

// configure fills in what a guest of that kind needs.
func configure(t testing.TB, kind string, c Config) {
	t.Helper()
	if kind != "s3" {
		return
	}
	server := versityOf(t)
	c.Settings["endpoint"], c.Settings["region"] = server.URL, server.Region
	c.Settings["no-file"] = filepath.Join(server.Dir, ".none")
	c.Secrets["access"], c.Secrets["secret"] = server.Access, server.Secret
}

// container returns the place of an empty container.
func container(t testing.TB, kind string) backend.Location {
	t.Helper()
	switch kind {
	case "local":
		return backend.Location{Scheme: "file", Path: filepath.ToSlash(t.TempDir()) + "/container/"}
	case "s3":
		name, err := versityOf(t).Bucket("plugin")
		if err != nil {
			t.Fatal(err)
		}
		return backend.Location{Scheme: "s3", Path: name + "/"}
	default:
		return backend.Location{Scheme: "mem", Path: "bucket/"}
	}
}

// openAt opens a container.
func openAt(t testing.TB, p backend.Provider, at backend.Location) backend.Storage {
	t.Helper()
	s, key, err := p.Open(at)
	if err != nil || key != "" {
		t.Fatalf("open %s: key %q, %v", at, key, err)
	}
	return s
}
