package plugin

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func ociFactory(_ context.Context, c Config) (backend.Provider, error) {
	return oci.New(oci.Config{TenancyOCID: c.Settings["tenancy"], UserOCID: c.Settings["user"], Fingerprint: c.Settings["fingerprint"],
		PrivateKeyPath: c.Settings["key-file"], Region: c.Settings["region"], Endpoint: c.Settings["endpoint"]})
}

// tenancy is a simulator of OCI, and the same provider in this process and in another one.
type tenancy struct {
	sim    *ocisim.Server
	direct backend.Provider
	plugin *Host
}

// inTenancy uses a plugin for OCI in both ways in which it is another process.
func inTenancy(t *testing.T, use func(t *testing.T, w *tenancy)) {
	for _, way := range ways()[2:] {
		t.Run(way.name, func(t *testing.T) {
			const short = time.Millisecond
			disk := func(name, scope, state string) ocisim.SeedInstance {
				return ocisim.SeedInstance{Name: name, Compartment: scope, State: state, DiskBytes: 4 << 20, DataBytes: 1 << 20,
					Tags: map[string]string{"env": scope}, DataVolumes: []ocisim.SeedVolume{{Name: name + "-data"}}}
			}
			sim, err := ocisim.New(ocisim.Options{
				Dir:     t.TempDir(),
				Timings: ocisim.Timings{Copy: short, CreateImage: short, ExportImage: short, PowerAction: short},
				Seed: &ocisim.Seed{
					Compartments: []ocisim.SeedCompartment{{Path: "acme"}, {Path: "acme/prod"}, {Path: "zoo"}},
					Buckets:      []ocisim.SeedBucket{{Name: "staging", Compartment: "acme"}, {Name: "archive", Compartment: "acme"}},
					Instances:    []ocisim.SeedInstance{disk("web-01", "acme/prod", ""), disk("web-02", "acme/prod", "STOPPED"), disk("db-01", "zoo", "")},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(hasty{sim})
			t.Cleanup(func() {
				server.CloseClientConnections()
				if err := sim.Close(); err != nil {
					t.Error(err)
				}
				server.Close()
			})
			o := options(t, "oci")
			o.Config.Settings["endpoint"] = server.URL
			signIn(t, sim, o.Config)
			direct, err := ociFactory(t.Context(), o.Config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { direct.Close() })
			use(t, &tenancy{sim: sim, direct: direct, plugin: way.start(t, o)})
		})
	}
}

// hasty does not tell a client that asks for the end of a copy to ask again in five seconds.
type hasty struct{ http.Handler }

func (h hasty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/workRequests/") {
		w = withoutRetryAfter{w}
	}
	h.Handler.ServeHTTP(w, r)
}

type withoutRetryAfter struct{ http.ResponseWriter }

func (w withoutRetryAfter) WriteHeader(status int) {
	w.Header().Del("Retry-After")
	w.ResponseWriter.WriteHeader(status)
}

// signIn makes a key for the simulator. It is short: under the race detector, a signature with a key of usual length takes
// longer than the request it is for.
func signIn(t *testing.T, sim *ocisim.Server, c Config) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := strings.ReplaceAll(fmt.Sprintf("% x", md5.Sum(public)), " ", ":")
	if err := sim.RegisterKey(sim.Tenancy()+"/"+sim.User()+"/"+fingerprint, &key.PublicKey); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Settings["tenancy"], c.Settings["user"], c.Settings["region"] = sim.Tenancy(), sim.User(), sim.Region()
	c.Settings["fingerprint"], c.Settings["key-file"] = fingerprint, file
}

func (w *tenancy) bucket(name string) backend.Location {
	return backend.Location{Scheme: "oci", Path: w.sim.Namespace() + "/" + name + "/"}
}

func (w *tenancy) request(t *testing.T) backend.ExportRequest {
	t.Helper()
	machines, err := all(inventoryOf(t, w.direct).Resources(t.Context(), backend.Query{Name: "web-01"}))
	if err != nil || len(machines) != 1 {
		t.Fatalf("%v, %v", machines, err)
	}
	return backend.ExportRequest{Token: "check", Instance: machines[0].ID, Name: "web-01", Formats: []string{"qcow2", "vmdk"},
		Staging: w.bucket("staging").Join("exports/"), Tags: map[string]string{"owner": "platform"}}
}

// undated takes the second in which it was given out from the id of each job. Two ids of one job differ in nothing else,
// and CheckCompute knows a job by its id.
type undated struct{ backend.Compute }

var begun = regexp.MustCompile(`"b":\d+`)

func (undated) strip(j backend.Job, err error) (backend.Job, error) {
	if err != nil {
		return j, err
	}
	version, text, _ := strings.Cut(j.ID, ".")
	fields, err := base64.RawURLEncoding.DecodeString(text)
	j.ID = version + "." + base64.RawURLEncoding.EncodeToString(begun.ReplaceAll(fields, []byte(`"b":0`)))
	return j, err
}

func (u undated) StartExport(ctx context.Context, r backend.ExportRequest) (backend.Job, error) {
	return u.strip(u.Compute.StartExport(ctx, r))
}

func (u undated) FindExport(ctx context.Context, r backend.ExportRequest) (backend.Job, error) {
	return u.strip(u.Compute.FindExport(ctx, r))
}
