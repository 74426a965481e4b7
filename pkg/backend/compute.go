package backend

import "context"

// Compute turns a virtual machine into disk images that a Storage can read. An export is a job of the provider that is
// found again by its id or its token, so it outlives the process that began it. Methods are safe for concurrent use and
// keep no state between calls. Errors are *Error.
type Compute interface {
	// Formats lists the disk image formats that the provider writes.
	Formats() []string
	// CheckExports looks for what would stop the exports or surprise their user, before anything is begun, as if they ran
	// together. It returns the concerns of each request at the request's index, and changes nothing. What it may not see is
	// no concern; an error means that it could not look.
	CheckExports(ctx context.Context, r []ExportRequest) ([][]Concern, error)
	// StartExport begins a job. It is repeatable: with the same Token it finds the job of the earlier call instead of
	// beginning another, also when that call's answer was lost.
	StartExport(ctx context.Context, r ExportRequest) (Job, error)
	// FindExport returns the job that StartExport with the same request began, or NotFound. It begins nothing.
	FindExport(ctx context.Context, r ExportRequest) (Job, error)
	// PollExport looks at the job, moves it on where the provider needs a push (the next format), and returns its state. It
	// does not wait. A job that failed for good is an error that says why; the job's resources are then still to be released.
	PollExport(ctx context.Context, id string) (Job, error)
	// EndExport releases everything that the job made: images, leases, staged objects (those only if keepStaged is false),
	// and returns when the provider no longer shows them. It is repeatable, and right after StartExport as well as at the end.
	EndExport(ctx context.Context, id string, keepStaged bool) error
}

// ExportRequest says what to export: an instance, or an image that exists. It is plain data and is written to the journal
// before StartExport is called.
type ExportRequest struct {
	Token    string            `json:"token"`           // names the job; letters, digits and dashes, at most 40
	Instance string            `json:"instance"`        // the provider's id; empty if Image is set
	Image    string            `json:"image,omitempty"` // the provider's id of an image that stays; FindExport then always finds the job
	Name     string            `json:"name"`            // base name of the artifacts, without extension
	Formats  []string          `json:"formats"`
	Staging  Location          `json:"staging"`        // prefix that the provider writes below
	Tags     map[string]string `json:"tags,omitempty"` // put on everything that is made
}

// Source is the provider's id of what is exported.
func (r ExportRequest) Source() string {
	if r.Image != "" {
		return r.Image
	}
	return r.Instance
}

// Concern is something that CheckExports found.
type Concern struct {
	Text   string `json:"text"`           // what is the case
	Help   string `json:"help,omitempty"` // what to do about it
	Blocks bool   `json:"blocks"`         // the export cannot succeed
}

// Job is the state of an export.
type Job struct {
	ID          string     `json:"id"`    // opaque; what PollExport and EndExport take
	Phase       string     `json:"phase"` // for people: "creating image", "exporting qcow2"
	Done, Total int64      // progress in units of the provider's choice; Total 0 means unknown
	Captured    bool       `json:"captured"` // the instance is not needed any more
	Ready       bool       `json:"ready"`    // every artifact can be read
	Artifacts   []Artifact `json:"artifacts,omitempty"`
}

// Artifact is one disk image at a Location that the provider's Storage can read.
type Artifact struct {
	Name     string   `json:"name"` // file name with extension
	At       Location `json:"at"`
	Size     int64    `json:"size"`
	Format   string   `json:"format"`
	Checksum Checksum `json:"checksum,omitempty"`
}
