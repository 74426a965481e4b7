package plugin

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

var kills = flag.Int("kills", 20, "how often the tests kill a guest in the middle of its work")

// TestMain is also the main function of every guest of the tests: "TESTBINARY guest KIND".
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "guest" {
		guestMain(os.Args[2])
		return
	}
	goleak.VerifyTestMain(tests{m})
}

// tests are those of the package, and then the end of the server that some of them used.
type tests struct{ *testing.M }

func (t tests) Run() int {
	code := t.M.Run()
	if err := stopVersity(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(1, code)
	}
	return code
}

// memFactory makes a provider in memory as the settings say.
func memFactory(_ context.Context, c Config) (backend.Provider, error) {
	if why := c.Settings["refuse"]; why != "" {
		return nil, &backend.Error{Op: "sign in", Kind: backend.Unauthorized, Err: fmt.Errorf("%s with %s", why, c.Secrets["key"])}
	}
	p := &testProvider{MemProvider: backendtest.NewMemProvider(), config: c}
	p.Options.Sequential = c.Settings["sequential"] != ""
	p.Options.Versioned = c.Settings["versioned"] != ""
	p.Exports.Polls = 2
	p.Wrap = func(_ string, s backend.Storage) backend.Storage { return mischief(c, s) }
	return p, nil
}

// testProvider is MemProvider with an inventory.
type testProvider struct {
	*backendtest.MemProvider
	config Config
}

func (p *testProvider) Inventory() (backend.Inventory, error) { return &account{}, nil }

// options are those of a guest of this test binary.
func options(t testing.TB, kind string) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Name: kind, Command: []string{self, "guest", kind},
		Log: func(line string) {
			if t.Logf("%s: %s", kind, line); strings.Contains(line, "DATA RACE") {
				t.Error("the guest has a data race")
			}
		},
		Env:    []string{"GORACE=atexit_sleep_ms=0"}, // or each guest takes a second to end
		Config: Config{Settings: map[string]string{}, Secrets: map[string]string{"key": canary}},
	}
	configure(t, kind, o.Config)
	return o
}

const canary = "canary-5f2e8d\"&%7a secret"

// launch starts a guest that ends with the test.
func launch(t testing.TB, o Options) *Host {
	t.Helper()
	h, err := Launch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func newArena(t testing.TB, size int64) *Arena {
	t.Helper()
	a, err := NewArena(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// inProcess is a host whose guest runs in this process: the same gRPC, without the process.
func inProcess(t testing.TB, o Options) *Host {
	t.Helper()
	s := newServer(factoryOf(o.Name))
	ctx := t.Context()
	if _, err := (backendServer{server: s}).Configure(ctx, &pb.ConfigureRequest{Settings: o.Config.Settings, Secrets: o.Config.Secrets}); err != nil {
		t.Fatal(err)
	}
	if o.Arena != nil {
		s.arena = o.Arena.mem
	}
	dir, err := os.MkdirTemp("", "plugin") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(s.options()...)
	s.register(server)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("unix:"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	h := &Host{o: o.withDefaults(), mask: newMasker(slices.Collect(maps.Values(o.Config.Secrets))), base: ctx}
	g := &guest{host: h, process: newProcess(h), gone: make(chan struct{}), backend: pb.NewBackendClient(conn),
		storage: pb.NewStorageClient(conn), compute: pb.NewComputeClient(conn), inventory: pb.NewInventoryClient(conn)}
	h.current = g
	if err := h.describe(ctx, g); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	return h
}

// openMem opens the test's container in memory.
func openMem(t testing.TB, h *Host) backend.Storage {
	t.Helper()
	return openAt(t, h, container(t, "mem"))
}

// eventually polls until ok, or fails.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
		<-tick.C
	}
}

// logged keeps what a guest logs.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
