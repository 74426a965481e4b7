package backend

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Location names an object, or a prefix of objects, anywhere: "oci://namespace/bucket/logs/", "file:///data/disk.qcow2".
// It is a comparable plain value. The path is taken byte for byte: nothing in it is unescaped or cleaned, because "a//b",
// ".." and "%41" are names that object stores know.
type Location struct {
	Scheme string // "oci", "s3", "file" or the name of a backend in the manifest
	Path   string // container and key, divided by the provider; for files a slash-separated path
}

var schemePattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// ParseLocation reads "scheme://path". Text without "://" is a path of the local file system and becomes scheme "file",
// relative as it is; Abs makes it absolute.
func ParseLocation(s string) (Location, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		if s == "" {
			return Location{}, fmt.Errorf("location is empty")
		}
		return Location{Scheme: "file", Path: filepath.ToSlash(s)}, nil
	}
	if !schemePattern.MatchString(scheme) {
		return Location{}, fmt.Errorf("location %q: scheme %q is not lower-case letters, digits and dashes", s, scheme)
	}
	if rest == "" {
		return Location{}, fmt.Errorf("location %q names no container", s)
	}
	if scheme == "file" {
		if !strings.HasPrefix(rest, "/") {
			return Location{}, fmt.Errorf("location %q: a file location has three slashes and an absolute path: file:///%s", s, rest)
		}
		if len(rest) > 2 && rest[2] == ':' { // file:///C:/data
			rest = rest[1:]
		}
	}
	return Location{Scheme: scheme, Path: rest}, nil
}

// String gives the text that ParseLocation reads. A relative file path stays bare.
func (l Location) String() string {
	switch {
	case l == Location{}:
		return ""
	case l.Scheme == "file" && !strings.HasPrefix(l.Path, "/"):
		if filepath.IsAbs(filepath.FromSlash(l.Path)) {
			return "file:///" + l.Path
		}
		return l.Path
	}
	return l.Scheme + "://" + l.Path
}

// MarshalText gives the form of String.
func (l Location) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the form of String.
func (l *Location) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*l = Location{}
		return nil
	}
	parsed, err := ParseLocation(string(text))
	*l = parsed
	return err
}

// IsPrefix reports whether l means everything under it: its path ends with a slash.
func (l Location) IsPrefix() bool { return strings.HasSuffix(l.Path, "/") }

// Join returns the location of key under l. Nothing is cleaned: key is appended to the path, with one slash between them
// if the path does not end with one.
func (l Location) Join(key string) Location {
	if !l.IsPrefix() {
		l.Path += "/"
	}
	l.Path += key
	return l
}

// Base returns the last element of the path, "" for a prefix.
func (l Location) Base() string {
	return l.Path[strings.LastIndexByte(l.Path, '/')+1:]
}

// Abs returns l with a relative file path made absolute below dir. Its elements "." and ".." are resolved, a trailing
// slash stays. Other locations are returned as they are.
func (l Location) Abs(dir string) Location {
	if l.Scheme != "file" {
		return l
	}
	slash := l.IsPrefix() || l.Base() == "." || l.Base() == ".."
	if !filepath.IsAbs(filepath.FromSlash(l.Path)) {
		l.Path = path.Join(filepath.ToSlash(dir), l.Path)
	} else {
		l.Path = path.Clean(l.Path)
	}
	if slash && !l.IsPrefix() {
		l.Path += "/"
	}
	return l
}
