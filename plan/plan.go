// Package plan turns a manifest into steps.
//
// Build looks: it reads the inventory, stats sources and destinations, and pins what it found. A Plan is data; it holds no
// client, function or secret, can be written as JSON, and is what the user is shown before anything is touched. A Frontier
// says in which order its steps may run. Running them is the executor's business.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// Format is the version of the JSON form.
const Format = 1

// Plan is what a run will do.
type Plan struct {
	Format   int       `json:"format"`
	Name     string    `json:"name"`     // of the manifest
	Run      string    `json:"run"`      // id of the run
	Resumes  bool      `json:"resumes"`  // goes on with a run that was cut short
	Created  time.Time `json:"created"`  //
	Manifest string    `json:"manifest"` // digest
	Steps    []Step    `json:"steps"`    // buckets, then exports, then transfers, each sorted by address
	Blocked  []Finding `json:"blocked,omitempty"`
	Warnings []Finding `json:"warnings,omitempty"`
}

// Finding is something that Build saw and the user should know, with the address of the step it is about.
type Finding struct {
	Step string `json:"step"`
	Text string `json:"text"`           // what is the case
	Help string `json:"help,omitempty"` // what to do about it
	// Stops says that a guard of the manifest does not hold, so that nothing of the plan may be done. Otherwise only the
	// step is blocked, and those that need it.
	Stops bool `json:"stops,omitempty"`
}

// Step is one unit of work. Exactly one of the pointers is set. Nothing flows between steps but order: what one leaves
// for another it leaves at a location.
type Step struct {
	ID       string    `json:"id"`                // address: `export.web["web-01"]`, `transfer.logs`
	Needs    []string  `json:"needs,omitempty"`   // addresses that must end well before
	Current  string    `json:"current,omitempty"` // set if there is nothing to do: why
	Blocked  string    `json:"blocked,omitempty"` // set if it cannot be done: why
	Bucket   *Bucket   `json:"bucket,omitempty"`
	Export   *Export   `json:"export,omitempty"`
	Transfer *Transfer `json:"transfer,omitempty"`
}

// Bucket sets the rules that hyperexport keeps in a bucket.
type Bucket struct {
	At    backend.Location        `json:"at"`
	Rules []backend.LifecycleRule `json:"rules"`           // by name
	Found []backend.LifecycleRule `json:"found,omitempty"` // that Build saw, by name; those of others are not among them
}

// Changes returns the rules that differ from those that Build found.
func (k *Bucket) Changes() []backend.LifecycleChange {
	return backend.CompareLifecycle(k.Found, k.Rules)
}

// Export makes disk images of one instance, or of an image that exists, and brings them to their destinations.
type Export struct {
	Backend     string                `json:"backend"`
	Request     backend.ExportRequest `json:"request"`
	To          []backend.Location    `json:"to,omitempty"` // prefixes; none leaves the images at staging
	KeepStaging bool                  `json:"keep_staging,omitempty"`
	Stop        string                `json:"stop,omitempty"` // "soft" or "hard" if the instance is to be stopped meanwhile
	StopTimeout time.Duration         `json:"stop_timeout_ns,omitempty"`
	Timeout     time.Duration         `json:"timeout_ns,omitempty"`
	Found       Instance              `json:"found"`
	Replaces    []backend.Location    `json:"replaces,omitempty"` // objects that are there and will be replaced
}

// destinations returns the prefixes at which the images and their descriptor are in the end.
func (e *Export) destinations() []backend.Location {
	if len(e.To) == 0 {
		return []backend.Location{e.Request.Staging}
	}
	return e.To
}

// Instance is what Build saw of the instance, for people.
type Instance struct {
	Name    string   `json:"name"`
	State   string   `json:"state"`
	Scope   string   `json:"scope"`
	Shape   string   `json:"shape,omitempty"`
	BootGB  string   `json:"boot_gb,omitempty"`
	Volumes []string `json:"data_volumes,omitempty"` // attached, and not in the image
	Unseen  string   `json:"unseen,omitempty"`       // what of it may not be seen: "data volumes"
}

// Transfer moves one object or everything under a prefix.
type Transfer struct {
	From       backend.Location  `json:"from"`
	To         backend.Location  `json:"to"`
	Tree       bool              `json:"tree"` // From and To are prefixes
	Include    []string          `json:"include,omitempty"`
	Exclude    []string          `json:"exclude,omitempty"`
	Existing   transfer.Existing `json:"existing"`
	Delete     bool              `json:"delete,omitempty"`
	MaxDeletes int               `json:"max_deletes,omitempty"`
	SHA256     bool              `json:"sha256,omitempty"`
	Found      Counts            `json:"found"`
}

// Counts is what Build counted of a transfer. Unknown means that the source is made by an earlier step.
type Counts struct {
	Unknown bool  `json:"unknown,omitempty"`
	Copy    int64 `json:"copy"`    // objects to copy, of which
	Replace int64 `json:"replace"` // are there already and will be replaced
	Keep    int64 `json:"keep"`
	Delete  int64 `json:"delete"`
	Bytes   int64 `json:"bytes"`             // to copy
	Largest int64 `json:"largest,omitempty"` // bytes of the largest object to copy
}

// SumsName is the name of the list of SHA-256 sums that a transfer keeps beside the objects.
const SumsName = "SHA256SUMS"

// Selection returns the transfer's rules as the engine takes them. The list of sums that it keeps at its destination is
// neither replaced nor deleted by what it copies.
func (t *Transfer) Selection() transfer.Selection {
	s := transfer.Selection{Include: t.Include, Exclude: t.Exclude, Existing: t.Existing, Delete: t.Delete}
	if t.SHA256 {
		s.Exclude = append(s.Exclude[:len(s.Exclude):len(s.Exclude)], SumsName)
	}
	return s
}

// Digest identifies what the step does, apart from what Build happened to see. A step that an interrupted run has
// finished is not run again by the next one if the digest is the same.
func (s Step) Digest() string {
	spec := s
	spec.Current, spec.Blocked = "", ""
	if s.Bucket != nil {
		k := *s.Bucket
		k.Found = nil
		spec.Bucket = &k
	}
	if s.Export != nil {
		e := *s.Export
		e.Found, e.Replaces = Instance{}, nil
		spec.Export = &e
	}
	if s.Transfer != nil {
		t := *s.Transfer
		t.Found = Counts{}
		spec.Transfer = &t
	}
	text, err := json.Marshal(spec)
	if err != nil {
		panic("plan: a step is not plain data: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Stopped reports whether nothing of the plan may be done.
func (p *Plan) Stopped() bool {
	return slices.ContainsFunc(p.Blocked, func(f Finding) bool { return f.Stops })
}

// Work returns how many steps have something to do and how many bytes they are known to move.
func (p *Plan) Work() (steps int, bytes int64) {
	for _, s := range p.Steps {
		if s.Current != "" || s.Blocked != "" {
			continue
		}
		steps++
		if s.Transfer != nil {
			bytes += s.Transfer.Found.Bytes
		}
	}
	return steps, bytes
}

// Grows reports whether there are bytes to move that the plan does not count: images, and what earlier steps leave.
func (p *Plan) Grows() bool {
	for _, s := range p.Steps {
		if s.Current == "" && s.Blocked == "" && (s.Export != nil || s.Transfer != nil && s.Transfer.Found.Unknown) {
			return true
		}
	}
	return false
}
