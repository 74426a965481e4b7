package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hyperexport/hyperexport/internal/gateway"
	"github.com/hyperexport/hyperexport/internal/proof"
)

const (
	mib    = 1 << 20
	size   = 22*mib + 12345
	memory = 10 * mib // limits.memory of the manifest: two parts of the least size
)

const manifest = `version: 1
name: kill
backends:
  gw:
    plugin: s3
    endpoint: %[1]s
    access_key: {env: GW_ACCESS}
    secret_key: {env: GW_SECRET}
    keys: tree
limits: {memory: 10MiB, bandwidth: 40MiB/s}
retry: {attempts: 10, first: 10ms, max: 100ms}
transfers:
  up: {from: ./data/, to: gw://%[2]s/data/}
  back: {from: gw://%[2]s/data/, to: ./back/, after: [up]}
`

// world is a folder with a manifest and a bucket, that one run has for itself.
type world struct {
	bin, dir, bucket string
	server           *gateway.Server
	sent             atomic.Int64 // bytes of objects that were sent to the server
}

func newWorld(t *testing.T, bin string, s *gateway.Server) *world {
	t.Helper()
	w := &world{bin: bin, dir: t.TempDir(), server: s}
	var err error
	if w.bucket, err = s.Bucket("kill"); err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // whoever is killed leaves its requests behind
	front := httptest.NewServer(w.counting(proxy))
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
	})
	write(t, filepath.Join(w.dir, "manifest.yaml"), fmt.Appendf(nil, manifest, front.URL, w.bucket))
	random := rand.NewChaCha8([32]byte{1})
	for name, n := range map[string]int{"disk": 22 * mib, "small": 12345, "empty": 0} {
		p := make([]byte, n)
		_, _ = random.Read(p) // never fails
		write(t, filepath.Join(w.dir, "data", name), p)
	}
	return w
}

func write(t *testing.T, path string, p []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, p, 0o600); err != nil {
		t.Fatal(err)
	}
}

// counting counts the bytes of the bodies of parts and objects. The Host of a request is signed and stays.
func (w *world) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			r.Body = &countedBody{ReadCloser: r.Body, count: &w.sent}
		}
		next.ServeHTTP(rw, r)
	})
}

type countedBody struct {
	io.ReadCloser
	count *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	return n, err
}

// start starts apply. The output may be read when the command has ended.
func (w *world) start(t *testing.T) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	return w.startWith(t, "apply", "-f", "manifest.yaml", "--log", "log.json")
}

func (w *world) startWith(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var output bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), w.bin, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, &output, &output
	cmd.Env = append(os.Environ(), "HYPEREXPORT_STATE="+filepath.Join(w.dir, "state"), "XDG_CONFIG_HOME="+w.dir,
		"GW_ACCESS="+w.server.Access, "GW_SECRET="+w.server.Secret)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &output
}

// check looks at what a run that ended well has left: the same bytes on both sides, and nothing else.
func (w *world) check(t *testing.T) {
	t.Helper()
	want := readFolder(t, filepath.Join(w.dir, "data"))
	for name, dir := range map[string]string{"at S3": filepath.Join(w.server.Dir, w.bucket, "data"), "here": filepath.Join(w.dir, "back")} {
		if err := readFolder(t, dir).Equal(want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.checkUploads(t)
}

// checkUploads looks for parts of uploads in the folder where the server keeps them.
func (w *world) checkUploads(t *testing.T) {
	t.Helper()
	dir := filepath.Join(w.server.Dir, w.bucket, ".sgwtmp")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return // there never was one
	}
	if left := readFolder(t, dir); len(left.Files) > 0 {
		t.Errorf("left of uploads: %v", left.Files)
	}
}

func readFolder(t *testing.T, dir string) proof.Folder {
	t.Helper()
	f, err := proof.ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// pluginOf returns the S3 plugin of a command.
func pluginOf(host int) (pid int, ok bool) {
	for _, pid := range processes() {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil && bytes.Contains(status, fmt.Appendf(nil, "PPid:\t%d\n", host)) && slices.Contains(arguments(pid), "s3") {
			return pid, true
		}
	}
	return 0, false
}

// processesOf returns the processes of a program, but for those that have ended and were not waited for.
func processesOf(bin string) []int {
	return slices.DeleteFunc(processes(), func(pid int) bool {
		args := arguments(pid)
		return len(args) == 0 || args[0] != bin
	})
}

func processes() []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, dir := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func arguments(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}
