package ocisim

import (
	"bytes"
	"crypto/md5"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

type commitPart = objectstorage.CommitMultipartUploadPartDetails

func (b *testbed) createUpload(bucket *string, name string) objectstorage.MultipartUpload {
	b.Helper()
	resp, err := b.OS.CreateMultipartUpload(b.ctx, objectstorage.CreateMultipartUploadRequest{NamespaceName: b.ns, BucketName: bucket,
		CreateMultipartUploadDetails: objectstorage.CreateMultipartUploadDetails{
			Object: &name, ContentType: str("text/plain"), Metadata: map[string]string{"opc-meta-color": "blue"},
		}})
	b.must(err)
	return resp.MultipartUpload
}

func partRequest(up objectstorage.MultipartUpload, n int, content string) objectstorage.UploadPartRequest {
	return objectstorage.UploadPartRequest{
		NamespaceName: up.Namespace, BucketName: up.Bucket, ObjectName: up.Object, UploadId: up.UploadId, UploadPartNum: &n,
		ContentLength: common.Int64(int64(len(content))), UploadPartBody: io.NopCloser(bytes.NewReader([]byte(content))),
	}
}

func (b *testbed) uploadPart(up objectstorage.MultipartUpload, n int, content string) commitPart {
	b.Helper()
	resp, err := b.OS.UploadPart(b.ctx, partRequest(up, n, content))
	b.must(err)
	return commitPart{PartNum: &n, Etag: resp.ETag}
}

func commitRequest(up objectstorage.MultipartUpload, parts ...commitPart) objectstorage.CommitMultipartUploadRequest {
	return objectstorage.CommitMultipartUploadRequest{
		NamespaceName: up.Namespace, BucketName: up.Bucket, ObjectName: up.Object, UploadId: up.UploadId,
		CommitMultipartUploadDetails: objectstorage.CommitMultipartUploadDetails{PartsToCommit: parts},
	}
}

func (b *testbed) commit(up objectstorage.MultipartUpload, parts ...commitPart) error {
	_, err := b.OS.CommitMultipartUpload(b.ctx, commitRequest(up, parts...))
	return err
}

func (b *testbed) parts(up objectstorage.MultipartUpload) []objectstorage.MultipartUploadPartSummary {
	b.Helper()
	var all []objectstorage.MultipartUploadPartSummary
	req := objectstorage.ListMultipartUploadPartsRequest{
		NamespaceName: up.Namespace, BucketName: up.Bucket, ObjectName: up.Object, UploadId: up.UploadId, Limit: common.Int(2),
	}
	for {
		resp, err := b.OS.ListMultipartUploadParts(b.ctx, req)
		b.must(err)
		all = append(all, resp.Items...)
		if req.Page = resp.OpcNextPage; req.Page == nil {
			return all
		}
	}
}

func TestMultipartUpload(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	b.put(bucket, "dir//big", "old")
	up := b.createUpload(bucket, "dir//big")
	contents := []string{strings.Repeat("a", 300<<10), strings.Repeat("b", 1<<10), strings.Repeat("c", 17)}
	p1 := b.uploadPart(up, 1, contents[0])
	p5 := b.uploadPart(up, 5, "replaced")
	p5new := b.uploadPart(up, 5, contents[1])
	p9 := b.uploadPart(up, 9, contents[2])
	if *p5.Etag == *p5new.Etag {
		t.Error("a replaced part keeps its etag")
	}
	parts := b.parts(up)
	if len(parts) != 3 || *parts[1].PartNumber != 5 || *parts[1].Size != 1<<10 || *parts[1].Etag != *p5new.Etag {
		t.Errorf("got parts %v", parts)
	}
	equal(t, "object before the commit", b.get(bucket, "dir//big"), "old")

	resp, err := b.OS.CommitMultipartUpload(b.ctx, commitRequest(up, p9, p1, p5new)) // any order, as the SDK's manager sends
	b.must(err)
	whole := strings.Join(contents, "")
	equal(t, "crc32c", *resp.OpcContentCrc32c, encodeCRC(crc32.Checksum([]byte(whole), castagnoli())))
	var sums []byte
	for _, c := range contents {
		sum := md5.Sum([]byte(c))
		sums = append(sums, sum[:]...)
	}
	sum := md5.Sum(sums)
	equal(t, "multipart md5", *resp.OpcMultipartMd5, encode64(sum[:])+"-3")
	equal(t, "content is the parts in order", b.get(bucket, "dir//big") == whole, true)
	head, err := b.OS.HeadObject(b.ctx, objectstorage.HeadObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: up.Object})
	b.must(err)
	equal(t, "etag", *head.ETag, *resp.ETag)
	equal(t, "length", *head.ContentLength, int64(len(whole)))
	equal(t, "no content-md5", head.ContentMd5 == nil, true)
	equal(t, "multipart md5 of head", *head.OpcMultipartMd5, *resp.OpcMultipartMd5)
	equal(t, "type", *head.ContentType, "text/plain")
	equal(t, "metadata", head.OpcMeta["color"], "blue")
	b.fails(b.commit(up, p1, p5new, p9), 404, "UploadNotFound")
}

func TestRangeOverParts(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	up := b.createUpload(bucket, "o")
	b.must(b.commit(up, b.uploadPart(up, 1, "0123"), b.uploadPart(up, 2, "4567"), b.uploadPart(up, 3, "89")))
	for text, want := range map[string]string{
		"bytes=0-9": "0123456789", "bytes=3-4": "34", "bytes=4-7": "4567", "bytes=2-8": "2345678", "bytes=-1": "9", "bytes=5-": "56789", "bytes=9-99": "9",
	} {
		resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o"), Range: &text})
		b.must(err)
		got, err := io.ReadAll(resp.Content)
		resp.Content.Close()
		b.must(err)
		equal(t, text, string(got), want)
	}
}

func TestCommitRules(t *testing.T) {
	b := newTestbed(t, Options{MinPartSize: 4})
	bucket := b.bucket("b")
	etag := b.put(bucket, "there", "x")
	up := b.createUpload(bucket, "there")
	stale, p2, small := b.uploadPart(up, 1, "one!"), b.uploadPart(up, 2, "two!"), b.uploadPart(up, 3, "3")
	p1 := b.uploadPart(up, 1, "ONE!")
	never := commitPart{PartNum: common.Int(4), Etag: p1.Etag}
	all := []commitPart{p1, p2, small}
	type request = objectstorage.CommitMultipartUploadRequest
	for _, tc := range []struct {
		name   string
		parts  []commitPart
		change func(*request)
		status int
		code   string
	}{
		{"no parts", []commitPart{}, func(r *request) { r.PartsToExclude = []int{1, 2, 3} }, 400, "InvalidUploadPart"},
		{"stale etag", []commitPart{stale, p2, small}, nil, 400, "InvalidUploadPart"},
		{"never uploaded", []commitPart{p1, p2, small, never}, nil, 400, "InvalidUploadPart"},
		{"in neither list", []commitPart{p1, p2}, nil, 400, "InvalidUploadPart"},
		{"in both lists", all, func(r *request) { r.PartsToExclude = []int{2} }, 400, "InvalidUploadPart"},
		{"twice", []commitPart{p1, p2, small, p1}, nil, 400, "InvalidUploadPartOrder"},
		{"if-none-match on an existing object", all, func(r *request) { r.IfNoneMatch = str("*") }, 412, "IfNoneMatchFailed"},
		{"if-none-match with an etag", all, func(r *request) { r.IfNoneMatch = &etag }, 400, "IfNoneMatchDisallowed"},
		{"stale if-match", all, func(r *request) { r.IfMatch = str("stale") }, 412, "IfMatchFailed"},
		{"another object", all, func(r *request) { r.ObjectName = str("other") }, 404, "UploadNotFound"},
		{"unknown upload", all, func(r *request) { r.UploadId = str("nope") }, 404, "UploadNotFound"},
		{"unknown bucket", all, func(r *request) { r.BucketName = str("nope") }, 404, "BucketNotFound"},
	} {
		r := commitRequest(up, tc.parts...)
		if tc.change != nil {
			tc.change(&r)
		}
		_, err := b.OS.CommitMultipartUpload(b.ctx, r)
		t.Log(tc.name)
		b.fails(err, tc.status, tc.code)
	}
	equal(t, "object after refused commits", b.get(bucket, "there"), "x")
	last := b.uploadPart(up, 4, "tail")
	b.fails(b.commit(up, p1, p2, small, last), 400, "InvalidUploadPart") // part 3 is not the last and too small
	r := commitRequest(up, p1, last)
	r.PartsToExclude, r.IfMatch = []int{2, 3}, &etag
	_, err := b.OS.CommitMultipartUpload(b.ctx, r)
	b.must(err)
	equal(t, "object", b.get(bucket, "there"), "ONE!tail")
	b.noFilesBut(1 + 1)
}

// noFilesBut checks how many files the store holds.
func (b *testbed) noFilesBut(n int) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	equal(b.T, "files", len(b.dataFiles()), n)
	equal(b.T, "counted files", len(b.store.files), n)
}

func TestUploadPartRules(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	up := b.createUpload(bucket, "o")
	for _, n := range []int{0, -1, 10001} {
		_, err := b.OS.UploadPart(b.ctx, partRequest(up, n, "x"))
		b.fails(err, 400, "InvalidUploadPartNumber")
	}
	unknown := up
	unknown.UploadId = str("nope")
	_, err := b.OS.UploadPart(b.ctx, partRequest(unknown, 1, "x"))
	b.fails(err, 404, "UploadNotFound")
	r := partRequest(up, 1, "x")
	r.IfMatch = str("etag-of-the-object")
	_, err = b.OS.UploadPart(b.ctx, r)
	b.fails(err, 412, "IfMatchFailed")
	r = partRequest(up, 10000, "last")
	r.OpcChecksumAlgorithm = "CRC32C"
	resp, err := b.OS.UploadPart(b.ctx, r)
	b.must(err)
	equal(t, "crc32c", *resp.OpcContentCrc32c, encodeCRC(crc32.Checksum([]byte("last"), castagnoli())))
	b.fails(b.createErr(bucket, "o\nx", nil), 400, "InvalidObjectName")
	b.put(bucket, "there", "x")
	b.fails(b.createErr(bucket, "there", str("*")), 412, "IfNoneMatchFailed")
}

func (b *testbed) createErr(bucket *string, name string, ifNoneMatch *string) error {
	_, err := b.OS.CreateMultipartUpload(b.ctx, objectstorage.CreateMultipartUploadRequest{NamespaceName: b.ns, BucketName: bucket, IfNoneMatch: ifNoneMatch,
		CreateMultipartUploadDetails: objectstorage.CreateMultipartUploadDetails{Object: &name}})
	return err
}

func TestAbortAndListUploads(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	for _, name := range []string{"z", "a", "a", "m/ü"} {
		b.uploadPart(b.createUpload(bucket, name), 1, "x")
	}
	var names []string
	req := objectstorage.ListMultipartUploadsRequest{NamespaceName: b.ns, BucketName: bucket, Limit: common.Int(3)}
	for {
		resp, err := b.OS.ListMultipartUploads(b.ctx, req)
		b.must(err)
		for _, up := range resp.Items {
			names = append(names, *up.Object)
			abort := objectstorage.AbortMultipartUploadRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: up.Object, UploadId: up.UploadId}
			_, err := b.OS.AbortMultipartUpload(b.ctx, abort)
			b.must(err)
			_, err = b.OS.AbortMultipartUpload(b.ctx, abort)
			b.fails(err, 404, "UploadNotFound")
		}
		if req.Page = resp.OpcNextPage; req.Page == nil {
			break
		}
	}
	equal(t, "uploads", strings.Join(names, " "), "a a m/ü z")
	b.noFilesBut(0)
}
