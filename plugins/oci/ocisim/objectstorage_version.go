package ocisim

import (
	"fmt"
	"strings"
)

// Versioning of a bucket. Once enabled it can only be suspended.
const (
	versioningDisabled  = "Disabled"
	versioningEnabled   = "Enabled"
	versioningSuspended = "Suspended"
)

// setVersioning checks a change of versioning and returns what it becomes.
func (s *bucketSettings) setVersioning(to string) error {
	from := s.Versioning
	switch to {
	case versioningEnabled, versioningSuspended:
	case versioningDisabled:
		if from != versioningDisabled {
			return fail(400, "InvalidParameter", "versioning %s cannot become Disabled, only Suspended", from)
		}
	default:
		return fail(400, "InvalidParameter", "versioning %q is not one of Enabled, Suspended, Disabled", to)
	}
	s.Versioning = to
	return nil
}

// replaceObject gives the object its identity and puts it, together with whatever else the change says. Where versioning is
// enabled, what it replaces becomes a former version. Where it is suspended, a version from before stays and one written since
// does not: that is how S3 does it, and a guess for OCI. The caller holds s.mu.
func (s *Server) replaceObject(b *bucket, o *object, c change) error {
	if err := s.mayStore(b, o); err != nil {
		return err
	}
	o.ETag, o.Version, o.Modified = newUUID(), newUUID(), s.now()
	o.Created = o.Modified
	o.Null = b.Settings.Versioning != versioningEnabled
	c.Bucket, c.Put = b.ID, o
	held := s.store.bucket(b.ID)
	switch current := held.objects[o.Name]; b.Settings.Versioning {
	case versioningEnabled:
		c.Keep = true
	case versioningSuspended:
		c.Keep = current == nil || !current.Null // what comes to the front when a marker is forgotten stays too
		c.Forget = append(c.Forget, nullVersions(held.past[o.Name])...)
	}
	return s.store.do(c)
}

// deletion is the change that deletes objects by name: for good, or with delete markers where the bucket keeps versions. Each
// name must have a current version. The caller holds s.mu.
func (s *Server) deletion(b *bucket, names ...string) change {
	if b.Settings.Versioning == versioningDisabled {
		return change{Bucket: b.ID, Delete: names}
	}
	c := change{Bucket: b.ID}
	held := s.store.bucket(b.ID)
	for _, name := range names {
		now := s.now()
		m := &object{Name: name, Version: newUUID(), ETag: newUUID(), Created: now, Modified: now, Marker: true}
		if b.Settings.Versioning == versioningSuspended {
			m.Null = true
			c.Forget = append(c.Forget, nullVersions(held.versions(name))...)
		}
		c.Mark = append(c.Mark, m)
	}
	return c
}

func nullVersions(all []*object) []versionName {
	var found []versionName
	for _, o := range all {
		if o.Null {
			found = append(found, versionName{o.Name, o.Version})
		}
	}
	return found
}

func deleteObject(c *call) error {
	b, err := c.findWritableBucket()
	if err != nil {
		return err
	}
	version := c.query("versionId")
	o := c.s.store.bucket(b.ID).find(c.vars["object"], version)
	if o == nil {
		return errObjectNotFound(b.Name, c.vars["object"])
	}
	if err := c.writeConditions(o.ETag); err != nil {
		return err
	}
	if err := c.s.retained(b, o); err != nil {
		return err
	}
	gone := c.s.deletion(b, o.Name)
	if version != "" {
		gone = change{Bucket: b.ID, Forget: []versionName{{o.Name, o.Version}}}
	}
	if err := c.s.store.do(gone); err != nil {
		return err
	}
	c.header.Set("Last-Modified", httpTime(c.s.now()))
	if version != "" {
		c.header.Set("version-id", o.Version)
	}
	if len(gone.Mark) > 0 {
		c.header.Set("version-id", gone.Mark[0].Version)
	}
	if o.Marker || len(gone.Mark) > 0 {
		c.header.Set("is-delete-marker", "true")
	}
	return c.empty(204)
}

// listedVersion is one entry of a list of versions: a version, or a prefix that stands for many.
type listedVersion struct {
	key    string // order and page token
	prefix string
	object *object
}

func listObjectVersions(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	q, err := c.listing()
	if err != nil {
		return err
	}
	entries, err := page(c, c.s.store.bucket(b.ID).listVersions(q), func(e listedVersion) string { return e.key })
	if err != nil {
		return err
	}
	items, prefixes := []map[string]any{}, []string{}
	for _, e := range entries {
		if e.object == nil {
			prefixes = append(prefixes, e.prefix)
			continue
		}
		v := c.s.summary(e.object, append(q.fields, "timeModified"))
		v["versionId"], v["isDeleteMarker"] = e.object.Version, e.object.Marker
		items = append(items, v)
	}
	return c.json(200, map[string]any{"items": items, "prefixes": prefixes})
}

// listVersions returns all entries that a request is for, by name, the latest version of each first.
func (b *contents) listVersions(q listing) []listedVersion {
	var entries []listedVersion
	for _, name := range b.allNames() {
		if !strings.HasPrefix(name, q.prefix) || name < q.start || q.after != "" && name <= q.after || q.end != "" && name >= q.end {
			continue
		}
		if q.delimiter != "" {
			if head, _, found := strings.Cut(name[len(q.prefix):], q.delimiter); found {
				prefix := q.prefix + head + q.delimiter
				if n := len(entries); n == 0 || entries[n-1].prefix != prefix {
					entries = append(entries, listedVersion{key: prefix, prefix: prefix})
				}
				continue
			}
		}
		for i, o := range b.versions(name) {
			entries = append(entries, listedVersion{key: fmt.Sprintf("%s\x00%08d", name, i), object: o})
		}
	}
	return entries
}
