package ocisim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// beginByPAR begins an upload through a pre-authenticated request and returns the status and the URI for the parts.
func (b *testbed) beginByPAR(uri string) (int, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.ctx, "PUT", b.URL+uri, nil)
	b.must(err)
	r.Header.Set("opc-multipart", "true")
	r.Header.Set("opc-meta-color", "blue")
	resp, err := b.HTTP.Do(r)
	b.must(err)
	defer resp.Body.Close()
	var answer struct{ AccessURI, UploadID, Object string }
	b.must(json.NewDecoder(resp.Body).Decode(&answer))
	if resp.StatusCode == 200 && !strings.HasSuffix(answer.AccessURI, "/id/"+answer.UploadID+"/") {
		b.Errorf("got the URI %s of the upload %s", answer.AccessURI, answer.UploadID)
	}
	return resp.StatusCode, answer.AccessURI
}

func TestPARUpload(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock})
	bucket := b.bucket("b")
	par := b.createPAR(bucket, "AnyObjectWrite", "in/")
	status, uri := b.beginByPAR(*par.AccessUri + "in/id/a%20b")
	equal(t, "begin", status, 200)
	wants := func(what, method, uri, body string, want int) {
		t.Helper()
		if got, text := b.unsigned(method, uri, body); got != want {
			t.Errorf("%s: got %d %s, want %d", what, got, text, want)
		}
	}
	wants("part 2", "PUT", uri+"2", "two", 200)
	wants("part 1", "PUT", uri+"1", "one ", 200)
	wants("part 0", "PUT", uri+"0", "x", 400)
	wants("no number", "PUT", uri, "x", 400)
	wants("another upload", "PUT", strings.TrimSuffix(uri, "/")+"x/1", "x", 404)
	wants("no upload", "PUT", *par.AccessUri+"../u/in/o/1", "x", 404)
	if got, text := b.unsigned("GET", uri, ""); got != 200 || strings.Count(text, "partNumber") != 2 {
		t.Errorf("list: %d %s", got, text)
	}
	wants("commit", "POST", uri, "", 200)
	wants("commit again", "POST", uri, "", 404)
	equal(t, "content", b.get(bucket, "in/id/a b"), "one two")
	equal(t, "metadata", b.head(bucket, "in/id/a b").OpcMeta["color"], "blue")

	_, uri = b.beginByPAR(*par.AccessUri + "in/gone")
	wants("part", "PUT", uri+"1", "x", 200)
	wants("abort", "DELETE", uri, "", 204)
	wants("part of an aborted upload", "PUT", uri+"1", "x", 404)

	for name, uri := range map[string]string{
		"another prefix": *par.AccessUri + "out", "reading": *b.createPAR(bucket, "ObjectRead", "o").AccessUri,
	} {
		status, _ := b.beginByPAR(uri)
		equal(t, name, status, 404)
	}
	_, uri = b.beginByPAR(*par.AccessUri + "in/late")
	clock.Advance(2 * time.Hour)
	wants("part after the end", "PUT", uri+"1", "x", 404)
	wants("commit after the end", "POST", uri, "", 404)
	b.dated(clock)
	list, err := b.OS.ListMultipartUploads(b.ctx, objectstorage.ListMultipartUploadsRequest{NamespaceName: b.ns, BucketName: bucket})
	b.must(err)
	equal(t, "open uploads", len(list.Items), 1)
}

func TestPartIsListedLate(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock})
	bucket := b.bucket("b")
	b.Faults().Add(Fault{Match: Match{Operation: "UploadPart", Nth: 2}, Effect: Effect{LateListed: time.Minute}})
	up := b.createUpload(bucket, "o")
	one, two := b.uploadPart(up, 1, "1"), b.uploadPart(up, 2, "2")
	equal(t, "parts at once", len(b.parts(up)), 1)
	clock.Advance(time.Minute)
	equal(t, "parts later", len(b.parts(up)), 2)
	b.must(b.commit(up, one, two))
	equal(t, "content", b.get(bucket, "o"), "12")
}
