package ocisim

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func (b *testbed) head(bucket *string, name string) objectstorage.HeadObjectResponse {
	b.Helper()
	resp, err := b.OS.HeadObject(b.ctx, objectstorage.HeadObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name})
	b.must(err)
	return resp
}

func oddNames() []string {
	return []string{
		"plain", "/lead", "//lead", "a//b", "a/../b", "..", ".", "../../etc/passwd", "./x", "a/", "a//", "/", "//", "?", "#", "%", "%2F", "%zz", "a?b=c&d", "a b", "+",
		"a+b", "ä/ö/日本語", "💾", "{ns}", "[x]", `back\slash`, `"quoted"`, "tab\there", ":", "*", "&", "=", ";", "@", "~", "o/o/o", "/o/", "u/x?uploadId=1",
		strings.Repeat("n", 1024), strings.Repeat("日", 341), strings.Repeat("a/", 512),
	}
}

func TestOddNames(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	for _, name := range oddNames() {
		b.put(bucket, name, "content of "+name)
	}
	for _, name := range oddNames() {
		equal(t, name, b.get(bucket, name), "content of "+name)
	}
	got := map[string]bool{}
	for _, name := range b.names(bucket, objectstorage.ListObjectsRequest{Limit: common.Int(7)}) {
		got[name] = true
	}
	for _, name := range oddNames() {
		if !got[name] {
			t.Errorf("%q is not listed", name)
		}
		_, err := b.OS.DeleteObject(b.ctx, objectstorage.DeleteObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name})
		b.must(err)
	}
	equal(t, "objects", len(got), len(oddNames()))
	b.noFilesBut(0)
}

func TestBadNames(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	for _, name := range []string{strings.Repeat("n", 1025), "a\x00b", "a\nb", "a\rb", "\xff"} {
		_, err := b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, name, "x"))
		b.fails(err, 400, "InvalidObjectName")
	}
}

func TestObjectHeaders(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	req := putRequest(b.ns, bucket, "o", "hello")
	req.ContentType, req.ContentLanguage, req.ContentEncoding = str("text/x"), str("de"), str("gzip")
	req.ContentDisposition, req.CacheControl = str("attachment"), str("no-cache")
	req.OpcMeta = map[string]string{"Color": "Blue", "empty": ""}
	put, err := b.OS.PutObject(b.ctx, req)
	b.must(err)
	equal(t, "md5 of put", *put.OpcContentMd5, "XUFAKrxLKna5cZ2REBfFkg==")
	equal(t, "crc32c not asked for", put.OpcContentCrc32c == nil, true)
	b.hasHeaders(put.RawResponse, "etag last-modified opc-content-md5 opc-request-id version-id x-api-id")

	for name, raw := range map[string]*http.Response{
		"get":  b.rawGet(bucket, "o"),
		"head": b.head(bucket, "o").RawResponse,
	} {
		for header, want := range map[string]string{
			"Content-Type": "text/x", "Content-Language": "de", "Content-Encoding": "gzip", "Content-Disposition": "attachment", "Cache-Control": "no-cache",
			"opc-meta-color": "Blue", "Content-Length": "5", "Content-MD5": "XUFAKrxLKna5cZ2REBfFkg==", "opc-content-crc32c": "mnG7TA==", "Etag": *put.ETag,
			"Accept-Ranges": "bytes", "storage-tier": "Standard", "version-id": *put.VersionId, "opc-multipart-md5": "",
		} {
			equal(t, name+" "+header, raw.Header.Get(header), want)
		}
	}
	get, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o"),
		HttpResponseContentType: str("text/y"), HttpResponseContentDisposition: str("inline"), VersionId: put.VersionId})
	b.must(err)
	get.Content.Close()
	equal(t, "overridden type", *get.ContentType, "text/y")
	equal(t, "overridden disposition", *get.ContentDisposition, "inline")
	_, err = b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o"), VersionId: str("other")})
	b.fails(err, 404, "ObjectNotFound")

	req = putRequest(b.ns, bucket, "large-meta", "x")
	req.OpcMeta = map[string]string{"k": strings.Repeat("v", 4096)}
	_, err = b.OS.PutObject(b.ctx, req)
	b.fails(err, 400, "MetadataTooLarge")
}

func (b *testbed) rawGet(bucket *string, name string) *http.Response {
	b.Helper()
	resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name})
	b.must(err)
	resp.Content.Close()
	return resp.RawResponse
}

func TestConditions(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	put := func(name string, ifMatch, ifNoneMatch *string) error {
		req := putRequest(b.ns, bucket, name, "new")
		req.IfMatch, req.IfNoneMatch = ifMatch, ifNoneMatch
		_, err := b.OS.PutObject(b.ctx, req)
		return err
	}
	etag := b.put(bucket, "o", "old")
	b.fails(put("o", nil, str("*")), 412, "IfNoneMatchFailed")
	b.fails(put("o", nil, &etag), 400, "IfNoneMatchDisallowed")
	b.fails(put("o", str("stale"), nil), 412, "IfMatchFailed")
	b.fails(put("o", &etag, str("*")), 400, "InvalidConditionalHeaders")
	b.fails(put("absent", str("*"), nil), 412, "IfMatchFailed")
	equal(t, "content after refused writes", b.get(bucket, "o"), "old")
	b.must(put("o", &etag, nil))
	b.fails(put("o", &etag, nil), 412, "IfMatchFailed")
	b.must(put("o", str("*"), nil))
	b.must(put("absent", nil, str("*")))

	now := *b.head(bucket, "o").ETag
	get := func(ifMatch, ifNoneMatch *string) (objectstorage.GetObjectResponse, error) {
		resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o"), IfMatch: ifMatch, IfNoneMatch: ifNoneMatch})
		if resp.Content != nil {
			resp.Content.Close()
		}
		return resp, err
	}
	_, err := get(&etag, nil)
	b.fails(err, 412, "IfMatchFailed")
	_, err = get(&now, nil)
	b.must(err)
	_, err = get(nil, &etag)
	b.must(err)
	resp, err := get(nil, &now)
	b.must(err)
	equal(t, "status", resp.RawResponse.StatusCode, 304)
	equal(t, "etag of 304", *resp.ETag, now)

	remove := func(name string, ifMatch *string) error {
		_, err := b.OS.DeleteObject(b.ctx, objectstorage.DeleteObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name, IfMatch: ifMatch})
		return err
	}
	b.fails(remove("o", &etag), 412, "IfMatchFailed")
	b.must(remove("o", &now))
	b.fails(remove("o", nil), 404, "ObjectNotFound")
	_, err = b.OS.HeadObject(b.ctx, objectstorage.HeadObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o")})
	b.fails(err, 404, "BadErrorResponse")
}

// TestRacingCreates: of many clients that create the same object, exactly one succeeds.
func TestRacingCreates(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	won := make(chan int, 16)
	var wg sync.WaitGroup
	for i := range cap(won) {
		wg.Go(func() {
			req := putRequest(b.ns, bucket, "o", fmt.Sprint(i))
			req.IfNoneMatch = str("*")
			if _, err := b.OS.PutObject(b.ctx, req); err == nil {
				won <- i
			}
		})
	}
	wg.Wait()
	close(won)
	equal(t, "winners", len(won), 1)
	equal(t, "content", b.get(bucket, "o"), fmt.Sprint(<-won))
	b.noFilesBut(1)
}

func TestRanges(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	b.put(bucket, "o", "0123456789")
	b.put(bucket, "empty", "")
	for _, tc := range []struct {
		name, text   string
		status       int
		body, header string
	}{
		{"o", "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"o", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"o", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"o", "bytes=-99", 206, "0123456789", "bytes 0-9/10"},
		{"o", "bytes=9-99999999999999999999", 206, "9", "bytes 9-9/10"},
		{"o", "bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"o", "bytes=10-", 416, "", ""},
		{"o", "bytes=-0", 416, "", ""},
		{"empty", "bytes=0-0", 416, "", ""},
		{"o", "bytes=4-2", 200, "0123456789", ""},
		{"o", "bytes=0-1,3-4", 200, "0123456789", ""},
		{"o", "lines=1-2", 200, "0123456789", ""},
		{"o", "bytes=x-2", 200, "0123456789", ""},
	} {
		resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &tc.name, Range: &tc.text})
		if tc.status == 416 {
			b.fails(err, 416, "InvalidRange")
			continue
		}
		b.must(err)
		body, err := io.ReadAll(resp.Content)
		resp.Content.Close()
		b.must(err)
		equal(t, tc.text, resp.RawResponse.StatusCode, tc.status)
		equal(t, tc.text, string(body), tc.body)
		equal(t, tc.text, resp.RawResponse.Header.Get("Content-Range"), tc.header)
		equal(t, tc.text+": whole-object checksum", *resp.ContentMd5, "eB5eJF1ptWaXm4bijSPyxw==")
	}
}

// TestReplaceWhileRead: who reads an object gets the bytes it had, whatever happens to it meanwhile.
func TestReplaceWhileRead(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	content := strings.Repeat("old bytes", 2<<20) // more than sockets hold
	b.put(bucket, "o", content)
	resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o")})
	b.must(err)
	defer resp.Content.Close()
	b.put(bucket, "o", "new")
	equal(t, "new content", b.get(bucket, "o"), "new")
	old, err := io.ReadAll(resp.Content)
	b.must(err)
	equal(t, "old content is whole", string(old) == content, true)
	b.eventually(func() bool { return len(b.dataFiles()) == 1 })
}

// eventually polls until done, for ten seconds.
func (b *testbed) eventually(done func() bool) {
	b.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(10 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			b.Fatal("nothing happened for ten seconds")
		}
	}
}

func TestBrokenUploads(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	par := b.createPAR(bucket, "ObjectWrite", "o")
	resp := b.raw("PUT " + *par.AccessUri + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
	equal(t, "no length", resp.StatusCode, 411)
	resp = b.raw("PUT " + *par.AccessUri + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 53687091201\r\n\r\n")
	equal(t, "too large", resp.StatusCode, 413)
	b.cutOff("PUT " + *par.AccessUri + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	b.eventually(func() bool { return len(b.dataFiles()) == 0 && b.Server.Log().Count("PutObject") == 3 })
	equal(t, "objects", len(b.names(bucket, objectstorage.ListObjectsRequest{})), 0)
}
