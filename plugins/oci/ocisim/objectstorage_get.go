package ocisim

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// findObject returns the object that the path names, in the version that the query names. The caller holds s.mu.
func (c *call) findObject() (*bucket, *object, error) {
	b, err := c.findBucket()
	if err != nil {
		return nil, nil, err
	}
	name := c.vars["object"]
	o := c.s.store.bucket(b.ID).find(name, c.query("versionId"))
	if o == nil || o.Marker {
		return nil, nil, errObjectNotFound(b.Name, name)
	}
	return b, o, nil
}

func getObject(c *call) error {
	_, o, err := c.findObject()
	if err != nil {
		return err
	}
	given, err := c.customerKey(customerHeaders)
	if err != nil {
		return err
	}
	if err := c.s.mayDecrypt(given, o.CustomerKey, o.KmsKey); err != nil {
		return err
	}
	c.header.Set("Etag", o.ETag)
	if err := c.readConditions(o.ETag); err != nil {
		return err
	}
	c.objectHeaders(o)
	if c.r.Method == http.MethodHead {
		c.header.Set("Content-Length", strconv.FormatInt(o.Size, 10))
		return c.empty(200)
	}
	if state := c.s.archivalState(o); state == "Archived" || state == "Restoring" {
		return fail(409, "NotRestored", "The object '%s' is in the Archive tier and has not been restored", o.Name)
	}
	off, n, partial, err := parseRange(c.value("Range"), o.Size)
	if err != nil {
		return err
	}
	status := 200
	if partial {
		status = 206
		c.header.Set("Content-Range", "bytes "+strconv.FormatInt(off, 10)+"-"+strconv.FormatInt(off+n-1, 10)+"/"+strconv.FormatInt(o.Size, 10))
	}
	return c.stream(status, c.s.newReader(o, off, n), n)
}

// objectHeaders sets the headers of GET and HEAD.
func (c *call) objectHeaders(o *object) {
	h := c.header
	for name, v := range o.Headers {
		h.Set(name, v)
	}
	for _, name := range append(contentHeaders(), "Expires") {
		if v := c.query("httpResponse" + strings.ReplaceAll(name, "-", "")); v != "" {
			h.Set(name, v)
		}
	}
	for k, v := range o.Meta {
		h.Set("opc-meta-"+k, v)
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Last-Modified", httpTime(o.Modified))
	h.Set("version-id", o.Version)
	h.Set("storage-tier", o.Tier)
	h.Set("opc-content-crc32c", encodeCRC(o.CRC32C))
	sha := "opc-content-sha"
	if o.Parts > 0 {
		sha = "opc-multipart-sha"
	}
	for name, v := range map[string]string{"Content-MD5": o.MD5, "opc-multipart-md5": o.MultipartMD5, sha + "256": o.SHA256, sha + "384": o.SHA384} {
		if v != "" {
			h.Set(name, v)
		}
	}
	if state := c.s.archivalState(o); state != "" {
		h.Set("archival-state", state)
		if state == "Restored" {
			h.Set("time-of-archival", jsonTime(*o.ReadableUntil))
		}
	}
}

// parseRange reads a Range header with one range. What is not one is ignored, as HTTP wants it.
func parseRange(text string, size int64) (off, n int64, partial bool, err error) {
	spec, ok := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	unsatisfiable := fail(416, "InvalidRange", "The range '%s' is not satisfiable for an object of %d bytes", text, size)
	number := func(s string) (int64, bool) {
		v, err := strconv.ParseUint(s, 10, 63)
		if errors.Is(err, strconv.ErrRange) {
			return 1<<63 - 1, true
		}
		return int64(v), err == nil
	}
	if first == "" { // the last bytes
		n, ok := number(last)
		if !ok {
			return 0, size, false, nil
		}
		n = min(n, size)
		if n == 0 {
			return 0, 0, false, unsatisfiable
		}
		return size - n, n, true, nil
	}
	off, ok = number(first)
	end := size - 1
	if ok && last != "" {
		var last64 int64
		last64, ok = number(last)
		if ok && last64 < off {
			ok = false
		}
		end = min(end, last64)
	}
	if !ok {
		return 0, size, false, nil
	}
	if off >= size {
		return 0, 0, false, unsatisfiable
	}
	return off, end - off + 1, true, nil
}
