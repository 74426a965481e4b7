package ocisim

import (
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func TestRetentionRules(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock})
	b.dated(clock)
	bucket := b.bucket("b")
	b.put(bucket, "o", "kept")
	up := b.createUpload(bucket, "o")
	day := &objectstorage.Duration{TimeAmount: common.Int64(1), TimeUnit: "DAYS"}
	create := func(d objectstorage.CreateRetentionRuleDetails) (objectstorage.RetentionRule, error) {
		resp, err := b.OS.CreateRetentionRule(b.ctx, objectstorage.CreateRetentionRuleRequest{NamespaceName: b.ns, BucketName: bucket, CreateRetentionRuleDetails: d})
		return resp.RetentionRule, err
	}
	lock := &common.SDKTime{Time: clock.Now().Add(15 * 24 * time.Hour)}
	_, err := create(objectstorage.CreateRetentionRuleDetails{TimeRuleLocked: lock})
	b.fails(err, 400, "InvalidRetentionRuleDetails")
	_, err = create(objectstorage.CreateRetentionRuleDetails{Duration: day, TimeRuleLocked: &common.SDKTime{Time: clock.Now().Add(time.Hour)}})
	b.fails(err, 400, "InvalidRetentionRuleDetails")
	rule, err := create(objectstorage.CreateRetentionRuleDetails{DisplayName: str("day"), Duration: day, TimeRuleLocked: lock})
	b.must(err)

	_, err = b.deleteVersion(bucket, "o", nil)
	b.fails(err, 403, "NotAllowed")
	_, err = b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, "o", "new"))
	b.fails(err, 403, "NotAllowed")
	b.fails(b.commit(up, b.uploadPart(up, 1, "x")), 403, "NotAllowed")
	_, err = b.OS.RenameObject(b.ctx, objectstorage.RenameObjectRequest{NamespaceName: b.ns, BucketName: bucket,
		RenameObjectDetails: objectstorage.RenameObjectDetails{SourceName: str("o"), NewName: str("p")}})
	b.fails(err, 403, "NotAllowed")
	batch, err := b.OS.BatchDeleteObjects(b.ctx, objectstorage.BatchDeleteObjectsRequest{NamespaceName: b.ns, BucketName: bucket,
		BatchDeleteObjectsDetails: objectstorage.BatchDeleteObjectsDetails{Objects: []objectstorage.BatchDeleteObjectIdentifier{{ObjectName: str("o")}}}})
	b.must(err)
	equal(t, "batch", *batch.Failed[0].StatusCode, 403)
	equal(t, "content", b.get(bucket, "o"), "kept")
	b.put(bucket, "another", "may be written")

	b.fails(b.setVersioning(bucket, "Enabled"), 400, "InvalidParameter")
	clock.Advance(24 * time.Hour)
	_, err = b.deleteVersion(bucket, "o", nil)
	b.must(err)
	update := func(d objectstorage.UpdateRetentionRuleDetails, ifMatch *string) (objectstorage.UpdateRetentionRuleResponse, error) {
		return b.OS.UpdateRetentionRule(b.ctx, objectstorage.UpdateRetentionRuleRequest{NamespaceName: b.ns, BucketName: bucket, RetentionRuleId: rule.Id, IfMatch: ifMatch, UpdateRetentionRuleDetails: d})
	}
	_, err = update(objectstorage.UpdateRetentionRuleDetails{Duration: day, TimeRuleLocked: lock}, str("stale"))
	b.fails(err, 412, "IfMatchFailed")
	clock.Advance(15 * 24 * time.Hour) // it is locked now
	_, err = update(objectstorage.UpdateRetentionRuleDetails{Duration: day}, nil)
	b.fails(err, 400, "InvalidRetentionRuleDetails")
	two := &objectstorage.Duration{TimeAmount: common.Int64(2), TimeUnit: "DAYS"}
	_, err = update(objectstorage.UpdateRetentionRuleDetails{Duration: two, TimeRuleLocked: lock}, rule.Etag)
	b.must(err)
	_, err = b.OS.DeleteRetentionRule(b.ctx, objectstorage.DeleteRetentionRuleRequest{NamespaceName: b.ns, BucketName: bucket, RetentionRuleId: rule.Id})
	b.fails(err, 403, "NotAllowed")
}

func TestReplicationMakesReadOnly(t *testing.T) {
	b := newTestbed(t, Options{})
	from, to := b.bucket("from"), b.bucket("to")
	b.put(to, "o", "x")
	up := b.createUpload(to, "big")
	policy := objectstorage.CreateReplicationPolicyDetails{Name: str("p"), DestinationRegionName: str(b.Region()), DestinationBucketName: to}
	made, err := b.OS.CreateReplicationPolicy(b.ctx, objectstorage.CreateReplicationPolicyRequest{NamespaceName: b.ns, BucketName: from, CreateReplicationPolicyDetails: policy})
	b.must(err)
	equal(t, "status", made.Status, "ACTIVE")
	_, err = b.OS.CreateReplicationPolicy(b.ctx, objectstorage.CreateReplicationPolicyRequest{NamespaceName: b.ns, BucketName: from, CreateReplicationPolicyDetails: policy})
	b.fails(err, 409, "ReplicationPolicyConflict")

	_, err = b.OS.PutObject(b.ctx, putRequest(b.ns, to, "new", "x"))
	b.fails(err, 403, "BucketIsReadonly")
	_, err = b.deleteVersion(to, "o", nil)
	b.fails(err, 403, "BucketIsReadonly")
	_, err = b.OS.UploadPart(b.ctx, partRequest(up, 1, "x"))
	b.fails(err, 403, "BucketIsReadonly")
	b.put(from, "o", "x")
	_, err = b.OS.CopyObject(b.ctx, objectstorage.CopyObjectRequest{NamespaceName: b.ns, BucketName: from, CopyObjectDetails: objectstorage.CopyObjectDetails{
		SourceObjectName: str("o"), DestinationRegion: str(b.Region()), DestinationNamespace: b.ns, DestinationBucket: to, DestinationObjectName: str("copy"),
	}})
	b.fails(err, 403, "BucketIsReadonly")
	equal(t, "reading", b.get(to, "o"), "x")
	got, err := b.OS.GetBucket(b.ctx, objectstorage.GetBucketRequest{NamespaceName: b.ns, BucketName: to})
	b.must(err)
	equal(t, "read-only", *got.IsReadOnly, true)
	sources, err := b.OS.ListReplicationSources(b.ctx, objectstorage.ListReplicationSourcesRequest{NamespaceName: b.ns, BucketName: to})
	b.must(err)
	equal(t, "source", *sources.Items[0].SourceBucketName, "from")
	_, err = b.OS.DeleteBucket(b.ctx, objectstorage.DeleteBucketRequest{NamespaceName: b.ns, BucketName: from})
	b.fails(err, 403, "BucketReplicationEnabled")

	_, err = b.OS.MakeBucketWritable(b.ctx, objectstorage.MakeBucketWritableRequest{NamespaceName: b.ns, BucketName: to})
	b.must(err)
	b.put(to, "new", "x")
	list, err := b.OS.ListReplicationPolicies(b.ctx, objectstorage.ListReplicationPoliciesRequest{NamespaceName: b.ns, BucketName: from})
	b.must(err)
	equal(t, "policies", len(list.Items), 0)
}

func TestLimits(t *testing.T) {
	b := newTestbed(t, Options{Seed: &Seed{Buckets: []SeedBucket{{Name: "b"}}, Limits: Limits{StorageBytes: 10, Buckets: 1}}})
	bucket := str("b")
	_, err := b.OS.CreateBucket(b.ctx, objectstorage.CreateBucketRequest{NamespaceName: b.ns, CreateBucketDetails: objectstorage.CreateBucketDetails{
		Name: str("second"), CompartmentId: str(b.Tenancy())}})
	b.fails(err, 400, "LimitExceeded")
	b.put(bucket, "o", "12345678")
	_, err = b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, "p", "123"))
	b.fails(err, 400, "StorageQuotaExceeded")
	up := b.createUpload(bucket, "big")
	b.must(b.commit(up, b.uploadPart(up, 1, "12"))) // the parts were counted: the object is nothing more
	_, err = b.OS.UploadPart(b.ctx, partRequest(b.createUpload(bucket, "more"), 1, "x"))
	b.fails(err, 400, "StorageQuotaExceeded")
	b.must(b.SetLimits(Limits{}))
	b.put(bucket, "p", "123")
}
