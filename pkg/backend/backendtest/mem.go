package backendtest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// MaxKey is the length of the longest key that Mem takes, in bytes.
const MaxKey = 1024

// MemOptions are the options of NewMem. The zero value is a container that can do everything and has no limits.
type MemOptions struct {
	Name       string               // of the container in locations; "mem" if empty
	Scheme     string               // of locations; "mem" if empty
	Limits     backend.Limits       // what exceeds them is refused with Invalid; MaxParts below zero: no uploads
	Checksums  []backend.Algorithm  // verified; CRC32C if nil, none if empty
	Without    backend.Capabilities // what is true here is switched off
	Sequential bool                 // parts must come in ascending order, one at a time
	Discard    bool                 // keep no bytes: sizes and CRC32C only; a read of what was written is Unsupported
	Versioned  bool                 // keep what is replaced or deleted, as Versions lists it
	Missing    bool                 // the container does not exist before CreateContainer
	Space      backend.Space        // what Space tells; 1 TiB if zero
	Now        func() time.Time     // the clock; time.Now if nil
}

// Mem is a Storage in memory that keeps the whole contract. It costs one copy per part written and one per read; a read
// allocates nothing. Its methods are safe for concurrent use.
type Mem struct {
	o     MemOptions
	info  backend.Info
	peers func(container string) *Mem // the containers that Copy reads from

	pattern *Pattern

	mu      sync.RWMutex
	objects map[string]*memObject
	sorted  []string // the keys in order, never changed in place; nil if a key came or went since
	uploads map[string]*memUpload
	history map[string][]memVersion // oldest first, the current one too; empty unless Versioned
	missing bool
	serial  int
	rules   []backend.LifecycleRule // by name; nothing carries them out
}

var _ backend.Storage = (*Mem)(nil)

// memObject is one stored version. It is never changed.
type memObject struct {
	backend.Object
	data content
}

// NewMem returns an empty container.
func NewMem(o MemOptions) *Mem {
	if o.Name == "" {
		o.Name = "mem"
	}
	if o.Scheme == "" {
		o.Scheme = "mem"
	}
	if o.Checksums == nil {
		o.Checksums = []backend.Algorithm{backend.CRC32C}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Space == (backend.Space{}) {
		o.Space = backend.Space{Place: o.Name, Free: 1 << 40}
	}
	m := &Mem{
		o: o, info: memInfo(o), pattern: NewPattern(0),
		objects: map[string]*memObject{}, uploads: map[string]*memUpload{}, history: map[string][]memVersion{}, missing: o.Missing,
	}
	m.peers = func(name string) *Mem {
		if name == o.Name {
			return m
		}
		return nil
	}
	return m
}

func memInfo(o MemOptions) backend.Info {
	off := o.Without
	info := backend.Info{
		Can: backend.Capabilities{
			Write: !off.Write, List: !off.List, ListParts: !off.ListParts, ListUploads: !off.ListUploads,
			Delete: !off.Delete, Sequential: o.Sequential, PutIfAbsent: !off.PutIfAbsent,
			CompleteIfAbsent: !off.CompleteIfAbsent, IfVersion: !off.IfVersion, ModTime: !off.ModTime,
			Browse: !off.Browse, Versions: !off.Versions, Restore: !off.Restore, CreateContainer: !off.CreateContainer,
			Space: !off.Space, DeleteAll: !off.Delete && !off.DeleteAll,
			Lifecycle: !off.Lifecycle,
		},
		Checksums: o.Checksums,
		Limits:    o.Limits,
	}
	switch {
	case info.Limits.MaxParts == 0:
		info.Limits.MaxParts = 100_000
	case info.Limits.MaxParts < 0 || off.Write:
		info.Limits.MaxParts = 0
	}
	if off.Write {
		info.Can.Sequential, info.Can.PutIfAbsent, info.Can.CompleteIfAbsent = false, false, false
		info.Can.IfVersion, info.Can.ModTime, info.Can.ListParts = false, false, false
		info.Can.CreateContainer, info.Can.Space, info.Can.Lifecycle = false, false, false
	}
	if info.Can.Write {
		info.CopyFrom = []string{o.Scheme}
	}
	return info
}

// Info says what the options left.
func (m *Mem) Info() backend.Info {
	info := m.info
	info.Checksums = slices.Clone(info.Checksums)
	info.CopyFrom = slices.Clone(info.CopyFrom)
	return info
}

// Location returns the location of key, as Copy takes it.
func (m *Mem) Location(key string) backend.Location {
	return backend.Location{Scheme: m.o.Scheme, Path: m.o.Name + "/" + key}
}

// AddGenerated stores an object of any size that takes no memory: its bytes are those of the pattern of seed. It replaces
// what is under key, works where Write is switched off, and returns the object, which has no Checksum.
func (m *Mem) AddGenerated(key string, size int64, seed uint64) backend.Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.store(backend.Object{Key: key, Size: size}, m.pattern.With(seed))
}

// Stat returns the current object.
func (m *Mem) Stat(ctx context.Context, key string) (backend.Object, error) {
	if err := m.check(ctx, OpStat, key); err != nil {
		return backend.Object{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	o, ok := m.objects[key]
	if !ok {
		return backend.Object{}, fail(OpStat, key, backend.NotFound, nil)
	}
	return o.public(), nil
}

// ReadAt copies from the version that obj names. It allocates nothing unless it fails.
func (m *Mem) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	if err := m.check(ctx, OpRead, obj.Key); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fail(OpRead, obj.Key, backend.Invalid, fmt.Errorf("offset %d is negative", off))
	}
	if err := m.checkGeneration(OpRead, obj); err != nil {
		return 0, err
	}
	m.mu.RLock()
	o, ok := m.find(obj)
	m.mu.RUnlock()
	if !ok || o.Version != obj.Version {
		return 0, fail(OpRead, obj.Key, backend.Changed, fmt.Errorf("version %q is gone", obj.Version))
	}
	if o.Archived {
		return 0, fail(OpRead, obj.Key, backend.Invalid, errArchived)
	}
	if o.data == nil {
		return 0, fail(OpRead, obj.Key, backend.Unsupported, errDiscarded)
	}
	if off >= o.Size {
		if len(p) == 0 && off == o.Size {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), o.Size-off))
	o.data.readAt(p[:n], off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// check is what every method does first: an ended context, then a key that no container takes.
func (m *Mem) check(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return fail(op, key, backend.KindOf(err), err)
	}
	if key == "" || len(key) > MaxKey {
		return fail(op, key, backend.Invalid, fmt.Errorf("a key has 1 to %d bytes, this one has %d", MaxKey, len(key)))
	}
	return m.checkThere(op, key)
}

func (m *Mem) checkThere(op, key string) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.missing {
		return fail(op, key, backend.NotFound, fmt.Errorf("there is no container %q", m.o.Name))
	}
	return nil
}

// can fails with Unsupported unless the capability is there.
func can(capability bool, op, key, what string) error {
	if capability {
		return nil
	}
	return fail(op, key, backend.Unsupported, fmt.Errorf("this container has no %s", what))
}

// store makes data the current object under o.Key. The caller holds the lock.
func (m *Mem) store(o backend.Object, data content) backend.Object {
	if o.ModTime.IsZero() || !m.info.Can.ModTime {
		o.ModTime = m.o.Now()
	}
	o.Meta = lowerKeys(o.Meta)
	o.Version = m.serialNumber("v")
	if _, ok := m.objects[o.Key]; !ok {
		m.sorted = nil
	}
	stored := &memObject{Object: o, data: data}
	m.objects[o.Key] = stored
	m.keep(o.Key, memVersion{memObject: stored})
	return stored.public()
}

func (m *Mem) serialNumber(prefix string) string {
	m.serial++
	return prefix + strconv.Itoa(m.serial)
}

// holds checks a condition. The caller holds the lock.
func (m *Mem) holds(c backend.Condition, op, key string) error {
	o, there := m.objects[key]
	switch {
	case c.Absent && there:
		return fail(op, key, backend.Exists, nil)
	case c.Version != "" && (!there || o.Version != c.Version):
		return fail(op, key, backend.Changed, fmt.Errorf("version %q is not there", c.Version))
	}
	return nil
}

// public returns the description with a map of its own, so that a caller cannot change the stored one.
func (o *memObject) public() backend.Object {
	c := o.Object
	c.Meta = maps.Clone(c.Meta)
	return c
}

func lowerKeys(meta map[string]string) map[string]string {
	if len(meta) == 0 {
		return nil
	}
	lower := make(map[string]string, len(meta))
	for k, v := range meta {
		lower[strings.ToLower(k)] = v
	}
	return lower
}

func fail(op, key string, kind backend.Kind, err error) error {
	return &backend.Error{Op: op, Key: key, Kind: kind, Err: err}
}
