package s3

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The versions and the archive of the strict service.

// versionsOf returns what there is of a key, the newest first.
func (s *strict) versionsOf(key string) []*strictObject {
	if s.versioned {
		return s.history[key]
	}
	if o := s.objects[key]; o != nil {
		return []*strictObject{o}
	}
	return nil
}

// find returns the version that a request names, the current one without a name.
func (s *strict) find(r *http.Request, key string) *strictObject {
	id := r.URL.Query().Get("versionId")
	if id == "" {
		return s.objects[key]
	}
	for _, o := range s.versionsOf(key) {
		if o.id() == id {
			return o
		}
	}
	return nil
}

// id names a version in lists and requests.
func (o *strictObject) id() string {
	if o.version == "" {
		return "null"
	}
	return o.version
}

// forget removes a version for good.
func (s *strict) forget(key string, o *strictObject) {
	left := slices.DeleteFunc(slices.Clone(s.versionsOf(key)), func(x *strictObject) bool { return x == o })
	delete(s.objects, key)
	if s.history[key] = left; len(left) > 0 && !left[0].marker {
		s.objects[key] = left[0]
	}
}

func (s *strict) listVersions(w http.ResponseWriter, q url.Values) {
	page := listedVersions{XMLName: xml.Name{Local: "ListVersionsResult"}, EncodingType: "url"}
	keys := slices.Collect(maps.Keys(s.history))
	if !s.versioned {
		keys = slices.Collect(maps.Keys(s.objects))
	}
	slices.Sort(keys)
	behind := q.Get("key-marker") == ""
	for _, key := range keys {
		for i, o := range s.versionsOf(key) {
			if key > q.Get("key-marker") {
				behind = true
			}
			switch {
			case !behind || !strings.HasPrefix(key, q.Get("prefix")):
				behind = behind || key == q.Get("key-marker") && o.id() == q.Get("version-id-marker")
				continue
			case len(page.Entries) == s.page:
				last := page.Entries[s.page-1]
				page.IsTruncated, page.NextKeyMarker, page.NextVersionIDMarker = true, last.Key, last.VersionID
				write(w, page)
				return
			}
			name := xml.Name{Local: versionElement}
			if o.marker {
				name.Local = markerElement
			}
			page.Entries = append(page.Entries, listedVersion{XMLName: name, Key: url.QueryEscape(key), VersionID: o.id(), IsLatest: i == 0,
				Size: int64(len(o.data)), ETag: etagOf(o.etag), LastModified: o.modified})
		}
	}
	write(w, page)
}

// archive moves an object to a class whose objects are to be restored.
func (s *strict) archive(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key].header.Set("X-Amz-Storage-Class", "GLACIER")
	return nil
}

// restore answers as Amazon does: the restore is done when it is looked at for the second time.
func (s *strict) restore(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	o := s.find(r, key)
	var request restoreRequest
	switch err := xml.Unmarshal(body, &request); {
	case o == nil:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	case err != nil || request.Days < 1 || request.GlacierJobParameters.Tier == "":
		refuse(w, http.StatusBadRequest, "MalformedXML")
	case !isArchive(o.header.Get("X-Amz-Storage-Class")):
		refuse(w, http.StatusForbidden, "InvalidObjectState")
	case o.header.Get("X-Amz-Restore") == "":
		o.header.Set("X-Amz-Restore", `ongoing-request="true"`)
		w.WriteHeader(http.StatusAccepted)
	case strings.Contains(o.header.Get("X-Amz-Restore"), "true"):
		refuse(w, http.StatusConflict, "RestoreAlreadyInProgress")
	}
}
