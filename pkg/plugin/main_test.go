package plugin

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
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

// TestMain is also the main function of every guest of the tests: "TESTBINARY guest KIND".
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "guest" {
		guestMain(os.Args[2])
		return
	}
	goleak.VerifyTestMain(m)
}

// memFactory makes a provider in memory as the settings say.
func memFactory(_ context.Context, c Config) (backend.Provider, error) {
	if why := c.Settings["refuse"]; why != "" {
		return nil, &backend.Error{Op: "sign in", Kind: backend.Unauthorized, Err: fmt.Errorf("%s with %s", why, c.Secrets["key"])}
	}
	p := &testProvider{MemProvider: backendtest.NewMemProvider(), config: c}
	p.Options.Discard = c.Settings["discard"] != ""
	p.Options.Sequential = c.Settings["sequential"] != ""
	p.Exports.Polls = 2
	if c.Settings["generated"] != "" {
		p.Container("bucket").AddGenerated("generated", 1<<40, 1)
	}
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
	return Options{
		Name: kind, Command: []string{self, "guest", kind},
		Log: func(line string) {
			if t.Logf("%s: %s", kind, line); strings.Contains(line, "DATA RACE") {
				t.Error("the guest has a data race")
			}
		},
		Env:    []string{"GORACE=atexit_sleep_ms=0"}, // or each guest takes a second to end
		Config: Config{Settings: map[string]string{}, Secrets: map[string]string{"key": canary}},
	}
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

// inProcess is a host whose guest runs in this process: the same gRPC, without the process. settings are names and values.
func inProcess(t testing.TB, arena *Arena, settings ...string) *Host {
	t.Helper()
	s := newServer(memFactory)
	ctx := t.Context()
	named := map[string]string{}
	for i := 0; i < len(settings); i += 2 {
		named[settings[i]] = settings[i+1]
	}
	if _, err := (backendServer{server: s}).Configure(ctx, &pb.ConfigureRequest{Settings: named}); err != nil {
		t.Fatal(err)
	}
	if arena != nil {
		s.arena = arena.mem
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
	h := &Host{o: Options{Name: "in process", Arena: arena}.withDefaults(), mask: newMasker(nil), base: ctx}
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
		os.RemoveAll(dir)
	})
	return h
}

// openMem opens the test's container.
func openMem(t testing.TB, h *Host) backend.Storage {
	t.Helper()
	s, key, err := h.Open(backend.Location{Scheme: "mem", Path: "bucket/"})
	if err != nil || key != "" {
		t.Fatalf("open: key %q, %v", key, err)
	}
	return s
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
