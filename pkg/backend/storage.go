package backend

import (
	"context"
	"iter"
	"time"
)

// Storage is one container of objects: a bucket, a directory tree. Methods are safe for concurrent use and keep no state
// between calls: each names the object and, for an upload, the upload. Any call may therefore be repeated, continued by
// another process, or carried over RPC. Implementations embed Unimplemented, so that a method added to the contract later
// fails with Unsupported instead of breaking the build.
//
// A method whose context has ended returns an error of Kind Canceled (or Timeout) and leaves nothing running that could
// change the container or touch the caller's memory. Errors are *Error.
type Storage interface {
	// Info says what the container promises. It makes no request, is cheap and cannot fail.
	Info() Info
	Source
	Sink
	Catalog
}

// Source is the reading side of a Storage.
type Source interface {
	// Stat returns the current object under key, or NotFound.
	Stat(ctx context.Context, key string) (Object, error)
	// ReadAt fills p with the bytes of obj from offset off on and returns how many it read. obj is what Stat or List
	// returned: if that version is gone or replaced, ReadAt fails with Changed and never returns bytes of another one. It
	// reads len(p) bytes or fails, except at the end of the object, where it returns the bytes that are left together
	// with io.EOF (bare, not an *Error), as io.ReaderAt does. It does not touch p after it has returned, also when ctx ended.
	// An object that is Archived is Invalid. obj.Generation is Unsupported without Capabilities.Versions.
	ReadAt(ctx context.Context, obj Object, p []byte, off int64) (int, error)
}

// Sink is the writing side of a Storage. Nothing is visible under a key until Put or CompleteUpload succeeds, and until
// then the object that was there before can be read. No method touches p after it has returned, also when ctx ended.
type Sink interface {
	// Put stores p as the whole object in one request. It is for objects up to Limits.MaxPut.
	Put(ctx context.Context, key string, p []byte, o PutOptions) (Object, error)
	// CreateUpload begins a multipart upload. o.Size and o.PartSize are final: part n holds the bytes from (n-1)*PartSize
	// on, every part but the last is PartSize long. If both are zero, the length is not known yet: parts of any size between
	// MinPart and MaxPart follow each other, and Upload.Size is set before CompleteUpload. A container that has to know it
	// at the beginning refuses that with Invalid, here or at the first part.
	CreateUpload(ctx context.Context, key string, o UploadOptions) (Upload, error)
	// UploadPart stores part n (the first is 1). The same n again replaces it; parts may come in any order and at the same
	// time unless Capabilities.Sequential. If sum is of an algorithm in Info.Checksums, a part whose bytes do not match it
	// is refused with Corrupt. An upload that was completed or aborted is NotFound.
	UploadPart(ctx context.Context, u Upload, n int, p []byte, sum Checksum) (Part, error)
	// ListParts yields the parts that the container holds for u in ascending order, as they are now: it is the truth to
	// continue from after a crash. An upload that was completed or aborted is NotFound. Only with Capabilities.ListParts.
	ListParts(ctx context.Context, u Upload) iter.Seq2[Part, error]
	// CompleteUpload makes the object visible, made of exactly parts, which are in ascending order and name each part's
	// current Tag; a part that is missing or has another Tag is Invalid. o.If is checked here. If o.Checksum is set and the
	// finished object does not match, the result is Corrupt and the previous object stays or nothing is there. It is
	// repeatable: on an upload that is gone it succeeds if the object under the key has u.Size and matches o.Checksum,
	// since then an earlier attempt did the work, and is NotFound otherwise.
	CompleteUpload(ctx context.Context, u Upload, parts []Part, o CompleteOptions) (Object, error)
	// AbortUpload drops the upload and its parts. It is repeatable: an upload that is gone is no error.
	AbortUpload(ctx context.Context, u Upload) error
}

// Catalog is the listing and housekeeping side of a Storage.
type Catalog interface {
	// List yields the objects whose keys begin with prefix in ascending byte order of keys, each at most once. A container
	// that does not exist is NotFound. It ends after the first error and holds at most a few pages in memory.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// ListUploads yields the multipart uploads under prefix that were neither completed nor aborted.
	ListUploads(ctx context.Context, prefix string) iter.Seq2[Upload, error]
	// Copy makes key a copy of the object at from without its bytes passing through the caller. from.Scheme is one of
	// Info.CopyFrom. version, if set, pins the source: a replaced source is Changed. It returns when the copy is visible.
	Copy(ctx context.Context, from Location, version string, key string, o CopyOptions) (Object, error)
	// Delete removes obj. If obj.Version is set and another version is there now, it fails with Changed and removes
	// nothing. An object that is not there is NotFound. In a container that keeps old versions the content stays as one of
	// them, unless obj.Generation is set: then exactly that version is removed for good, and without Capabilities.Versions
	// the call is Unsupported.
	Delete(ctx context.Context, obj Object) error
	// DeleteAll removes several objects, none named twice and none with a Generation, each as Delete does, in few requests. It
	// returns what became of each at its index: nil for one that was removed. Limits.DeleteAll bounds how many objects at
	// once. Only with Capabilities.DeleteAll.
	DeleteAll(ctx context.Context, objs []Object) []error
	// Browse yields what is directly below prefix in ascending byte order: objects, and once each the prefixes that end
	// with the next slash. Only with Capabilities.Browse; see the function Browse for any container.
	Browse(ctx context.Context, prefix string) iter.Seq2[Entry, error]
	// Versions yields the versions of the objects under prefix, by ascending keys and of each key the newest first. Each can
	// be read by ReadAt, unless it is a delete marker, and removed by Delete. Only with Capabilities.Versions.
	Versions(ctx context.Context, prefix string) iter.Seq2[ObjectVersion, error]
	// Restore asks for an archived object to be readable for at least the given time. It does not wait: Stat tells by
	// Object.Archived when the object can be read. It is repeatable, and no error for an object that can be read. Only with
	// Capabilities.Restore.
	Restore(ctx context.Context, obj Object, period time.Duration) error
	// CreateContainer makes the container itself. If it is there, the error is Exists. Only with
	// Capabilities.CreateContainer.
	CreateContainer(ctx context.Context) error
	// Space tells how much can be written below prefix now, whether or not the container exists yet. Only with
	// Capabilities.Space.
	Space(ctx context.Context, prefix string) (Space, error)
	// Lifecycle returns the rules that SetLifecycle keeps in the container, by ascending names; those that others made there
	// are not among them. Only with Capabilities.Lifecycle.
	Lifecycle(ctx context.Context) ([]LifecycleRule, error)
	// SetLifecycle puts rules in the place of those that it keeps in the container, and leaves the rules of others as they
	// are, also if they change at the same time. No rules remove its own. It reports whether anything had to be changed, and
	// writes nothing if not. Rules that cannot be kept, or two of one name, are Invalid, and nothing is changed. It is
	// repeatable. Only with Capabilities.Lifecycle.
	SetLifecycle(ctx context.Context, rules []LifecycleRule) (changed bool, err error)
}

// Info is what a container promises. A promise is tested by backendtest both ways: kept where it is made, refused with
// Unsupported where it is not.
type Info struct {
	Can       Capabilities `json:"can"`
	Checksums []Algorithm  `json:"checksums"` // verified by the container before anything is visible, cheapest first
	CopyFrom  []string     `json:"copy_from"` // schemes that Copy accepts
	Limits    Limits       `json:"limits"`
}

// Capabilities are the optional parts of the contract.
type Capabilities struct {
	Write            bool `json:"write"`              // Put and, with Limits.MaxParts > 0, uploads
	List             bool `json:"list"`               // List
	ListParts        bool `json:"list_parts"`         // ListParts, and so an upload can be continued by another process
	ListUploads      bool `json:"list_uploads"`       // ListUploads
	Delete           bool `json:"delete"`             // Delete
	DeleteAll        bool `json:"delete_all"`         // DeleteAll
	Sequential       bool `json:"sequential"`         // parts must come in ascending order, one at a time
	PutIfAbsent      bool `json:"put_if_absent"`      // Condition.Absent on Put
	CompleteIfAbsent bool `json:"complete_if_absent"` // Condition.Absent on CompleteUpload and Copy
	IfVersion        bool `json:"if_version"`         // Condition.Version on Put and CompleteUpload
	Holes            bool `json:"holes"`              // long runs of zero bytes take no room
	Strays           bool `json:"strays"`             // a killed Put or Copy can leave something, and ListUploads yields it
	ModTime          bool `json:"mod_time"`           // keeps the ModTime that an object is written with
	MakesContainer   bool `json:"makes_container"`    // the first write makes a container that does not exist
	Browse           bool `json:"browse"`             // Browse
	Versions         bool `json:"versions"`           // Versions; whether old versions are kept is the container's setting
	Restore          bool `json:"restore"`            // Restore: objects can be archived
	CreateContainer  bool `json:"create_container"`   // CreateContainer
	Space            bool `json:"space"`              // Space
	Lifecycle        bool `json:"lifecycle"`          // Lifecycle and SetLifecycle
}

// Limits are sizes in bytes; zero means none.
type Limits struct {
	MinPart     int64 `json:"min_part"` // of all parts but the last
	MaxPart     int64 `json:"max_part"`
	MaxParts    int   `json:"max_parts"`
	MaxPut      int64 `json:"max_put"`
	MaxObject   int64 `json:"max_object"`
	DeleteAll   int   `json:"delete_all"`  // objects of one DeleteAll
	MinCopy     int64 `json:"min_copy"`    // Copy is slower than moving the bytes for objects smaller than this
	Connections int   `json:"connections"` // requests at once that make sense; zero lets the caller choose
}

// Object is one object as Stat, List and the writing methods describe it.
type Object struct {
	Key      string            `json:"key"`
	Size     int64             `json:"size"`
	ModTime  time.Time         `json:"mod_time,omitzero"`
	Version  string            `json:"version,omitempty"`  // opaque; changes whenever the content is replaced
	Checksum Checksum          `json:"checksum,omitempty"` // of the whole object, where the container tells it
	Meta     map[string]string `json:"meta,omitempty"`     // lower-case keys; List may leave it out

	Tier       string `json:"tier,omitempty"`       // storage tier or class in the service's words; empty is the usual one
	Archived   bool   `json:"archived,omitempty"`   // it cannot be read before Restore
	Generation string `json:"generation,omitempty"` // opaque; set by Versions only: the methods then mean this version
}

// Space is what can be written to a container.
type Space struct {
	Place    string `json:"place,omitempty"`     // names what has the room, such as a disk: the same for all containers on it
	Free     int64  `json:"free"`                // bytes; negative if it is not known
	Largest  int64  `json:"largest,omitempty"`   // bytes of the largest object; zero if that is not limited
	ReadOnly string `json:"read_only,omitempty"` // why nothing can be written; empty if something can
}

// Entry is an object or, with Prefix set, everything below a prefix.
type Entry struct {
	Object
	Prefix string `json:"prefix,omitempty"` // the whole one from the root of the container on, with its slash
}

// ObjectVersion is one version of an object.
type ObjectVersion struct {
	Object
	Latest       bool `json:"latest"`
	DeleteMarker bool `json:"delete_marker,omitempty"` // says that the object was deleted; it has no content
}

// Upload names a multipart upload. It is a plain value: another process can continue with it.
type Upload struct {
	Key      string    `json:"key"`
	ID       string    `json:"id"`
	Size     int64     `json:"size,omitempty"`      // of the finished object; ListUploads may not know it
	PartSize int64     `json:"part_size,omitempty"` // of every part but the last; ListUploads may not know it
	Created  time.Time `json:"created,omitzero"`
	// Stray says that no CreateUpload made it: it is what a Put or Copy left when its process died. Nobody writes it any
	// more and nothing can continue it, so that anybody may abort it.
	Stray bool `json:"stray,omitempty"`
}

// Part is one part as the container holds it.
type Part struct {
	Number   int      `json:"n"`
	Size     int64    `json:"size"`
	Tag      string   `json:"tag"`                // opaque; changes whenever the part is replaced
	Checksum Checksum `json:"checksum,omitempty"` // where the container tells it
}

// Condition guards what a write may replace. At most one field is set; the zero value always holds.
type Condition struct {
	Absent  bool   // nothing is there: otherwise Exists
	Version string // this version is there: otherwise Changed
}

// PutOptions are the options of Put.
type PutOptions struct {
	If       Condition
	Checksum Checksum // of p; verified before the object is visible if its algorithm is in Info.Checksums
	Meta     map[string]string
	ModTime  time.Time // kept where Capabilities.ModTime
}

// UploadOptions are the options of CreateUpload.
type UploadOptions struct {
	Size     int64 // of the finished object
	PartSize int64
	Meta     map[string]string
	ModTime  time.Time // kept where Capabilities.ModTime
}

// CompleteOptions are the options of CompleteUpload.
type CompleteOptions struct {
	If       Condition
	Checksum Checksum  // of the whole object
	ModTime  time.Time // as given to CreateUpload
}

// CopyOptions are the options of Copy.
type CopyOptions struct {
	If      Condition
	Meta    map[string]string
	ModTime time.Time
}
