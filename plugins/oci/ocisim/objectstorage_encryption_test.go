package ocisim

import (
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// customerTestKey returns the three headers of a key made of one letter.
func customerTestKey(letter string) (algorithm, key, sum *string) {
	raw := []byte(strings.Repeat(letter, 32))
	hash := sha256.Sum256(raw)
	return str("AES256"), str(base64.StdEncoding.EncodeToString(raw)), str(base64.StdEncoding.EncodeToString(hash[:]))
}

func (b *testbed) putWithKey(bucket *string, name, letter string) {
	b.Helper()
	req := putRequest(b.ns, bucket, name, "secret")
	req.OpcSseCustomerAlgorithm, req.OpcSseCustomerKey, req.OpcSseCustomerKeySha256 = customerTestKey(letter)
	_, err := b.OS.PutObject(b.ctx, req)
	b.must(err)
}

// getWithKey reads an object with a key, or without one for "".
func (b *testbed) getWithKey(bucket *string, name, letter string) error {
	req := objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name}
	if letter != "" {
		req.OpcSseCustomerAlgorithm, req.OpcSseCustomerKey, req.OpcSseCustomerKeySha256 = customerTestKey(letter)
	}
	resp, err := b.OS.GetObject(b.ctx, req)
	if err == nil {
		err = resp.Content.Close()
	}
	return err
}

func TestCustomerKeys(t *testing.T) {
	dir := t.TempDir()
	b := newTestbed(t, Options{Dir: dir})
	bucket := b.bucket("b")
	b.putWithKey(bucket, "o", "k")
	b.put(bucket, "plain", "x")
	b.must(b.getWithKey(bucket, "o", "k"))
	b.fails(b.getWithKey(bucket, "o", ""), 400, "MissingSSECustomerHeaders")
	b.fails(b.getWithKey(bucket, "o", "w"), 403, "NotAllowed")
	b.fails(b.getWithKey(bucket, "plain", "k"), 400, "InvalidSSECustomerKey")
	head := objectstorage.HeadObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o")}
	_, err := b.OS.HeadObject(b.ctx, head)
	b.fails(err, 400, "")
	head.OpcSseCustomerAlgorithm, head.OpcSseCustomerKey, head.OpcSseCustomerKeySha256 = customerTestKey("k")
	_, err = b.OS.HeadObject(b.ctx, head)
	b.must(err)

	algorithm, key, sum := customerTestKey("k")
	_, _, other := customerTestKey("w")
	for _, tc := range []struct {
		algorithm, key, sum *string
		code                string
	}{
		{algorithm, nil, nil, "MissingSSECustomerHeaders"},
		{algorithm, key, nil, "MissingSSECustomerHeaders"},
		{str("AES128"), key, sum, "InvalidSSECustomerAlgorithm"},
		{algorithm, str("c2hvcnQ="), sum, "InvalidSSECustomerKey"},
		{algorithm, key, other, "UnmatchedSSECustomerKeySHA256"},
	} {
		req := putRequest(b.ns, bucket, "bad", "x")
		req.OpcSseCustomerAlgorithm, req.OpcSseCustomerKey, req.OpcSseCustomerKeySha256 = tc.algorithm, tc.key, tc.sum
		_, err := b.OS.PutObject(b.ctx, req)
		b.fails(err, 400, tc.code)
	}
	b.noFilesBut(2)
	for _, e := range b.Server.Log().All() {
		if got := e.Header.Get("opc-sse-customer-key"); got == *key {
			t.Error("the log has the key")
		}
	}
	b.must(b.Close())
	for _, name := range []string{"state.json", "objects/journal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		b.must(err)
		if strings.Contains(string(data), *key) {
			t.Errorf("%s has the key", name)
		}
	}
}

func TestCustomerKeysOfParts(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	create := objectstorage.CreateMultipartUploadRequest{NamespaceName: b.ns, BucketName: bucket,
		CreateMultipartUploadDetails: objectstorage.CreateMultipartUploadDetails{Object: str("o")}}
	create.OpcSseCustomerAlgorithm, create.OpcSseCustomerKey, create.OpcSseCustomerKeySha256 = customerTestKey("k")
	up, err := b.OS.CreateMultipartUpload(b.ctx, create)
	b.must(err)
	part := func(letter string) (objectstorage.UploadPartResponse, error) {
		req := objectstorage.UploadPartRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o"), UploadId: up.UploadId,
			UploadPartNum: common.Int(1), ContentLength: common.Int64(1), UploadPartBody: putRequest(nil, nil, "", "x").PutObjectBody}
		if letter != "" {
			req.OpcSseCustomerAlgorithm, req.OpcSseCustomerKey, req.OpcSseCustomerKeySha256 = customerTestKey(letter)
		}
		return b.OS.UploadPart(b.ctx, req)
	}
	_, err = part("")
	b.fails(err, 400, "MissingSSECustomerHeaders")
	_, err = part("w")
	b.fails(err, 403, "NotAllowed")
	done, err := part("k")
	b.must(err)
	_, err = b.OS.CommitMultipartUpload(b.ctx, objectstorage.CommitMultipartUploadRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o"), UploadId: up.UploadId,
		CommitMultipartUploadDetails: objectstorage.CommitMultipartUploadDetails{PartsToCommit: []objectstorage.CommitMultipartUploadPartDetails{{PartNum: common.Int(1), Etag: done.ETag}}}})
	b.must(err)
	b.fails(b.getWithKey(bucket, "o", ""), 400, "MissingSSECustomerHeaders")
	b.must(b.getWithKey(bucket, "o", "k"))
}

func TestCustomerKeysOfCopies(t *testing.T) {
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Clock: clock, Timings: Timings{Copy: time.Second}})
	bucket := b.bucket("b")
	b.putWithKey(bucket, "o", "k")
	order := func(source, target string) (*string, error) {
		req := objectstorage.CopyObjectRequest{NamespaceName: b.ns, BucketName: bucket, CopyObjectDetails: objectstorage.CopyObjectDetails{
			SourceObjectName: str("o"), DestinationRegion: str(b.Region()), DestinationNamespace: b.ns, DestinationBucket: bucket, DestinationObjectName: str("copy"),
		}}
		if source != "" {
			req.OpcSourceSseCustomerAlgorithm, req.OpcSourceSseCustomerKey, req.OpcSourceSseCustomerKeySha256 = customerTestKey(source)
		}
		if target != "" {
			req.OpcSseCustomerAlgorithm, req.OpcSseCustomerKey, req.OpcSseCustomerKeySha256 = customerTestKey(target)
		}
		resp, err := b.OS.CopyObject(b.ctx, req)
		return resp.OpcWorkRequestId, err
	}
	_, err := order("", "k")
	b.fails(err, 400, "MissingSSECustomerHeaders")
	_, err = order("w", "k")
	b.fails(err, 403, "NotAllowed")
	for _, target := range []string{"t", ""} {
		id, err := order("k", target)
		b.must(err)
		clock.Advance(time.Second)
		equal(t, "copy", string(b.copyStatus(*id)), "COMPLETED")
		b.must(b.getWithKey(bucket, "copy", target))
	}

	algorithm, key, sum := customerTestKey("k")
	_, err = b.OS.ReencryptObject(b.ctx, objectstorage.ReencryptObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o"),
		ReencryptObjectDetails: objectstorage.ReencryptObjectDetails{SourceSseCustomerKey: &objectstorage.SseCustomerKeyDetails{
			Algorithm: objectstorage.SseCustomerKeyDetailsAlgorithmEnum(*algorithm), Key: key, KeySha256: sum}}})
	b.must(err)
	b.must(b.getWithKey(bucket, "o", ""))
}

func TestVaultKeys(t *testing.T) {
	b := newTestbed(t, Options{Seed: &Seed{
		Keys:    []SeedKey{{Name: "main"}, {Name: "off", Disabled: true}},
		Buckets: []SeedBucket{{Name: "b", Key: "main"}, {Name: "plain"}},
	}})
	got, err := b.OS.GetBucket(b.ctx, objectstorage.GetBucketRequest{NamespaceName: b.ns, BucketName: str("b")})
	b.must(err)
	equal(t, "key", *got.KmsKeyId, b.KeyID("main"))
	put := func(bucket, key string) error {
		req := putRequest(b.ns, &bucket, "o", "x")
		req.OpcSseKmsKeyId = &key
		_, err := b.OS.PutObject(b.ctx, req)
		return err
	}
	b.fails(put("plain", "ocid1.key.oc1..none"), 400, "InvalidKmsKeyId")
	b.fails(put("plain", b.KeyID("off")), 409, "KmsKeyDisabled")
	b.must(put("plain", b.KeyID("main")))
	b.put(str("b"), "o", "x")
	b.must(b.SetKey("main", false))
	for _, bucket := range []string{"b", "plain"} {
		b.fails(b.getWithKey(&bucket, "o", ""), 409, "KmsKeyDisabled")
	}
	_, err = b.OS.PutObject(b.ctx, putRequest(b.ns, str("b"), "another", "x"))
	b.fails(err, 409, "KmsKeyDisabled")
	_, err = b.OS.UpdateBucket(b.ctx, objectstorage.UpdateBucketRequest{NamespaceName: b.ns, BucketName: str("plain"),
		UpdateBucketDetails: objectstorage.UpdateBucketDetails{KmsKeyId: str(b.KeyID("off"))}})
	b.fails(err, 409, "KmsKeyDisabled")
	b.must(b.SetKey("main", true))
	b.must(b.getWithKey(str("b"), "o", ""))
}
