package ocisim

import (
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

type copyObjectRequest = objectstorage.CopyObjectRequest

func (b *testbed) copyRequest(from *string, name string, to *string, newName string) copyObjectRequest {
	return copyObjectRequest{NamespaceName: b.ns, BucketName: from, CopyObjectDetails: objectstorage.CopyObjectDetails{
		SourceObjectName: &name, DestinationRegion: str(b.Region()), DestinationNamespace: b.ns, DestinationBucket: to, DestinationObjectName: &newName,
	}}
}

// copyObject starts a copy and returns the id of its work request.
func (b *testbed) copyObject(from *string, name string, to *string, newName string) string {
	b.Helper()
	resp, err := b.OS.CopyObject(b.ctx, b.copyRequest(from, name, to, newName))
	b.must(err)
	return *resp.OpcWorkRequestId
}

func (b *testbed) copyStatus(id string) objectstorage.WorkRequestStatusEnum {
	b.Helper()
	resp, err := b.OS.GetWorkRequest(b.ctx, objectstorage.GetWorkRequestRequest{WorkRequestId: &id})
	b.must(err)
	return resp.Status
}

func TestCopy(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock, Timings: Timings{Copy: time.Minute}})
	from, to := b.bucket("from"), b.bucket("to")
	b.put(from, "dir/o", "content")
	_, err := b.OS.UpdateObjectStorageTier(b.ctx, objectstorage.UpdateObjectStorageTierRequest{NamespaceName: b.ns, BucketName: from,
		UpdateObjectStorageTierDetails: objectstorage.UpdateObjectStorageTierDetails{ObjectName: str("dir/o"), StorageTier: "InfrequentAccess"}})
	b.must(err)
	id := b.copyObject(from, "dir/o", to, "new")
	equal(t, "status", b.copyStatus(id), "ACCEPTED")
	_, err = b.OS.HeadObject(b.ctx, objectstorage.HeadObjectRequest{NamespaceName: b.ns, BucketName: to, ObjectName: str("new")})
	b.fails(err, 404, "")
	clock.Advance(30 * time.Second)
	resp, err := b.OS.GetWorkRequest(b.ctx, objectstorage.GetWorkRequestRequest{WorkRequestId: &id})
	b.must(err)
	equal(t, "status", resp.Status, "IN_PROGRESS")
	equal(t, "retry-after", *resp.RetryAfter, 5)
	clock.Advance(30 * time.Second)
	resp, err = b.OS.GetWorkRequest(b.ctx, objectstorage.GetWorkRequestRequest{WorkRequestId: &id})
	b.must(err)
	equal(t, "status", resp.Status, "COMPLETED")
	equal(t, "percent", *resp.PercentComplete, 100)
	equal(t, "type", resp.OperationType, "COPY_OBJECT")
	equal(t, "resources", len(resp.Resources), 2)
	equal(t, "read", *resp.Resources[0].EntityUri, "/n/"+*b.ns+"/b/from/o/dir/o")
	equal(t, "written", resp.Resources[1].Metadata["OBJECT"], "new")
	equal(t, "content", b.get(to, "new"), "content")
	equal(t, "tier of the bucket", b.head(to, "new").StorageTier, "Standard")
	equal(t, "same checksum", *b.head(to, "new").ContentMd5, *b.head(from, "dir/o").ContentMd5)
	logs, err := b.OS.ListWorkRequestLogs(b.ctx, objectstorage.ListWorkRequestLogsRequest{WorkRequestId: &id})
	b.must(err)
	equal(t, "logs", *logs.Items[1].Message, "Successfully copied object.")
	_, err = b.OS.CancelWorkRequest(b.ctx, objectstorage.CancelWorkRequestRequest{WorkRequestId: &id})
	b.fails(err, 409, "NotCancelable")
	b.noFilesBut(1) // both objects share the bytes

	_, err = b.OS.DeleteObject(b.ctx, objectstorage.DeleteObjectRequest{NamespaceName: b.ns, BucketName: from, ObjectName: str("dir/o")})
	b.must(err)
	equal(t, "content after the source is gone", b.get(to, "new"), "content")
}

func TestCopyIsRefused(t *testing.T) {
	b := newTestbed(t, Options{})
	from, to := b.bucket("from"), b.bucket("to")
	b.put(from, "o", "x")
	for _, tc := range []struct {
		change func(*copyObjectRequest)
		status int
		code   string
	}{
		{func(r *copyObjectRequest) { r.DestinationRegion = str("mars-1") }, 400, "InvalidRegion"},
		{func(r *copyObjectRequest) { r.DestinationBucket = str("a b") }, 400, "InvalidBucketName"},
		{func(r *copyObjectRequest) { r.DestinationBucket = str("nope") }, 404, "BucketNotFound"},
		{func(r *copyObjectRequest) { r.BucketName = str("nope") }, 404, "BucketNotFound"},
		{func(r *copyObjectRequest) { r.SourceObjectName = str("nope") }, 404, "ObjectNotFound"},
		{func(r *copyObjectRequest) { r.SourceVersionId = str("nope") }, 404, "ObjectNotFound"},
		{func(r *copyObjectRequest) { r.DestinationNamespace = str("nope") }, 404, "NamespaceNotFound"},
		{func(r *copyObjectRequest) { r.DestinationObjectName = str("a\nb") }, 400, "InvalidObjectName"},
	} {
		r := b.copyRequest(from, "o", to, "o")
		tc.change(&r)
		_, err := b.OS.CopyObject(b.ctx, r)
		b.fails(err, tc.status, tc.code)
	}
}

func TestFailedAndCancelledCopies(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock, Timings: Timings{Copy: time.Minute}})
	bucket := b.bucket("b")
	b.put(bucket, "o", "x")
	b.put(bucket, "taken", "y")
	r := b.copyRequest(bucket, "o", bucket, "taken")
	r.DestinationObjectIfNoneMatchETag = str("*")
	failing, err := b.OS.CopyObject(b.ctx, r)
	b.must(err)
	cancelled := b.copyObject(bucket, "o", bucket, "cancelled")
	_, err = b.OS.CancelWorkRequest(b.ctx, objectstorage.CancelWorkRequestRequest{WorkRequestId: &cancelled})
	b.must(err)
	clock.Advance(time.Minute)
	equal(t, "status", b.copyStatus(*failing.OpcWorkRequestId), "FAILED")
	equal(t, "status", b.copyStatus(cancelled), "CANCELED")
	errs, err := b.OS.ListWorkRequestErrors(b.ctx, objectstorage.ListWorkRequestErrorsRequest{WorkRequestId: failing.OpcWorkRequestId})
	b.must(err)
	equal(t, "error", *errs.Items[0].Code, "IfNoneMatchFailed")
	equal(t, "names", strings.Join(b.names(bucket, objectstorage.ListObjectsRequest{}), " "), "o taken")
	all, err := b.OS.ListWorkRequests(b.ctx, objectstorage.ListWorkRequestsRequest{CompartmentId: str(b.Tenancy()), Limit: common.Int(1)})
	b.must(err)
	if len(all.Items) != 1 || all.OpcNextPage == nil {
		t.Errorf("got %d work requests, next page %v", len(all.Items), all.OpcNextPage)
	}
	_, err = b.OS.GetWorkRequest(b.ctx, objectstorage.GetWorkRequestRequest{WorkRequestId: str("nope")})
	b.fails(err, 404, "NotAuthorizedOrNotFound")
}

func TestCopyWithMetadataOnWallClock(t *testing.T) {
	b := newTestbed(t, Options{Timings: Timings{Copy: time.Millisecond}})
	bucket := b.bucket("b")
	up := b.createUpload(bucket, "o") // with metadata and a content type
	b.must(b.commit(up, b.uploadPart(up, 1, "one"), b.uploadPart(up, 2, "two")))
	r := b.copyRequest(bucket, "o", bucket, "copy")
	r.DestinationObjectMetadata = map[string]string{"opc-meta-new": "value"}
	r.DestinationObjectStorageTier = "InfrequentAccess"
	r.SourceObjectIfMatchETag = b.head(bucket, "o").ETag
	resp, err := b.OS.CopyObject(b.ctx, r)
	b.must(err)
	b.eventually(func() bool { return b.copyStatus(*resp.OpcWorkRequestId) == "COMPLETED" })
	head := b.head(bucket, "copy")
	equal(t, "content", b.get(bucket, "copy"), "onetwo")
	equal(t, "metadata", head.OpcMeta["new"]+head.OpcMeta["color"], "value")
	equal(t, "type", *head.ContentType, "text/plain")
	equal(t, "tier", head.StorageTier, "InfrequentAccess")
	equal(t, "multipart md5", *head.OpcMultipartMd5, *b.head(bucket, "o").OpcMultipartMd5)

	r = b.copyRequest(bucket, "o", bucket, "other")
	r.SourceObjectIfMatchETag = str("stale")
	resp, err = b.OS.CopyObject(b.ctx, r)
	b.must(err)
	b.eventually(func() bool { return b.copyStatus(*resp.OpcWorkRequestId) == "FAILED" })
}
