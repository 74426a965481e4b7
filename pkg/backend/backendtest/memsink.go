package backendtest

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// memUpload is a multipart upload. Mem's lock guards parts; the rest is never changed.
type memUpload struct {
	backend.Upload
	o     backend.UploadOptions
	parts map[int]memPart
	last  int  // the highest part so far
	busy  bool // a part is being written; kept where Sequential
}

type memPart struct {
	backend.Part
	crc  uint32
	data []byte
}

// count is the number of parts that the finished object has. An empty object has one empty part or none.
func (u *memUpload) count() int {
	return int(max(1, (u.Size+u.PartSize-1)/u.PartSize))
}

// size is the length that part n must have.
func (u *memUpload) size(n int) int64 {
	return min(u.PartSize, u.Size-int64(n-1)*u.PartSize)
}

// Put stores a copy of p.
func (m *Mem) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
	if err := m.checkWrite(ctx, OpPut, key); err != nil {
		return backend.Object{}, err
	}
	if err := m.checkCondition(o.If, m.info.Can.PutIfAbsent, OpPut, key); err != nil {
		return backend.Object{}, err
	}
	if err := m.withinMax(OpPut, key, int64(len(p)), m.o.Limits.MaxPut, "a put"); err != nil {
		return backend.Object{}, err
	}
	if err := m.withinMax(OpPut, key, int64(len(p)), m.o.Limits.MaxObject, "an object"); err != nil {
		return backend.Object{}, err
	}
	data, err := m.receive(p, o.Checksum)
	if err != nil {
		return backend.Object{}, fail(OpPut, key, backend.Corrupt, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ended(ctx, OpPut, key); err != nil {
		return backend.Object{}, err
	}
	if err := m.holds(o.If, OpPut, key); err != nil {
		return backend.Object{}, err
	}
	object := backend.Object{Key: key, Size: int64(len(p)), ModTime: o.ModTime, Meta: o.Meta,
		Checksum: backend.CRC32CChecksum(data.crc)}
	return m.store(object, data.content(m.o.Discard)), nil
}

// CreateUpload begins an upload whose parts have the sizes that o tells.
func (m *Mem) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
	if err := m.checkWrite(ctx, OpCreateUpload, key); err != nil {
		return backend.Upload{}, err
	}
	if err := can(m.info.Limits.MaxParts > 0, OpCreateUpload, key, "uploads"); err != nil {
		return backend.Upload{}, err
	}
	u := &memUpload{o: o, parts: map[int]memPart{},
		Upload: backend.Upload{Key: key, Size: o.Size, PartSize: o.PartSize, Created: m.o.Now()}}
	if err := m.checkShape(u); err != nil {
		return backend.Upload{}, err
	}
	u.o.Meta = maps.Clone(o.Meta)
	m.mu.Lock()
	defer m.mu.Unlock()
	u.ID = m.serialNumber("u")
	m.uploads[u.ID] = u
	return u.Upload, nil
}

func (m *Mem) checkShape(u *memUpload) error {
	limits := m.info.Limits
	refuse := func(format string, args ...any) error {
		return fail(OpCreateUpload, u.Key, backend.Invalid, fmt.Errorf(format, args...))
	}
	switch {
	case u.Size < 0 || u.PartSize <= 0:
		return refuse("an upload of %d bytes in parts of %d", u.Size, u.PartSize)
	case u.count() > limits.MaxParts:
		return refuse("%d parts, at most %d are allowed", u.count(), limits.MaxParts)
	case u.PartSize < limits.MinPart && u.count() > 1:
		return refuse("parts of %d bytes, at least %d are needed", u.PartSize, limits.MinPart)
	}
	if err := m.withinMax(OpCreateUpload, u.Key, u.PartSize, limits.MaxPart, "a part"); err != nil {
		return err
	}
	return m.withinMax(OpCreateUpload, u.Key, u.Size, limits.MaxObject, "an object")
}

// UploadPart stores a copy of p.
func (m *Mem) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
	if err := m.checkWrite(ctx, OpUploadPart, u.Key); err != nil {
		return backend.Part{}, err
	}
	done, err := m.beginPart(u, n, int64(len(p)))
	if err != nil {
		return backend.Part{}, err
	}
	defer done()
	data, err := m.receive(p, sum)
	if err != nil {
		return backend.Part{}, fail(OpUploadPart, u.Key, backend.Corrupt, fmt.Errorf("part %d: %w", n, err))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ended(ctx, OpUploadPart, u.Key); err != nil {
		return backend.Part{}, err
	}
	held, err := m.upload(OpUploadPart, u)
	if err != nil {
		return backend.Part{}, err
	}
	data.Part = backend.Part{Number: n, Size: int64(len(p)), Tag: m.serialNumber("t"), Checksum: backend.CRC32CChecksum(data.crc)}
	held.parts[n] = data
	held.last = max(held.last, n)
	return data.Part, nil
}

// beginPart checks the number and the length of a part and, where the container is sequential, its turn. The caller
// calls done when the part is over.
func (m *Mem) beginPart(u backend.Upload, n int, size int64) (done func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, err := m.upload(OpUploadPart, u)
	if err != nil {
		return nil, err
	}
	refuse := func(format string, args ...any) (func(), error) {
		return nil, fail(OpUploadPart, u.Key, backend.Invalid, fmt.Errorf(format, args...))
	}
	switch {
	case n < 1 || n > held.count():
		return refuse("part %d of %d", n, held.count())
	case size != held.size(n):
		return refuse("part %d has %d bytes instead of %d", n, size, held.size(n))
	case !m.o.Sequential:
		return func() {}, nil
	case held.busy:
		return refuse("part %d while another is being written", n)
	case n != held.last+1 && n != held.last:
		return refuse("part %d after part %d", n, held.last)
	}
	held.busy = true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		held.busy = false
	}, nil
}

// ListParts yields the parts as they were when the loop began.
func (m *Mem) ListParts(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
	return func(yield func(backend.Part, error) bool) {
		parts, err := m.partsOf(ctx, u)
		if err != nil {
			yield(backend.Part{}, err)
			return
		}
		for _, p := range parts {
			if err := m.ended(ctx, OpListParts, u.Key); err != nil {
				yield(backend.Part{}, err)
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

func (m *Mem) partsOf(ctx context.Context, u backend.Upload) ([]backend.Part, error) {
	if err := m.check(ctx, OpListParts, u.Key); err != nil {
		return nil, err
	}
	if err := can(m.info.Can.ListParts, OpListParts, u.Key, "listing of parts"); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	held, err := m.upload(OpListParts, u)
	if err != nil {
		return nil, err
	}
	parts := make([]backend.Part, 0, len(held.parts))
	for _, n := range slices.Sorted(maps.Keys(held.parts)) {
		parts = append(parts, held.parts[n].Part)
	}
	return parts, nil
}

// CompleteUpload joins the parts without copying them.
func (m *Mem) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
	if err := m.checkWrite(ctx, OpCompleteUpload, u.Key); err != nil {
		return backend.Object{}, err
	}
	if err := m.checkCondition(o.If, m.info.Can.CompleteIfAbsent, OpCompleteUpload, u.Key); err != nil {
		return backend.Object{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	held, err := m.upload(OpCompleteUpload, u)
	if err != nil {
		if object, ok := m.objects[u.Key]; ok && object.Size == u.Size && m.matches(object, o.Checksum) {
			return object.public(), nil
		}
		return backend.Object{}, err
	}
	object, err := m.join(held, parts)
	if err != nil {
		return backend.Object{}, fail(OpCompleteUpload, u.Key, backend.Invalid, err)
	}
	if !m.matches(object, o.Checksum) {
		return backend.Object{}, fail(OpCompleteUpload, u.Key, backend.Corrupt,
			fmt.Errorf("the object has %s instead of %s", object.Checksum, o.Checksum))
	}
	if err := m.holds(o.If, OpCompleteUpload, u.Key); err != nil {
		return backend.Object{}, err
	}
	delete(m.uploads, u.ID)
	return m.store(object.Object, object.data), nil
}

// join makes the object of the parts and checks that they are all there, in order, with their current tags.
func (m *Mem) join(u *memUpload, parts []backend.Part) (*memObject, error) {
	if want := u.count(); len(parts) != want && (u.Size > 0 || len(parts) > 1) {
		return nil, fmt.Errorf("%d parts are named, the object has %d", len(parts), want)
	}
	data := &chunks{size: u.PartSize, list: make([][]byte, 0, len(parts))}
	var crc uint32
	for i, part := range parts {
		held, ok := u.parts[i+1]
		switch {
		case part.Number != i+1:
			return nil, fmt.Errorf("part %d is named in place of part %d", part.Number, i+1)
		case !ok:
			return nil, fmt.Errorf("part %d is missing", part.Number)
		case held.Tag != part.Tag:
			return nil, fmt.Errorf("part %d has tag %q, not %q", part.Number, held.Tag, part.Tag)
		}
		data.list = append(data.list, held.data)
		crc = backend.CombineCRC32C(crc, held.crc, held.Size)
	}
	object := &memObject{Object: backend.Object{Key: u.Key, Size: u.Size, ModTime: u.o.ModTime, Meta: u.o.Meta,
		Checksum: backend.CRC32CChecksum(crc)}}
	if !m.o.Discard {
		object.data = data
	}
	return object, nil
}

// AbortUpload forgets the upload.
func (m *Mem) AbortUpload(ctx context.Context, u backend.Upload) error {
	if err := m.checkWrite(ctx, OpAbortUpload, u.Key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if held, ok := m.uploads[u.ID]; ok && held.Key == u.Key {
		delete(m.uploads, u.ID)
	}
	return nil
}

// upload returns the upload that u names, or NotFound. The caller holds the lock.
func (m *Mem) upload(op string, u backend.Upload) (*memUpload, error) {
	held, ok := m.uploads[u.ID]
	if !ok || held.Key != u.Key {
		return nil, fail(op, u.Key, backend.NotFound, fmt.Errorf("there is no upload %q", u.ID))
	}
	return held, nil
}

func (m *Mem) checkWrite(ctx context.Context, op, key string) error {
	if err := m.check(ctx, op, key); err != nil {
		return err
	}
	return can(m.info.Can.Write, op, key, "writing")
}

func (m *Mem) checkCondition(c backend.Condition, absent bool, op, key string) error {
	if c.Absent {
		return can(absent, op, key, "condition Absent here")
	}
	return can(m.info.Can.IfVersion || c.Version == "", op, key, "condition Version")
}

func (m *Mem) withinMax(op, key string, size, limit int64, what string) error {
	if limit == 0 || size <= limit {
		return nil
	}
	return fail(op, key, backend.Invalid, fmt.Errorf("%d bytes, %s has at most %d", size, what, limit))
}

// ended is asked again right before a change, so that nothing changes after the context ended.
func (m *Mem) ended(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return fail(op, key, backend.KindOf(err), err)
	}
	return nil
}
