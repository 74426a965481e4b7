package ocisim

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func TestChecksums(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	content := strings.Repeat("checksum ", 100_000) // several windows
	sumMD5, sum256, sum384 := md5.Sum([]byte(content)), sha256.Sum256([]byte(content)), sha512.Sum384([]byte(content))
	md5sum, crc := encode64(sumMD5[:]), encodeCRC(crc32.Checksum([]byte(content), castagnoli()))
	sha256sum, sha384sum := encode64(sum256[:]), encode64(sum384[:])
	wrong := md5.Sum(nil)
	type request = objectstorage.PutObjectRequest
	for _, tc := range []struct {
		name   string
		change func(*request)
		code   string // of the 400, if it fails
		answer string // header that must be there
		value  string
	}{
		{"nothing", func(*request) {}, "", "opc-content-md5", md5sum},
		{"MD5", func(r *request) { r.ContentMD5 = &md5sum }, "", "opc-content-md5", md5sum},
		{"CRC32C asked for", func(r *request) { r.OpcChecksumAlgorithm = "CRC32C" }, "", "opc-content-crc32c", crc},
		{"CRC32C given", func(r *request) { r.OpcContentCrc32c = &crc }, "", "opc-content-crc32c", crc},
		{"SHA256 asked for", func(r *request) { r.OpcChecksumAlgorithm = "SHA256" }, "", "opc-content-sha256", sha256sum},
		{"SHA256 given", func(r *request) { r.OpcContentSha256 = &sha256sum }, "", "opc-content-sha256", sha256sum},
		{"SHA384 asked for", func(r *request) { r.OpcChecksumAlgorithm = "SHA384" }, "", "opc-content-sha384", sha384sum},
		{"SHA384 given", func(r *request) { r.OpcContentSha384 = &sha384sum }, "", "opc-content-sha384", sha384sum},
		{"wrong MD5", func(r *request) { r.ContentMD5 = str(encode64(wrong[:])) }, "UnmatchedContentMD5", "", ""},
		{"no MD5", func(r *request) { r.ContentMD5 = str("AAAA") }, "InvalidContentMD5", "", ""},
		{"wrong CRC32C", func(r *request) { r.OpcContentCrc32c = str("AAAAAA==") }, "UnmatchedContentCRC32C", "", ""},
		{"wrong SHA256", func(r *request) { r.OpcContentSha256 = str(encode64(make([]byte, 32))) }, "UnmatchedContentSHA256", "", ""},
		{"wrong SHA384", func(r *request) { r.OpcContentSha384 = str(encode64(make([]byte, 48))) }, "UnmatchedContentSHA384", "", ""},
		{"short SHA384", func(r *request) { r.OpcContentSha384 = str("AAAA") }, "InvalidParameter", "", ""},
	} {
		name := "object of " + tc.name
		req := putRequest(b.ns, bucket, name, content)
		tc.change(&req)
		resp, err := b.OS.PutObject(b.ctx, req)
		t.Log(tc.name)
		if tc.code != "" {
			b.fails(err, 400, tc.code)
			_, err = b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name})
			b.fails(err, 404, "ObjectNotFound")
			continue
		}
		b.must(err)
		equal(t, tc.answer, resp.RawResponse.Header.Get(tc.answer), tc.value)
		head := b.head(bucket, name).RawResponse.Header
		if tc.answer != "opc-content-md5" {
			equal(t, "head "+tc.answer, head.Get(tc.answer), tc.value)
		}
		equal(t, "head content-md5", head.Get("content-md5"), md5sum)
		equal(t, "head crc32c", head.Get("opc-content-crc32c"), crc)
	}
	b.noFilesBut(8)
}

func TestMultipartHashes(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	up := b.createUpload(bucket, "o")
	var parts []commitPart
	var sums []byte
	for i, content := range []string{"one", "two"} {
		req := partRequest(up, i+1, content)
		req.OpcChecksumAlgorithm = "SHA256"
		resp, err := b.OS.UploadPart(b.ctx, req)
		b.must(err)
		sum := sha256.Sum256([]byte(content))
		equal(t, "sha256 of part", *resp.OpcContentSha256, encode64(sum[:]))
		sums = append(sums, sum[:]...)
		n := i + 1
		parts = append(parts, commitPart{PartNum: &n, Etag: resp.ETag})
	}
	resp, err := b.OS.CommitMultipartUpload(b.ctx, commitRequest(up, parts...))
	b.must(err)
	whole := sha256.Sum256(sums)
	equal(t, "multipart sha256", *resp.OpcMultipartSha256, encode64(whole[:])+"-2")
	equal(t, "head", *b.head(bucket, "o").OpcMultipartSha256, encode64(whole[:])+"-2")
}

func TestSkipMD5(t *testing.T) {
	b := newTestbed(t, Options{SkipMD5: true})
	bucket := b.bucket("b")
	resp, err := b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, "o", "hello"))
	b.must(err)
	head := b.head(bucket, "o")
	if resp.OpcContentMd5 != nil || head.ContentMd5 != nil || *head.OpcContentCrc32c != "mnG7TA==" {
		t.Errorf("got MD5 %v and %v, CRC32C %v", resp.OpcContentMd5, head.ContentMd5, head.OpcContentCrc32c)
	}
	up := b.createUpload(bucket, "m")
	b.must(b.commit(up, b.uploadPart(up, 1, "hello")))
	head = b.head(bucket, "m")
	if head.OpcMultipartMd5 != nil || *head.OpcContentCrc32c != "mnG7TA==" {
		t.Errorf("got MD5 %v, CRC32C %v", head.OpcMultipartMd5, head.OpcContentCrc32c)
	}
	req := putRequest(b.ns, bucket, "o", "hello")
	req.ContentMD5 = str("AAAAAAAAAAAAAAAAAAAAAA==")
	_, err = b.OS.PutObject(b.ctx, req)
	b.fails(err, 400, "UnmatchedContentMD5")
}
