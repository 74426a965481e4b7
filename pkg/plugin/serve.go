package plugin

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// closeProvider is how long a provider may take to close when its host is gone.
const closeProvider = 2 * time.Second

// Serve is the whole main function of a plugin: it answers the host that started the process with the provider that
// factory makes, and exits when the host is done with it or dead. Standard input belongs to Serve. What the program
// writes to standard output or error from then on is for the host's log.
//
//	func main() { plugin.Serve(newProvider) }
func Serve(factory Factory) {
	g := newServer(factory)
	stdout, stderr := os.Stdout, os.Stderr //nolint:forbidigo // the main function of a guest
	g.configuring = func() {
		// go-plugin has put pipes of its own in their place, from which the last words of a process are lost.
		os.Stdout, os.Stderr = stdout, stderr //nolint:forbidigo // as above
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{Version: {service: &link{register: g.register}}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			go g.exitWithHost(os.Stdin) //nolint:forbidigo // the main function of a guest
			return grpc.NewServer(append(options, g.options()...)...)
		},
	})
	g.exit()
}

// server is the guest's side: what a process has one of.
type server struct {
	factory     Factory
	configuring func()    // called before the factory; may be nil
	once        sync.Once // closes the provider
	buffers     buffers

	mu       sync.Mutex
	provider backend.Provider
	arena    []byte
	opened   map[backend.Location]backend.Storage
	calls    map[uint64]context.CancelFunc
}

func newServer(factory Factory) *server {
	return &server{factory: factory, opened: map[backend.Location]backend.Storage{}, calls: map[uint64]context.CancelFunc{}}
}

func (s *server) register(g *grpc.Server) {
	pb.RegisterBackendServer(g, backendServer{server: s})
	pb.RegisterStorageServer(g, storageServer{server: s})
	pb.RegisterComputeServer(g, computeServer{server: s})
	pb.RegisterInventoryServer(g, inventoryServer{server: s})
}

// streamWorkers is how many calls at a time find a goroutine whose stack has grown already. More begin one.
const streamWorkers = 32

func (s *server) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(4 << 20), grpc.InitialConnWindowSize(16 << 20), grpc.NumStreamWorkers(streamWorkers),
		grpc.UnaryInterceptor(s.unary), grpc.StreamInterceptor(s.stream),
	}
}

// exitWithHost waits for the end of the pipe that the host holds.
func (s *server) exitWithHost(pipe io.Reader) {
	_, _ = io.Copy(io.Discard, pipe)
	s.exit()
}

func (s *server) exit() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.close() //nolint:errcheck // nobody is left to tell
	}()
	select {
	case <-closed:
	case <-time.After(closeProvider):
	}
	os.Exit(0) //nolint:forbidigo // the main function of a guest
}

func (s *server) close() (err error) {
	s.once.Do(func() {
		s.mu.Lock()
		p := s.provider
		s.mu.Unlock()
		if p != nil {
			err = p.Close()
		}
	})
	return err
}

// unary gives a call its context, which Cancel ends, and its error the form in which it crosses.
func (s *server) unary(ctx context.Context, r any, i *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, done := s.begin(ctx)
	defer done()
	answer, err := handle(ctx, r)
	return answer, statusOf(path.Base(i.FullMethod), err)
}

func (s *server) stream(srv any, stream grpc.ServerStream, i *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if path.Dir(i.FullMethod) == "/plugin.GRPCStdio" || path.Dir(i.FullMethod) == "/plugin.GRPCBroker" {
		return handle(srv, stream) // go-plugin's own
	}
	ctx, done := s.begin(stream.Context())
	defer done()
	return statusOf(path.Base(i.FullMethod), handle(srv, &cancelable{ServerStream: stream, ctx: ctx}))
}

type cancelable struct {
	grpc.ServerStream
	ctx context.Context
}

func (c *cancelable) Context() context.Context { return c.ctx }

// begin notes a call under its number until done.
func (s *server) begin(ctx context.Context) (_ context.Context, done func()) {
	header := metadata.ValueFromIncomingContext(ctx, callHeader)
	if len(header) == 0 {
		return ctx, func() {}
	}
	call, err := strconv.ParseUint(header[0], 10, 64)
	if err != nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.calls[call] = cancel
	s.mu.Unlock()
	return ctx, func() {
		cancel()
		s.mu.Lock()
		delete(s.calls, call)
		s.mu.Unlock()
	}
}

var errNotConfigured = errors.New("the plugin is not configured")

func (s *server) configured() (backend.Provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.provider == nil {
		return nil, &backend.Error{Op: "call", Kind: backend.Invalid, Err: errNotConfigured}
	}
	return s.provider, nil
}

// backendServer serves the calls about the guest as a whole.
type backendServer struct {
	pb.UnimplementedBackendServer
	*server
}

func (s backendServer) Configure(ctx context.Context, r *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	if p, _ := s.configured(); p != nil {
		return nil, &backend.Error{Op: "configure", Kind: backend.Invalid, Err: errors.New("the plugin is configured already")}
	}
	var arena []byte
	if a := r.GetArena(); a != nil {
		var err error
		if arena, err = mapInherited(uintptr(a.GetFd()), a.GetSize()); err != nil {
			return nil, &backend.Error{Op: "map the shared memory", Kind: backend.Unsupported, Err: err}
		}
	}
	if s.configuring != nil {
		s.configuring()
	}
	// The provider lives longer than this call.
	p, err := s.factory(context.WithoutCancel(ctx), Config{Settings: r.GetSettings(), Secrets: r.GetSecrets()})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.provider, s.arena = p, arena
	return &pb.ConfigureResponse{}, nil
}

func (s backendServer) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	p, err := s.configured()
	if err != nil {
		return nil, err
	}
	d := p.Describe()
	r := &pb.DescribeResponse{Name: text(d.Name), Version: text(d.Version), Region: text(d.Region)}
	c, err := p.Compute()
	r.Compute = serviceTo("compute", err)
	if err == nil {
		r.Formats = texts(c.Formats())
	}
	_, err = p.Inventory()
	r.Inventory = serviceTo("inventory", err)
	return r, nil
}

func serviceTo(op string, err error) *pb.Service {
	if err != nil {
		return &pb.Service{Error: wireError(op, err)}
	}
	return &pb.Service{There: true}
}

func (s backendServer) Cancel(_ context.Context, r *pb.CancelRequest) (*pb.CancelResponse, error) {
	s.mu.Lock()
	cancel, ok := s.calls[r.GetCall()]
	s.mu.Unlock()
	if ok {
		cancel()
	}
	return &pb.CancelResponse{Found: ok}, nil
}
