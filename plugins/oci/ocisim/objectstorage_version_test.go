package ocisim

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// dated lets the client date its requests by the clock, so that the clock may be moved far.
func (b *testbed) dated(clock *ManualClock) {
	b.OS.Interceptor = dateBy(clock)
}

// setVersioning changes versioning of a bucket.
func (b *testbed) setVersioning(bucket *string, to string) error {
	_, err := b.OS.UpdateBucket(b.ctx, objectstorage.UpdateBucketRequest{NamespaceName: b.ns, BucketName: bucket,
		UpdateBucketDetails: objectstorage.UpdateBucketDetails{Versioning: objectstorage.UpdateBucketDetailsVersioningEnum(to)}})
	return err
}

// putVersion puts an object and returns its version.
func (b *testbed) putVersion(bucket *string, name, content string) string {
	b.Helper()
	resp, err := b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, name, content))
	b.must(err)
	return *resp.VersionId
}

func (b *testbed) getVersion(bucket *string, name, version string) (string, error) {
	b.Helper()
	resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name, VersionId: &version})
	if err != nil {
		return "", err
	}
	defer resp.Content.Close()
	content, err := io.ReadAll(resp.Content)
	b.must(err)
	return string(content), nil
}

func (b *testbed) deleteVersion(bucket *string, name string, version *string) (objectstorage.DeleteObjectResponse, error) {
	return b.OS.DeleteObject(b.ctx, objectstorage.DeleteObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name, VersionId: version})
}

// versions lists all versions by pages of two, as name:version with a ! at delete markers.
func (b *testbed) versions(bucket *string, req objectstorage.ListObjectVersionsRequest) []string {
	b.Helper()
	req.NamespaceName, req.BucketName, req.Limit = b.ns, bucket, common.Int(2)
	var all []string
	for {
		resp, err := b.OS.ListObjectVersions(b.ctx, req)
		b.must(err)
		for _, v := range resp.Items {
			text := *v.Name + ":" + *v.VersionId
			if *v.IsDeleteMarker {
				text += "!"
			}
			all = append(all, text)
		}
		all = append(all, resp.Prefixes...)
		if resp.OpcNextPage == nil {
			return all
		}
		req.Page = resp.OpcNextPage
	}
}

func TestVersions(t *testing.T) {
	dir := t.TempDir()
	b := newTestbed(t, Options{Dir: dir})
	bucket := b.bucket("b")
	v0 := b.putVersion(bucket, "o", "zero")
	b.must(b.setVersioning(bucket, "Enabled"))
	got, err := b.OS.GetBucket(b.ctx, objectstorage.GetBucketRequest{NamespaceName: b.ns, BucketName: bucket})
	b.must(err)
	equal(t, "versioning", got.Versioning, "Enabled")
	v1 := b.putVersion(bucket, "o", "one")
	v2 := b.putVersion(bucket, "o", "two")
	for version, want := range map[string]string{v0: "zero", v1: "one", v2: "two"} {
		content, err := b.getVersion(bucket, "o", version)
		b.must(err)
		equal(t, "version "+version, content, want)
	}
	_, err = b.getVersion(bucket, "o", "nope")
	b.fails(err, 404, "ObjectNotFound")

	gone, err := b.deleteVersion(bucket, "o", nil)
	b.must(err)
	equal(t, "marker", *gone.IsDeleteMarker, true)
	_, err = b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o")})
	b.fails(err, 404, "ObjectNotFound")
	_, err = b.getVersion(bucket, "o", *gone.VersionId)
	b.fails(err, 404, "ObjectNotFound")
	equal(t, "objects", len(b.names(bucket, objectstorage.ListObjectsRequest{})), 0)
	want := fmt.Sprint([]string{"o:" + *gone.VersionId + "!", "o:" + v2, "o:" + v1, "o:" + v0})
	equal(t, "versions", fmt.Sprint(b.versions(bucket, objectstorage.ListObjectVersionsRequest{})), want)
	_, err = b.OS.DeleteBucket(b.ctx, objectstorage.DeleteBucketRequest{NamespaceName: b.ns, BucketName: bucket})
	b.fails(err, 409, "BucketNotEmpty")

	b.must(b.Close())
	r := newTestbed(t, Options{Dir: dir})
	equal(t, "versions after a restart", fmt.Sprint(r.versions(bucket, objectstorage.ListObjectVersionsRequest{})), want)
	undone, err := r.deleteVersion(bucket, "o", gone.VersionId)
	r.must(err)
	equal(t, "a marker was deleted", *undone.IsDeleteMarker, true)
	equal(t, "o is back", r.get(bucket, "o"), "two")
	for _, version := range []string{v2, v0} {
		resp, err := r.deleteVersion(bucket, "o", &version)
		r.must(err)
		equal(t, "no marker", resp.IsDeleteMarker == nil, true)
	}
	equal(t, "the version before", r.get(bucket, "o"), "one")
	_, err = r.deleteVersion(bucket, "o", &v1)
	r.must(err)
	r.noFilesBut(0)
	_, err = r.OS.DeleteBucket(r.ctx, objectstorage.DeleteBucketRequest{NamespaceName: r.ns, BucketName: bucket})
	r.must(err)
}

func TestVersionsInActions(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock, Timings: Timings{Copy: time.Second}})
	bucket := b.bucket("b")
	b.must(b.setVersioning(bucket, "Enabled"))
	old := b.putVersion(bucket, "dir/o", "old")
	b.putVersion(bucket, "dir/o", "new")
	id, err := b.OS.CopyObject(b.ctx, objectstorage.CopyObjectRequest{NamespaceName: b.ns, BucketName: bucket, CopyObjectDetails: objectstorage.CopyObjectDetails{
		SourceObjectName: str("dir/o"), SourceVersionId: &old, DestinationRegion: str(b.Region()), DestinationNamespace: b.ns,
		DestinationBucket: bucket, DestinationObjectName: str("copy"),
	}})
	b.must(err)
	clock.Advance(time.Second)
	equal(t, "copy", string(b.copyStatus(*id.OpcWorkRequestId)), "COMPLETED")
	equal(t, "copied", b.get(bucket, "copy"), "old")

	_, err = b.OS.RenameObject(b.ctx, objectstorage.RenameObjectRequest{NamespaceName: b.ns, BucketName: bucket,
		RenameObjectDetails: objectstorage.RenameObjectDetails{SourceName: str("dir/o"), NewName: str("renamed")}})
	b.must(err)
	equal(t, "renamed", b.get(bucket, "renamed"), "new")
	_, err = b.OS.BatchDeleteObjects(b.ctx, objectstorage.BatchDeleteObjectsRequest{NamespaceName: b.ns, BucketName: bucket, BatchDeleteObjectsDetails: objectstorage.BatchDeleteObjectsDetails{
		Objects: []objectstorage.BatchDeleteObjectIdentifier{{ObjectName: str("renamed")}}}})
	b.must(err)
	up := b.createUpload(bucket, "copy")
	b.must(b.commit(up, b.uploadPart(up, 1, "parts")))

	counts := map[string]int{}
	for _, v := range b.versions(bucket, objectstorage.ListObjectVersionsRequest{}) {
		name, version, _ := strings.Cut(v, ":")
		counts[name]++
		if strings.HasSuffix(version, "!") {
			counts[name+"!"]++
		}
	}
	equal(t, "versions", fmt.Sprint(counts), "map[copy:2 dir/o:3 dir/o!:1 renamed:2 renamed!:1]")
	equal(t, "below dir", fmt.Sprint(len(b.versions(bucket, objectstorage.ListObjectVersionsRequest{Prefix: str("dir/")}))), "3")
	folded := b.versions(bucket, objectstorage.ListObjectVersionsRequest{Delimiter: str("/")})
	equal(t, "folded", strings.Contains(fmt.Sprint(folded), " dir/ ") || strings.HasSuffix(fmt.Sprint(folded), " dir/]"), true)
	equal(t, "entries", len(folded), 5)
}

// TestTierOfVersions archives and restores a former version; the current one stays as it is.
func TestTierOfVersions(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock, Timings: Timings{Copy: time.Minute}})
	b.dated(clock)
	bucket := b.bucket("b")
	b.must(b.setVersioning(bucket, "Enabled"))
	old := b.putVersion(bucket, "o", "old")
	b.putVersion(bucket, "o", "new")
	_, err := b.OS.UpdateObjectStorageTier(b.ctx, objectstorage.UpdateObjectStorageTierRequest{NamespaceName: b.ns, BucketName: bucket,
		UpdateObjectStorageTierDetails: objectstorage.UpdateObjectStorageTierDetails{ObjectName: str("o"), StorageTier: "Archive", VersionId: &old}})
	b.must(err)
	state := func() objectstorage.ArchivalStateEnum {
		list, err := b.OS.ListObjectVersions(b.ctx, objectstorage.ListObjectVersionsRequest{NamespaceName: b.ns, BucketName: bucket, Fields: "archivalState"})
		b.must(err)
		return list.Items[1].ArchivalState
	}
	equal(t, "state", state(), "Archived")
	_, err = b.getVersion(bucket, "o", old)
	b.fails(err, 409, "NotRestored")
	equal(t, "current", b.get(bucket, "o"), "new")
	_, err = b.OS.RestoreObjects(b.ctx, objectstorage.RestoreObjectsRequest{NamespaceName: b.ns, BucketName: bucket,
		RestoreObjectsDetails: objectstorage.RestoreObjectsDetails{ObjectName: str("o"), Hours: common.Int(2), VersionId: &old}})
	b.must(err)
	equal(t, "state", state(), "Restoring")
	clock.Advance(time.Minute)
	equal(t, "state", state(), "Restored")
	content, err := b.getVersion(bucket, "o", old)
	b.must(err)
	equal(t, "restored", content, "old")
	clock.Advance(2 * time.Hour)
	equal(t, "state", state(), "Archived")
}

func TestSuspendedVersioning(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	b.must(b.setVersioning(bucket, "Enabled"))
	kept := b.putVersion(bucket, "o", "kept")
	b.must(b.setVersioning(bucket, "Suspended"))
	status, text := b.status(signed{method: "POST", path: "/n/" + *b.ns + "/b/b", body: `{"versioning":"Disabled"}`})
	if status != 400 || !strings.HasPrefix(text, "InvalidParameter") {
		t.Errorf("versioning was disabled again: %d %s", status, text)
	}
	b.putVersion(bucket, "o", "one")
	last := b.putVersion(bucket, "o", "two")
	equal(t, "versions", fmt.Sprint(b.versions(bucket, objectstorage.ListObjectVersionsRequest{})), fmt.Sprint([]string{"o:" + last, "o:" + kept}))
	gone, err := b.deleteVersion(bucket, "o", nil)
	b.must(err)
	equal(t, "versions", fmt.Sprint(b.versions(bucket, objectstorage.ListObjectVersionsRequest{})), fmt.Sprint([]string{"o:" + *gone.VersionId + "!", "o:" + kept}))
	content, err := b.getVersion(bucket, "o", kept)
	b.must(err)
	equal(t, "kept", content, "kept")
	again := b.putVersion(bucket, "o", "again") // in place of the marker
	equal(t, "versions", fmt.Sprint(b.versions(bucket, objectstorage.ListObjectVersionsRequest{})), fmt.Sprint([]string{"o:" + again, "o:" + kept}))
	_, err = b.deleteVersion(bucket, "o", &again)
	b.must(err)
	equal(t, "the one before", b.get(bucket, "o"), "kept")
	b.noFilesBut(1)
}
