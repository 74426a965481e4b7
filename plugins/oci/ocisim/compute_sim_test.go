package ocisim_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// cloud is a simulator with the clients of the real SDK pointed at it. Its clock stands still.
type cloud struct {
	t        *testing.T
	dir      string
	server   *ocisim.Server
	clock    *ocisim.ManualClock
	url      string
	provider common.ConfigurationProvider

	compute  core.ComputeClient
	volumes  core.BlockstorageClient
	networks core.VirtualNetworkClient
	identity identity.IdentityClient
	requests workrequests.WorkRequestClient
	objects  objectstorage.ObjectStorageClient
}

// Durations on the manual clock of what clouds do.
const (
	createTime = 40 * time.Second
	exportTime = 60 * time.Second
	powerTime  = 10 * time.Second
)

const diskSize = 11 << 20 // of test instances: no multiple of anything that formats of images like

// newCloud starts a simulator of the seed in a new directory. nil is the default seed with small disks.
func newCloud(t *testing.T, seed *ocisim.Seed) *cloud {
	t.Helper()
	if seed == nil {
		seed = ocisim.DefaultSeed()
		for i := range seed.Instances {
			seed.Instances[i].DiskBytes, seed.Instances[i].DataBytes = diskSize, 1<<20
		}
	}
	return openCloud(t, t.TempDir(), seed, ocisim.NewManualClock(time.Now()))
}

// openCloud starts a simulator in a directory.
func openCloud(t *testing.T, dir string, seed *ocisim.Seed, clock *ocisim.ManualClock) *cloud {
	t.Helper()
	server, err := ocisim.New(ocisim.Options{Dir: dir, Clock: clock, Seed: seed, Timings: ocisim.Timings{
		CreateImage: createTime, ExportImage: exportTime, PowerAction: powerTime,
	}})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	t.Cleanup(func() {
		front.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &cloud{t: t, dir: dir, server: server, clock: clock, url: front.URL}
	c.authenticate()
	c.connect(front.Client())
	return c
}

// authenticate registers the key of all tests.
func (c *cloud) authenticate() {
	c.t.Helper()
	key, user := testKey(), c.server.Tenancy()+"/"+c.server.User()
	if err := c.server.RegisterKey(user+"/"+testFingerprint, &key.PublicKey); err != nil {
		c.t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	c.provider = common.NewRawConfigurationProvider(c.server.Tenancy(), c.server.User(), c.server.Region(), testFingerprint, string(text), nil)
}

// testKey signs for all clouds: making a key takes longer than most tests.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

const testFingerprint = "00:11:22:33"

// connect makes the clients: without retries and circuit breaker, and dating their requests by the manual clock.
func (c *cloud) connect(httpClient *http.Client) {
	c.t.Helper()
	var errs [6]error
	c.compute, errs[0] = core.NewComputeClientWithConfigurationProvider(c.provider)
	c.volumes, errs[1] = core.NewBlockstorageClientWithConfigurationProvider(c.provider)
	c.networks, errs[2] = core.NewVirtualNetworkClientWithConfigurationProvider(c.provider)
	c.identity, errs[3] = identity.NewIdentityClientWithConfigurationProvider(c.provider)
	c.requests, errs[4] = workrequests.NewWorkRequestClientWithConfigurationProvider(c.provider)
	c.objects, errs[5] = objectstorage.NewObjectStorageClientWithConfigurationProvider(c.provider)
	if err := errors.Join(errs[:]...); err != nil {
		c.t.Fatal(err)
	}
	never := common.NoRetryPolicy()
	for _, base := range []*common.BaseClient{
		&c.compute.BaseClient, &c.volumes.BaseClient, &c.networks.BaseClient, &c.identity.BaseClient, &c.requests.BaseClient, &c.objects.BaseClient,
	} {
		base.HTTPClient = httpClient
		base.Configuration.CircuitBreaker = nil
		base.Configuration.RetryPolicy = &never
		base.Interceptor = func(r *http.Request) error {
			r.Header.Set("Date", c.clock.Now().UTC().Format(http.TimeFormat))
			return nil
		}
		base.Host = c.url
	}
}

// instance returns the OCID of a seeded instance.
func (c *cloud) instance(name string) *string {
	c.t.Helper()
	for _, in := range c.server.Instances() {
		if in.Name == name {
			return &in.ID
		}
	}
	c.t.Fatalf("no instance %s in the seed", name)
	return nil
}

func (c *cloud) compartment(path string) *string {
	c.t.Helper()
	return ptr(must(c.server.CompartmentID(path))(c.t))
}

func (c *cloud) tenancy() *string { return ptr(c.server.Tenancy()) }

// eventually waits for what happens in real time beside the manual clock, such as a conversion by qemu-img.
func (c *cloud) eventually(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.After(30 * time.Second)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline:
			c.t.Fatalf("waited 30 s for %s", what)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// must returns v of a call that must not fail: must(f())(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantError fails the test unless err is the answer of a service with this status and code.
func wantError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var answer common.ServiceError
	if !errors.As(err, &answer) {
		t.Fatalf("have error %v, want %d %s", err, status, code)
	}
	if answer.GetHTTPStatusCode() != status || answer.GetCode() != code {
		t.Fatalf("have %d %s (%s), want %d %s", answer.GetHTTPStatusCode(), answer.GetCode(), answer.GetMessage(), status, code)
	}
	if answer.GetOpcRequestID() == "" {
		t.Error("the error has no opc-request-id")
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	return must(os.ReadFile(path))(t)
}
