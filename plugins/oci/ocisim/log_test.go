package ocisim

import (
	"net/http"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func TestRequestLog(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	log := b.Server.Log()
	log.Reset()
	b.put(bucket, "a b", "content")
	_, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("nope"), Range: str("bytes=0-1")})
	b.fails(err, 404, "ObjectNotFound")
	resp := b.send(signed{method: "GET", path: "/n?x=1", after: func(r *http.Request) { r.Header.Set("opc-retry-token", "token") }})
	resp.Body.Close()
	b.eventually(func() bool { all := log.All(); return len(all) == 3 && all[2].Status != 0 })
	all := log.All()
	equal(t, "operation", all[0].Operation, "PutObject")
	equal(t, "path", all[0].Path, "/n/"+*b.ns+"/b/b/o/a%20b")
	equal(t, "status", all[0].Status, 200)
	equal(t, "range", all[1].Range, "bytes=0-1")
	equal(t, "status", all[1].Status, 404)
	equal(t, "method", all[2].Method, "GET")
	equal(t, "query", all[2].Query, "x=1")
	equal(t, "token", all[2].RetryToken, "token")
	equal(t, "request id", all[2].RequestID, resp.Header.Get("opc-request-id"))
	equal(t, "puts", log.Count("PutObject"), 1)
	log.Reset()
	equal(t, "after Reset", len(log.All())+log.Count("PutObject"), 0)
}
