package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	partSize = 8 << 10
	diskSize = 5*partSize - 100
	instance = "instance/web"
)

// at gives a location: what is exported and read is at one provider, the destinations are at another.
func at(path string) backend.Location {
	if strings.HasPrefix(path, "dest/") || strings.HasPrefix(path, "mirror/") {
		return backend.Location{Scheme: "far", Path: path}
	}
	return backend.Location{Scheme: "mem", Path: path}
}

// world is everything outside the process: the provider's containers and exports, and the folder of the journal. It
// survives the executors that work in it.
type world struct {
	t      *testing.T
	mem    *backendtest.MemProvider
	far    *backendtest.MemProvider
	faults map[string]*backendtest.Faults // by container, made by rule
	dir    string
	began  bool
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, mem: backendtest.NewMemProvider(), far: &backendtest.MemProvider{}, faults: map[string]*backendtest.Faults{},
		dir: filepath.Join(t.TempDir(), "runs", "r1")}
	w.far.Options = backendtest.MemOptions{Scheme: "far", Limits: backend.Limits{MaxPart: partSize, MaxPut: partSize, MaxParts: 1000}}
	w.mem.Exports.Size = diskSize
	for _, name := range []string{"source", "dest", "mirror", "staging"} {
		w.faults[name] = &backendtest.Faults{Storage: w.container(name)}
	}
	through := func(name string, _ backend.Storage) backend.Storage { return w.faults[name] }
	w.mem.Wrap, w.far.Wrap = through, through
	return w
}

// container returns a container bare of faults.
func (w *world) container(name string) *backendtest.Mem {
	if at(name+"/").Scheme == "far" {
		return w.far.Container(name)
	}
	return w.mem.Container(name)
}

// executor returns one with quick retries. Its parts in flight are two.
func (w *world) executor(j Journal, events event.Sink) *Executor {
	return &Executor{
		Backends: backend.Set{"mem": w.mem, "far": w.far}, Engine: transfer.New(transfer.Options{Streams: 2, Objects: 2, Events: events}), Journal: j,
		Retry: wrap.Policy{Attempts: 3, First: time.Microsecond, Max: time.Microsecond}, Events: events, Parallel: 2,
		Poll: Poll{First: time.Microsecond, Max: time.Millisecond},
	}
}

// open begins the journal or goes on with it.
func (w *world) open() *journal.Journal {
	w.t.Helper()
	j, err := journal.Create(w.dir, journal.Run{ID: "r1", Name: "test", Started: time.Now()})
	if w.began {
		j, err = journal.Open(w.dir)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.began = true
	return j
}

// apply runs p as a new process does.
func (w *world) apply(ctx context.Context, p *plan.Plan) (*Report, error) {
	w.t.Helper()
	p.Resumes = w.began
	j := w.open()
	report, err := w.executor(j, nil).Apply(ctx, p)
	if closeErr := j.Close(); closeErr != nil {
		w.t.Error(closeErr)
	}
	return report, err
}

func (w *world) state() journal.State {
	w.t.Helper()
	state, err := journal.Read(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

// bytes returns the object at a location, nil if there is none.
func (w *world) bytes(l backend.Location) []byte {
	w.t.Helper()
	name, key, _ := strings.Cut(l.Path, "/")
	s := w.container(name)
	obj, err := s.Stat(context.Background(), key)
	if errors.Is(err, backend.NotFound) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	p := make([]byte, obj.Size)
	if _, err := s.ReadAt(context.Background(), obj, p, 0); err != nil && !errors.Is(err, io.EOF) {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) keys(container string) []string {
	w.t.Helper()
	var keys []string
	for obj, err := range w.container(container).List(context.Background(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, obj.Key)
	}
	return keys
}

// clean fails unless nothing is left that a run made on its way: no job, no upload.
func (w *world) clean() {
	w.t.Helper()
	if n := w.mem.Exports.Jobs(); n != 0 {
		w.t.Errorf("%d jobs are left", n)
	}
	for _, name := range slices.Sorted(maps.Keys(w.faults)) {
		for u, err := range w.container(name).ListUploads(context.Background(), "") {
			w.t.Errorf("left in %s: upload %s of %s, %v", name, u.ID, u.Key, err)
		}
	}
}

// exported fails unless both images of the export step are at to, with a descriptor.
func (w *world) exported(to backend.Location) {
	w.t.Helper()
	storage, prefix, err := backend.Set{"mem": w.mem, "far": w.far}.Open(to)
	if err != nil {
		w.t.Fatal(err)
	}
	d, ok, err := plan.Present(context.Background(), storage, prefix, exportStep().Export)
	if err != nil || !ok || d.Run != "r1" || len(d.Artifacts) != 2 {
		w.t.Errorf("at %s: descriptor %+v, %v, %v", to, d, ok, err)
	}
	for i, format := range []string{"qcow2", "vmdk"} {
		pattern, size := w.mem.Exports.Artifact(instance, format)
		got := w.bytes(to.Join("web." + format))
		if sum := backend.SumCRC32C(got); int64(len(got)) != size || sum != pattern.CRC32C(size) || i < len(d.Artifacts) && d.Artifacts[i].Checksum.Contradicts(sum) {
			w.t.Errorf("%s at %s has %d bytes, %s", format, to, len(got), sum)
		}
	}
}

func exportStep() plan.Step {
	return plan.Step{ID: "export.web", Export: &plan.Export{
		Backend: "mem", To: []backend.Location{at("dest/web/"), at("mirror/web/")}, Found: plan.Instance{Name: "web", State: "RUNNING"},
		Request: backend.ExportRequest{Token: plan.Token("r1", "export.web"), Instance: instance, Name: "web", Formats: []string{"qcow2", "vmdk"},
			Staging: at("staging/"), Tags: map[string]string{plan.TagRun: "r1"}},
	}}
}

func treeStep(needs ...string) plan.Step {
	return plan.Step{ID: "transfer.logs", Needs: needs, Transfer: &plan.Transfer{From: at("source/logs/"), To: at("dest/logs/"), Tree: true, SHA256: true,
		Existing: transfer.Newer}}
}

func objectStep(needs ...string) plan.Step {
	return plan.Step{ID: "transfer.one", Needs: needs, Transfer: &plan.Transfer{From: at("source/one"), To: at("dest/one"), SHA256: true, Existing: transfer.Newer}}
}

func planOf(steps ...plan.Step) *plan.Plan {
	return &plan.Plan{Format: plan.Format, Name: "test", Run: "r1", Steps: steps}
}

// fill puts what the transfers move.
func (w *world) fill() {
	s := w.container("source")
	s.AddGenerated("logs/big", diskSize, 11)
	s.AddGenerated("logs/small", 1000, 12)
	s.AddGenerated("logs/sub/empty", 0, 13)
	s.AddGenerated("one", 3*partSize, 14)
}

// filled fails unless the transfers have moved everything and listed their sums.
func (w *world) filled() {
	w.t.Helper()
	for from, to := range map[string]string{"source/logs/big": "dest/logs/big", "source/logs/small": "dest/logs/small",
		"source/logs/sub/empty": "dest/logs/sub/empty", "source/one": "dest/one"} {
		if a, b := w.bytes(at(from)), w.bytes(at(to)); string(a) != string(b) || b == nil && a != nil {
			w.t.Errorf("%s has %d bytes, %s %d", from, len(a), to, len(b))
		}
	}
	w.listed("dest/logs/", "big", "small", "sub/empty")
	w.listed("dest/", "one")
}

// listed fails unless SHA256SUMS below prefix has the right sum of exactly these names.
func (w *world) listed(prefix string, names ...string) {
	w.t.Helper()
	var want string
	for _, name := range names {
		want += formatSum(fmt.Sprintf("%x", backendtest.Sum(backend.SHA256, w.bytes(at(prefix+name))).Bytes()), name)
	}
	if got := string(w.bytes(at(prefix + plan.SumsName))); got != want {
		w.t.Errorf("%sSHA256SUMS is\n%swant\n%s", prefix, got, want)
	}
}

// failing is a journal that cannot be written any more after some records, as on a full disk or at the moment of a crash.
type failing struct {
	*journal.Journal
	mu   sync.Mutex
	left int
}

func (f *failing) Write(rec journal.Record, durable bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return fmt.Errorf("%w: the disk is full", journal.ErrWrite)
	}
	return f.Journal.Write(rec, durable)
}

// recorder collects events.
type recorder struct {
	mu  sync.Mutex
	all []event.Event
}

func (r *recorder) sink(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

func (r *recorder) count(typ string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.all {
		if e.Body.Type() == typ {
			n++
		}
	}
	return n
}

func outcomes(r *Report) map[string]string {
	all := map[string]string{}
	for _, s := range r.Steps {
		all[s.ID] = s.Outcome
	}
	return all
}
