package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// Options are the settings of Launch. Name and Command are needed.
type Options struct {
	Name    string   // for messages
	Command []string // the program, by its absolute path, and its arguments; no secrets
	Execute string   // the file that is executed if it is not Command[0]: /proc/self/exe stays what it is when a program is replaced
	SHA256  string   // of the program in hexadecimal: exactly that file is run, or none; empty runs what is there
	Env     []string // the whole environment of the plugin, as "name=value"; see Allow
	Config  Config
	Arena   *Arena            // whose buffers cross without being copied; may be nil
	Log     func(line string) // what the plugin prints, and what happens to it; may be nil; called by several goroutines
	Mask    []string          // secrets beside those of Config that must not be logged, of Env say

	Timeouts Timeouts
	Restarts int           // how often a plugin that died is started again within Window; 5 if zero, never if negative
	Window   time.Duration // 10 minutes if zero
}

// Timeouts bound what a plugin may hold up. The zero value is usable.
type Timeouts struct {
	Start  time.Duration // until the plugin is configured and ready; 20 s if zero
	Beat   time.Duration // between two looks whether it is alive, and until two in a row must have been answered; 4 s if zero
	Cancel time.Duration // between the end of a context and the end of the call, before the plugin is killed; 10 s if zero
	Close  time.Duration // until the plugin must have ended by itself; 5 s if zero

	// Call bounds every call that carries no bytes and does not wait for a service to finish something large (CompleteUpload,
	// Copy, EndExport), and in a list each wait for the next values. What takes longer fails with Timeout. Zero leaves it to
	// the caller's context.
	Call time.Duration
	// Bytes is the same for ReadAt, Put and UploadPart: how long a part may take on the slowest line.
	Bytes time.Duration
}

// Allow returns the entries of environ, each "name=value", whose name is one of names. A name that ends with a star stands
// for all that begin so: "AWS_*".
func Allow(environ []string, names ...string) []string {
	var allowed []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if slices.ContainsFunc(names, func(pattern string) bool {
			prefix, open := strings.CutSuffix(pattern, "*")
			return name == pattern || open && strings.HasPrefix(name, prefix)
		}) {
			allowed = append(allowed, entry)
		}
	}
	return allowed
}

// Host is a backend.Provider that runs in another process. If that process dies or hangs, the calls under way fail with
// Unavailable, and the next one starts it again.
type Host struct {
	o       Options
	mask    *masker
	program *program
	base    context.Context // ends with Close
	stop    context.CancelFunc

	description backend.Description
	formats     []string
	compute     *pb.Service
	inventory   *pb.Service

	mu       sync.Mutex
	current  *guest
	starting *starting
	restarts []time.Time
	trouble  error // why the last start failed; nil if it did not
	closed   bool
	closeErr error
	closing  sync.Once
}

var _ backend.Provider = (*Host)(nil)

// starting is a guest that is not ready yet.
type starting struct {
	done  chan struct{}
	guest *guest
	err   error
}

// Launch starts a plugin, configures it, and returns when it is ready. The caller closes the host. ctx bounds the start
// only. If the plugin cannot be used the error is an *Error; if it refuses the configuration, a *backend.Error of its own.
func Launch(ctx context.Context, o Options) (*Host, error) {
	o = o.withDefaults()
	h := &Host{o: o, mask: newMasker(append(slices.Collect(maps.Values(o.Config.Secrets)), o.Mask...))}
	if len(o.Command) == 0 || !filepath.IsAbs(o.Command[0]) {
		return nil, h.fault(Misused, fmt.Errorf("the program is to be named by an absolute path, not %q", o.Command))
	}
	if name := o.Config.notText(); name != "" {
		return nil, h.fault(Misused, fmt.Errorf("the value of %q is no UTF-8 text", name))
	}
	var err error
	if h.program, err = openProgram(o.Execute, o.SHA256); err != nil {
		return nil, h.fault(reasonOf(err, o.Execute), err)
	}
	h.base, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	startCtx, cancel := context.WithTimeout(ctx, o.Timeouts.Start)
	defer cancel()
	g, err := h.start(startCtx)
	if err == nil {
		err = h.describe(startCtx, g)
	}
	if err != nil {
		if g != nil {
			g.kill(Closed, err)
			<-g.gone
		}
		h.stop()
		return nil, errors.Join(err, h.program.close())
	}
	h.current = g
	return h, nil
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, preset time.Duration) {
		if *d <= 0 {
			*d = preset
		}
	}
	set(&o.Timeouts.Start, 20*time.Second)
	set(&o.Timeouts.Beat, 4*time.Second)
	set(&o.Timeouts.Cancel, 10*time.Second)
	set(&o.Timeouts.Close, 5*time.Second)
	set(&o.Window, 10*time.Minute)
	if o.Restarts == 0 {
		o.Restarts = 5
	}
	if o.Name == "" && len(o.Command) > 0 {
		o.Name = filepath.Base(o.Command[0])
	}
	if o.Execute == "" && len(o.Command) > 0 {
		o.Execute = o.Command[0]
	}
	return o
}

func (h *Host) fault(reason Reason, err error) *Error {
	e := &Error{Plugin: h.o.Name, Reason: reason, Err: err}
	if len(h.o.Command) > 0 {
		e.Path = h.o.Command[0]
	}
	return e
}

func (h *Host) logf(format string, args ...any) {
	if h.o.Log != nil {
		h.o.Log(h.mask.line(fmt.Sprintf(format, args...)))
	}
}

// describe asks a guest what it is, once for the life of the host.
func (h *Host) describe(ctx context.Context, g *guest) error {
	r, err := g.backend.Describe(ctx, &pb.DescribeRequest{})
	if err != nil {
		return g.startFailure(ctx, "describe", err)
	}
	h.description = backend.Description{Name: r.GetName(), Version: r.GetVersion(), Region: r.GetRegion()}
	h.formats, h.compute, h.inventory = r.GetFormats(), r.GetCompute(), r.GetInventory()
	return nil
}

// acquire returns the guest, started again if it is gone.
func (h *Host) acquire(ctx context.Context, op, key string) (*guest, error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, &backend.Error{Op: op, Key: key, Err: h.fault(Closed, errors.New("the plugin was closed"))}
	}
	if h.current.usable() {
		defer h.mu.Unlock()
		return h.current, nil
	}
	s := h.starting
	if s == nil {
		if err := h.mayRestart(time.Now()); err != nil {
			h.mu.Unlock()
			return nil, &backend.Error{Op: op, Key: key, Err: err}
		}
		s = &starting{done: make(chan struct{})}
		h.starting = s
		go h.restart(s, h.current) //nolint:contextcheck // ctx is that of one call, others wait as well
	}
	h.mu.Unlock()
	select {
	case <-s.done:
		return s.guest, restartError(s.err, op, key)
	case <-ctx.Done():
		return nil, endedError(ctx, op, key)
	}
}

// restartError is the error of a call that found no guest. What is wrong with a plugin may pass: it may have met a
// moment without memory. mayRestart sees to it that there is an end.
func restartError(err error, op, key string) error {
	var fault *Error
	if err == nil || !errors.As(err, &fault) {
		return err
	}
	return &backend.Error{Op: op, Key: key, Kind: backend.Unavailable, Err: err}
}

// mayRestart counts a restart. The caller holds the lock.
func (h *Host) mayRestart(now time.Time) error {
	h.restarts = slices.DeleteFunc(h.restarts, func(t time.Time) bool { return now.Sub(t) > h.o.Window })
	if len(h.restarts) >= h.o.Restarts {
		return h.fault(Unstable, fmt.Errorf("it was started again %d times within %v and is not started any more; the last time: %w",
			len(h.restarts), h.o.Window, h.lastFailure()))
	}
	h.restarts = append(h.restarts, now)
	h.logf("plugin %s is started again (%d of %d times within %v): %v", h.o.Name, len(h.restarts), h.o.Restarts, h.o.Window,
		h.lastFailure())
	return nil
}

func (h *Host) lastFailure() error {
	if h.trouble != nil {
		return h.trouble
	}
	return h.current.failure()
}

// restart waits for the end of the old guest and starts another. It belongs to Close.
func (h *Host) restart(s *starting, old *guest) {
	<-old.gone
	ctx, cancel := context.WithTimeout(h.base, h.o.Timeouts.Start)
	defer cancel()
	s.guest, s.err = h.start(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.trouble = s.err; s.err == nil {
		h.current = s.guest
	}
	h.starting = nil
	close(s.done)
}

// Describe says what the provider of the plugin is.
func (h *Host) Describe() backend.Description { return h.description }

// Open asks the plugin, which makes no request for it. A plugin that dies meanwhile is asked again.
func (h *Host) Open(loc backend.Location) (backend.Storage, string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.base), 2*h.o.Timeouts.Start)
	defer cancel()
	at := locationTo(loc)
	var answer *pb.OpenResponse
	var err error
	for range 3 {
		err = h.do(ctx, call{op: "open", key: loc.String()}, func(ctx context.Context, g *guest) (err error) {
			answer, err = g.storage.Open(ctx, &pb.OpenRequest{Location: at})
			return err
		})
		if !errors.Is(err, backend.Unavailable) {
			break
		}
	}
	if err != nil {
		return nil, "", err
	}
	return &storage{h: h, at: at, info: infoFrom(answer.GetInfo())}, string(answer.GetKey()), nil
}

// Compute returns the virtual machine side of the plugin, if it has one.
func (h *Host) Compute() (backend.Compute, error) {
	if !h.compute.GetThere() {
		return nil, h.absent("compute", h.compute)
	}
	return &compute{h: h}, nil
}

// Inventory returns the listing side of the plugin, if it has one.
func (h *Host) Inventory() (backend.Inventory, error) {
	if !h.inventory.GetThere() {
		return nil, h.absent("inventory", h.inventory)
	}
	return &inventory{h: h}, nil
}

func (h *Host) absent(op string, s *pb.Service) error {
	if s.GetError() != nil {
		return errorFrom(s.GetError(), h.mask)
	}
	return &backend.Error{Op: op, Key: h.o.Name, Kind: backend.Unsupported}
}

// Close ends the plugin: politely, then by force. Calls under way fail. No process is left when it returns.
func (h *Host) Close() error {
	h.closing.Do(func() {
		h.mu.Lock()
		h.closed = true
		s := h.starting
		h.mu.Unlock()
		h.stop()
		if s != nil {
			<-s.done
		}
		h.current.close(h.o.Timeouts.Close)
		h.closeErr = h.program.close()
	})
	return h.closeErr
}
