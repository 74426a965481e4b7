package s3

import (
	"encoding/hex"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The lists of the strict service.

func (s *strict) listParts(w http.ResponseWriter, r *http.Request, u *strictUpload) {
	marker, _ := strconv.Atoi(r.URL.Query().Get("part-number-marker"))
	var page listedParts
	if u.summed {
		page.ChecksumType = fullObject
		if s.composes {
			page.ChecksumType = "COMPOSITE"
		}
	}
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		if n <= marker {
			continue
		}
		if len(page.Part) == s.page {
			page.IsTruncated, page.NextPartNumberMarker = true, strconv.Itoa(page.Part[len(page.Part)-1].PartNumber)
			break
		}
		p := u.parts[n]
		page.Part = append(page.Part, struct {
			PartNumber     int
			Size           int64
			ETag           string
			ChecksumCRC32C string
		}{n, int64(len(p.data)), etagOf(p.etag), p.sum})
	}
	write(w, page)
}

func write(w io.Writer, page any) {
	if err := xml.NewEncoder(w).Encode(page); err != nil {
		panic(err)
	}
}

func (s *strict) list(w http.ResponseWriter, q url.Values) {
	page := listedObjects{EncodingType: "url"}
	raw, _ := hex.DecodeString(q.Get("continuation-token"))
	after, folded := string(raw), ""
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= after || folded != "" && strings.HasPrefix(key, folded) ||
			strings.HasSuffix(after, "/") && q.Get("delimiter") != "" && strings.HasPrefix(key, after) && len(after) > len(q.Get("prefix")) {
			continue
		}
		if len(page.Contents)+len(page.CommonPrefixes) == s.page {
			page.IsTruncated, page.NextContinuationToken = true, hex.EncodeToString([]byte(after))
			break
		}
		after = key
		if below, _, ok := strings.Cut(key[len(q.Get("prefix")):], "/"); ok && q.Get("delimiter") == "/" {
			folded = q.Get("prefix") + below + "/"
			after = folded
			page.CommonPrefixes = append(page.CommonPrefixes, struct{ Prefix string }{url.QueryEscape(folded)})
			continue
		}
		o := s.objects[key]
		page.Contents = append(page.Contents, listedObject{Key: url.QueryEscape(key), Size: int64(len(o.data)), ETag: etagOf(o.etag),
			LastModified: o.modified, StorageClass: o.header.Get("X-Amz-Storage-Class")})
	}
	write(w, page)
}

func (s *strict) listUploads(w http.ResponseWriter, q url.Values) {
	page := listedUploads{EncodingType: "url"}
	ids := slices.SortedFunc(maps.Keys(s.uploads), func(a, b string) int {
		return strings.Compare(s.uploads[a].key+"\x00"+a, s.uploads[b].key+"\x00"+b)
	})
	for _, id := range ids {
		u := s.uploads[id]
		after := q.Get("key-marker") + "\x00" + q.Get("upload-id-marker")
		if !strings.HasPrefix(u.key, q.Get("prefix")) || q.Get("key-marker") != "" && u.key+"\x00"+id <= after {
			continue
		}
		if len(page.Upload) == s.page {
			last := page.Upload[s.page-1]
			page.IsTruncated, page.NextKeyMarker, page.NextIDMarker = true, last.Key, last.ID
			break
		}
		page.Upload = append(page.Upload, struct {
			Key       string
			ID        string `xml:"UploadId"`
			Initiated time.Time
		}{url.QueryEscape(u.key), id, u.created})
	}
	write(w, page)
}
