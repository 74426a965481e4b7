// Package ocisim simulates Oracle Cloud Infrastructure behind one http.Handler: object storage, compute with custom
// images and their export, identity and work requests. It verifies request signatures, keeps its state and the bytes of
// objects in a directory, runs asynchronous work on a clock that tests can drive, injects faults on request and records
// every request it serves. Any OCI client works against it once its endpoint points here.
//
// It is meant for tests, demonstrations and benchmarks. It is not a store: bytes survive the end of the process, not
// necessarily the loss of power. It imports the standard library only.
package ocisim

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Server is a simulated tenancy. It is safe for concurrent use. Two servers must not share a directory.
type Server struct {
	dir     string
	clock   Clock
	minPart int64
	skipMD5 bool
	timings Timings
	routes  *router
	log     *RequestLog
	faults  *FaultPlan
	auth    *keyring
	rules   *Rules
	tokens  *issuer
	store   *store

	authority *authority

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	work   sync.WaitGroup // goroutines started by background

	mu      sync.Mutex // guards what follows
	state   state
	saved   []byte // the state as it was last written
	timers  map[int]func() bool
	nextID  int
	compute computeFaults
	closed  bool
	nightly bool // the next run of lifecycle policies is arranged
}

// Options configures New. Only Dir is required.
type Options struct {
	Dir         string  // state and object bytes; created if missing. New on the same Dir continues where Close or a crash left off
	Clock       Clock   // nil is the wall clock
	Region      string  // "" is us-phoenix-1. Fixed when Dir is new
	Namespace   string  // "" is axsim. Fixed when Dir is new
	Seed        *Seed   // what a new Dir contains; nil is the default seed
	MinPartSize int64   // smallest size of any part of an upload but the last; 0 accepts all
	Timings     Timings // durations of asynchronous work
	// SkipMD5 saves the MD5 of uploads that come without Content-MD5, for benchmarks of clients: it is what an upload costs
	// here. Answers then lack opc-content-md5 and opc-multipart-md5, which OCI always gives.
	SkipMD5 bool
}

// Timings are the durations of asynchronous work. A zero field takes the default of a few hundred milliseconds.
type Timings struct {
	Copy        time.Duration // of a copy between buckets
	CreateImage time.Duration // of PROVISIONING or IMPORTING of an image
	ExportImage time.Duration // of EXPORTING, beside the time that converting the disk takes
	PowerAction time.Duration // of STARTING, STOPPING and the like
	SoftStop    time.Duration // that a guest which ignores SOFTSTOP is given; 0 is 15 minutes, as in OCI
}

func (t Timings) withDefaults() Timings {
	for _, d := range []*time.Duration{&t.Copy, &t.CreateImage, &t.ExportImage, &t.PowerAction} {
		if *d == 0 {
			*d = 300 * time.Millisecond
		}
	}
	if t.SoftStop == 0 {
		t.SoftStop = 15 * time.Minute
	}
	return t
}

// New returns a simulator that keeps its state below o.Dir. The caller serves it and calls Close at the end.
func New(o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, fmt.Errorf("start simulator: Options.Dir is empty; name a directory for its state")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start simulator: %w", err)
	}
	s := &Server{
		dir:     o.Dir,
		clock:   o.Clock,
		minPart: o.MinPartSize,
		skipMD5: o.SkipMD5,
		timings: o.Timings.withDefaults(),
		log:     &RequestLog{counts: map[string]int{}},
		auth:    newKeyring(),
		rules:   &Rules{},
		tokens:  &issuer{life: defaultTokenLife},
		timers:  map[int]func() bool{},
	}
	if s.clock == nil {
		s.clock = wallClock{}
	}
	s.faults, s.authority = &FaultPlan{}, &authority{}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	operations := append(objectStorageOperations(), computeOperations()...)
	operations = append(append(append(operations, identityOperations()...), metadataOperations()...), limitOperations()...)
	s.routes = newRouter(append(operations, federationOperations()...))
	if err := s.open(o); err != nil {
		s.cancel()
		return nil, fmt.Errorf("start simulator in %s: %w", o.Dir, err)
	}
	return s, nil
}

// open reads what Dir holds, or fills a new one from the seed, and takes up unfinished work.
func (s *Server) open(o Options) error {
	fresh, err := s.load(o)
	if err != nil {
		return err
	}
	for id, pem := range s.state.Keys {
		if err := s.auth.addPEM(id, pem); err != nil {
			return err
		}
	}
	if s.store, err = openStore(filepath.Join(s.dir, "objects")); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fresh {
		if err := s.applySeed(o.Seed); err != nil {
			return fmt.Errorf("apply seed: %w", err)
		}
	}
	for _, rule := range s.state.Rules {
		s.rules.Add(rule)
	}
	for _, b := range s.state.ObjectStorage.Buckets { // written by an older simulator
		b.Region, b.Settings.Versioning = cmp.Or(b.Region, s.state.Region), cmp.Or(b.Settings.Versioning, versioningDisabled)
	}
	s.resumeCopies()
	s.resumeCompute()
	s.scheduleLifecycle()
	return s.persist()
}

// Close stops timers that have not fired, waits for background work and writes the state. Work that was cut off
// continues when New opens the directory again. Requests after Close are answered 503.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for _, stop := range s.timers {
		stop()
	}
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.persist()
	if e := s.store.close(); err == nil {
		err = e
	}
	return err
}

// after runs f under s.mu once d has passed on the clock, and persists. It does nothing after Close. The caller holds s.mu.
func (s *Server) after(d time.Duration, f func()) {
	if s.closed {
		return
	}
	id := s.nextID
	s.nextID++
	s.timers[id] = s.clock.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.timers, id)
		if s.closed {
			return
		}
		f()
		s.persistLater()
	})
}

// background runs f in a goroutine that Close cancels and waits for. The caller holds s.mu; f does not.
func (s *Server) background(f func(ctx context.Context)) {
	if s.closed {
		return
	}
	s.work.Go(func() { f(s.ctx) })
}

// Log is the record of all requests.
func (s *Server) Log() *RequestLog { return s.log }

// Faults is the plan of faults to inject; it starts empty.
func (s *Server) Faults() *FaultPlan { return s.faults }

// Tenancy is the OCID of the tenancy, which is also that of the root compartment.
func (s *Server) Tenancy() string { return s.state.Tenancy }

// User is the OCID of the user that WriteConfig makes keys for.
func (s *Server) User() string { return s.state.User }

// Namespace is the object storage namespace of the tenancy.
func (s *Server) Namespace() string { return s.state.Namespace }

// Region is the name of the simulated region.
func (s *Server) Region() string { return s.state.Region }

// ServeHTTP serves one request of any simulated service, in the region that its host names.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, s.hostRegion(r.Host))
}
