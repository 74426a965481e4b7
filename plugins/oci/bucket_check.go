package oci

import (
	"context"
	"fmt"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// stagingConcerns says what of the bucket's settings matters to disk images that lie in it for a while. Whether the bucket
// exists is found out elsewhere.
func (b *bucket) stagingConcerns(ctx context.Context, op string) ([]backend.Concern, error) {
	resp, err := b.p.objects.GetBucket(quick(ctx), objectstorage.GetBucketRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, RequestMetadata: b.p.once,
	})
	if err != nil {
		return nil, b.fail(ctx, op, "", resp, err)
	}
	return bucketConcerns(resp.Bucket), nil
}

func bucketConcerns(bucket objectstorage.Bucket) []backend.Concern {
	var found []backend.Concern
	name := value(bucket.Name)
	add := func(blocks bool, help, format string, args ...any) {
		found = append(found, backend.Concern{Text: fmt.Sprintf(format, args...), Help: help, Blocks: blocks})
	}
	if value(bucket.IsReadOnly) {
		add(true, "stage in another bucket, or end the replication", "bucket %s is read-only: it is the target of a replication", name)
	}
	if bucket.StorageTier == objectstorage.BucketStorageTierArchive {
		add(true, "stage in a bucket of the standard tier", "bucket %s archives what is put into it, and archived images cannot be read", name)
	}
	if bucket.PublicAccessType != "" && bucket.PublicAccessType != objectstorage.BucketPublicAccessTypeNopublicaccess {
		add(false, "stage in a private bucket", "bucket %s is public (%s): while they are staged, anybody can read the disk images", name, bucket.PublicAccessType)
	}
	if bucket.Versioning == objectstorage.BucketVersioningEnabled {
		add(false, "stage in a bucket without versioning, or give it a lifecycle rule for previous versions",
			"bucket %s keeps old versions: staged images stay there, and cost, after they are removed", name)
	}
	return found
}

// Space tells whether the bucket can be written to. Object storage has no end of its own.
func (b *bucket) Space(ctx context.Context, prefix string) (backend.Space, error) {
	resp, err := b.p.objects.GetBucket(quick(ctx), objectstorage.GetBucketRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, RequestMetadata: b.p.once,
	})
	if err != nil {
		return backend.Space{}, b.fail(ctx, "look for space", prefix, resp, err)
	}
	space := backend.Space{Free: -1}
	if value(resp.IsReadOnly) {
		space.ReadOnly = "bucket " + b.name + " is the target of a replication"
	}
	return space, nil
}
