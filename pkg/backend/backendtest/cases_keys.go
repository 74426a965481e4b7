package backendtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var keyCases = []testCase{
	{"odd-keys", writes, oddKeys},
	{"keys-that-are-prefixes", writes, keysThatArePrefixes},
	{"key-limits", writes, keyLimits},
}

// oddNames are appended to the prefix of the case.
var oddNames = []string{
	"plain",
	"Case", "case", // two objects
	"caf\u00e9", "cafe\u0301", // two objects: composed and decomposed
	"\u65e5\u672c\u8a9e/\U0001F600", "\u202Ertl",
	"slash//double", "slash/double", "slash///triple", // three objects
	"trailing/", "trailing//",
	"./dot", "dot/.", "a/../b", "..", "../up", "...", "..hidden", "up/../../../../../../../../tmp/backendtest-escaped",
	" space ", "two words", "tab\tin", "line\nbreak", "return\rin", "nul\x00in", "del\x7f",
	"%41", "A", "%2F", "%2e%2e", "%", "%zz", "+plus", "a&b=c", // "%41" is not "A"
	"?query", "#fragment", "semi;colon", "colon:in", "C:", "C:\\x", "back\\slash", "back/slash",
	"star*", "quote\"", "apostrophe'", "<angle>", "pipe|", "$HOME", "`tick`", "~", "-dash", "--", "CON", "nul.txt", "dot.",
	"\xff\xfe", "half\xc3", // no UTF-8
	".partial", ".tmp", "x.part", "x.tmp",
}

// rootNames are used bare, where the container belongs to the suite.
var rootNames = []string{"/", "//", "/backendtest-lead", "//backendtest-lead", "..", "../backendtest-up", ".", "./backendtest-dot", "backendtest-root//"}

// oddKeys writes all keys first and looks afterwards, so that two keys which meet in one object are seen.
func oddKeys(r *run) error {
	keys := []string{}
	for _, name := range oddNames {
		keys = append(keys, r.key(name))
	}
	if r.own != nil && r.info.Can.Delete {
		for _, name := range rootNames {
			if !r.own[name] {
				keys = append(keys, name)
			}
		}
	}
	accepted := map[string][]byte{}
	for _, key := range keys {
		p := []byte("the bytes of " + key)
		o, err := r.s.Put(r.ctx, key, p, backend.PutOptions{})
		switch {
		case err == nil:
			r.describes(o, key, p)
			accepted[key] = p
		case errors.Is(err, backend.Invalid):
			r.refused(key)
		default:
			r.errorf("put %q: want success or %q, got %w", key, backend.Invalid, err)
		}
	}
	if len(accepted) == 0 {
		return errors.New("every key was refused")
	}
	for key, p := range accepted {
		r.holds(key, p)
	}
	return r.listsExactly(accepted)
}

// listsExactly checks that nothing but the accepted keys appeared.
func (r *run) listsExactly(accepted map[string][]byte) error {
	if !r.info.Can.List {
		return nil
	}
	prefix := r.prefix
	if r.own != nil {
		prefix = ""
	}
	all, err := collect(r.s.List(r.ctx, prefix))
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	for _, o := range all {
		if _, ok := accepted[o.Key]; !ok && !r.own[o.Key] {
			r.errorf("list shows %q, which was not written", o.Key)
		}
	}
	return nil
}

// refused checks that a key which Put refused is refused by every other method too.
func (r *run) refused(key string) {
	_, err := r.s.Stat(r.ctx, key)
	r.fails(err, backend.Invalid, "put refuses %q, stat", key)
	_, err = r.s.ReadAt(r.ctx, backend.Object{Key: key, Size: 1, Version: "1"}, make([]byte, 1), 0)
	r.fails(err, backend.Invalid, "put refuses %q, read", key)
	if uploads(r.info) {
		_, err = r.s.CreateUpload(r.ctx, key, backend.UploadOptions{Size: 1, PartSize: r.partSize()})
		r.fails(err, backend.Invalid, "put refuses %q, create upload", key)
	}
	if r.info.Can.Delete {
		err = r.s.Delete(r.ctx, backend.Object{Key: key})
		r.fails(err, backend.Invalid, "put refuses %q, delete", key)
	}
	if copies(r.info) && r.o.Locate != nil {
		_, err = r.s.Copy(r.ctx, r.o.Locate(r.key("plain")), "", key, backend.CopyOptions{})
		r.fails(err, backend.Invalid, "put refuses %q, copy to it", key)
	}
}

// keysThatArePrefixes has objects whose keys continue those of others, which a directory tree cannot hold: the second is
// then refused, and the first must not suffer.
func keysThatArePrefixes(r *run) error {
	for _, pair := range [][2]string{{"x", "x/y"}, {"p/q", "p"}} {
		first, second := r.key(pair[0]), r.key(pair[1])
		_, p, err := r.put(first, 100)
		if err != nil {
			return err
		}
		_, q, err := r.put(second, 101)
		if err == nil {
			r.holds(second, q)
		} else if !errors.Is(err, backend.Invalid) && !errors.Is(err, backend.Exists) {
			r.errorf("put %q beside %q: want success, %q or %q, got %w", second, first, backend.Invalid, backend.Exists, err)
		}
		r.holds(first, p)
	}
	return nil
}

// keyLimits has keys of 1,024 bytes, in short elements and in long ones, and one that no service takes.
func keyLimits(r *run) error {
	pad := func(element string) string {
		key := r.prefix + strings.Repeat(element, 1024/len(element))
		return key[:1023] + "z"
	}
	for _, key := range []string{pad(strings.Repeat("e", 99) + "/"), pad("0123456789"), r.key("\u00e9" + strings.Repeat("\u00e9", 120))} {
		p := r.bytes(10)
		switch _, err := r.s.Put(r.ctx, key, p, backend.PutOptions{}); {
		case err == nil:
			r.holds(key, p)
		case errors.Is(err, backend.Invalid):
			r.refused(key)
		default:
			r.errorf("put a key of %d bytes: want success or %q, got %w", len(key), backend.Invalid, err)
		}
	}
	_, err := r.s.Put(r.ctx, "", []byte("x"), backend.PutOptions{})
	r.fails(err, backend.Invalid, "put the empty key")
	r.refused("")
	return nil
}
