package ocisim

import (
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"
)

// store keeps the objects and open uploads of all buckets, and the copies between them: what is known of them in memory and in a journal, their bytes in
// files. Every method but receive and discard requires that the caller holds Server.mu.
type store struct {
	dir     string
	journal *os.File
	lines   int   // in the journal
	length  int64 // of the journal in bytes
	buckets map[string]*contents
	copies  map[string]*copyRequest
	files   map[string]int // how many objects, parts and readers use a file
	windows sync.Pool      // of *[]byte, through which object data passes
}

const windowSize = 256 << 10

// window returns a buffer, to be given back to windows.
func (st *store) window() *[]byte {
	if b, ok := st.windows.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, windowSize)
	return &b
}

// contents are the objects and uploads of one bucket.
type contents struct {
	objects map[string]*object   // current versions
	names   []string             // of objects, sorted
	past    map[string][]*object // former versions and delete markers, the latest first
	uploads map[string]*upload
	size    int64 // of all versions
	pending int64 // of parts of open uploads
}

// attributes are what a client says about an object when it uploads it.
type attributes struct {
	Headers map[string]string `json:"headers,omitempty"` // Content-Type, Content-Language, ...: those that GET answers with
	Meta    map[string]string `json:"meta,omitempty"`    // of opc-meta- headers, without that prefix, lower case
	Tier    string            `json:"tier,omitempty"`    // Standard, InfrequentAccess or Archive

	CustomerKey string `json:"customerKey,omitempty"` // base64 SHA-256 of the key that the client keeps
	KmsKey      string `json:"kmsKey,omitempty"`      // OCID of a vault's key
}

// object is one version of an object, or a delete marker. It never changes: another one replaces it.
type object struct {
	Name          string     `json:"name"`
	ETag          string     `json:"etag"`
	Version       string     `json:"version"`
	Size          int64      `json:"size"`
	Created       time.Time  `json:"created"`
	Modified      time.Time  `json:"modified"`
	MD5           string     `json:"md5,omitempty"` // base64; empty for multipart objects
	CRC32C        uint32     `json:"crc32c"`
	SHA256        string     `json:"sha256,omitempty"` // base64; only if asked for at upload. Of the parts' hashes, with -N, if Multipart
	SHA384        string     `json:"sha384,omitempty"`
	MultipartMD5  string     `json:"multipartMd5,omitempty"`
	Parts         int        `json:"parts,omitempty"`        // that it was committed from; 0 if it was put in one request
	Marker        bool       `json:"marker,omitempty"`       // it says only that the object was deleted
	Null          bool       `json:"null,omitempty"`         // written while versioning was not enabled
	ReadableFrom  *time.Time `json:"readableFrom,omitempty"` // of restored archived objects
	ReadableUntil *time.Time `json:"readableUntil,omitempty"`
	attributes
	Files []segment `json:"files,omitempty"`
}

// segment is a file that holds a run of an object's bytes.
type segment struct {
	File string `json:"f"`
	Size int64  `json:"n"`
}

// upload is an open multipart upload.
type upload struct {
	ID      string    `json:"id"`
	Object  string    `json:"object"`
	Created time.Time `json:"created"`
	attributes
	parts map[int]*part
}

// part is an uploaded part. It never changes: a later upload of the same number replaces it.
type part struct {
	Number int        `json:"number"`
	ETag   string     `json:"etag"`
	MD5    string     `json:"md5"`
	CRC32C uint32     `json:"crc32c"`
	SHA256 string     `json:"sha256,omitempty"`
	SHA384 string     `json:"sha384,omitempty"`
	Listed *time.Time `json:"listed,omitempty"` // lists show it from then on; nil is always
	segment
}

// change is one line of the journal: all of it happens, or nothing.
type change struct {
	Bucket string        `json:"bucket,omitempty"` // its OCID, so that a bucket of the same name does not inherit
	Put    *object       `json:"put,omitempty"`
	Keep   bool          `json:"keep,omitempty"`   // with Put: what was current becomes a former version
	Delete []string      `json:"delete,omitempty"` // current versions
	Mark   []*object     `json:"mark,omitempty"`   // delete markers to put in front
	Forget []versionName `json:"forget,omitempty"`
	Amend  *object       `json:"amend,omitempty"` // replaces the same version
	Begin  *upload       `json:"begin,omitempty"`
	Upload string        `json:"upload,omitempty"` // the upload that Part and End concern
	Part   *part         `json:"part,omitempty"`
	End    bool          `json:"end,omitempty"`
	Drop   bool          `json:"drop,omitempty"` // the whole bucket

	Copy *copyRequest `json:"copy,omitempty"` // of no bucket, unless Put is set as well
}

// bucket returns the contents of a bucket, creating them if need be.
func (st *store) bucket(id string) *contents {
	b := st.buckets[id]
	if b == nil {
		b = &contents{objects: map[string]*object{}, past: map[string][]*object{}, uploads: map[string]*upload{}}
		st.buckets[id] = b
	}
	return b
}

// do journals a change and applies it. After an error nothing has changed.
func (st *store) do(c change) error {
	if err := st.write(c); err != nil {
		return err
	}
	st.apply(c)
	return nil
}

func (st *store) apply(c change) {
	if c.Copy != nil {
		st.copies[c.Copy.ID] = c.Copy
		if c.Put == nil {
			return
		}
	}
	if c.Drop {
		delete(st.buckets, c.Bucket) // only empty buckets are dropped
		return
	}
	b := st.bucket(c.Bucket)
	if c.Put != nil {
		for _, seg := range c.Put.Files {
			st.retain(seg.File)
		}
	}
	for _, name := range c.Delete {
		st.remove(b, name)
	}
	for _, v := range c.Forget {
		st.forget(b, v)
	}
	for _, m := range c.Mark {
		st.mark(b, m)
	}
	if c.Amend != nil {
		st.amend(b, c.Amend)
	}
	if c.Put != nil {
		if c.Keep {
			st.retire(b, c.Put.Name)
		}
		st.put(b, c.Put)
	}
	st.applyUpload(b, c)
}

// applyUpload applies what a change says of uploads.
func (st *store) applyUpload(b *contents, c change) {
	if c.Begin != nil {
		c.Begin.parts = map[int]*part{}
		b.uploads[c.Begin.ID] = c.Begin
	}
	if u := b.uploads[c.Upload]; u != nil {
		if c.Part != nil {
			st.putPart(b, u, c.Part)
		}
		if c.End {
			for _, p := range u.parts {
				b.pending -= p.Size
				st.release(p.File)
			}
			delete(b.uploads, u.ID)
		}
	}
}

func (st *store) put(b *contents, o *object) {
	if old := b.objects[o.Name]; old != nil {
		b.size -= old.Size
		st.releaseAll(old.Files)
		b.objects[o.Name] = o
	} else {
		b.enlist(o)
	}
	b.size += o.Size
}

func (st *store) remove(b *contents, name string) {
	o := b.objects[name]
	if o == nil {
		return
	}
	b.unlist(name)
	b.size -= o.Size
	st.releaseAll(o.Files)
}

func (st *store) putPart(b *contents, u *upload, p *part) {
	st.retain(p.File)
	if old := u.parts[p.Number]; old != nil {
		b.pending -= old.Size
		st.release(old.File)
	}
	u.parts[p.Number] = p
	b.pending += p.Size
}

// retain counts one more user of a file.
func (st *store) retain(file string) { st.files[file]++ }

// release counts one user less and removes the file with the last.
func (st *store) release(file string) {
	st.files[file]--
	if st.files[file] <= 0 {
		delete(st.files, file)
		st.discard(file)
	}
}

func (st *store) releaseAll(segments []segment) {
	for _, seg := range segments {
		st.release(seg.File)
	}
}

// discard removes a file that nothing uses. What cannot be removed now is when the store is opened again.
func (st *store) discard(file string) { _ = os.Remove(st.path(file)) }

func (st *store) path(file string) string { return filepath.Join(st.dir, "data", file) }

// sortedParts are the parts of an upload in the order of their numbers.
func (u *upload) sortedParts() []*part {
	parts := make([]*part, 0, len(u.parts))
	for _, p := range u.parts {
		parts = append(parts, p)
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].Number < parts[j].Number })
	return parts
}
