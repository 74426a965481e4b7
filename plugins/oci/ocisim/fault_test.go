package ocisim

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func TestFaultInsteadOfOperation(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	put := func() error {
		_, err := b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, "o", "x"))
		return err
	}
	for _, tc := range []struct {
		effect Effect
		status int
		code   string
	}{
		{Effect{Status: 429, RetryAfter: 7 * time.Second}, 429, "TooManyRequests"},
		{Effect{Status: 503}, 503, "ServiceUnavailable"},
		{Effect{Status: 500}, 500, "InternalServerError"},
		{Effect{Status: 409}, 409, "IncorrectState"},
		{Effect{Status: 401}, 401, "NotAuthenticated"},
		{Effect{Status: 404}, 404, "NotAuthorizedOrNotFound"},
		{Effect{Status: 400, Code: "QuotaExceeded", Message: "m"}, 400, "QuotaExceeded"},
		{BucketNotFound(), 404, "BucketNotFound"},
	} {
		b.Faults().Add(Fault{Match{Operation: "PutObject", Times: 1}, tc.effect})
		err := put()
		b.fails(err, tc.status, tc.code)
		b.Faults().Reset()
	}
	equal(t, "objects", len(b.names(bucket, objectstorage.ListObjectsRequest{})), 0)
	b.Faults().Add(Fault{Match{Operation: "GetNamespace"}, Effect{Status: 429, RetryAfter: 7 * time.Second}})
	resp := b.send(signed{method: "GET", path: "/n"})
	resp.Body.Close()
	equal(t, "Retry-After", resp.Header.Get("Retry-After"), "7")
	b.must(put())
}

func TestFaultMatching(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	hit := func(name string) bool {
		b.Helper()
		resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name, VersionId: str("v" + name)})
		if err == nil {
			resp.Content.Close()
		}
		var e common.ServiceError
		return errors.As(err, &e) && e.GetHTTPStatusCode() == 503
	}
	pattern := func(n int, name string) string {
		var s strings.Builder
		for range n {
			s.WriteByte("-X"[btoi(hit(name))])
		}
		return s.String()
	}
	e := Effect{Status: 503}
	for _, tc := range []struct {
		match Match
		name  string
		want  string
	}{
		{Match{}, "o", "XXXX"},
		{Match{Method: "GET"}, "o", "XXXX"},
		{Match{Method: "PUT"}, "o", "----"},
		{Match{Operation: "HeadObject"}, "o", "----"},
		{Match{Path: "/o/par"}, "part", "XXXX"},
		{Match{Path: "/o/par"}, "o", "----"},
		{Match{Query: "&versionId=vo&"}, "o", "XXXX"},
		{Match{Query: "&versionId=vo&"}, "ox", "----"},
		{Match{Nth: 3}, "o", "--X-"},
		{Match{Times: 2}, "o", "XX--"},
		{Match{Probability: 0.5, Seed: 1}, "o", ""},
		{Match{Probability: 1e-9, Seed: 1}, "o", "----"},
	} {
		b.Faults().Reset()
		b.Faults().Add(Fault{tc.match, e})
		got := pattern(4, tc.name)
		if tc.match.Probability == 0.5 { // the same seed gives the same choice
			got += pattern(12, tc.name)
			b.Faults().Reset()
			b.Faults().Add(Fault{tc.match, e})
			tc.want = pattern(16, tc.name)
			if !strings.Contains(got, "X") || !strings.Contains(got, "-") {
				t.Errorf("half the requests: %s", got)
			}
		}
		if got != tc.want {
			t.Errorf("%+v: got %s, want %s", tc.match, got, tc.want)
		}
	}
	b.Faults().Reset()
	b.Faults().Add(Fault{Match{Nth: 1}, Effect{Status: 500}})
	b.Faults().Add(Fault{Match{Nth: 2}, e})
	equal(t, "second rule counts what the first struck", pattern(3, "o"), "-X-")
	equal(t, "struck", b.Faults().Struck(), 2)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestFaultOnConnections(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	large := strings.Repeat("x", 1<<20)
	for _, tc := range []struct {
		name   string
		effect Effect
		stored bool // the operation was done
	}{
		{"reset before", Effect{ResetBefore: true}, false},
		{"reset in the body", Effect{ResetRequestAt: 300 << 10}, false},
		{"reset after", Effect{ResetAfter: true}, true},
		{"answer lost", Effect{LoseAnswer: true}, true},
	} {
		b.Faults().Reset()
		b.Faults().Add(Fault{Match{Operation: "PutObject"}, tc.effect})
		size := "x"
		if tc.effect.ResetRequestAt > 0 {
			size = large
		}
		_, err := b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, tc.name, size))
		var service common.ServiceError
		if err == nil || errors.As(err, &service) {
			t.Errorf("%s: got %v, want a broken connection", tc.name, err)
		}
		b.eventually(func() bool { return (b.find(bucket, tc.name) != nil) == tc.stored })
	}
	for _, e := range b.Server.Log().All() {
		if e.Operation == "PutObject" && (e.Status != 0 || !e.Fault) {
			t.Errorf("logged as %+v", e)
		}
	}
	b.eventually(func() bool { return len(b.dataFiles()) == 2 })
}

// TestFaultEndsConnection: a reset is a reset, and a lost answer an orderly end.
func TestFaultEndsConnection(t *testing.T) {
	b := newTestbed(t, Options{})
	par := b.createPAR(b.bucket("b"), "ObjectRead", "o")
	b.put(str("b"), "o", "content")
	for _, tc := range []struct {
		effect Effect
		want   error
	}{
		{Effect{ResetBefore: true}, syscall.ECONNRESET},
		{Effect{ResetAfter: true}, syscall.ECONNRESET},
		{Effect{LoseAnswer: true}, io.EOF},
	} {
		b.Faults().Reset()
		b.Faults().Add(Fault{Match{}, tc.effect})
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL, "http://"))
		b.must(err)
		_, err = conn.Write([]byte("GET " + *par.AccessUri + " HTTP/1.1\r\nHost: x\r\n\r\n"))
		b.must(err)
		_, err = conn.Read(make([]byte, 1))
		if !errors.Is(err, tc.want) {
			t.Errorf("%+v: got %v, want %v", tc.effect, err, tc.want)
		}
		b.must(conn.Close())
	}
}

// TestFaultHTTP2: there is no connection to cut off, but the request must fail all the same.
func TestFaultHTTP2(t *testing.T) {
	b := newTestbed(t, Options{})
	par := b.createPAR(b.bucket("b"), "ObjectReadWrite", "o")
	b.put(str("b"), "o", "content")
	web := httptest.NewUnstartedServer(b.Server)
	web.EnableHTTP2 = true
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()
	client := web.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Get(web.URL + *par.AccessUri)
	b.must(err)
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	b.must(err)
	equal(t, "protocol and content", resp.Proto+" "+string(text), "HTTP/2.0 content")
	for _, e := range []Effect{{ResetBefore: true}, {ResetAfter: true}, {TruncateAt: 3}} {
		b.Faults().Reset()
		b.Faults().Add(Fault{Match{}, e})
		resp, err := client.Get(web.URL + *par.AccessUri)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%+v: no error", e)
		}
	}
	b.Faults().Reset()
	b.Faults().Add(Fault{Match{}, Effect{ResetRequestAt: 100}})
	r, err := http.NewRequestWithContext(b.ctx, "PUT", web.URL+*par.AccessUri, strings.NewReader(strings.Repeat("x", 1000)))
	b.must(err)
	if resp, err := client.Do(r); err == nil {
		resp.Body.Close()
		t.Errorf("got %s, want an error", resp.Status)
	}
	b.Faults().Reset()
	equal(t, "content", b.get(str("b"), "o"), "content")
}

// find looks the object up in the simulator itself.
func (b *testbed) find(bucket *string, name string) *object {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	found, err := b.findBucket(b.Region(), *bucket)
	b.must(err)
	return b.store.bucket(found.ID).objects[name]
}

func TestFaultInContent(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	content := strings.Repeat("0123456789", 100_000)
	b.put(bucket, "o", content)
	get := func(e Effect) (string, *http.Response, error) {
		b.Faults().Reset()
		b.Faults().Add(Fault{Match{Operation: "GetObject"}, e})
		resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o")})
		b.must(err)
		defer resp.Content.Close()
		text, err := io.ReadAll(resp.Content)
		return string(text), resp.RawResponse, err
	}
	text, _, err := get(Effect{TruncateAt: 777_777})
	if len(text) != 777_777 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated: got %d bytes and %v", len(text), err)
	}
	text, _, err = get(Effect{CorruptByte: 500_001})
	b.must(err)
	if text[500_000] != '0'^0xff || text[:500_000] != content[:500_000] || text[500_001:] != content[500_001:] {
		t.Error("not exactly the byte 500,001 is corrupt")
	}
	text, raw, err := get(Effect{WrongChecksum: true})
	b.must(err)
	equal(t, "content with wrong checksums", text == content, true)
	for _, name := range []string{"content-md5", "opc-content-crc32c"} {
		if raw.Header.Get(name) == "" || raw.Header.Get(name) == b.head(bucket, "o").RawResponse.Header.Get(name) {
			t.Errorf("%s is not falsified: %s", name, raw.Header.Get(name))
		}
	}

	b.Faults().Reset()
	b.Faults().Add(Fault{Match{Operation: "PutObject"}, Effect{CorruptByte: 2}})
	req := putRequest(b.ns, bucket, "checked", "content")
	req.ContentMD5 = str("mgNkuembtIDdJeHwKEyFVQ==")
	_, err = b.OS.PutObject(b.ctx, req)
	b.fails(err, 400, "UnmatchedContentMD5")
	b.Faults().Reset()
	req = putRequest(b.ns, bucket, "checked", "content")
	req.ContentMD5 = str("mgNkuembtIDdJeHwKEyFVQ==")
	_, err = b.OS.PutObject(b.ctx, req)
	b.must(err)
}

// TestFaultStall drives the clock: nothing arrives until it moves.
func TestFaultStall(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock})
	bucket := b.bucket("b")
	b.put(bucket, "o", strings.Repeat("x", 100_000))
	get := func() chan int {
		done := make(chan int, 1)
		go func() {
			resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o")})
			if err != nil {
				done <- -1
				return
			}
			defer resp.Content.Close()
			text, _ := io.ReadAll(resp.Content)
			done <- len(text)
		}()
		return done
	}
	for _, e := range []Effect{{Stall: time.Minute}, {Stall: time.Minute, StallAt: 50_000}} {
		b.Faults().Reset()
		b.Faults().Add(Fault{Match{Operation: "GetObject"}, e})
		done := get()
		b.eventually(func() bool { return clock.Waiting() == 1 })
		select {
		case <-done:
			t.Error("the answer did not stall")
		default:
		}
		clock.Advance(time.Minute)
		equal(t, "bytes", <-done, 100_000)
	}
	b.Faults().Reset()
	b.Faults().Add(Fault{Match{Operation: "GetObject"}, Effect{BytesPerSecond: 50_000}})
	done := get()
	for range 20 { // tenths of a second
		b.eventually(func() bool { return clock.Waiting() == 1 })
		clock.Advance(100 * time.Millisecond)
	}
	equal(t, "bytes", <-done, 100_000)
}

// TestFaultStallEndsWithClient: a client that goes away does not leave a goroutine behind; TestMain would see it.
func TestFaultStallEndsWithClient(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock})
	b.Faults().Add(Fault{Match{}, Effect{Stall: time.Hour}})
	b.cutOff("GET /n HTTP/1.1\r\nHost: x\r\n\r\n")
	b.eventually(func() bool { return b.Server.Log().Count("GetNamespace") == 1 && clock.Waiting() == 0 })
}

func TestFaultLateDuplicate(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock})
	bucket := b.bucket("b")
	up := b.createUpload(bucket, "o")
	b.Faults().Add(Fault{Match{Operation: "UploadPart", Times: 1}, Effect{LateDuplicate: time.Second}})
	first := b.uploadPart(up, 1, "first attempt")
	retried := b.uploadPart(up, 1, "retry")
	clock.Advance(time.Second)
	b.fails(b.commit(up, retried), 400, "InvalidUploadPart")
	parts := b.parts(up)
	if *parts[0].Etag == *first.Etag || *parts[0].Size != int64(len("first attempt")) {
		t.Errorf("got part %v", parts[0])
	}
	b.must(b.commit(up, commitPart{PartNum: common.Int(1), Etag: parts[0].Etag}))
	equal(t, "content", b.get(bucket, "o"), "first attempt")

	b.Faults().Add(Fault{Match{Operation: "UploadPart", Times: 1}, Effect{LateDuplicate: time.Second}})
	up = b.createUpload(bucket, "o")
	b.must(b.commit(up, b.uploadPart(up, 1, "in time")))
	clock.Advance(time.Second)
	equal(t, "content", b.get(bucket, "o"), "in time")

	b.Faults().Add(Fault{Match{Operation: "PutObject", Times: 1}, Effect{LateDuplicate: time.Second}})
	b.put(bucket, "p", "late")
	b.put(bucket, "p", "newer")
	clock.Advance(time.Second)
	equal(t, "content", b.get(bucket, "p"), "late")
	b.noFilesBut(2)
}

func TestFaultShortPage(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		b.put(bucket, name, "x")
		b.createUpload(bucket, name)
	}
	for items := range 3 {
		for _, op := range []string{"ListObjects", "ListMultipartUploads", "ListBuckets"} {
			b.Faults().Reset()
			b.Faults().Add(Fault{Match{Operation: op, Times: 2}, Effect{ShortPage: true, PageItems: items}})
			b.Server.Log().Reset()
			n := 0
			switch op {
			case "ListObjects":
				n = len(b.names(bucket, objectstorage.ListObjectsRequest{}))
			case "ListBuckets":
				n = b.countBuckets() + 4
			default:
				n = b.countUploads(bucket)
			}
			equal(t, op, n, 5)
			if calls := b.Server.Log().Count(op); op != "ListBuckets" && calls != 3 || items == 0 && calls != 3 {
				t.Errorf("%s with pages of %d: %d calls", op, items, calls)
			}
		}
	}
}

func (b *testbed) countUploads(bucket *string) (n int) {
	b.Helper()
	req := objectstorage.ListMultipartUploadsRequest{NamespaceName: b.ns, BucketName: bucket}
	for {
		resp, err := b.OS.ListMultipartUploads(b.ctx, req)
		b.must(err)
		n += len(resp.Items)
		if req.Page = resp.OpcNextPage; req.Page == nil {
			return n
		}
	}
}

func (b *testbed) countBuckets() (n int) {
	b.Helper()
	req := objectstorage.ListBucketsRequest{NamespaceName: b.ns, CompartmentId: str(b.Tenancy())}
	for {
		resp, err := b.OS.ListBuckets(b.ctx, req)
		b.must(err)
		n += len(resp.Items)
		if req.Page = resp.OpcNextPage; req.Page == nil {
			return n
		}
	}
}
