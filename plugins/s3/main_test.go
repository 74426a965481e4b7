package s3

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// gateway is the versitygw of all tests: a real server, over a folder.
var gateway *server

func TestMain(m *testing.M) {
	code, err := runWithGateway(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func runWithGateway(m *testing.M) (int, error) {
	s, err := startGateway()
	if err != nil {
		return 0, fmt.Errorf("start versitygw, which is a tool of tools.mod: %w", err)
	}
	defer s.stop()
	gateway = s
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		return 0, err
	}
	return code, nil
}

const (
	testAccess = "AKIDTESTTESTTEST"
	testSecret = "canary+secret/of/the/tests"
)

// server is a versitygw process.
type server struct {
	dir, url string
	cmd      *exec.Cmd
}

func startGateway() (*server, error) {
	const goCommandWithin = 10 * time.Minute // the first build on a machine compiles everything
	ctx, cancel := context.WithTimeout(context.Background(), goCommandWithin)
	defer cancel()
	modfile, err := filepath.Abs("../../tools.mod")
	if err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "tool", "-modfile="+modfile, "-n", "versitygw")
	var refusal strings.Builder
	build.Stderr = &refusal
	path, err := build.Output()
	if err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, refusal.String())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	listener.Close()
	dir, err := os.MkdirTemp("", "versitygw")
	if err != nil {
		return nil, err
	}
	s := &server{dir: filepath.Join(dir, "data"), url: "http://" + address}
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(strings.TrimSpace(string(path)), "--port", address, "--access", testAccess, "--secret", testSecret,
		"--region", defaultRegion, "--keep-alive", "--quiet", "--health", "/health", "posix", s.dir)
	s.cmd.Stdout, s.cmd.Stderr = output, output // a file: no goroutine copies it
	if err := s.cmd.Start(); err != nil {
		s.stop()
		return nil, err
	}
	if err := s.await(); err != nil {
		said, _ := os.ReadFile(output.Name())
		s.stop()
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	return s, nil
}

// await polls until the server answers.
func (s *server) await() error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if resp, err := client.Get(s.url + "/health"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return fmt.Errorf("no answer from %s", s.url)
}

func (s *server) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
	os.RemoveAll(filepath.Dir(s.dir))
}

// config is for the gateway.
func (s *server) config() Config {
	return Config{Endpoint: s.url, Credentials: Credentials{AccessKey: testAccess, SecretKey: testSecret,
		CredentialsFile: filepath.Join(s.dir, ".none"), ConfigFile: filepath.Join(s.dir, ".none")}}
}

// bucket makes a bucket at the gateway: a folder is one. It returns its name, which begins with prefix.
func (s *server) bucket(t testing.TB, prefix string) string {
	t.Helper()
	dir, err := os.MkdirTemp(s.dir, prefix+"-*")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(dir)
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
