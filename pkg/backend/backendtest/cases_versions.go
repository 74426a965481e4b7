package backendtest

import (
	"fmt"
	"slices"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func versions(i backend.Info) bool { return deletes(i) && i.Can.Versions }

var versionCases = []testCase{
	{"versions", versions, versionsInOrder},
	{"versions-kept", versions, versionsKept},
	{"versions-deleted", versions, versionsDeleted},
}

// listVersions returns the versions of the keys under prefix, and checks what holds for every list of them.
func (r *run) listVersions(prefix string) ([]backend.ObjectVersion, error) {
	all, err := collect(r.s.Versions(r.ctx, prefix))
	if err != nil {
		return nil, fmt.Errorf("list versions of %q: %w", prefix, err)
	}
	seen := map[string]bool{}
	for i, v := range all {
		first := i == 0 || all[i-1].Key != v.Key
		switch {
		case v.Generation == "" || seen[v.Key+"\x00"+v.Generation]:
			r.errorf("version %d of %q has generation %q, which names no version or another one", i, v.Key, v.Generation)
		case i > 0 && all[i-1].Key > v.Key:
			r.errorf("list versions gives %q after %q", v.Key, all[i-1].Key)
		case v.Latest != first:
			r.errorf("version %d of %q is latest: %v, first of its key: %v", i, v.Key, v.Latest, first)
		case !v.DeleteMarker && v.Version == "":
			r.errorf("version %d of %q has no Version", i, v.Key)
		}
		seen[v.Key+"\x00"+v.Generation] = true
	}
	return all, nil
}

// versionsInOrder has what every container that lists versions keeps: the current objects.
func versionsInOrder(r *run) error {
	var names []string
	for i := range r.o.Objects {
		names = append(names, fmt.Sprintf("%d", i))
	}
	keys, err := r.fill(append(names, "a/b", "a-b", "a.b"))
	if err != nil {
		return err
	}
	all, err := r.listVersions(r.prefix)
	if err != nil {
		return err
	}
	var got []string
	for _, v := range all {
		if v.Latest && !v.DeleteMarker {
			got = append(got, v.Key)
			if v.Size != int64(len(v.Key)) {
				r.errorf("the version of %q has %d bytes, not %d", v.Key, v.Size, len(v.Key))
			}
		}
	}
	if !slices.Equal(got, keys) {
		r.errorf("list versions gives %d current objects, not all %d in order", len(got), len(keys))
	}
	below, err := r.listVersions(r.key("a/"))
	if err != nil || len(below) != 1 {
		r.errorf("list versions of a prefix with one object gives %d, %v", len(below), err)
	}
	if len(below) == 1 {
		r.reads(below[0].Object, []byte(below[0].Key))
	}
	return nil
}

// replaced puts three versions of a key, shows that they are kept, and returns them newest first, and the bytes of each.
func (r *run) replaced(key string) (all []backend.ObjectVersion, content [][]byte, err error) {
	for i := range 3 {
		_, p, err := r.put(key, int64(100+i))
		if err != nil {
			return nil, nil, err
		}
		content = slices.Insert(content, 0, p)
	}
	if all, err = r.listVersions(key); err != nil {
		return nil, nil, err
	}
	if len(all) == 1 {
		return nil, nil, ErrSkipped // the container does not keep them
	}
	if len(all) != len(content) {
		return nil, nil, fmt.Errorf("an object that was written three times has %d versions", len(all))
	}
	return all, content, nil
}

// versionsKept reads what was replaced.
func versionsKept(r *run) error {
	key := r.key("object")
	all, content, err := r.replaced(key)
	if err != nil {
		return err
	}
	for i, v := range all {
		r.describes(v.Object, key, content[i])
		r.reads(v.Object, content[i])
		p := make([]byte, 10)
		if _, err := r.s.ReadAt(r.ctx, v.Object, p, 50); err != nil || !slices.Equal(p, content[i][50:60]) {
			r.errorf("a range of version %d: %v", i, err)
		}
	}
	r.holds(key, content[0])
	return nil
}

// versionsDeleted deletes the object, which leaves a marker, and then version by version.
func versionsDeleted(r *run) error {
	key := r.key("object")
	all, content, err := r.replaced(key)
	if err != nil {
		return err
	}
	if err := r.s.Delete(r.ctx, backend.Object{Key: key}); err != nil {
		return err
	}
	r.absent(key, "after a delete")
	marked, err := r.listVersions(key)
	if err != nil {
		return err
	}
	if len(marked) != 4 || !marked[0].DeleteMarker || marked[1].DeleteMarker {
		return fmt.Errorf("after a delete there are %d versions, and the newest is a delete marker: %v", len(marked), len(marked) > 0 && marked[0].DeleteMarker)
	}
	if err := r.s.Delete(r.ctx, all[1].Object); err != nil {
		return fmt.Errorf("delete an old version: %w", err)
	}
	_, err = r.s.ReadAt(r.ctx, all[1].Object, make([]byte, 10), 0)
	r.fails(err, backend.Changed, "read of a version that was deleted")
	r.fails(r.s.Delete(r.ctx, all[1].Object), backend.NotFound, "second delete of a version")
	r.reads(all[0].Object, content[0])
	r.reads(all[2].Object, content[2])
	r.absent(key, "after an old version was deleted")
	if err := r.s.Delete(r.ctx, marked[0].Object); err != nil {
		return fmt.Errorf("delete the delete marker: %w", err)
	}
	r.holds(key, content[0])
	if err := r.s.Delete(r.ctx, all[0].Object); err != nil {
		return fmt.Errorf("delete the newest version: %w", err)
	}
	r.holds(key, content[2])
	return nil
}
