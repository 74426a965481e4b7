package faulttest

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/executor"
	"github.com/hyperexport/hyperexport/internal/proof"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

const (
	bucket   = "logs"
	staging  = "hx-staging"
	attempts = 3 // of the manifests' retry policy
)

// reused is a header that the log shows of requests on a connection that carried another one before.
const reused = "X-Test-Reused"

// world is one simulator and one folder with a manifest.
type world struct {
	t       testing.TB
	dir     string
	sim     *ocisim.Server
	objects objectstorage.ObjectStorageClient
	url     string
	env     []string

	conns sync.Map // addresses of the connections that have carried a request

	mu   sync.Mutex
	hook func(*http.Request) // is called before each request is served; may be nil
}

// testKey is one short key for all worlds: making one takes longer than a whole run.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
})

func newWorld(t testing.TB, o ocisim.Options) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	quick := 20 * time.Millisecond
	o.Dir = filepath.Join(w.dir, "sim")
	o.Timings = ocisim.Timings{Copy: quick, CreateImage: quick, ExportImage: quick, PowerAction: quick}
	if o.Seed == nil {
		o.Seed = &ocisim.Seed{Buckets: []ocisim.SeedBucket{{Name: bucket}, {Name: staging}}}
	}
	sim, err := ocisim.New(o)
	must(t, err)
	w.sim = sim
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		hook := w.hook
		w.mu.Unlock()
		if hook != nil {
			hook(r)
		}
		if _, known := w.conns.LoadOrStore(r.RemoteAddr, true); known {
			r.Header.Set(reused, "yes")
		}
		sim.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		must(t, sim.Close())
		server.Close()
	})
	config := w.account()
	account, err := common.ConfigurationProviderFromFile(config, "")
	must(t, err)
	w.objects, err = objectstorage.NewObjectStorageClientWithConfigurationProvider(account)
	must(t, err)
	w.objects.Host = server.URL
	w.url = server.URL
	w.env = append(os.Environ(), "HOME="+w.dir, "XDG_CONFIG_HOME="+w.dir, "OCI_CLI_CONFIG_FILE="+config, "OCI_CLI_ENDPOINT="+server.URL,
		"HYPEREXPORT_STATE="+w.path("state"), "HYPEREXPORT_POLL=10ms")
	return w
}

// account registers the key with the simulator and returns the path of a configuration file for it.
func (w *world) account() string {
	key := testKey()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	must(w.t, err)
	sum := md5.Sum(der)
	fingerprint := hex.EncodeToString(sum[:1])
	for _, b := range sum[1:] {
		fingerprint += ":" + hex.EncodeToString([]byte{b})
	}
	must(w.t, w.sim.RegisterKey(w.sim.Tenancy()+"/"+w.sim.User()+"/"+fingerprint, &key.PublicKey))
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	w.write("oci/key.pem", pem.EncodeToMemory(block))
	w.write("oci/config", fmt.Appendf(nil, "[DEFAULT]\ntenancy=%s\nuser=%s\nfingerprint=%s\nregion=%s\nkey_file=%s\n",
		w.sim.Tenancy(), w.sim.User(), fingerprint, w.sim.Region(), w.path("oci/key.pem")))
	return w.path("oci/config")
}

func (w *world) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (w *world) write(name string, content []byte) {
	w.t.Helper()
	must(w.t, os.MkdirAll(filepath.Dir(w.path(name)), 0o700))
	must(w.t, os.WriteFile(w.path(name), content, 0o600))
}

// onRequest has f called before each request is served, by the goroutine that serves it. nil ends that.
func (w *world) onRequest(f func(*http.Request)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = f
}

// calm ends all faults.
func (w *world) calm() {
	w.onRequest(nil)
	w.sim.Faults().Reset()
}

// document is what -o json gives, whatever the end.
type document struct {
	Outcome  string                `json:"outcome"`
	ExitCode int                   `json:"exit_code"`
	Steps    []executor.StepReport `json:"steps"`
	Error    string                `json:"error"`
	Kind     backend.Kind          `json:"kind"`
	Help     string                `json:"help"`
	Plan     struct {
		Blocked []struct {
			Text string `json:"text"`
			Help string `json:"help"`
		} `json:"blocked"`
	} `json:"plan"`
}

// outcome is how a run of the command ended.
type outcome struct {
	document
	dir            string // of the manifest
	code           int
	stdout, stderr string
	log            []ocisim.Entry // its requests
}

// apply runs the manifest: with -o json if asked for.
func (w *world) apply(asJSON bool) outcome {
	w.t.Helper()
	w.sim.Log().Reset()
	args := []string{"apply", "-f", w.path("manifest.yaml"), "--progress", "plain"}
	if asJSON {
		args = append(args, "-o", "json")
	}
	cmd := exec.CommandContext(w.t.Context(), command, args...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = w.env, w.dir, &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	o := outcome{dir: w.dir, code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), log: w.sim.Log().All()}
	o.document = w.report(o, asJSON)
	return o
}

// report returns the document of a run: of one that got beyond its plan, the report that it left in its folder, which stdout
// must equal if it is JSON.
func (w *world) report(o outcome, asJSON bool) (d document) {
	w.t.Helper()
	kept, err := filepath.Glob(w.path("state/*/runs/*/result.json"))
	must(w.t, err)
	if len(kept) > 1 {
		w.t.Errorf("the run left %d reports", len(kept))
	}
	for _, path := range kept {
		text, err := os.ReadFile(path)
		must(w.t, err)
		must(w.t, json.Unmarshal(text, &d))
		must(w.t, os.Remove(path))
		var printed, stored any
		if asJSON && (json.Unmarshal([]byte(o.stdout), &printed) != nil || json.Unmarshal(text, &stored) != nil || !reflect.DeepEqual(printed, stored)) {
			w.t.Errorf("stdout and %s differ:\n%s\n%s", filepath.Base(path), o.stdout, text)
		}
	}
	if asJSON && len(kept) == 0 {
		dec := json.NewDecoder(strings.NewReader(o.stdout))
		must(w.t, dec.Decode(&d))
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			w.t.Errorf("stdout has more than one document:\n%s", o.stdout)
		}
	}
	return d
}

// put stores an object without the command.
func (w *world) put(key string, content []byte) {
	w.t.Helper()
	must(w.t, w.tryPut(key, content))
}

// tryPut is put for other goroutines than the test's.
func (w *world) tryPut(key string, content []byte) error {
	namespace, name, length := w.sim.Namespace(), bucket, int64(len(content))
	_, err := w.objects.PutObject(w.t.Context(), objectstorage.PutObjectRequest{
		NamespaceName: &namespace, BucketName: &name, ObjectName: &key, ContentLength: &length, PutObjectBody: io.NopCloser(bytes.NewReader(content)),
		OpcChecksumAlgorithm: objectstorage.PutObjectOpcChecksumAlgorithmCrc32c,
	})
	return err
}

// get returns an object, nil if there is none.
func (w *world) get(key string) []byte {
	w.t.Helper()
	namespace, name := w.sim.Namespace(), bucket
	resp, err := w.objects.GetObject(w.t.Context(), objectstorage.GetObjectRequest{NamespaceName: &namespace, BucketName: &name, ObjectName: &key})
	var service common.ServiceError
	if errors.As(err, &service) && service.GetHTTPStatusCode() == http.StatusNotFound {
		return nil
	}
	must(w.t, err)
	defer resp.Content.Close()
	content, err := io.ReadAll(resp.Content)
	must(w.t, err)
	return content
}

// left says what is left behind of uploads and temporary files and, if the world has machines, of images and staged objects.
func (w *world) left() []string {
	w.t.Helper()
	namespace, name := w.sim.Namespace(), bucket
	uploads, err := w.objects.ListMultipartUploads(w.t.Context(), objectstorage.ListMultipartUploadsRequest{NamespaceName: &namespace, BucketName: &name})
	must(w.t, err)
	var left []string
	for _, u := range uploads.Items {
		left = append(left, "upload of "+*u.Object)
	}
	if _, err := os.Stat(w.path("target")); err == nil {
		files, err := proof.TemporaryFiles(w.path("target"))
		must(w.t, err)
		left = append(left, files...)
	}
	if len(w.sim.Instances()) > 0 {
		found, err := w.cloud().Left(w.t.Context(), staging)
		must(w.t, err)
		left = slices.Concat(left, found.Images, found.Staged, found.Uploads, found.Requests)
	}
	return left
}

// cloud returns what looks at machines.
func (w *world) cloud() *proof.Cloud {
	w.t.Helper()
	cloud, err := proof.NewCloud(w.path("oci/config"), "DEFAULT", w.url, w.sim.Namespace(), w.sim.Tenancy())
	must(w.t, err)
	return cloud
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
