package backendtest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// List yields the objects in order. Objects that come and go while the loop runs may be missed.
func (m *Mem) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	return func(yield func(backend.Object, error) bool) {
		if err := m.checkList(ctx, OpList, prefix, m.info.Can.List); err != nil {
			yield(backend.Object{}, err)
			return
		}
		keys := m.keys()
		for _, key := range keys[sort.SearchStrings(keys, prefix):] {
			if !strings.HasPrefix(key, prefix) {
				return
			}
			if err := m.ended(ctx, OpList, prefix); err != nil {
				yield(backend.Object{}, err)
				return
			}
			m.mu.RLock()
			o, ok := m.objects[key]
			m.mu.RUnlock()
			if ok && !yield(o.public(), nil) {
				return
			}
		}
	}
}

// keys returns all keys in order. The slice is shared and never changed.
func (m *Mem) keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sorted == nil {
		m.sorted = slices.Sorted(maps.Keys(m.objects))
	}
	return m.sorted
}

// ListUploads yields the uploads in the order of keys, those of one key in the order of their beginning.
func (m *Mem) ListUploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return func(yield func(backend.Upload, error) bool) {
		if err := m.checkList(ctx, OpListUploads, prefix, m.info.Can.ListUploads); err != nil {
			yield(backend.Upload{}, err)
			return
		}
		for _, u := range m.uploadsUnder(prefix) {
			if err := m.ended(ctx, OpListUploads, prefix); err != nil {
				yield(backend.Upload{}, err)
				return
			}
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (m *Mem) uploadsUnder(prefix string) []backend.Upload {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var list []backend.Upload
	for _, u := range m.uploads {
		if strings.HasPrefix(u.Key, prefix) {
			list = append(list, u.Upload)
		}
	}
	slices.SortFunc(list, func(a, b backend.Upload) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Copy shares the bytes of the source, which are never changed.
func (m *Mem) Copy(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (backend.Object, error) {
	if err := m.checkWrite(ctx, OpCopy, key); err != nil {
		return backend.Object{}, err
	}
	if err := m.checkCondition(o.If, m.info.Can.CompleteIfAbsent, OpCopy, key); err != nil {
		return backend.Object{}, err
	}
	if !slices.Contains(m.info.CopyFrom, from.Scheme) {
		return backend.Object{}, fail(OpCopy, key, backend.Unsupported, fmt.Errorf("copy from %s", from))
	}
	source, err := m.source(from, version)
	if err != nil {
		return backend.Object{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.holds(o.If, OpCopy, key); err != nil {
		return backend.Object{}, err
	}
	copied := source.Object
	copied.Key, copied.ModTime = key, o.ModTime
	if o.Meta != nil {
		copied.Meta = o.Meta
	}
	return m.store(copied, source.data), nil
}

func (m *Mem) source(from backend.Location, version string) (*memObject, error) {
	name, key, _ := strings.Cut(from.Path, "/")
	peer := m.peers(name)
	if peer == nil {
		return nil, fail(OpCopy, from.String(), backend.NotFound, fmt.Errorf("there is no container %q", name))
	}
	peer.mu.RLock()
	defer peer.mu.RUnlock()
	o, ok := peer.objects[key]
	switch {
	case ok && version != "" && o.Version != version:
		return nil, fail(OpCopy, from.String(), backend.Changed, fmt.Errorf("version %q is gone", version))
	case !ok:
		return nil, fail(OpCopy, from.String(), backend.NotFound, nil)
	case o.Archived:
		return nil, fail(OpCopy, from.String(), backend.Invalid, errArchived)
	}
	return o, nil
}

// Delete removes the object, or the version that obj.Generation names.
func (m *Mem) Delete(ctx context.Context, obj backend.Object) error {
	if err := m.check(ctx, OpDelete, obj.Key); err != nil {
		return err
	}
	if err := can(m.info.Can.Delete, OpDelete, obj.Key, "deleting"); err != nil {
		return err
	}
	if err := m.checkGeneration(OpDelete, obj); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if obj.Generation != "" && m.dropMarker(obj) {
		return nil
	}
	o, ok := m.find(obj)
	switch {
	case !ok:
		return fail(OpDelete, obj.Key, backend.NotFound, nil)
	case obj.Version != "" && obj.Version != o.Version:
		return fail(OpDelete, obj.Key, backend.Changed, fmt.Errorf("version %q is gone", obj.Version))
	case obj.Generation != "":
		m.drop(obj.Key, func(v memVersion) bool { return v.memObject == o })
		return nil
	}
	delete(m.objects, obj.Key)
	m.sorted = nil
	m.keep(obj.Key, memVersion{memObject: &memObject{Object: backend.Object{
		Key: obj.Key, ModTime: m.o.Now(), Version: m.serialNumber("v")}}, marker: true})
	return nil
}

// remove deletes what is under key, if anything, whatever the container can.
func (m *Mem) remove(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	delete(m.history, key)
	m.sorted = nil
}

func (m *Mem) checkList(ctx context.Context, op, prefix string, capability bool) error {
	if err := m.ended(ctx, op, prefix); err != nil {
		return err
	}
	if err := can(capability, op, prefix, "listing"); err != nil {
		return err
	}
	return m.checkThere(op, prefix)
}

// DeleteAll deletes one after the other.
func (m *Mem) DeleteAll(ctx context.Context, objs []backend.Object) []error {
	errs := make([]error, len(objs))
	for i, obj := range objs {
		if errs[i] = can(m.info.Can.DeleteAll, OpDeleteAll, obj.Key, "deleting of many"); errs[i] == nil {
			errs[i] = m.Delete(ctx, obj)
		}
	}
	return errs
}
