package backendtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// broken is a Mem with some of its methods replaced.
type broken struct {
	*backendtest.Mem
	info      func() backend.Info
	stat      func(ctx context.Context, key string) (backend.Object, error)
	readAt    func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error)
	put       func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error)
	create    func(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error)
	part      func(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error)
	parts     func(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error]
	complete  func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error)
	abort     func(ctx context.Context, u backend.Upload) error
	list      func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error]
	uploads   func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error]
	copy      func(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (backend.Object, error)
	delete    func(ctx context.Context, obj backend.Object) error
	browse    func(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error]
	versions  func(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error]
	restore   func(ctx context.Context, obj backend.Object, period time.Duration) error
	make      func(ctx context.Context) error
	space     func(ctx context.Context, prefix string) (backend.Space, error)
	deleteAll func(ctx context.Context, objs []backend.Object) []error
	rules     func(ctx context.Context) ([]backend.LifecycleRule, error)
	setRules  func(ctx context.Context, rules []backend.LifecycleRule) (bool, error)
}

// newBroken returns a whole one; each mutant replaces what it breaks.
func newBroken(m *backendtest.Mem) *broken {
	return &broken{Mem: m, info: m.Info, stat: m.Stat, readAt: m.ReadAt, put: m.Put, create: m.CreateUpload, part: m.UploadPart,
		parts: m.ListParts, complete: m.CompleteUpload, abort: m.AbortUpload, list: m.List, uploads: m.ListUploads, copy: m.Copy,
		delete: m.Delete, deleteAll: m.DeleteAll, browse: m.Browse, versions: m.Versions, restore: m.Restore, make: m.CreateContainer, space: m.Space,
		rules: m.Lifecycle, setRules: m.SetLifecycle}
}

func (b *broken) Info() backend.Info { return b.info() }
func (b *broken) Stat(ctx context.Context, key string) (backend.Object, error) {
	return b.stat(ctx, key)
}
func (b *broken) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	return b.readAt(ctx, obj, p, off)
}
func (b *broken) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
	return b.put(ctx, key, p, o)
}
func (b *broken) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
	return b.create(ctx, key, o)
}
func (b *broken) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
	return b.part(ctx, u, n, p, sum)
}
func (b *broken) ListParts(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
	return b.parts(ctx, u)
}
func (b *broken) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
	return b.complete(ctx, u, parts, o)
}
func (b *broken) AbortUpload(ctx context.Context, u backend.Upload) error { return b.abort(ctx, u) }
func (b *broken) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	return b.list(ctx, prefix)
}
func (b *broken) ListUploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return b.uploads(ctx, prefix)
}
func (b *broken) Copy(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (backend.Object, error) {
	return b.copy(ctx, from, version, key, o)
}
func (b *broken) Delete(ctx context.Context, obj backend.Object) error { return b.delete(ctx, obj) }
func (b *broken) DeleteAll(ctx context.Context, objs []backend.Object) []error {
	return b.deleteAll(ctx, objs)
}
func (b *broken) Browse(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
	return b.browse(ctx, prefix)
}
func (b *broken) Versions(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error] {
	return b.versions(ctx, prefix)
}
func (b *broken) Restore(ctx context.Context, obj backend.Object, period time.Duration) error {
	return b.restore(ctx, obj, period)
}
func (b *broken) CreateContainer(ctx context.Context) error { return b.make(ctx) }
func (b *broken) Space(ctx context.Context, prefix string) (backend.Space, error) {
	return b.space(ctx, prefix)
}
func (b *broken) Lifecycle(ctx context.Context) ([]backend.LifecycleRule, error) {
	return b.rules(ctx)
}
func (b *broken) SetLifecycle(ctx context.Context, rules []backend.LifecycleRule) (bool, error) {
	return b.setRules(ctx, rules)
}

// mutant is one way to break the contract and the cases that must notice.
type mutant struct {
	name    string
	cases   string // names, separated by spaces
	options backendtest.MemOptions
	wreck   func(t *testing.T, b *broken)
}

// TestEveryCaseCanFail runs each case against implementations that break what it is about.
func TestEveryCaseCanFail(t *testing.T) {
	noticed := map[string]bool{}
	for _, m := range slices.Concat(readMutants, writeMutants, existingMutants, uploadMutants, completeMutants, listMutants, browseMutants,
		versionMutants, lifecycleMutants, otherMutants) {
		t.Run(m.name, func(t *testing.T) {
			container := backendtest.NewMem(m.options)
			o := backendtest.CheckOptions{Locate: container.Location, Archive: container.Archive, Objects: 1001}
			o.Fresh = func() (backend.Storage, error) {
				b := newBroken(backendtest.NewMem(backendtest.MemOptions{Missing: true}))
				m.wreck(t, b)
				return b, nil
			}
			if m.options.Without.Write {
				o.Existing = container.AddGenerated(existingKey, existingSize, 1).Key
			}
			open := func() (backend.Storage, string, error) {
				b := newBroken(container)
				m.wreck(t, b)
				return b, "somewhere/", nil
			}
			for name := range strings.FieldsSeq(m.cases) {
				noticed[name] = true
				o.Only = name
				err := backendtest.Check(t.Context(), open, o)
				t.Log(err)
				if err == nil || !strings.Contains("\n"+err.Error(), "\n"+name+": ") {
					t.Errorf("case %s does not notice: %v", name, err)
				}
			}
		})
	}
	for _, name := range backendtest.CaseNames() {
		if !noticed[name] {
			t.Errorf("no broken implementation makes case %s fail", name)
		}
	}
}

func TestCheckLeavesNothing(t *testing.T) {
	ctx := t.Context()
	m := backendtest.NewMem(backendtest.MemOptions{})
	open := func() (backend.Storage, string, error) { return m, "below/", nil }
	if err := backendtest.Check(ctx, open, backendtest.CheckOptions{Locate: m.Location}); err != nil {
		t.Error(err)
	}
	for o, err := range m.List(ctx, "") {
		t.Errorf("left %q, %v", o.Key, err)
	}
	for u, err := range m.ListUploads(ctx, "") {
		t.Errorf("left upload %v, %v", u, err)
	}
}

func TestCheckSaysWhatItLeft(t *testing.T) {
	m := newBroken(backendtest.NewMem(backendtest.MemOptions{}))
	m.delete = func(_ context.Context, obj backend.Object) error {
		return &backend.Error{Op: "delete", Key: obj.Key, Kind: backend.Forbidden}
	}
	m.abort = func(_ context.Context, u backend.Upload) error {
		return &backend.Error{Op: "abort upload", Key: u.Key, Kind: backend.Forbidden}
	}
	open := func() (backend.Storage, string, error) { return m, "below/", nil }
	err := backendtest.Check(t.Context(), open, backendtest.CheckOptions{Only: "old-object-until-complete"})
	if !errors.Is(err, backend.Forbidden) || !strings.Contains(err.Error(), `left "below/backendtest-`) ||
		!strings.Contains(err.Error(), "left upload") {
		t.Errorf("%v", err)
	}
}

func TestCheckStopsWhenTheContextEndsAndTidies(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	container := backendtest.NewMem(backendtest.MemOptions{})
	m := newBroken(container)
	puts := 0
	m.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
		if puts++; puts == 10 {
			cancel()
		}
		return container.Put(ctx, key, p, o)
	}
	open := func() (backend.Storage, string, error) { return m, "", nil }
	if err := backendtest.Check(ctx, open, backendtest.CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for o, err := range container.List(t.Context(), "") {
		t.Errorf("left %q, %v", o.Key, err)
	}
}

func TestCheckReportsWhatTheOpenerCannotOpen(t *testing.T) {
	cause := errors.New("no such bucket")
	open := func() (backend.Storage, string, error) { return nil, "", cause }
	if err := backendtest.Check(t.Context(), open, backendtest.CheckOptions{}); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}

func TestCheckTellsOfEachCase(t *testing.T) {
	m := newBroken(backendtest.NewMem(backendtest.MemOptions{Without: backend.Capabilities{List: true}}))
	m.abort = func(_ context.Context, u backend.Upload) error {
		return &backend.Error{Op: "abort upload", Key: u.Key, Kind: backend.Forbidden}
	}
	open := func() (backend.Storage, string, error) { return m, "", nil }
	var names []string
	told := map[string]error{}
	err := backendtest.Check(t.Context(), open, backendtest.CheckOptions{Locate: m.Location,
		Each: func(name string, took time.Duration, err error) {
			if took < 0 {
				t.Errorf("%s took %v", name, took)
			}
			names, told[name] = append(names, name), err
		}})
	if !slices.Equal(names, backendtest.CaseNames()) {
		t.Errorf("told of %q", names)
	}
	if told["reads"] != nil || !errors.Is(told["abort-twice"], backend.Forbidden) {
		t.Errorf("reads: %v; abort-twice: %v", told["reads"], told["abort-twice"])
	}
	if left := told["parts-in-any-order"]; left == nil || !strings.Contains(left.Error(), "left upload") {
		t.Errorf("what was left is not told: %v", left)
	}
	if !errors.Is(told["list-order"], backendtest.ErrSkipped) || errors.Is(err, backendtest.ErrSkipped) {
		t.Errorf("list-order: %v; the result: %v", told["list-order"], err)
	}
}

func kindError(op, key string, kind backend.Kind) error {
	return &backend.Error{Op: op, Key: key, Kind: kind, Err: fmt.Errorf("made wrong")}
}
