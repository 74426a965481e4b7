package backendtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func browses(i backend.Info) bool { return lists(i) && i.Can.Browse }

var browseCases = []testCase{
	{"browse", browses, browse},
	{"browse-odd-keys", browses, browseOddKeys},
	{"browse-many", browses, browseMany},
}

// browsesAs checks that a level of the container is what the whole listing, folded, says it is.
func (r *run) browsesAs(prefix string) {
	want, err := collect(backend.Browse(r.ctx, r.s, backend.Capabilities{}, prefix))
	if err != nil {
		r.errorf("list %q: %w", prefix, err)
		return
	}
	got, err := collect(r.s.Browse(r.ctx, prefix))
	if err != nil {
		r.errorf("browse %q: %w", prefix, err)
		return
	}
	for i := range min(len(got), len(want)) {
		a, b := got[i], want[i]
		if a.Prefix != b.Prefix || a.Key != b.Key || a.Size != b.Size || a.Version != b.Version {
			r.errorf("browse %q gives %q%q, %d bytes, version %q at place %d; it is %q%q, %d bytes, version %q",
				prefix, a.Prefix, a.Key, a.Size, a.Version, i, b.Prefix, b.Key, b.Size, b.Version)
			return
		}
	}
	if len(got) != len(want) {
		r.errorf("browse %q gives %d entries, want %d", prefix, len(got), len(want))
	}
}

// browse has names before and behind the slash, and prefixes that end with it, within a name, and nowhere.
func browse(r *run) error {
	if _, err := r.fill([]string{"a-x", "a.x", "a/b/c", "a/b-c", "a/b.c", "a/b/d/e", "a0", "aa", "b", "z/z/z/z", "z-/a", "10", "9", "dir/x"}); err != nil {
		return err
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "a/b/d", "z", "z/z/", "dir", "dir/", "dir/x", "b", "b/", "nothing", "nothing/"} {
		r.browsesAs(r.key(prefix))
	}
	top, err := collect(r.s.Browse(r.ctx, r.prefix))
	if err != nil {
		return err
	}
	var names []string
	for _, e := range top {
		names = append(names, e.Prefix+e.Key)
	}
	want := []string{"10", "9", "a-x", "a.x", "a/", "a0", "aa", "b", "dir/", "z-/", "z/"}
	for i := range want {
		want[i] = r.key(want[i])
	}
	if !slices.Equal(names, want) {
		r.errorf("browse %q gives %q, want %q", r.prefix, names, want)
	}
	for stop := 1; stop <= len(want); stop++ { // leaving the loop early
		n := 0
		for _, err := range r.s.Browse(r.ctx, r.prefix) {
			if n++; err != nil || n == stop {
				break
			}
		}
	}
	return nil
}

// browseOddKeys has empty elements, objects that are prefixes of others, and names in which something would be decoded.
func browseOddKeys(r *run) error {
	var accepted []string
	for _, name := range []string{"a//b", "a/b", "a", "a/", "/lead", "//lead", "x/", "x//", "%2F/a", "a%2Fb/c", " /b", "+/c", "é/d", "?/#", "d&e/f"} {
		_, err := r.s.Put(r.ctx, r.key(name), []byte(name), backend.PutOptions{})
		switch {
		case err == nil:
			accepted = append(accepted, name)
		case !errors.Is(err, backend.Invalid) && !errors.Is(err, backend.Exists):
			return fmt.Errorf("put %q: %w", name, err)
		}
	}
	if len(accepted) == 0 {
		return errors.New("every key was refused")
	}
	for _, prefix := range []string{"", "a", "a/", "a//", "/", "//", "x", "x/", "%2F", "%2F/", "a%2Fb/", " ", " /", "+/", "é", "é/", "?/", "d&"} {
		r.browsesAs(r.key(prefix))
	}
	return nil
}

// browseMany has more objects and more prefixes at one level than a page of the usual services, in turns.
func browseMany(r *run) error {
	var names []string
	for i := range r.o.Objects {
		name := fmt.Sprintf("%05d", i)
		if i%2 == 0 {
			name += "/x"
		}
		names = append(names, name)
	}
	for i := range 20 {
		names = append(names, fmt.Sprintf("%05d/y%d", r.o.Objects/2/2*2, i))
	}
	if _, err := r.fill(names); err != nil {
		return err
	}
	r.browsesAs(r.prefix)
	return nil
}
