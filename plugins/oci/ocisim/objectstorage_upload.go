package ocisim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// uploadDetails is the body of CreateMultipartUpload.
type uploadDetails struct {
	Object             string
	ContentType        string
	ContentLanguage    string
	ContentEncoding    string
	ContentDisposition string
	CacheControl       string
	StorageTier        string
	Metadata           map[string]string // keys with or without opc-meta-
}

func (d *uploadDetails) attributes(b *bucket) (attributes, error) {
	a := attributes{Headers: map[string]string{}, Meta: map[string]string{}}
	for name, v := range map[string]string{
		"Content-Type": d.ContentType, "Content-Language": d.ContentLanguage, "Content-Encoding": d.ContentEncoding,
		"Content-Disposition": d.ContentDisposition, "Cache-Control": d.CacheControl,
	} {
		if v != "" {
			a.Headers[name] = v
		}
	}
	for k, v := range d.Metadata {
		a.Meta[strings.TrimPrefix(strings.ToLower(k), "opc-meta-")] = v
	}
	return a.complete(d.StorageTier, b)
}

func createMultipartUpload(c *call) error {
	b, err := c.findWritableBucket()
	if err != nil {
		return err
	}
	var in uploadDetails
	if err := c.decode(&in); err != nil {
		return err
	}
	if err := checkObjectName(in.Object); err != nil {
		return err
	}
	if err := c.writeConditions(c.s.currentETag(b, in.Object)); err != nil {
		return err
	}
	u := &upload{ID: newUUID(), Object: in.Object, Created: c.s.now()}
	if u.attributes, err = in.attributes(b); err != nil {
		return err
	}
	if u.CustomerKey, u.KmsKey, err = c.encryption(b); err != nil {
		return err
	}
	if err := c.s.mayReplace(b, u.Object); err != nil {
		return err
	}
	if err := c.s.store.do(change{Bucket: b.ID, Begin: u}); err != nil {
		return err
	}
	c.header.Set("Location", c.origin()+"/n/"+c.s.state.Namespace+"/b/"+b.Name+"/u/"+escapeName(u.Object)+"?uploadId="+u.ID)
	return c.json(200, c.uploadAnswer(b, u))
}

func (c *call) uploadAnswer(b *bucket, u *upload) map[string]any {
	return map[string]any{
		"namespace": c.s.state.Namespace, "bucket": b.Name, "object": u.Object, "uploadId": u.ID, "timeCreated": jsonTime(u.Created),
		"storageTier": u.Tier,
	}
}

func listMultipartUploads(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	key := func(u *upload) string { return u.Object + "\x00" + u.ID }
	var uploads []*upload
	for _, u := range c.s.store.bucket(b.ID).uploads {
		uploads = append(uploads, u)
	}
	slices.SortFunc(uploads, func(x, y *upload) int { return cmp.Compare(key(x), key(y)) })
	if uploads, err = page(c, uploads, key); err != nil {
		return err
	}
	out := make([]map[string]any, 0, len(uploads))
	for _, u := range uploads {
		out = append(out, c.uploadAnswer(b, u))
	}
	return c.json(200, out)
}

// findUpload returns the open upload that the path and the query name. The caller holds s.mu.
func (c *call) findUpload() (*bucket, *upload, error) {
	b, err := c.findBucket()
	if err != nil {
		return nil, nil, err
	}
	id := c.uploadID
	if id == "" {
		id = c.query("uploadId")
	}
	u := c.s.store.bucket(b.ID).uploads[id]
	if u == nil || u.Object != c.vars["object"] {
		return nil, nil, fail(404, "UploadNotFound", "No such upload: '%s' of the object '%s'", id, c.vars["object"])
	}
	return b, u, nil
}

func uploadPart(c *call) error {
	return c.receivePart(c.query("uploadPartNum"))
}

// receivePart stores the body as the part of this number.
func (c *call) receivePart(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > maxParts {
		return fail(400, "InvalidUploadPartNumber", "The part number %q is not between 1 and %d", text, maxParts)
	}
	err = c.locked(func() error {
		b, u, err := c.findUpload()
		if err != nil {
			return err
		}
		if err := c.mayUploadPart(b, u); err != nil {
			return err
		}
		etag := ""
		if old := u.parts[number]; old != nil {
			etag = old.ETag
		}
		return c.writeConditions(etag)
	})
	if err != nil {
		return err
	}
	rec, sums, err := c.receiveBody()
	if err != nil {
		return err
	}
	p := &part{
		Number: number, ETag: newUUID(), MD5: rec.MD5, CRC32C: rec.CRC32C,
		SHA256: sums.keptSHA256(), SHA384: sums.keptSHA384(), segment: rec.segment,
	}
	if c.fault != nil && c.fault.LateListed > 0 {
		from := c.s.now().Add(c.fault.LateListed)
		p.Listed = &from
	}
	err = c.locked(func() error {
		b, u, err := c.findUpload()
		if err != nil {
			return err
		}
		if err := c.s.store.do(change{Bucket: b.ID, Upload: u.ID, Part: p}); err != nil {
			return err
		}
		if c.fault != nil && c.fault.LateDuplicate > 0 {
			c.s.putPartAgain(c, b.ID, u.ID, p)
		}
		return nil
	})
	if err != nil {
		c.s.store.discard(rec.File)
		return err
	}
	c.header.Set("Etag", p.ETag)
	for k, v := range sums.answer() {
		c.header.Set(k, v)
	}
	return c.empty(200)
}

// mayUploadPart checks before the body is read what can be known of a part. The caller holds s.mu.
func (c *call) mayUploadPart(b *bucket, u *upload) error {
	if err := b.writable(); err != nil {
		return err
	}
	given, err := c.customerKey(customerHeaders)
	if err != nil {
		return err
	}
	if err := c.s.mayDecrypt(given, u.CustomerKey, ""); err != nil {
		return err
	}
	if err := c.s.checkKmsKey(u.KmsKey); err != nil {
		return err
	}
	return c.s.haveRoom(max(0, c.r.ContentLength))
}

// putPartAgain arranges that the part arrives once more: it replaces what is there, with a new ETag, if the upload is still
// open. The caller holds s.mu.
func (s *Server) putPartAgain(c *call, bucketID, uploadID string, p *part) {
	again := *p
	again.ETag = newUUID()
	s.store.retain(again.File)
	s.after(c.fault.LateDuplicate, func() {
		if s.store.bucket(bucketID).uploads[uploadID] != nil {
			_ = s.store.do(change{Bucket: bucketID, Upload: uploadID, Part: &again}) // nobody waits for it
		}
		s.store.release(again.File)
	})
}

func listMultipartUploadParts(c *call) error {
	_, u, err := c.findUpload()
	if err != nil {
		return err
	}
	now := c.s.now()
	shown := slices.DeleteFunc(u.sortedParts(), func(p *part) bool { return p.Listed != nil && now.Before(*p.Listed) })
	parts, err := page(c, shown, func(p *part) string { return fmt.Sprintf("%05d", p.Number) })
	if err != nil {
		return err
	}
	out := make([]map[string]any, 0, len(parts))
	for _, p := range parts {
		out = append(out, map[string]any{"etag": p.ETag, "md5": p.MD5, "size": p.Size, "partNumber": p.Number})
	}
	return c.json(200, out)
}

func abortMultipartUpload(c *call) error {
	b, u, err := c.findUpload()
	if err != nil {
		return err
	}
	if err := c.s.store.do(change{Bucket: b.ID, Upload: u.ID, End: true}); err != nil {
		return err
	}
	return c.empty(204)
}
