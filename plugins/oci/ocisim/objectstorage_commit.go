package ocisim

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"slices"
	"strconv"
)

// commitDetails is the body of CommitMultipartUpload.
type commitDetails struct {
	PartsToCommit  []partToCommit
	PartsToExclude []int
}

type partToCommit struct {
	PartNum int
	ETag    string
}

func commitMultipartUpload(c *call) error {
	b, u, err := c.findUpload()
	if err != nil {
		return err
	}
	var in commitDetails
	if err := c.decode(&in); err != nil {
		return err
	}
	return c.commit(b, u, &in)
}

// commit makes an object of the parts of an upload that are chosen.
func (c *call) commit(b *bucket, u *upload, in *commitDetails) error {
	parts, err := c.s.chooseParts(u, in)
	if err != nil {
		return err
	}
	if err := c.writeConditions(c.s.currentETag(b, u.Object)); err != nil {
		return err
	}
	o := joinParts(u, parts)
	if err := c.s.replaceObject(b, o, change{Upload: u.ID, End: true}); err != nil {
		return err
	}
	c.objectWritten(o)
	c.header.Set("opc-content-crc32c", encodeCRC(o.CRC32C))
	for name, v := range map[string]string{"opc-multipart-md5": o.MultipartMD5, "opc-multipart-sha256": o.SHA256, "opc-multipart-sha384": o.SHA384} {
		if v != "" {
			c.header.Set(name, v)
		}
	}
	return c.empty(200)
}

// chooseParts returns the parts to commit in order of their numbers, whatever the order in the request. Each uploaded part
// must be committed, by its present ETag, or excluded.
func (s *Server) chooseParts(u *upload, in *commitDetails) ([]*part, error) {
	if len(in.PartsToCommit) == 0 {
		return nil, fail(400, "InvalidUploadPart", "There must be at least one part to commit")
	}
	chosen := map[int]bool{}
	var parts []*part
	var size int64
	for _, want := range in.PartsToCommit {
		p := u.parts[want.PartNum]
		switch {
		case chosen[want.PartNum]:
			return nil, fail(400, "InvalidUploadPartOrder", "The part %d is listed twice", want.PartNum)
		case p == nil:
			return nil, fail(400, "InvalidUploadPart", "The part %d has not been uploaded", want.PartNum)
		case p.ETag != want.ETag:
			return nil, fail(400, "InvalidUploadPart", "The ETag '%s' is not that of the part %d", want.ETag, want.PartNum)
		}
		chosen[want.PartNum] = true
		parts = append(parts, p)
		size += p.Size
	}
	for _, n := range in.PartsToExclude {
		if chosen[n] {
			return nil, fail(400, "InvalidUploadPart", "The part %d is both to be committed and to be excluded", n)
		}
	}
	for n := range u.parts {
		if !chosen[n] && !slices.Contains(in.PartsToExclude, n) {
			return nil, fail(400, "InvalidUploadPart", "The part %d was uploaded and is neither to be committed nor to be excluded", n)
		}
	}
	if size > maxObject {
		return nil, fail(400, "InvalidUploadPart", "The object would have %d bytes, more than %d", size, int64(maxObject))
	}
	slices.SortFunc(parts, func(x, y *part) int { return x.Number - y.Number })
	for _, p := range parts[:len(parts)-1] {
		if p.Size < s.minPart {
			return nil, fail(400, "InvalidUploadPart", "The part %d has %d bytes, less than %d", p.Number, p.Size, s.minPart)
		}
	}
	return parts, nil
}

// joinParts makes an object of parts. No byte is copied: the object is the list of their files.
func joinParts(u *upload, parts []*part) *object {
	o := &object{Name: u.Object, attributes: u.attributes, Parts: len(parts)}
	for _, p := range parts {
		o.CRC32C = combineCRC(o.CRC32C, p.CRC32C, p.Size)
		o.Size += p.Size
		o.Files = append(o.Files, p.segment)
	}
	o.MultipartMD5 = hashOfHashes(md5.New(), parts, func(p *part) string { return p.MD5 })
	o.SHA256 = hashOfHashes(sha256.New(), parts, func(p *part) string { return p.SHA256 })
	o.SHA384 = hashOfHashes(sha512.New384(), parts, func(p *part) string { return p.SHA384 })
	return o
}

// hashOfHashes is the hash of the parts' binary hashes, followed by their number; "" if a part has none.
func hashOfHashes(h hash.Hash, parts []*part, of func(*part) string) string {
	for _, p := range parts {
		b, err := base64.StdEncoding.DecodeString(of(p))
		if err != nil || len(b) == 0 {
			return ""
		}
		h.Write(b)
	}
	return encode64(h.Sum(nil)) + "-" + strconv.Itoa(len(parts))
}
