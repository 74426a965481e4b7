package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// SplitPattern divides a key or a path at the last slash before its first *, ? or [. ok is false if there is none: then it
// names an object or a prefix as it is. A backslash before such a character takes its meaning away, within a pattern.
func SplitPattern(path string) (prefix, pattern string, ok bool) {
	first := strings.IndexAny(path, `*?[`)
	if first < 0 {
		return path, "", false
	}
	if escape := strings.IndexByte(path[:first], '\\'); escape >= 0 {
		first = escape
	}
	cut := strings.LastIndexByte(path[:first], '/') + 1
	return path[:cut], path[cut:], true
}

// Find yields what below the prefix r matches a pattern with *, ?, [..], {a,b} and **, in ascending order of keys: objects
// and, where the pattern has no **, prefixes. The names of the prefix and of the pattern's first elements narrow down what
// is asked of the container; with a ** everything below is listed.
func Find(ctx context.Context, r Ref, pattern string) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		if !doublestar.ValidatePattern(pattern) {
			yield(backend.Entry{}, &backend.Error{Op: "find", Key: r.Key + pattern, Kind: backend.Invalid, Err: fmt.Errorf("pattern %q is malformed", pattern)})
			return
		}
		f := finder{ctx: ctx, storage: r.Storage, yield: yield}
		f.expand(r.Key, pattern)
	}
}

type finder struct {
	ctx     context.Context
	storage backend.Storage
	yield   func(backend.Entry, error) bool
}

// expand yields the matches of pattern below prefix. It reports whether the consumer wants more.
func (f *finder) expand(prefix, pattern string) bool {
	element, rest, deeper := strings.Cut(pattern, "/")
	if strings.Contains(element, "**") {
		return f.everything(prefix, pattern, literal(element))
	}
	for entry, err := range backend.Browse(f.ctx, f.storage, f.storage.Info().Can, prefix+literal(element)) {
		if err != nil {
			return f.yield(entry, err) && false
		}
		if !f.entry(entry, prefix, element, rest, deeper) {
			return false
		}
	}
	return true
}

// entry yields an entry whose name is below prefix, or what of it matches the rest of the pattern.
func (f *finder) entry(entry backend.Entry, prefix, element, rest string, deeper bool) bool {
	name := entry.Key
	if entry.Prefix != "" {
		name = strings.TrimSuffix(entry.Prefix, "/")
	}
	switch {
	case len(name) < len(prefix) || !doublestar.MatchUnvalidated(element, name[len(prefix):]):
		return true
	case !deeper, entry.Prefix != "" && rest == "":
		return f.yield(entry, nil)
	case entry.Prefix == "":
		return true
	}
	return f.expand(entry.Prefix, rest)
}

func (f *finder) everything(prefix, pattern, begin string) bool {
	for obj, err := range f.storage.List(f.ctx, prefix+begin) {
		if err != nil {
			return f.yield(backend.Entry{}, err) && false
		}
		if doublestar.MatchUnvalidated(pattern, obj.Key[len(prefix):]) && !f.yield(backend.Entry{Object: obj}, nil) {
			return false
		}
	}
	return true
}

// literal returns the beginning of a pattern that is taken as it is.
func literal(pattern string) string {
	if i := strings.IndexAny(pattern, `*?[{\`); i >= 0 {
		return pattern[:i]
	}
	return pattern
}

// Exists reports whether the object r is there or, if its key is empty or ends with a slash, something below it.
func Exists(ctx context.Context, r Ref) (bool, error) {
	var err error
	if r.Key == "" || strings.HasSuffix(r.Key, "/") {
		for _, err := range r.Storage.List(ctx, r.Key) {
			if errors.Is(err, backend.NotFound) {
				return false, nil
			}
			return err == nil, err
		}
		return false, nil
	}
	if _, err = r.Storage.Stat(ctx, r.Key); errors.Is(err, backend.NotFound) {
		return false, nil
	}
	return err == nil, err
}
