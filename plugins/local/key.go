package local

import (
	"fmt"
	"path"
	"strings"
	"unicode"
)

// A key is the path of its file below the container, element by element: the mapping changes no byte, so two keys never
// meet in one file (on a file system that tells upper case from lower case). What cannot be mapped is refused.

// ownPrefix begins the names of our own files. On a file system that ignores case it must not matter how it is written.
const ownPrefix = ".hx-"

const maxName = 255 // bytes of one element

// checkKey says why key cannot name a file below the container, nil if it can. A file that has such a name all the same is
// listed, so that nobody misses it unawares, and refused when it is asked for.
func checkKey(key string) error {
	if key == "" {
		return fmt.Errorf("the key is empty")
	}
	for name := range strings.SplitSeq(key, "/") {
		if err := checkName(name); err != nil {
			return fmt.Errorf("key %q cannot be a file name: %w", key, err)
		}
	}
	return nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("it has an empty element (a slash at an end, or two in a row)")
	case name == "." || name == "..":
		return fmt.Errorf("it has the element %q", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("it has a control character")
	case len(name) > maxName:
		return fmt.Errorf("an element has %d bytes, at most %d are possible", len(name), maxName)
	case isOwn(name):
		return fmt.Errorf("names that begin with %q belong to unfinished writes", ownPrefix)
	}
	return checkPlatformName(name)
}

func isOwn(name string) bool {
	return len(name) >= len(ownPrefix) && strings.EqualFold(name[:len(ownPrefix)], ownPrefix)
}

// parent returns the directory part of key, "." for none.
func parent(key string) string { return path.Dir(key) }
