// Package manifests reads the YAML manifest, version 1: what to export, what to move, what to set of buckets, with which
// backends and limits.
//
// It checks form, not meaning: keys, types, names, variables, references between entries. Whether an instance exists or
// a bucket can be written is the planner's business; nothing here touches the network. One description (describe.go)
// drives the reading, the JSON Schema and the suggestions in errors, so the three cannot disagree.
//
// Secrets never enter a Manifest: it holds references (Secret) that are resolved when a backend is opened.
package manifests

import (
	"fmt"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Manifest is a checked manifest with its defaults filled in. It is plain data and is not changed after Parse.
type Manifest struct {
	Version   int
	Name      string // identity of the run: lock, journal, reports
	Vars      map[string]string
	Backends  map[string]Backend // by scheme; only those written in the manifest, see Backend
	Limits    Limits
	Retry     Retry
	Exports   []Export   // sorted by ID
	Transfers []Transfer // sorted by ID
	Buckets   []Bucket   // sorted by ID
	Digest    string     // SHA-256 in hex over the source and the values of its variables

	dir    string
	config *Config
	src    *source
}

// Limits bounds what a run may use at once.
type Limits struct {
	Parallel  int           // steps at once
	Memory    int64         // bytes of transfer buffers, all transfers together
	Bandwidth int64         // bytes per second, all transfers together; 0 is unlimited
	MaxPause  time.Duration // give up when the network stays down longer than this
}

// Retry says how a failed request is repeated. Time offline does not count.
type Retry struct {
	Attempts int // of one request, the first included
	First    time.Duration
	Max      time.Duration
}

// Export turns virtual machines into disk images. Exactly one of Instance, Select and Image is set.
type Export struct {
	ID       string
	Backend  string // scheme of the provider that runs the instance
	Instance string // the provider's id
	Image    string // the provider's id of an image that exists
	Select   *Select
	Formats  []string // at least one, no two the same
	Staging  Text     // location the provider writes to
	To       []Text   // locations; empty leaves the images at Staging
	Stop     string   // never, soft or hard
	Verify   string   // size, checksum or structure
	Tags     map[string]Text
	KMSKey   string
	Timeout  time.Duration // 0 is none

	StopTimeout time.Duration
	KeepStaging bool
	Pos         Pos
}

// Select picks instances from the inventory.
type Select struct {
	Compartment string // path or id
	Recursive   bool
	Name        string // pattern with * and ?; "" is any
	State       []string
	Tags        map[string]string
	Expect      Expect
	Pos         Pos
}

// Expect says how many instances a Select must find for the plan to go on.
type Expect struct {
	Min int
	Max int // 0 is no limit
}

// Transfer moves the object, or everything under the prefix, at From to To.
type Transfer struct {
	ID         string
	From       Text // location; a trailing slash means everything under it
	To         Text // location
	Include    []string
	Exclude    []string
	Existing   string // newer, overwrite, skip or fail
	Delete     bool   // make To a mirror of From
	MaxDeletes int
	After      []string // addresses such as "export.web" or "transfer.logs"
	Checksum   string   // "sha256" records it at the destination; "" does not
	Pos        Pos

	after []reference
}

// Pos is a place in a source; the zero Pos is no place.
type Pos struct{ Line, Column int } // both from 1, the column in characters

// Options are what a manifest is read with. The zero Options know no variables but their defaults.
type Options struct {
	Vars   map[string]string                // --var; wins over everything
	Env    func(name string) (string, bool) // nil is an empty environment; a variable that is set but empty counts as unset
	Dir    string                           // the manifest's folder, for relative paths
	Config *Config                          // the user's own backends, below the manifest's
}

// Parse reads the manifest in src; name stands for it in errors. An error is of type *Errors and holds everything that
// is wrong with src, not only the first mistake. Any src of up to 1 MiB is judged in well under half a second; larger
// ones are refused.
func Parse(name string, src []byte, o Options) (*Manifest, error) {
	b := &binder{src: newSource(name, src), o: o}
	m := &Manifest{dir: o.Dir, config: o.Config, src: b.src}
	if root := b.load("manifest"); root != nil {
		b.prepare(root)
		manifestForm().bind(b, value{node: root, name: "the manifest"}, m)
		b.checkOrder(m)
		b.checkBuckets(m.Buckets)
	}
	if err := b.err(); err != nil {
		return nil, err
	}
	m.Digest = digest(src, m.Vars)
	return m, nil
}

// Backend returns the backend for a scheme: the manifest's own, else the user's, else the built-in oci, s3 or file.
func (m *Manifest) Backend(scheme string) (Backend, bool) {
	if b, ok := m.Backends[scheme]; ok {
		return b, true
	}
	return m.config.Backend(scheme)
}

// Location expands t, which Parse has found to be a location, and returns it; a relative path becomes one below the
// manifest's folder. lookup gives the late variables as for Expand.
func (m *Manifest) Location(t Text, lookup func(name string) (string, bool)) (backend.Location, error) {
	s, err := Expand(t, lookup)
	if err != nil {
		return backend.Location{}, err
	}
	l, err := backend.ParseLocation(s)
	if err != nil {
		return backend.Location{}, fmt.Errorf("%s:%d:%d: %w", m.src.name, t.Pos.Line, t.Pos.Column, err)
	}
	if m.dir != "" {
		l = l.Abs(m.dir)
	}
	return l, nil
}

// Dated reports whether a location depends on the run: on run.id, run.date or run.time.
func (m *Manifest) Dated() bool {
	texts := []Text{}
	for _, e := range m.Exports {
		texts = append(append(texts, e.Staging), e.To...)
	}
	for _, t := range m.Transfers {
		texts = append(texts, t.From, t.To)
	}
	for _, t := range texts {
		for _, name := range t.Late() {
			if strings.HasPrefix(name, "run.") {
				return true
			}
		}
	}
	return false
}

// ErrorAt returns an error that shows the place p of the manifest as Parse's errors do, for what is found out later.
// hint may be empty.
func (m *Manifest) ErrorAt(p Pos, hint, format string, args ...any) *Error {
	e := m.src.errorAt(p, 0, hint, fmt.Sprintf(format, args...))
	m.src.show(e)
	return e
}
