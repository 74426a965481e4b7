package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// The standard files of the process, whatever go-plugin puts in their place.
var rawStdout, rawStderr = os.Stdout, os.Stderr

// guestMain is the main function of the guest of that kind.
func guestMain(kind string) {
	if factory := factoryOf(kind); factory != nil {
		Serve(factory)
		return
	}
	switch kind {
	case "host":
		hostMain()
	case "giant":
		serveGiant()
	case "half-closing":
		serveHalfClosing()
	case "next-version":
		goplugin.Serve(&goplugin.ServeConfig{HandshakeConfig: handshake(), GRPCServer: goplugin.DefaultGRPCServer,
			VersionedPlugins: map[int]goplugin.PluginSet{Version + 1: {service: &link{register: func(*grpc.Server) {}}}}})
	case "empty":
		goplugin.Serve(&goplugin.ServeConfig{HandshakeConfig: handshake(), GRPCServer: goplugin.DefaultGRPCServer,
			VersionedPlugins: map[int]goplugin.PluginSet{Version: {service: &link{register: func(*grpc.Server) {}}}}})
	case "grandchild":
		cmd := exec.Command("/bin/sleep", "1000")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Fprintln(os.Stderr, "grandchild", cmd.Process.Pid)
		Serve(memFactory)
	default:
		badStart(kind)
	}
}

// badStart is a program that is no plugin.
func badStart(kind string) {
	switch kind {
	case "garbage":
		fmt.Println("hello, world")
		select {}
	case "endless":
		for {
			os.Stdout.WriteString(strings.Repeat("x", 1000))
		}
	case "other-core":
		fmt.Println("2|1|unix|/tmp/none|grpc|" + strings.Repeat("A", 600))
		select {}
	case "no-certificate":
		fmt.Println("1|1|unix|/tmp/none|grpc|")
		select {}
	case "nobody-there":
		fmt.Println("1|1|unix|/tmp/none|grpc|" + strings.Repeat("A", 600))
		select {}
	case "silent":
		os.Stdout.Close()
		select {}
	case "hang":
		select {}
	case "crash":
		fmt.Fprint(os.Stderr, "cannot go on without a moon")
		os.Exit(3)
	case "quit":
		os.Exit(0)
	default:
		fmt.Fprintf(os.Stderr, "there is no guest of kind %q\n", kind)
		os.Exit(4)
	}
}

// serveGiant answers Stat with 1 GiB.
func serveGiant() {
	s := newServer(memFactory)
	goplugin.Serve(&goplugin.ServeConfig{HandshakeConfig: handshake(), Logger: hclog.NewNullLogger(),
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o, grpc.ForceServerCodecV2(giantCodec{encoding.GetCodecV2("proto")}))...)
		},
		VersionedPlugins: map[int]goplugin.PluginSet{Version: {service: &link{register: func(g *grpc.Server) {
			pb.RegisterBackendServer(g, backendServer{server: s})
			pb.RegisterStorageServer(g, giant{storageServer{server: s}})
		}}}}})
}

type giant struct{ storageServer }

func (giant) Stat(context.Context, *pb.StatRequest) (*pb.StatResponse, error) {
	return &pb.StatResponse{}, nil
}

// giantCodec makes 1 GiB of every StatResponse. It is the same 1 MiB over and over.
type giantCodec struct{ encoding.CodecV2 }

func (c giantCodec) Marshal(v any) (mem.BufferSlice, error) {
	if _, ok := v.(*pb.StatResponse); !ok {
		return c.CodecV2.Marshal(v)
	}
	piece := make([]byte, 1<<20)
	var all mem.BufferSlice
	for range 1 << 10 {
		all = append(all, mem.SliceBuffer(piece))
	}
	return all, nil
}

// serveHalfClosing closes its side of the connection at the first Put, and lives on.
func serveHalfClosing() {
	s := newServer(memFactory)
	var server *grpc.Server
	go goplugin.Serve(&goplugin.ServeConfig{HandshakeConfig: handshake(), Logger: hclog.NewNullLogger(),
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			server = grpc.NewServer(append(o, s.options()...)...)
			return server
		},
		VersionedPlugins: map[int]goplugin.PluginSet{Version: {service: &link{register: func(g *grpc.Server) {
			pb.RegisterBackendServer(g, backendServer{server: s})
			pb.RegisterStorageServer(g, halfClosing{storageServer{server: s}, func() { server.Stop() }})
		}}}}})
	select {}
}

type halfClosing struct {
	storageServer
	stop func()
}

func (h halfClosing) Put(context.Context, *pb.PutRequest) (*pb.PutResponse, error) {
	go h.stop()
	select {}
}

// hostMain is a host that is to be killed: it says which process its guest is.
func hostMain() {
	self, err := os.Executable()
	if err == nil {
		var h *Host
		if h, err = Launch(context.Background(), Options{Name: "mem", Command: []string{self, "guest", "mem"}}); err == nil {
			fmt.Println(h.current.process.ID())
			select {}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// mischief is a storage that lies, hangs or babbles as the settings say.
func mischief(c Config, s backend.Storage) backend.Storage {
	if c.Settings["mischief"] == "" {
		return s
	}
	return &mischievous{Storage: s, kind: c.Settings["mischief"], config: c}
}

type mischievous struct {
	backend.Storage
	kind   string
	config Config
}

func (m *mischievous) Stat(ctx context.Context, key string) (backend.Object, error) {
	switch m.kind {
	case "babble":
		for i := range 20000 {
			fmt.Println("out", i, strings.Repeat("o", 50))
			fmt.Fprintln(os.Stderr, "err", i, strings.Repeat("e", 50))
			rawStdout.WriteString("raw out\n")
			rawStderr.WriteString("raw err\n")
		}
		rawStderr.WriteString(strings.Repeat("long", 100_000))
	case "blab":
		secret := m.config.Secrets["key"]
		fmt.Println("the key is", secret)
		fmt.Fprintln(os.Stderr, strings.Repeat("x", maxLine-10)+secret+strings.Repeat("y", maxLine))
		rawStderr.WriteString("raw " + secret + "\n")
		return backend.Object{}, &backend.Error{Op: "stat", Key: key, Kind: backend.Forbidden, Err: errors.New("denied for " + secret)}
	case "exit":
		os.Exit(7)
	case "panic":
		panic("there is no moon")
	case "stuck": // knows no context, and does nothing
		select {}
	case "environ":
		return backend.Object{}, errors.New(strings.Join(os.Environ(), "\n"))
	case "canceled":
		return backend.Object{}, &backend.Error{Op: "stat", Key: key, Kind: backend.Canceled}
	}
	o, err := m.Storage.Stat(ctx, key)
	switch m.kind {
	case "other-key":
		o.Key += "x"
	case "negative":
		o.Size = -1
	}
	return o, err
}

func (m *mischievous) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	switch m.kind {
	case "stubborn": // knows no context
		for i := 0; ; i++ {
			p[i%len(p)] = byte(i)
		}
	case "no-bytes":
		return len(p), nil
	}
	n, err := m.Storage.ReadAt(ctx, obj, p, off)
	switch m.kind {
	case "short":
		return n / 2, nil
	case "long":
		return n + 1, nil
	case "early-end":
		return n / 2, io.EOF
	}
	return n, err
}

func (m *mischievous) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
	obj, err := m.Storage.Put(ctx, key, p, o)
	switch m.kind {
	case "other-key":
		obj.Key = "other"
	case "other-size":
		obj.Size++
	case "other-checksum":
		obj.Checksum = backend.CRC32CChecksum(1)
	}
	return obj, err
}

func (m *mischievous) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
	if m.kind == "unstored" && n == 2 {
		return backend.Part{Number: n, Size: int64(len(p)), Tag: "t999", Checksum: sum}, nil
	}
	part, err := m.Storage.UploadPart(ctx, u, n, p, sum)
	switch m.kind {
	case "other-number":
		part.Number++
	case "other-size":
		part.Size--
	case "no-tag":
		part.Tag = ""
	case "other-tag":
		part.Tag += "x"
	case "other-checksum":
		part.Checksum = backend.CRC32CChecksum(1)
	}
	return part, err
}

func (m *mischievous) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
	obj, err := m.Storage.CompleteUpload(ctx, u, parts, o)
	if m.kind == "truncated" {
		obj.Size--
	}
	return obj, err
}

func (m *mischievous) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	switch m.kind {
	case "disorder":
		return listOf(backend.Object{Key: prefix + "b"}, backend.Object{Key: prefix + "a"})
	case "twice":
		return listOf(backend.Object{Key: prefix + "b"}, backend.Object{Key: prefix + "b"})
	case "outside":
		return listOf(backend.Object{Key: "../" + prefix})
	case "stuck":
		select {}
	}
	return m.Storage.List(ctx, prefix)
}

// Info of one that forgets says nothing of versions, as a guest of earlier days.
func (m *mischievous) Info() backend.Info {
	info := m.Storage.Info()
	if m.kind == "forgetful" {
		info.Can.Versions = false
	}
	return info
}

func (m *mischievous) Browse(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
	object := func(key string) backend.Entry { return backend.Entry{Object: backend.Object{Key: key}} }
	switch m.kind {
	case "disorder":
		return listOf(backend.Entry{Prefix: prefix + "b/"}, object(prefix+"a"))
	case "twice":
		return listOf(backend.Entry{Prefix: prefix + "b/"}, backend.Entry{Prefix: prefix + "b/"})
	case "outside":
		return listOf(backend.Entry{Prefix: "../"})
	case "deep":
		return listOf(object(prefix + "a/b"))
	case "deeper":
		return listOf(backend.Entry{Prefix: prefix + "a/b/"})
	case "flat":
		return listOf(backend.Entry{Prefix: prefix + "a"})
	}
	return m.Storage.Browse(ctx, prefix)
}

func (m *mischievous) Versions(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error] {
	version := func(key, generation string, latest bool) backend.ObjectVersion {
		return backend.ObjectVersion{Object: backend.Object{Key: key, Generation: generation}, Latest: latest}
	}
	switch m.kind {
	case "disorder":
		return listOf(version(prefix+"b", "1", true), version(prefix+"a", "2", true))
	case "twice":
		return listOf(version(prefix+"b", "1", true), version(prefix+"b", "2", true))
	case "outside":
		return listOf(version("../"+prefix, "1", true))
	case "no-tag":
		return listOf(version(prefix+"a", "", true))
	}
	return m.Storage.Versions(ctx, prefix)
}

func (m *mischievous) Lifecycle(ctx context.Context) ([]backend.LifecycleRule, error) {
	rule := func(name string) backend.LifecycleRule {
		return backend.LifecycleRule{Name: name, Action: backend.LifecycleDelete, Days: 1}
	}
	switch m.kind {
	case "disorder":
		return []backend.LifecycleRule{rule("b"), rule("a")}, nil
	case "twice":
		return []backend.LifecycleRule{rule("b"), rule("b")}, nil
	case "no-tag":
		return []backend.LifecycleRule{rule("")}, nil
	}
	return m.Storage.Lifecycle(ctx)
}

func listOf[T any](objects ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, o := range objects {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// account is a small inventory.
type account struct{}

var created = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)

func (a *account) Scopes(ctx context.Context) iter.Seq2[backend.Scope, error] {
	return func(yield func(backend.Scope, error) bool) {
		for i := range 2000 {
			if ctx.Err() != nil {
				yield(backend.Scope{}, &backend.Error{Op: "scopes", Kind: backend.KindOf(ctx.Err()), Err: ctx.Err()})
				return
			}
			if !yield(backend.Scope{ID: fmt.Sprint(i), Parent: "root", Name: "n\xff", Path: fmt.Sprintf("p/%d", i)}, nil) {
				return
			}
		}
	}
}

func (a *account) Resources(_ context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	return func(yield func(backend.Resource, error) bool) {
		r := backend.Resource{ID: "vm", Type: q.Type, Name: q.Name, Scope: q.Scope, ScopePath: "a/b", Region: "r", State: q.State[0],
			Created: created, Tags: q.Tags, Attributes: map[string]string{"shape": "x"}}
		if yield(r, nil) {
			yield(backend.Resource{}, &backend.Error{Op: "list", Key: q.ID, Kind: backend.Throttled, RetryAfter: 3 * time.Second,
				RequestID: "req-1", Err: errors.New("slow down")})
		}
	}
}

func (a *account) Metrics(_ context.Context, id string, q backend.MetricQuery) ([]backend.Series, error) {
	return []backend.Series{{Name: q.Names[0], Unit: id, Points: []backend.Point{{At: q.Start, Value: 1.5}, {At: q.End, Value: q.Resolution.Seconds()}}}}, nil
}

func (a *account) Act(_ context.Context, id, action string) error {
	if action != "start" {
		return fmt.Errorf("wrapped: %w", &backend.Error{Op: action, Key: id, Kind: backend.Unsupported})
	}
	return nil
}
