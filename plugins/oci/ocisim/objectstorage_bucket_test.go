package ocisim

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func TestNamespace(t *testing.T) {
	b := newTestbed(t, Options{Namespace: "axdemo", Seed: &Seed{Compartments: []SeedCompartment{{Path: "team"}}}})
	resp, err := b.OS.GetNamespace(b.ctx, objectstorage.GetNamespaceRequest{})
	b.must(err)
	equal(t, "namespace", *resp.Value, "axdemo")
	meta, err := b.OS.GetNamespaceMetadata(b.ctx, objectstorage.GetNamespaceMetadataRequest{NamespaceName: b.ns})
	b.must(err)
	equal(t, "S3 compartment", *meta.DefaultS3CompartmentId, b.Tenancy())
	other, err := b.CompartmentID("team")
	b.must(err)
	up, err := b.OS.UpdateNamespaceMetadata(b.ctx, objectstorage.UpdateNamespaceMetadataRequest{NamespaceName: b.ns,
		UpdateNamespaceMetadataDetails: objectstorage.UpdateNamespaceMetadataDetails{DefaultS3CompartmentId: &other}})
	b.must(err)
	equal(t, "S3 compartment", *up.DefaultS3CompartmentId, other)
	equal(t, "Swift compartment", *up.DefaultSwiftCompartmentId, b.Tenancy())
	_, err = b.OS.GetNamespaceMetadata(b.ctx, objectstorage.GetNamespaceMetadataRequest{NamespaceName: str("other")})
	b.fails(err, 404, "NamespaceNotFound")
}

func TestBuckets(t *testing.T) {
	b := newTestbed(t, Options{})
	create := func(name, compartment string) (objectstorage.CreateBucketResponse, error) {
		return b.OS.CreateBucket(b.ctx, objectstorage.CreateBucketRequest{NamespaceName: b.ns, CreateBucketDetails: objectstorage.CreateBucketDetails{
			Name: &name, CompartmentId: &compartment, Metadata: map[string]string{"a": "1", "b": "2"}, FreeformTags: map[string]string{"t": "v"},
		}})
	}
	made, err := create("first", b.Tenancy())
	b.must(err)
	equal(t, "location", *made.Location, b.URL+"/n/"+*b.ns+"/b/first")
	equal(t, "creator", *made.CreatedBy, b.User())
	equal(t, "etag", *made.ETag, *made.Bucket.Etag)
	_, err = create("first", b.Tenancy())
	b.fails(err, 409, "BucketAlreadyExists")
	for _, name := range []string{"a b", "ü", "", strings.Repeat("x", 257)} {
		_, err = create(name, b.Tenancy())
		b.fails(err, 400, "InvalidBucketName")
	}
	_, err = create("second", "prod")
	b.fails(err, 400, "InvalidCompartmentId")
	_, err = create("second", namedOCID("compartment", "", "nowhere"))
	b.fails(err, 404, "NamespaceNotFound")

	update := func(d objectstorage.UpdateBucketDetails, ifMatch *string) (objectstorage.UpdateBucketResponse, error) {
		return b.OS.UpdateBucket(b.ctx, objectstorage.UpdateBucketRequest{NamespaceName: b.ns, BucketName: str("first"), IfMatch: ifMatch, UpdateBucketDetails: d})
	}
	up, err := update(objectstorage.UpdateBucketDetails{Metadata: map[string]string{"c": "3"}, AutoTiering: "InfrequentAccess"}, made.ETag)
	b.must(err)
	if *up.ETag == *made.ETag {
		t.Error("an update keeps the etag")
	}
	equal(t, "merged metadata", len(up.Metadata), 3)
	_, err = update(objectstorage.UpdateBucketDetails{}, made.ETag)
	b.fails(err, 412, "IfMatchFailed")
	_, err = update(objectstorage.UpdateBucketDetails{PublicAccessType: "ObjectRead"}, nil)
	b.fails(err, 501, "NotImplemented")
	_, err = update(objectstorage.UpdateBucketDetails{Name: str("renamed")}, nil)
	b.must(err)

	get := objectstorage.GetBucketRequest{NamespaceName: b.ns, BucketName: str("renamed"), Fields: []objectstorage.GetBucketFieldsEnum{"approximateCount", "approximateSize", "autoTiering"}}
	got, err := b.OS.GetBucket(b.ctx, get)
	b.must(err)
	equal(t, "count", *got.ApproximateCount, 0)
	equal(t, "tiering", got.AutoTiering, "InfrequentAccess")
	b.put(get.BucketName, "o", "12345")
	got, err = b.OS.GetBucket(b.ctx, get)
	b.must(err)
	equal(t, "count", *got.ApproximateCount, 1)
	equal(t, "size", *got.ApproximateSize, 5)
	get.IfNoneMatch = got.ETag
	unchanged, err := b.OS.GetBucket(b.ctx, get)
	if err == nil || unchanged.RawResponse == nil || unchanged.RawResponse.StatusCode != 304 { // the SDK expects JSON even then
		t.Errorf("got %v and %v, want 304", unchanged.RawResponse, err)
	}
	head := objectstorage.HeadBucketRequest{NamespaceName: b.ns, BucketName: str("renamed"), IfMatch: str("stale")}
	_, err = b.OS.HeadBucket(b.ctx, head)
	b.fails(err, 412, "BadErrorResponse") // no body: the SDK has no code to report
	head.IfMatch = got.ETag
	_, err = b.OS.HeadBucket(b.ctx, head)
	b.must(err)
	head.BucketName = str("first")
	_, err = b.OS.HeadBucket(b.ctx, head)
	b.fails(err, 404, "BadErrorResponse")
	_, err = b.OS.GetBucket(b.ctx, objectstorage.GetBucketRequest{NamespaceName: b.ns, BucketName: str("first")})
	b.fails(err, 404, "BucketNotFound")
}

func TestListBuckets(t *testing.T) {
	b := newTestbed(t, Options{})
	for _, name := range []string{"c", "a", "e", "b", "d"} {
		b.bucket(name)
	}
	var names []string
	req := objectstorage.ListBucketsRequest{NamespaceName: b.ns, CompartmentId: str(b.Tenancy()), Limit: common.Int(2)}
	for {
		resp, err := b.OS.ListBuckets(b.ctx, req)
		b.must(err)
		for _, s := range resp.Items {
			names = append(names, *s.Name)
			if s.FreeformTags != nil {
				t.Errorf("tags %v without fields=tags", s.FreeformTags)
			}
		}
		if req.Page = resp.OpcNextPage; req.Page == nil {
			break
		}
	}
	equal(t, "buckets", strings.Join(names, ""), "abcde")
	req.Fields = []objectstorage.ListBucketsFieldsEnum{"tags"}
	resp, err := b.OS.ListBuckets(b.ctx, req)
	b.must(err)
	if resp.Items[0].FreeformTags == nil {
		t.Error("no tags with fields=tags")
	}
	for _, limit := range []int{0, 1001, -1} {
		req.Limit = &limit
		_, err = b.OS.ListBuckets(b.ctx, req)
		b.fails(err, 400, "InvalidLimit")
	}
	status, text := b.status(signed{method: "GET", path: "/n/" + *b.ns + "/b"})
	if status != 400 || !strings.Contains(text, "InvalidCompartmentId") {
		t.Errorf("without compartmentId: got %d %s", status, text)
	}
}

func TestDeleteBucket(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	remove := func(ifMatch *string) error {
		_, err := b.OS.DeleteBucket(b.ctx, objectstorage.DeleteBucketRequest{NamespaceName: b.ns, BucketName: bucket, IfMatch: ifMatch})
		return err
	}
	b.put(bucket, "o", "x")
	b.fails(remove(nil), 409, "BucketNotEmpty")
	_, err := b.OS.DeleteObject(b.ctx, objectstorage.DeleteObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o")})
	b.must(err)
	up := b.createUpload(bucket, "u")
	b.fails(remove(nil), 409, "BucketNotEmpty")
	_, err = b.OS.AbortMultipartUpload(b.ctx, objectstorage.AbortMultipartUploadRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: up.Object, UploadId: up.UploadId})
	b.must(err)
	par := b.createPAR(bucket, "ObjectRead", "o")
	b.fails(remove(nil), 409, "PreauthenticatedRequestStillExists")
	_, err = b.OS.DeletePreauthenticatedRequest(b.ctx, objectstorage.DeletePreauthenticatedRequestRequest{NamespaceName: b.ns, BucketName: bucket, ParId: par.Id})
	b.must(err)
	b.fails(remove(str("stale")), 412, "IfMatchFailed")
	b.must(remove(nil))
	b.fails(remove(nil), 404, "BucketNotFound")
	b.bucket("b")
	equal(t, "objects in a bucket of the same name", len(b.names(bucket, objectstorage.ListObjectsRequest{})), 0)
}

// TestBucketShape compares the JSON with what was recorded of real hosts.
func TestBucketShape(t *testing.T) {
	b := newTestbed(t, Options{})
	b.bucket("b")
	resp := b.send(signed{method: "GET", path: "/n/" + *b.ns + "/b/b/"})
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	b.must(err)
	var v map[string]any
	b.must(json.Unmarshal(text, &v))
	for key := range strings.FieldsSeq(`approximateCount? approximateSize? approximateSizeMultipartUploads? autoTiering? compartmentId createdBy definedTags
		etag freeformTags id isReadOnly kmsKeyId? metadata meterFlagSet name namespace objectEventsEnabled objectLevelAuditMode publicAccessType
		replicationEnabled storageTier timeCreated versioning`) {
		name, null := strings.CutSuffix(key, "?")
		value, ok := v[name]
		if !ok || (value == nil) != null {
			t.Errorf("%s: got %v, present %v", key, value, ok)
		}
	}
	b.hasHeaders(resp, "cache-control content-length content-type etag opc-request-id x-api-id date")
}

func (b *testbed) hasHeaders(resp *http.Response, names string) {
	b.Helper()
	for name := range strings.FieldsSeq(names) {
		if resp.Header.Get(name) == "" {
			b.Errorf("no header %s in %v", name, resp.Header)
		}
	}
}

func TestClientRequestID(t *testing.T) {
	b := newTestbed(t, Options{})
	resp, err := b.OS.GetNamespace(b.ctx, objectstorage.GetNamespaceRequest{OpcClientRequestId: str("mine")})
	b.must(err)
	id := resp.RawResponse.Header.Get("opc-request-id")
	if !strings.HasPrefix(id, "phx-1:") || len(id) != len("phx-1:")+64 {
		t.Errorf("got opc-request-id %s", id)
	}
	equal(t, "echo", resp.RawResponse.Header.Get("opc-client-request-id"), "mine")
	plain := b.send(signed{method: "GET", path: "/n"})
	plain.Body.Close()
	if v := plain.Header.Values("opc-client-request-id"); len(v) > 0 {
		t.Errorf("echo of nothing: %v", v)
	}
	ids := []string{}
	for _, e := range b.Server.Log().All() {
		ids = append(ids, e.RequestID)
	}
	if !slices.Contains(ids, id) {
		t.Errorf("the log has %v, not %s", ids, id)
	}
}
