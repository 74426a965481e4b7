// Package gateway runs a real S3 server for tests and demonstrations: versitygw, a tool of tools.mod, over a temporary
// folder. It serves on the loopback interface only.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// The keys of every server. They open nothing but an empty folder on this machine.
const (
	access = "AKIDTESTTESTTEST"
	secret = "canary+secret/of/the/tests"
	region = "us-east-1"
)

const (
	buildWithin  = 10 * time.Minute // the first build on a machine compiles everything
	answerWithin = 20 * time.Second
	attempts     = 3 // somebody else may take the port before the server does
)

// Server is a running server. Its fields are for reading.
type Server struct {
	URL            string // what to use as endpoint, with the bucket in the path
	Dir            string // has a folder for each bucket
	Access, Secret string // the keys
	Region         string

	home   string // of Dir and of what the server prints
	health string // path of its own: whoever answers there is no other server
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone
}

// Start builds the server if that was not done before, starts it and returns when it answers. ctx bounds that, and not the
// life of the server, which the caller ends with Stop. On Linux it ends with this process as well. The working directory
// must lie in this module.
func Start(ctx context.Context) (*Server, error) {
	path, err := build(ctx)
	if err != nil {
		return nil, fmt.Errorf("build versitygw, which is a tool of tools.mod: %w", err)
	}
	var failed error
	for range attempts {
		s, err := start(ctx, path)
		if err == nil {
			return s, nil
		}
		failed = err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("start versitygw: %w", failed)
}

// Stop kills the server, waits for its end and removes its folder.
func (s *Server) Stop() error {
	if s.exited != nil {
		_ = s.cmd.Process.Kill() // it may have ended
		<-s.exited
	}
	return os.RemoveAll(s.home)
}

// Bucket makes a bucket and returns its name, which begins with prefix and is no other bucket's.
func (s *Server) Bucket(prefix string) (string, error) {
	dir, err := os.MkdirTemp(s.Dir, prefix+"-*")
	return filepath.Base(dir), err
}

// build returns the path of the program, which the build cache keeps.
func build(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildWithin)
	defer cancel()
	module, err := goCommand(ctx, "env", "GOMOD")
	if err != nil {
		return "", err
	}
	if filepath.Base(module) != "go.mod" {
		return "", errors.New("the working directory is in no module")
	}
	return goCommand(ctx, "tool", "-modfile="+filepath.Join(filepath.Dir(module), "tools.mod"), "-n", "versitygw")
}

func goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	var refusal strings.Builder
	cmd.Stderr = &refusal
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, refusal.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// start starts the program once. It leaves nothing behind if that fails.
func start(ctx context.Context, path string) (s *Server, err error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "versitygw-*")
	if err != nil {
		return nil, err
	}
	s = &Server{URL: "http://" + address, Dir: filepath.Join(home, "data"), Access: access, Secret: secret, Region: region,
		home: home, health: "/" + filepath.Base(home)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	versions := filepath.Join(home, "versions") // of buckets for which somebody asks for them
	if err := errors.Join(os.Mkdir(s.Dir, 0o755), os.Mkdir(versions, 0o755)); err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(home, "output")) // a file: no goroutine copies it
	if err != nil {
		return nil, err
	}
	defer output.Close()
	s.cmd = exec.Command(path, "--port", address, "--access", access, "--secret", secret, "--region", region,
		"--keep-alive", "--quiet", "--health", s.health, "posix", "--versioning-dir", versions, s.Dir)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = output, output, dieWithUs()
	begun, exited := make(chan error, 1), make(chan struct{})
	go s.run(begun, exited)
	if err := <-begun; err != nil {
		return nil, err
	}
	s.exited = exited
	if err := s.await(ctx); err != nil {
		said, _ := os.ReadFile(output.Name())
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	return s, nil
}

// freeAddress returns an address at which nobody listens now.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// run is the life of the process. All of it is one thread of the operating system: on Linux the process dies with the
// thread that started it.
func (s *Server) run(begun chan<- error, exited chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := s.cmd.Start()
	begun <- err
	if err == nil {
		_ = s.cmd.Wait() // it is killed
		close(exited)
	}
}

// await polls until the server answers.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.answers(ctx, client) {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return fmt.Errorf("it ended by itself: %s", s.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("no answer from %s: %w", s.URL, ctx.Err())
		}
	}
}

func (s *Server) answers(ctx context.Context, client *http.Client) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+s.health, nil)
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close() // nothing was written
	return answer.StatusCode == http.StatusOK
}
