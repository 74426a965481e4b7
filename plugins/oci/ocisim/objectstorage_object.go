package ocisim

import (
	"errors"
	"maps"
	"os"
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
