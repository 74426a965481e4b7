package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// CreateContainer makes the bucket, private and with what the service sets by default, in Config.Compartment or else where
// the namespace makes buckets of the S3 protocol, which is the tenancy unless somebody changed it.
func (b *bucket) CreateContainer(ctx context.Context) error {
	const op = "create bucket"
	place := b.namespace + "/" + b.name
	compartment, err := b.p.home(ctx, op, b.namespace)
	if err != nil {
		return err
	}
	resp, sdkErr := b.p.objects.CreateBucket(quick(ctx), objectstorage.CreateBucketRequest{
		NamespaceName: &b.namespace, RequestMetadata: b.p.once,
		CreateBucketDetails: objectstorage.CreateBucketDetails{Name: &b.name, CompartmentId: &compartment},
	})
	if sdkErr != nil {
		return b.fail(ctx, op, place, resp, sdkErr)
	}
	b.works()
	return nil
}

// home returns the compartment of new buckets. Who may make buckets need not be allowed to ask what the namespace says.
func (p *Provider) home(ctx context.Context, op, namespace string) (string, error) {
	if p.compartment != "" {
		return p.compartment, nil
	}
	resp, err := p.objects.GetNamespaceMetadata(quick(ctx), objectstorage.GetNamespaceMetadataRequest{NamespaceName: &namespace, RequestMetadata: p.once})
	if err != nil {
		if e := failure(ctx, op, namespace, resp, err); e.Kind != backend.NotFound && e.Kind != backend.Forbidden {
			return "", e
		}
		return p.tenancy(ctx, op)
	}
	if home := value(resp.DefaultS3CompartmentId); home != "" {
		return home, nil
	}
	return p.tenancy(ctx, op)
}
