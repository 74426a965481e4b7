package local

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// TestBrowseReadsOneDirectory has directories that a walk would show nothing of, and what is no object.
func TestBrowseReadsOneDirectory(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"empty", "hollow/empty", "full/below"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"full.txt", "full/x", "full-x", ownPrefix + "temporary"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	for prefix, want := range map[string][]string{
		"":           {"empty/", "full-x", "full.txt", "full/", "hollow/"},
		"full":       {"full-x", "full.txt", "full/"},
		"full/":      {"full/below/", "full/x"},
		"empty/":     nil,
		"full.txt/":  nil,
		"../":        nil,
		"full//":     nil,
		"hollow/emp": {"hollow/empty/"},
	} {
		var got []string
		for e, err := range s.Browse(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			if (e.Prefix == "") != (e.Size == 1) {
				t.Errorf("%+v", e)
			}
			got = append(got, e.Prefix+e.Key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("below %q: %q, want %q", prefix, got, want)
		}
	}
}

func TestContainerThatIsAFileIsNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).CreateContainer(t.Context()); !errors.Is(err, backend.Invalid) {
		t.Errorf("a file: %v", err)
	}
	if err := open(t, filepath.Join(path, "below")).CreateContainer(t.Context()); err == nil || errors.Is(err, backend.Exists) {
		t.Errorf("below a file: %v", err)
	}
}
