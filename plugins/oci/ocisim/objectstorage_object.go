package ocisim

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// contentHeaders are the headers of an upload that GET answers with.
func contentHeaders() []string {
	return []string{"Content-Type", "Content-Language", "Content-Encoding", "Content-Disposition", "Cache-Control"}
}

// attributes reads from the headers of a PUT what belongs to the object.
func (c *call) attributes(b *bucket) (attributes, error) {
	a := attributes{Headers: map[string]string{}, Meta: map[string]string{}}
	for _, name := range contentHeaders() {
		if v := c.value(name); v != "" {
			a.Headers[name] = v
		}
	}
	for name, values := range c.r.Header {
		if key, ok := strings.CutPrefix(strings.ToLower(name), "opc-meta-"); ok {
			a.Meta[key] = strings.Join(values, ",")
		}
	}
	var err error
	if a.CustomerKey, a.KmsKey, err = c.encryption(b); err != nil {
		return a, err
	}
	return a.complete(c.value("Storage-Tier"), b)
}

// complete checks attributes and fills in defaults.
func (a attributes) complete(tier string, b *bucket) (attributes, error) {
	if a.Headers["Content-Type"] == "" {
		a.Headers["Content-Type"] = "application/octet-stream"
	}
	if tier == "" {
		tier = b.Settings.StorageTier
	}
	var err error
	if a.Tier, err = matchTier(tier); err != nil {
		return a, err
	}
	return a, checkMetadata(a.Meta)
}

func putObject(c *call) error {
	name := c.vars["object"]
	if err := checkObjectName(name); err != nil {
		return err
	}
	if c.vars["token"] != "" && c.value("opc-multipart") == "true" {
		return c.locked(func() error { return c.beginParUpload(name) })
	}
	var a attributes
	err := c.locked(func() error { // before the body, so that a client that waits for 100 Continue need not send it
		b, err := c.findBucket()
		if err != nil {
			return err
		}
		if a, err = c.attributes(b); err != nil {
			return err
		}
		if err := c.mayPut(b, name); err != nil {
			return err
		}
		return c.writeConditions(c.s.currentETag(b, name))
	})
	if err != nil {
		return err
	}
	rec, sums, err := c.receiveBody()
	if err != nil {
		return err
	}
	var o *object
	err = c.locked(func() error {
		b, err := c.findBucket()
		if err != nil {
			return err
		}
		if err := c.writeConditions(c.s.currentETag(b, name)); err != nil {
			return err
		}
		if o, err = c.s.commitReceived(b, name, rec, sums, a); err != nil {
			return err
		}
		if c.fault != nil && c.fault.LateDuplicate > 0 {
			c.s.putAgain(c, b.ID, o)
		}
		return nil
	})
	if err != nil {
		c.s.store.discard(rec.File)
		return err
	}
	c.objectWritten(o)
	for k, v := range sums.answer() {
		c.header.Set(k, v)
	}
	return c.empty(200)
}

// mayPut checks before the body is read what can be known of a PUT. The caller holds s.mu.
func (c *call) mayPut(b *bucket, name string) error {
	if err := c.s.mayReplace(b, name); err != nil {
		return err
	}
	return c.s.haveRoom(max(0, c.r.ContentLength))
}

// putAgain arranges that the object is put once more, as if the first attempt of a retried request arrived late. The file
// stays until then. The caller holds s.mu.
func (s *Server) putAgain(c *call, bucketID string, o *object) {
	again := *o
	for _, seg := range again.Files {
		s.store.retain(seg.File)
	}
	s.after(c.fault.LateDuplicate, func() {
		if b := s.bucketByID(bucketID); b != nil {
			_ = s.replaceObject(b, &again, change{}) // nobody waits for it
		}
		s.store.releaseAll(again.Files)
	})
}

// bucketByID returns the bucket with an OCID, nil if there is none. The caller holds s.mu.
func (s *Server) bucketByID(id string) *bucket {
	for _, b := range s.state.ObjectStorage.Buckets {
		if b.ID == id {
			return b
		}
	}
	return nil
}

// locked runs f under s.mu, unless the simulator is closed.
func (c *call) locked(f func() error) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.closed {
		return fail(503, "ServiceUnavailable", "The simulator is closed.")
	}
	return f()
}

// currentETag is that of the object, "" if there is none. The caller holds s.mu.
func (s *Server) currentETag(b *bucket, name string) string {
	if o := s.store.bucket(b.ID).objects[name]; o != nil {
		return o.ETag
	}
	return ""
}

// commitReceived makes received bytes an object. The caller holds s.mu.
func (s *Server) commitReceived(b *bucket, name string, rec *received, sums *checksums, a attributes) (*object, error) {
	o := &object{
		Name: name, Size: rec.Size, MD5: rec.MD5, CRC32C: rec.CRC32C, attributes: a, Files: []segment{rec.segment},
	}
	if sums != nil {
		o.SHA256, o.SHA384 = sums.keptSHA256(), sums.keptSHA384()
	}
	return o, s.replaceObject(b, o, change{})
}

// putObjectFile moves the file at path into a bucket of the tenancy's namespace as the object name, replacing an older one at
// once. The file must be on the file system of Dir, and nobody may write to it. It takes s.mu: the caller must not hold it.
func (s *Server) putObjectFile(region, bucket, name, path string, meta map[string]string) error {
	if err := checkObjectName(name); err != nil {
		return err
	}
	rec, err := s.store.measure(path, digests{md5: !s.skipMD5})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the simulator is closed")
	}
	b, err := s.findBucket(region, bucket)
	if err != nil {
		return err
	}
	if err := s.checkKmsKey(b.Settings.KmsKey); err != nil {
		return err
	}
	a, err := attributes{Headers: map[string]string{}, Meta: maps.Clone(meta)}.complete("", b)
	if err != nil {
		return err
	}
	if err := os.Rename(path, s.store.path(rec.File)); err != nil {
		return err
	}
	a.KmsKey = b.Settings.KmsKey
	_, err = s.commitReceived(b, name, rec, nil, a)
	if err != nil {
		s.store.discard(rec.File)
	}
	return err
}

// objectWritten sets the headers that tell of a new object.
func (c *call) objectWritten(o *object) {
	c.header.Set("Etag", o.ETag)
	c.header.Set("Last-Modified", httpTime(o.Modified))
	c.header.Set("version-id", o.Version)
}

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
