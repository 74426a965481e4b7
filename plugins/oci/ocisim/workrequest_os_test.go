package ocisim

import (
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// copyObject starts a copy and returns the id of its work request.
func (b *testbed) copyObject(from *string, name string, to *string, newName string) string {
	b.Helper()
	resp, err := b.OS.CopyObject(b.ctx, copyRequestOf(b, from, name, to, newName))
	b.must(err)
	return *resp.OpcWorkRequestId
}

func copyRequestOf(b *testbed, from *string, name string, to *string, newName string) objectstorage.CopyObjectRequest {
	region := b.Region()
	return objectstorage.CopyObjectRequest{NamespaceName: b.ns, BucketName: from, CopyObjectDetails: objectstorage.CopyObjectDetails{
		SourceObjectName: &name, DestinationRegion: &region, DestinationNamespace: b.ns, DestinationBucket: to, DestinationObjectName: &newName,
	}}
}

func (b *testbed) copyStatus(id string) objectstorage.WorkRequestStatusEnum {
	b.Helper()
	resp, err := b.OS.GetWorkRequest(b.ctx, objectstorage.GetWorkRequestRequest{WorkRequestId: &id})
	b.must(err)
	return resp.Status
}
