package ocisim

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func parDetails(access, object string, expires time.Time) objectstorage.CreatePreauthenticatedRequestDetails {
	d := objectstorage.CreatePreauthenticatedRequestDetails{
		Name: str("par"), AccessType: objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeEnum(access), TimeExpires: &common.SDKTime{Time: expires},
	}
	if object != "" {
		d.ObjectName = &object
	}
	return d
}

func (b *testbed) createPARWith(bucket *string, d objectstorage.CreatePreauthenticatedRequestDetails) (objectstorage.PreauthenticatedRequest, error) {
	resp, err := b.OS.CreatePreauthenticatedRequest(b.ctx, objectstorage.CreatePreauthenticatedRequestRequest{
		NamespaceName: b.ns, BucketName: bucket, CreatePreauthenticatedRequestDetails: d})
	return resp.PreauthenticatedRequest, err
}

func (b *testbed) createPAR(bucket *string, access, object string) objectstorage.PreauthenticatedRequest {
	b.Helper()
	p, err := b.createPARWith(bucket, parDetails(access, object, b.clock.Now().Add(time.Hour)))
	b.must(err)
	return p
}

// unsigned sends a request without a signature and returns the status and the body.
func (b *testbed) unsigned(method, uri, body string) (int, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.ctx, method, b.URL+uri, strings.NewReader(body))
	b.must(err)
	resp, err := b.HTTP.Do(r)
	b.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	b.must(err)
	return resp.StatusCode, string(text)
}

func TestPARAccess(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock})
	bucket := b.bucket("b")
	b.put(bucket, "dir/a b", "content")
	b.put(bucket, "other", "secret")
	for _, tc := range []struct {
		access, object    string
		read, write, list int
		prefixed          bool
	}{
		{"ObjectRead", "dir/a b", 200, 404, 404, false},
		{"ObjectWrite", "dir/a b", 404, 200, 404, false},
		{"ObjectReadWrite", "dir/a b", 200, 200, 404, false},
		{"AnyObjectRead", "dir/", 200, 404, 404, true},
		{"AnyObjectWrite", "dir/", 404, 200, 404, true},
		{"AnyObjectReadWrite", "dir/", 200, 200, 404, true},
	} {
		p := b.createPAR(bucket, tc.access, tc.object)
		uri := *p.AccessUri
		base := uri[:strings.Index(uri, "/o/")+3]
		if tc.prefixed {
			equal(t, "access URI of a bucket", uri, base)
			uri += "dir/a%20b"
		}
		equal(t, tc.access+" full path", *p.FullPath, b.URL+*p.AccessUri)
		status, _ := b.unsigned("GET", uri, "")
		equal(t, tc.access+" read", status, tc.read)
		status, _ = b.unsigned("HEAD", uri, "")
		equal(t, tc.access+" head", status, tc.read)
		status, _ = b.unsigned("PUT", uri, "content")
		equal(t, tc.access+" write", status, tc.write)
		status, _ = b.unsigned("GET", strings.TrimSuffix(base, "/"), "")
		equal(t, tc.access+" list", status, tc.list)
		status, _ = b.unsigned("GET", base+"other", "")
		equal(t, tc.access+" another object", status, 404)
		status, _ = b.unsigned("DELETE", uri, "")
		equal(t, tc.access+" delete", status, 405)
	}
	p := b.createPAR(bucket, "ObjectRead", "dir/a b")
	_, text := b.unsigned("GET", *p.AccessUri, "")
	equal(t, "content", text, "content")
	clock.Advance(time.Hour)
	status, _ := b.unsigned("GET", *p.AccessUri, "")
	equal(t, "expired", status, 404)
	status, _ = b.unsigned("GET", strings.Replace(*p.AccessUri, "/p/", "/p/x", 1), "")
	equal(t, "unknown token", status, 404)
	status, _ = b.unsigned("GET", "/n/"+*b.ns+"/b/b/o/other", "")
	equal(t, "no token", status, 401)
}

func TestPARListing(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	b.put(bucket, "dir/a", "1")
	b.put(bucket, "secret", "2")
	d := parDetails("AnyObjectRead", "dir/", time.Now().Add(time.Hour))
	d.BucketListingAction = "ListObjects"
	p, err := b.createPARWith(bucket, d)
	b.must(err)
	list := strings.TrimSuffix(*p.AccessUri, "/")
	status, text := b.unsigned("GET", list+"?prefix=dir/", "")
	if status != 200 || text != `{"objects":[{"name":"dir/a"}]}` {
		t.Errorf("got %d %s", status, text)
	}
	for _, query := range []string{"", "?prefix=", "?prefix=s", "?prefix=dir"} {
		status, _ = b.unsigned("GET", list+query, "")
		equal(t, "list with "+query, status, 404)
	}
}

func TestPARManagement(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	later := time.Now().Add(time.Hour)
	for name, d := range map[string]objectstorage.CreatePreauthenticatedRequestDetails{
		"expired":        parDetails("ObjectRead", "o", time.Now().Add(-time.Second)),
		"without object": parDetails("ObjectRead", "", later),
		"listing objects": func() objectstorage.CreatePreauthenticatedRequestDetails {
			d := parDetails("ObjectRead", "o", later)
			d.BucketListingAction = "ListObjects"
			return d
		}(),
	} {
		_, err := b.createPARWith(bucket, d)
		t.Log(name)
		b.fails(err, 400, "InvalidParCreateRequest")
	}
	ids := map[string]bool{}
	for _, object := range []string{"a/b", "a/c", "d"} {
		ids[*b.createPAR(bucket, "ObjectWrite", object).Id] = true
	}
	list := objectstorage.ListPreauthenticatedRequestsRequest{NamespaceName: b.ns, BucketName: bucket, Limit: common.Int(2), ObjectNamePrefix: str("a/")}
	resp, err := b.OS.ListPreauthenticatedRequests(b.ctx, list)
	b.must(err)
	equal(t, "with prefix", len(resp.Items), 2)
	list.ObjectNamePrefix = nil
	for {
		resp, err := b.OS.ListPreauthenticatedRequests(b.ctx, list)
		b.must(err)
		for _, p := range resp.Items {
			if !ids[*p.Id] || !strings.HasSuffix(*p.Id, ":"+*p.ObjectName) {
				t.Errorf("got id %s", *p.Id)
			}
			one := objectstorage.GetPreauthenticatedRequestRequest{NamespaceName: b.ns, BucketName: bucket, ParId: p.Id}
			got, err := b.OS.GetPreauthenticatedRequest(b.ctx, one)
			b.must(err)
			equal(t, "object", *got.ObjectName, *p.ObjectName)
			remove := objectstorage.DeletePreauthenticatedRequestRequest{NamespaceName: b.ns, BucketName: bucket, ParId: p.Id}
			_, err = b.OS.DeletePreauthenticatedRequest(b.ctx, remove)
			b.must(err)
			_, err = b.OS.GetPreauthenticatedRequest(b.ctx, one)
			b.fails(err, 404, "PreauthenticatedRequestNotFound")
			delete(ids, *p.Id)
		}
		if list.Page = resp.OpcNextPage; list.Page == nil {
			break
		}
	}
	equal(t, "left", len(ids), 0)
}

// TestExportedImage is how an exported image gets into a bucket.
func TestExportedImage(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	path := filepath.Join(b.dir, "export")
	b.must(os.WriteFile(path, []byte("image bytes"), 0o600))
	write, read := b.createPAR(bucket, "AnyObjectWrite", ""), b.createPAR(bucket, "AnyObjectRead", "")
	token := func(p objectstorage.PreauthenticatedRequest) string { return strings.Split(*p.AccessUri, "/")[2] }
	b.must(b.mayWrite(&exportTarget{Bucket: "b", Object: "image"}))
	b.must(b.mayWrite(&exportTarget{Bucket: "b", Object: "image", PAR: token(write)}))
	for _, target := range []*exportTarget{{Bucket: "c"}, {Bucket: "b", PAR: "x"}, {Bucket: "b", PAR: token(read)}} {
		if err := b.mayWrite(target); asAPIError(err).Status != 404 {
			t.Errorf("%+v: got %v", target, err)
		}
	}
	if err := b.putObjectFile(b.Region(), "nope", "image", path, nil); asAPIError(err).Code != "BucketNotFound" {
		t.Errorf("got %v", err)
	}
	b.must(b.putObjectFile(b.Region(), "b", "image", path, map[string]string{"k": "v"}))
	equal(t, "content", b.get(bucket, "image"), "image bytes")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}
