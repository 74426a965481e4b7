package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// guest is one process of a plugin, as its host sees it.
type guest struct {
	host    *Host
	process *process
	client  *goplugin.Client
	calls   atomic.Uint64
	gone    chan struct{} // closed when the process is gone and everything of it released

	health    grpc_health_v1.HealthClient
	backend   pb.BackendClient
	storage   pb.StorageClient
	compute   pb.ComputeClient
	inventory pb.InventoryClient
}

// start starts and configures a process. On error nothing of it is left. ctx has a deadline.
func (h *Host) start(ctx context.Context) (*guest, error) {
	p := newProcess(h)
	g := &guest{host: h, process: p, gone: make(chan struct{})}
	g.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{Version: {service: &link{}}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     2 * h.o.Timeouts.Start, // process bounds it, and says why
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       &lineWriter{log: p.out},
		SyncStderr:       &lineWriter{log: p.log},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
			grpc.WithInitialWindowSize(4 << 20), grpc.WithInitialConnWindowSize(16 << 20),
			grpc.WithIdleTimeout(0),
		},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, dir string) (runner.Runner, error) {
			p.env, p.socketDir = spec.Env, dir
			return p, nil
		},
	})
	stop := context.AfterFunc(ctx, func() { p.end(startTimeout(ctx, h.o.Timeouts.Start)) })
	err := g.connect(ctx)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		go g.watch() //nolint:contextcheck // ctx is that of the start
		return g, nil
	}
	err = g.startFailure(ctx, "configure", err)
	g.kill(Crashed, errors.New("it could not be used"))
	if p.begun() {
		<-p.done
	}
	g.release()
	return nil, err
}

func startTimeout(ctx context.Context, patience time.Duration) (Reason, error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return Closed, ctx.Err()
	}
	return Hung, fmt.Errorf("it was not ready within %v", patience)
}

// connect starts the process, waits for its line, connects, and configures it. From then on nobody else can connect.
func (g *guest) connect(ctx context.Context) error {
	protocol, err := g.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(service)
	if err != nil {
		return err
	}
	conn, ok := raw.(*grpc.ClientConn)
	if !ok {
		return fmt.Errorf("go-plugin gives a %T", raw)
	}
	g.health, g.backend = grpc_health_v1.NewHealthClient(conn), pb.NewBackendClient(conn)
	g.storage, g.compute, g.inventory = pb.NewStorageClient(conn), pb.NewComputeClient(conn), pb.NewInventoryClient(conn)
	c := g.host.o.Config
	request := &pb.ConfigureRequest{Settings: c.Settings, Secrets: c.Secrets}
	if a := g.host.o.Arena; a != nil && a.Size() > 0 {
		request.Arena = &pb.Arena{Fd: firstInherited, Size: a.Size()}
	}
	if _, err := g.backend.Configure(ctx, request); err != nil {
		return err
	}
	return os.RemoveAll(g.process.socketDir)
}

// startFailure is the error of a guest that did not get ready: what the process knows, what the guest answered, or what
// broke.
func (g *guest) startFailure(ctx context.Context, op string, err error) error {
	if w := detail(err); w != nil {
		e := errorFrom(w, g.host.mask)
		if e.Op == "" || e.Op == "Configure" {
			e.Op = op
		}
		return e
	}
	if ctx.Err() != nil {
		g.process.end(startTimeout(ctx, g.host.o.Timeouts.Start))
	}
	if g.process.failure() == nil && g.process.begun() {
		select { // the end of the process explains more than the end of its connection
		case <-g.process.exited:
		case <-time.After(dyingWords):
		}
	}
	var fault *Error
	if errors.As(g.process.failure(), &fault) {
		early := *fault
		if early.Reason == Died {
			early.Reason = Crashed
		}
		return &early
	}
	return g.host.fault(WrongProtocol, fmt.Errorf("it does not speak the protocol: %w", err))
}

// watch looks every few seconds whether the guest is alive, kills it if it is not, and releases what it held.
func (g *guest) watch() {
	beat := time.NewTicker(g.host.o.Timeouts.Beat)
	defer beat.Stop()
	for missed := 0; ; {
		select {
		case <-g.process.done:
			g.release()
			return
		case <-beat.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), g.host.o.Timeouts.Beat)
		_, err := g.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
		cancel()
		if missed++; err == nil {
			missed = 0
		}
		// One missed beat may be ours: this process may have been stopped.
		if missed == 2 {
			g.kill(Hung, fmt.Errorf(noAnswers, 2*g.host.o.Timeouts.Beat))
		}
	}
}

// release gives back what is left of a guest whose process is gone.
func (g *guest) release() {
	g.client.Kill()
	os.RemoveAll(g.process.socketDir) //nolint:errcheck // an empty folder in the temporary directory
	close(g.gone)
}

func (g *guest) usable() bool { return !g.process.ending() }

// failure says why the guest ended.
func (g *guest) failure() error {
	if err := g.process.failure(); err != nil {
		return err
	}
	return g.host.fault(Died, errors.New("it ended"))
}

// kill ends the process by force. It does not wait.
func (g *guest) kill(reason Reason, why error) { g.process.end(reason, why) }

// close ends the process politely, then by force, and waits until it is gone.
func (g *guest) close(patience time.Duration) {
	g.process.hangUp()
	timer := time.AfterFunc(patience, func() { g.kill(Hung, fmt.Errorf("it did not end within %v", patience)) })
	<-g.gone
	timer.Stop()
}
