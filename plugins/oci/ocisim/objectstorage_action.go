package ocisim

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

func renameObject(c *call) error {
	b, err := c.findWritableBucket()
	if err != nil {
		return err
	}
	var in struct{ SourceName, NewName, SrcObjIfMatchETag, NewObjIfMatchETag, NewObjIfNoneMatchETag string }
	if err := c.decode(&in); err != nil {
		return err
	}
	if err := checkObjectName(in.NewName); err != nil {
		return err
	}
	if in.SourceName == in.NewName {
		return fail(400, "SourceNameSameAsNewName", "The source name and the new name are the same: '%s'", in.NewName)
	}
	src := c.s.store.bucket(b.ID).objects[in.SourceName]
	if src == nil {
		return errObjectNotFound(b.Name, in.SourceName)
	}
	if err := checkConditions(in.SrcObjIfMatchETag, "", src.ETag); err != nil {
		return err
	}
	if err := checkConditions(in.NewObjIfMatchETag, in.NewObjIfNoneMatchETag, c.s.currentETag(b, in.NewName)); err != nil {
		return err
	}
	if err := c.s.retained(b, src); err != nil {
		return err
	}
	o := *src
	o.Name = in.NewName
	if err := c.s.replaceObject(b, &o, c.s.deletion(b, src.Name)); err != nil {
		return err
	}
	c.objectWritten(&o)
	return c.json(200, map[string]any{
		"namespace": c.s.state.Namespace, "bucketName": b.Name, "objectName": o.Name, "etag": o.ETag, "sizeInBytes": o.Size,
		"checksum": o.MD5, "metadata": orEmpty(o.Meta), "creationTime": jsonTime(o.Created), "modificationTime": jsonTime(o.Modified),
		"archivalState": nil, "archivedTime": nil, "restoredTime": nil,
	})
}

func batchDeleteObjects(c *call) error {
	b, err := c.findWritableBucket()
	if err != nil {
		return err
	}
	var in struct {
		Objects             []struct{ ObjectName, IfMatch string }
		IsSkipDeletedResult bool
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	if len(in.Objects) == 0 || len(in.Objects) > maxPage {
		return fail(400, "InvalidParameter", "objects has %d entries, not between 1 and %d", len(in.Objects), maxPage)
	}
	deleted, failed := []map[string]any{}, []map[string]any{}
	var names []string
	gone := map[string]bool{}
	for _, want := range in.Objects {
		if err := c.mayDelete(b, want.ObjectName, want.IfMatch, gone); err != nil {
			e := asAPIError(err)
			failed = append(failed, map[string]any{"objectName": want.ObjectName, "statusCode": e.Status, "errorMessage": e.Message})
			continue
		}
		gone[want.ObjectName] = true
		names = append(names, want.ObjectName)
		if !in.IsSkipDeletedResult {
			deleted = append(deleted, map[string]any{"objectName": want.ObjectName, "timeLastModified": jsonTime(c.s.now())})
		}
	}
	if err := c.s.store.do(c.s.deletion(b, names...)); err != nil {
		return err
	}
	return c.json(200, map[string]any{"deleted": deleted, "failed": failed})
}

func (c *call) mayDelete(b *bucket, name, ifMatch string, gone map[string]bool) error {
	o := c.s.store.bucket(b.ID).objects[name]
	if o == nil || gone[name] {
		return errObjectNotFound(b.Name, name)
	}
	if err := checkConditions(ifMatch, "", o.ETag); err != nil {
		return err
	}
	return c.s.retained(b, o)
}

// archivalState is Archived, Restoring or Restored for objects of the Archive tier, "" for others.
func (s *Server) archivalState(o *object) string {
	now := s.now()
	switch {
	case o.Tier != "Archive":
		return ""
	case o.ReadableFrom == nil || !now.Before(*o.ReadableUntil):
		return "Archived"
	case now.Before(*o.ReadableFrom):
		return "Restoring"
	}
	return "Restored"
}

// restoreObjects makes an archived object readable after the time that a copy takes, for some hours.
func restoreObjects(c *call) error {
	b, err := c.findWritableBucket()
	if err != nil {
		return err
	}
	in := struct {
		ObjectName, VersionID string
		Hours                 int
	}{Hours: 24}
	if err := c.decode(&in); err != nil {
		return err
	}
	old := c.s.store.bucket(b.ID).find(in.ObjectName, in.VersionID)
	if old == nil || old.Marker {
		return errObjectNotFound(b.Name, in.ObjectName)
	}
	if in.Hours < 1 || in.Hours > 240 {
		return fail(400, "InvalidRestoreHours", "The hours %d are not between 1 and 240", in.Hours)
	}
	switch c.s.archivalState(old) {
	case "":
		return fail(400, "NotArchivedObject", "The object '%s' is not in the Archive tier", old.Name)
	case "Restoring":
		return fail(409, "RestoreInProgress", "The object '%s' is being restored", old.Name)
	case "Restored":
		return fail(409, "AlreadyRestored", "The object '%s' is restored", old.Name)
	}
	from := c.s.now().Add(c.s.timings.Copy)
	until := from.Add(time.Duration(in.Hours) * time.Hour)
	o := *old
	o.ReadableFrom, o.ReadableUntil = &from, &until
	if err := c.s.store.do(change{Bucket: b.ID, Amend: &o}); err != nil {
		return err
	}
	return c.empty(http.StatusAccepted)
}

func updateObjectStorageTier(c *call) error {
	b, err := c.findWritableBucket()
	if err != nil {
		return err
	}
	var in struct{ ObjectName, StorageTier, VersionID string }
	if err := c.decode(&in); err != nil {
		return err
	}
	old := c.s.store.bucket(b.ID).find(in.ObjectName, in.VersionID)
	if old == nil || old.Marker {
		return errObjectNotFound(b.Name, in.ObjectName)
	}
	tier, err := matchTier(in.StorageTier)
	if err != nil {
		return err
	}
	if old.Tier == "Archive" && tier == "Archive" {
		return fail(409, "AlreadyArchived", "The object '%s' is in the Archive tier", old.Name)
	}
	if state := c.s.archivalState(old); state == "Archived" || state == "Restoring" {
		return fail(409, "NotRestored", "The object '%s' is in the Archive tier and has not been restored", old.Name)
	}
	o := *old
	o.Tier, o.ReadableFrom, o.ReadableUntil = tier, nil, nil
	if err := c.s.store.do(change{Bucket: b.ID, Amend: &o}); err != nil {
		return err
	}
	return c.empty(200)
}

// escapeName escapes the name of an object for a path, leaving slashes.
func escapeName(name string) string {
	segments := strings.Split(name, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}
