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

func TestRename(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	etag := b.put(bucket, "old", "content")
	taken := b.put(bucket, "taken", "x")
	rename := func(d objectstorage.RenameObjectDetails) (objectstorage.RenameObjectResponse, error) {
		return b.OS.RenameObject(b.ctx, objectstorage.RenameObjectRequest{NamespaceName: b.ns, BucketName: bucket, RenameObjectDetails: d})
	}
	_, err := rename(objectstorage.RenameObjectDetails{SourceName: str("old"), NewName: str("old")})
	b.fails(err, 400, "SourceNameSameAsNewName")
	_, err = rename(objectstorage.RenameObjectDetails{SourceName: str("absent"), NewName: str("new")})
	b.fails(err, 404, "ObjectNotFound")
	_, err = rename(objectstorage.RenameObjectDetails{SourceName: str("old"), NewName: str("new"), SrcObjIfMatchETag: str("stale")})
	b.fails(err, 412, "IfMatchFailed")
	_, err = rename(objectstorage.RenameObjectDetails{SourceName: str("old"), NewName: str("taken"), NewObjIfNoneMatchETag: str("*")})
	b.fails(err, 412, "IfNoneMatchFailed")
	resp, err := rename(objectstorage.RenameObjectDetails{SourceName: str("old"), NewName: str("dir/new"), SrcObjIfMatchETag: &etag})
	b.must(err)
	if *resp.ETag == etag {
		t.Error("a renamed object keeps its etag")
	}
	equal(t, "content", b.get(bucket, "dir/new"), "content")
	_, err = rename(objectstorage.RenameObjectDetails{SourceName: str("dir/new"), NewName: str("taken"), NewObjIfMatchETag: &taken})
	b.must(err)
	equal(t, "content", b.get(bucket, "taken"), "content")
	equal(t, "names", strings.Join(b.names(bucket, objectstorage.ListObjectsRequest{}), " "), "taken")
	b.noFilesBut(1)
}

func TestBatchDelete(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	etag := b.put(bucket, "a", "1")
	b.put(bucket, "b", "2")
	b.put(bucket, "c", "3")
	remove := func(skip bool, objects ...objectstorage.BatchDeleteObjectIdentifier) (objectstorage.BatchDeleteObjectsResponse, error) {
		return b.OS.BatchDeleteObjects(b.ctx, objectstorage.BatchDeleteObjectsRequest{NamespaceName: b.ns, BucketName: bucket,
			BatchDeleteObjectsDetails: objectstorage.BatchDeleteObjectsDetails{Objects: objects, IsSkipDeletedResult: &skip}})
	}
	type id = objectstorage.BatchDeleteObjectIdentifier
	resp, err := remove(false, id{ObjectName: str("a"), IfMatch: &etag}, id{ObjectName: str("b"), IfMatch: str("stale")}, id{ObjectName: str("nope")}, id{ObjectName: str("a")})
	b.must(err)
	if len(resp.Deleted) != 1 || *resp.Deleted[0].ObjectName != "a" {
		t.Errorf("deleted %v", resp.Deleted)
	}
	var failed []string
	for _, f := range resp.Failed {
		failed = append(failed, fmt.Sprint(*f.ObjectName, *f.StatusCode))
	}
	equal(t, "failed", strings.Join(failed, " "), "b412 nope404 a404")
	resp, err = remove(true, id{ObjectName: str("b")}, id{ObjectName: str("c")})
	b.must(err)
	equal(t, "deleted, skipped", len(resp.Deleted), 0)
	b.noFilesBut(0)
	_, err = remove(false, make([]id, 0)...)
	b.fails(err, 400, "InvalidParameter")
	many := make([]id, 1001)
	for i := range many {
		many[i].ObjectName = str("x")
	}
	_, err = remove(false, many...)
	b.fails(err, 400, "InvalidParameter")
}

func TestArchive(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock, Timings: Timings{Copy: time.Minute}})
	bucket := b.bucket("b")
	b.put(bucket, "o", "content")
	tier := func(name string, tier objectstorage.StorageTierEnum) error {
		_, err := b.OS.UpdateObjectStorageTier(b.ctx, objectstorage.UpdateObjectStorageTierRequest{NamespaceName: b.ns, BucketName: bucket,
			UpdateObjectStorageTierDetails: objectstorage.UpdateObjectStorageTierDetails{ObjectName: &name, StorageTier: tier}})
		return err
	}
	restore := func(name string, hours int) error {
		_, err := b.OS.RestoreObjects(b.ctx, objectstorage.RestoreObjectsRequest{NamespaceName: b.ns, BucketName: bucket,
			RestoreObjectsDetails: objectstorage.RestoreObjectsDetails{ObjectName: &name, Hours: &hours}})
		return err
	}
	get := func() error {
		resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o")})
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Content)
			resp.Content.Close()
		}
		return err
	}
	b.fails(restore("o", 1), 400, "NotArchivedObject")
	b.fails(tier("nope", "Archive"), 404, "ObjectNotFound")
	b.must(tier("o", "InfrequentAccess"))
	b.must(get())
	b.must(tier("o", "Archive"))
	b.fails(tier("o", "Archive"), 409, "AlreadyArchived")
	b.fails(tier("o", "Standard"), 409, "NotRestored")
	b.fails(get(), 409, "NotRestored")
	equal(t, "state", b.head(bucket, "o").ArchivalState, "Archived")
	b.fails(restore("o", 0), 400, "InvalidRestoreHours")
	b.must(restore("o", 1))
	b.fails(restore("o", 1), 409, "RestoreInProgress")
	equal(t, "state", b.head(bucket, "o").ArchivalState, "Restoring")
	clock.Advance(time.Minute)
	b.fails(restore("o", 1), 409, "AlreadyRestored")
	head := b.head(bucket, "o")
	equal(t, "state", head.ArchivalState, "Restored")
	equal(t, "time of archival", head.TimeOfArchival.Equal(clock.Now().Add(time.Hour)), true)
	b.must(get())
	clock.Advance(time.Hour)
	equal(t, "state", archivalStateOf(b, bucket), "Archived")
}

// archivalStateOf asks the simulator itself: signatures of now are too old for its clock.
func archivalStateOf(b *testbed, bucket *string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	found, err := b.findBucket(b.Region(), *bucket)
	b.must(err)
	return b.archivalState(b.store.bucket(found.ID).objects["o"])
}

func TestLifecycle(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	get := objectstorage.GetObjectLifecyclePolicyRequest{NamespaceName: b.ns, BucketName: bucket}
	_, err := b.OS.GetObjectLifecyclePolicy(b.ctx, get)
	b.fails(err, 404, "LifecyclePolicyNotFound")
	rule := func(name, action, target string, amount int64) objectstorage.ObjectLifecycleRule {
		return objectstorage.ObjectLifecycleRule{Name: &name, Action: &action, Target: &target, TimeAmount: &amount, TimeUnit: "DAYS", IsEnabled: common.Bool(true),
			ObjectNameFilter: &objectstorage.ObjectNameFilter{InclusionPrefixes: []string{"tmp/"}}}
	}
	put := func(ifMatch *string, rules ...objectstorage.ObjectLifecycleRule) (objectstorage.PutObjectLifecyclePolicyResponse, error) {
		return b.OS.PutObjectLifecyclePolicy(b.ctx, objectstorage.PutObjectLifecyclePolicyRequest{NamespaceName: b.ns, BucketName: bucket, IfMatch: ifMatch,
			PutObjectLifecyclePolicyDetails: objectstorage.PutObjectLifecyclePolicyDetails{Items: rules}})
	}
	for _, tc := range []struct {
		rule objectstorage.ObjectLifecycleRule
		code string
	}{
		{rule("", "DELETE", "objects", 1), "InvalidLifecycleRuleName"},
		{rule("r", "BURN", "objects", 1), "InvalidLifecycleActionType"},
		{rule("r", "DELETE", "objects", 0), "InvalidLifecycleTimeAmount"},
		{rule("r", "DELETE", "multipart-uploads", 1), "InvalidLifecycleActionType"},
		{rule("r", "ABORT", "objects", 1), "InvalidLifecycleActionType"},
	} {
		_, err := put(nil, tc.rule)
		b.fails(err, 400, tc.code)
	}
	_, err = put(nil, rule("r", "DELETE", "objects", 1), rule("r", "DELETE", "objects", 2))
	b.fails(err, 400, "InvalidLifecycleRuleName")
	first, err := put(nil, rule("clean", "ABORT", "multipart-uploads", 1), rule("old", "DELETE", "objects", 30))
	b.must(err)
	got, err := b.OS.GetObjectLifecyclePolicy(b.ctx, get)
	b.must(err)
	equal(t, "rules", len(got.Items), 2)
	equal(t, "filter", got.Items[1].ObjectNameFilter.InclusionPrefixes[0], "tmp/")
	equal(t, "etag", *got.ETag, *first.ETag)
	_, err = put(str("stale"), rule("old", "DELETE", "objects", 30))
	b.fails(err, 412, "IfMatchFailed")
	_, err = put(got.ETag, rule("old", "DELETE", "objects", 30))
	b.must(err)
	_, err = b.OS.DeleteObjectLifecyclePolicy(b.ctx, objectstorage.DeleteObjectLifecyclePolicyRequest{NamespaceName: b.ns, BucketName: bucket})
	b.must(err)
	_, err = b.OS.GetObjectLifecyclePolicy(b.ctx, get)
	b.fails(err, 404, "LifecyclePolicyNotFound")
}
