package backend_test

import (
	"context"
	"iter"
	"slices"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// lister lists fixed keys.
type lister struct {
	backend.Unimplemented
	keys []string
}

func (l lister) List(_ context.Context, prefix string) iter.Seq2[backend.Object, error] {
	return func(yield func(backend.Object, error) bool) {
		for _, key := range l.keys {
			if len(key) >= len(prefix) && key[:len(prefix)] == prefix && !yield(backend.Object{Key: key}, nil) {
				return
			}
		}
	}
}

func TestBrowseFoldsAListing(t *testing.T) {
	l := lister{keys: []string{"a", "a/", "a/b", "a/b/c", "a//d", "b", "c/d", "c/e"}}
	for _, tt := range []struct {
		prefix string
		want   []string
	}{
		{"", []string{"a", "a/*", "b", "c/*"}},
		{"a/", []string{"a/", "a/b", "a/b/*", "a//*"}},
		{"c", []string{"c/*"}},
		{"x", nil},
	} {
		var got []string
		for e, err := range backend.Browse(t.Context(), l, l.Info().Can, tt.prefix) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Prefix != "" {
				e.Key = e.Prefix + "*"
			}
			got = append(got, e.Key)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("below %q: %q, want %q", tt.prefix, got, tt.want)
		}
	}
	for _, err := range backend.Browse(t.Context(), backend.Unimplemented{}, backend.Capabilities{}, "") {
		if backend.KindOf(err) != backend.Unsupported {
			t.Errorf("a container without lists: %v", err)
		}
	}
}
