package backendtest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var errArchived = errors.New("the object is archived; restore it first")

// memVersion is one entry of the history of a key.
type memVersion struct {
	*memObject
	marker bool // of a deletion
}

func (v memVersion) generation() string { return "g-" + v.Version }

// public describes the version as Versions yields it.
func (v memVersion) public(latest bool) backend.ObjectVersion {
	o := v.memObject.public()
	o.Generation = v.generation()
	if v.marker {
		o.Version = ""
	}
	return backend.ObjectVersion{Object: o, Latest: latest, DeleteMarker: v.marker}
}

// keep adds a version to the history. The caller holds the lock.
func (m *Mem) keep(key string, v memVersion) {
	if m.o.Versioned {
		m.history[key] = append(m.history[key], v)
	}
}

// versionsOf returns what there is of a key, oldest first. The caller holds the lock.
func (m *Mem) versionsOf(key string) []memVersion {
	if m.o.Versioned {
		return m.history[key]
	}
	if o, ok := m.objects[key]; ok {
		return []memVersion{{memObject: o}}
	}
	return nil
}

// find returns the version that obj names, the current one without a Generation. The caller holds the lock.
func (m *Mem) find(obj backend.Object) (*memObject, bool) {
	if obj.Generation == "" {
		o, ok := m.objects[obj.Key]
		return o, ok
	}
	for _, v := range m.versionsOf(obj.Key) {
		if v.generation() == obj.Generation && !v.marker {
			return v.memObject, true
		}
	}
	return nil, false
}

// dropMarker removes the delete marker that obj names, if it is one. The caller holds the lock.
func (m *Mem) dropMarker(obj backend.Object) bool {
	named := func(v memVersion) bool { return v.marker && v.generation() == obj.Generation }
	there := slices.ContainsFunc(m.history[obj.Key], named)
	if there {
		m.drop(obj.Key, named)
	}
	return there
}

// drop removes a version for good. The one before the newest becomes the current one. The caller holds the lock.
func (m *Mem) drop(key string, which func(memVersion) bool) {
	left := slices.DeleteFunc(slices.Clone(m.versionsOf(key)), which)
	m.sorted = nil
	delete(m.objects, key)
	delete(m.history, key)
	if len(left) == 0 {
		return
	}
	m.history[key] = left
	if last := left[len(left)-1]; !last.marker {
		m.objects[key] = last.memObject
	}
}

// checkGeneration refuses to speak of old versions where there is no list of them.
func (m *Mem) checkGeneration(op string, obj backend.Object) error {
	return can(m.info.Can.Versions || obj.Generation == "", op, obj.Key, "versions")
}

// Versions yields the versions as they were when the loop came to their key.
func (m *Mem) Versions(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error] {
	return func(yield func(backend.ObjectVersion, error) bool) {
		if err := m.checkList(ctx, OpVersions, prefix, m.info.Can.Versions); err != nil {
			yield(backend.ObjectVersion{}, err)
			return
		}
		for _, key := range m.keysOfVersions(prefix) {
			if err := m.ended(ctx, OpVersions, prefix); err != nil {
				yield(backend.ObjectVersion{}, err)
				return
			}
			m.mu.RLock()
			list := slices.Clone(m.versionsOf(key))
			m.mu.RUnlock()
			for i, v := range slices.Backward(list) {
				if !yield(v.public(i == len(list)-1), nil) {
					return
				}
			}
		}
	}
}

func (m *Mem) keysOfVersions(prefix string) []string {
	if !m.o.Versioned {
		keys := m.keys()
		keys = keys[sort.SearchStrings(keys, prefix):]
		return keys[:sort.Search(len(keys), func(i int) bool { return !strings.HasPrefix(keys[i], prefix) })]
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := slices.Sorted(maps.Keys(m.history))
	return slices.DeleteFunc(all, func(key string) bool { return !strings.HasPrefix(key, prefix) })
}

// Browse folds the keys without looking at each below a prefix.
func (m *Mem) Browse(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		if err := m.checkList(ctx, OpBrowse, prefix, m.info.Can.Browse); err != nil {
			yield(backend.Entry{}, err)
			return
		}
		keys := m.keys()
		keys = keys[sort.SearchStrings(keys, prefix):]
		for len(keys) > 0 && strings.HasPrefix(keys[0], prefix) {
			if err := m.ended(ctx, OpBrowse, prefix); err != nil {
				yield(backend.Entry{}, err)
				return
			}
			entry, rest := m.entry(keys, prefix)
			keys = rest
			if (entry.Prefix != "" || entry.Key != "") && !yield(entry, nil) {
				return
			}
		}
	}
}

// entry describes the first of keys, and returns the keys behind what it stands for. An object that is gone has no Key.
func (m *Mem) entry(keys []string, prefix string) (backend.Entry, []string) {
	if below, _, ok := strings.Cut(keys[0][len(prefix):], "/"); ok {
		folded := prefix + below + "/"
		past := sort.Search(len(keys), func(i int) bool { return !strings.HasPrefix(keys[i], folded) })
		return backend.Entry{Prefix: folded}, keys[past:]
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if o, ok := m.objects[keys[0]]; ok {
		return backend.Entry{Object: o.public()}, keys[1:]
	}
	return backend.Entry{}, keys[1:]
}

// Archive moves the current object of key to a tier whose objects cannot be read before Restore.
func (m *Mem) Archive(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return fail("archive", key, backend.NotFound, nil)
	}
	m.replace(o, true)
	return nil
}

// replace puts a copy in the place of a version. The caller holds the lock.
func (m *Mem) replace(o *memObject, archived bool) {
	changed := *o
	changed.Archived, changed.Tier = archived, "archive"
	if m.objects[o.Key] == o {
		m.objects[o.Key] = &changed
	}
	list := slices.Clone(m.history[o.Key])
	for i := range list {
		if list[i].memObject == o {
			list[i].memObject = &changed
			m.history[o.Key] = list
		}
	}
}

// Restore makes an archived object readable at once, and for ever.
func (m *Mem) Restore(ctx context.Context, obj backend.Object, period time.Duration) error {
	if err := m.check(ctx, OpRestore, obj.Key); err != nil {
		return err
	}
	if err := can(m.info.Can.Restore, OpRestore, obj.Key, "archive"); err != nil {
		return err
	}
	if err := m.checkGeneration(OpRestore, obj); err != nil {
		return err
	}
	if period <= 0 {
		return fail(OpRestore, obj.Key, backend.Invalid, errors.New("the time to keep it readable is not positive"))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.find(obj)
	switch {
	case !ok:
		return fail(OpRestore, obj.Key, backend.NotFound, nil)
	case o.Archived:
		m.replace(o, false)
	}
	return nil
}

// Space tells MemOptions.Space.
func (m *Mem) Space(ctx context.Context, prefix string) (backend.Space, error) {
	if err := m.ended(ctx, OpSpace, prefix); err != nil {
		return backend.Space{}, err
	}
	return m.o.Space, can(m.info.Can.Space, OpSpace, prefix, "measure of its space")
}

// CreateContainer makes a container that is Missing.
func (m *Mem) CreateContainer(ctx context.Context) error {
	if err := m.ended(ctx, OpCreate, m.o.Name); err != nil {
		return err
	}
	if err := can(m.info.Can.CreateContainer, OpCreate, m.o.Name, "way to make it"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.missing {
		return fail(OpCreate, m.o.Name, backend.Exists, nil)
	}
	m.missing = false
	return nil
}
