package ocisim

import (
	"encoding/base64"
	"strings"
)

// checksums are those of one request body: which the client wants, which it expects, and what came.
type checksums struct {
	algorithm string
	rec       *received
	expect    map[string][]byte // by header
}

// receiveBody stores the body of a PUT and verifies all checksums that the client gave. On an error nothing remains.
func (c *call) receiveBody() (*received, *checksums, error) {
	if c.r.ContentLength < 0 {
		return nil, nil, fail(411, "ContentLengthRequired", "The Content-Length header is required")
	}
	if c.r.ContentLength > maxPart {
		return nil, nil, fail(413, "RequestEntityTooLarge", "The request body has %d bytes, more than %d", c.r.ContentLength, int64(maxPart))
	}
	sums, err := c.wantedChecksums()
	if err != nil {
		return nil, nil, err
	}
	rec, err := c.s.store.receive(c.r.Body, digests{
		md5:    !c.s.skipMD5 || sums.expect["Content-MD5"] != nil,
		sha256: sums.uses("SHA256") || sums.expect["x-content-sha256"] != nil,
		sha384: sums.uses("SHA384"),
	})
	if err != nil {
		return nil, nil, err
	}
	sums.rec = rec
	if err = sums.verify(); err == nil && rec.Size != c.r.ContentLength {
		err = fail(400, "InvalidContentLength", "The request body has %d bytes, Content-Length says %d", rec.Size, c.r.ContentLength)
	}
	if err != nil {
		c.s.store.discard(rec.File)
		return nil, nil, err
	}
	return rec, sums, nil
}

// wantedChecksums reads the headers that concern checksums.
func (c *call) wantedChecksums() (*checksums, error) {
	s := &checksums{algorithm: strings.ToUpper(c.value("opc-checksum-algorithm")), expect: map[string][]byte{}}
	switch s.algorithm {
	case "", "CRC32C", "SHA256", "SHA384":
	default:
		return nil, fail(400, "InvalidParameter", "opc-checksum-algorithm %q is not one of CRC32C, SHA256, SHA384", s.algorithm)
	}
	for _, h := range []struct {
		name, text string
		size       int
	}{
		{"Content-MD5", c.value("Content-MD5"), 16},
		{"opc-content-crc32c", c.value("opc-content-crc32c"), 4},
		{"opc-content-sha256", c.value("opc-content-sha256"), 32},
		{"opc-content-sha384", c.value("opc-content-sha384"), 48},
		{"x-content-sha256", c.signedSHA256, 32},
	} {
		if h.text == "" {
			continue
		}
		b, err := base64.StdEncoding.DecodeString(h.text)
		if err != nil || len(b) != h.size {
			code := "InvalidParameter"
			if h.name == "Content-MD5" {
				code = "InvalidContentMD5"
			}
			return nil, fail(400, code, "The %s header '%s' is not the base64 of %d bytes", h.name, h.text, h.size)
		}
		s.expect[h.name] = b
	}
	return s, nil
}

// verify compares what came with what the client announced.
func (s *checksums) verify() error {
	for _, h := range []struct{ name, algorithm, code, computed string }{
		{"x-content-sha256", "SHA256", "NotAuthenticated", s.rec.SHA256},
		{"Content-MD5", "MD5", "UnmatchedContentMD5", s.rec.MD5},
		{"opc-content-crc32c", "CRC32C", "UnmatchedContentCRC32C", encodeCRC(s.rec.CRC32C)},
		{"opc-content-sha256", "SHA256", "UnmatchedContentSHA256", s.rec.SHA256},
		{"opc-content-sha384", "SHA384", "UnmatchedContentSHA384", s.rec.SHA384},
	} {
		want, ok := s.expect[h.name]
		if !ok || encode64(want) == h.computed {
			continue
		}
		if h.code == "NotAuthenticated" {
			return errNotAuthenticated("x-content-sha256 does not match the body")
		}
		return fail(400, h.code, "The computed %s of the request body (%s) does not match the %s header (%s)", h.algorithm, h.computed, h.name, encode64(want))
	}
	return nil
}

func (s *checksums) uses(algorithm string) bool {
	return s.algorithm == algorithm || s.expect["opc-content-"+strings.ToLower(algorithm)] != nil
}

func (s *checksums) keptSHA256() string {
	if s.uses("SHA256") {
		return s.rec.SHA256
	}
	return ""
}

func (s *checksums) keptSHA384() string {
	if s.uses("SHA384") {
		return s.rec.SHA384
	}
	return ""
}

// answer are the headers that tell what the server computed: MD5 always, others if asked for.
func (s *checksums) answer() map[string]string {
	h := map[string]string{}
	if s.rec.MD5 != "" {
		h["opc-content-md5"] = s.rec.MD5
	}
	if s.uses("CRC32C") {
		h["opc-content-crc32c"] = encodeCRC(s.rec.CRC32C)
	}
	if v := s.keptSHA256(); v != "" {
		h["opc-content-sha256"] = v
	}
	if v := s.keptSHA384(); v != "" {
		h["opc-content-sha384"] = v
	}
	return h
}
