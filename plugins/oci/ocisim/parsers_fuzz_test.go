package ocisim

import (
	"strings"
	"testing"
)

// FuzzGlobs: a pattern that is accepted matches the name that it spells out, if it has no special characters.
func FuzzGlobs(f *testing.F) {
	for _, glob := range []string{"a*", "[a-z]?", `\[x\]`, "ä", "[", "a\\"} {
		f.Add(glob)
	}
	f.Fuzz(func(t *testing.T, glob string) {
		re, err := globPattern(glob)
		if err != nil {
			return
		}
		if !strings.ContainsAny(glob, `*?[\`) && !re.MatchString(glob) {
			t.Errorf("%q does not match itself", glob)
		}
	})
}

// FuzzParUploadPath: what is split off an object's name in the URI of an upload makes the URI again.
func FuzzParUploadPath(f *testing.F) {
	for _, path := range []string{"o/id/1/2", "id/id/id/", "/id/", "o", "a/id/b/id/c/3"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		c := &call{vars: map[string]string{"object": path}}
		number, err := c.splitUpload()
		if err != nil {
			return
		}
		if again := c.vars["object"] + "/id/" + c.uploadID + "/" + number; again != path && again != path+"/" {
			t.Errorf("%q became %q", path, again)
		}
	})
}
