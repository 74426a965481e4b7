package proof

import (
	"context"
	"fmt"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
)

// Cloud asks a simulator of OCI what is there, with signed requests of Oracle's SDK.
type Cloud struct {
	machines core.ComputeClient
	objects  objectstorage.ObjectStorageClient
	work     workrequests.WorkRequestClient
	identity identity.IdentityClient

	namespace, tenancy string
}

// NewCloud returns a Cloud for the account of a configuration file, as the simulator writes it.
func NewCloud(configFile, profile, endpoint, namespace, tenancy string) (*Cloud, error) {
	account, err := common.ConfigurationProviderFromFileWithProfile(configFile, profile, "")
	if err != nil {
		return nil, err
	}
	c := &Cloud{namespace: namespace, tenancy: tenancy}
	if c.machines, err = core.NewComputeClientWithConfigurationProvider(account); err != nil {
		return nil, err
	}
	if c.objects, err = objectstorage.NewObjectStorageClientWithConfigurationProvider(account); err != nil {
		return nil, err
	}
	if c.work, err = workrequests.NewWorkRequestClientWithConfigurationProvider(account); err != nil {
		return nil, err
	}
	if c.identity, err = identity.NewIdentityClientWithConfigurationProvider(account); err != nil {
		return nil, err
	}
	for _, client := range []*common.BaseClient{&c.machines.BaseClient, &c.objects.BaseClient, &c.work.BaseClient, &c.identity.BaseClient} {
		client.Host = endpoint
	}
	return c, nil
}

// Image is a custom image, one that is deleted too.
type Image struct {
	ID      string
	Item    string // address of the step that made it, from its tag
	Run     string // that made it
	Deleted bool
	Exports int // that succeeded
}

// Images returns the custom images of the whole tenancy, also those that were deleted in the last minutes.
func (c *Cloud) Images(ctx context.Context) ([]Image, error) {
	var all []Image
	scopes, err := c.compartments(ctx)
	if err != nil {
		return nil, err
	}
	for _, scope := range scopes {
		for _, state := range []core.ImageLifecycleStateEnum{"", core.ImageLifecycleStateDeleted} {
			found, err := c.imagesOf(ctx, scope, state)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

func (c *Cloud) imagesOf(ctx context.Context, scope string, state core.ImageLifecycleStateEnum) ([]Image, error) {
	var all []Image
	request := core.ListImagesRequest{CompartmentId: &scope, LifecycleState: state}
	for {
		answer, err := c.machines.ListImages(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list images: %w", err)
		}
		for _, i := range answer.Items {
			if i.CompartmentId == nil { // Oracle's own
				continue
			}
			image := Image{ID: *i.Id, Item: i.FreeformTags["hyperexport-item"], Run: i.FreeformTags["hyperexport-run"],
				Deleted: i.LifecycleState == core.ImageLifecycleStateDeleted}
			if image.Exports, err = c.exports(ctx, scope, image.ID); err != nil {
				return nil, err
			}
			all = append(all, image)
		}
		if request.Page = answer.OpcNextPage; request.Page == nil {
			return all, nil
		}
	}
}

// exports counts the successful exports of an image.
func (c *Cloud) exports(ctx context.Context, scope, image string) (int, error) {
	limit, n := 1000, 0
	answer, err := c.work.ListWorkRequests(ctx, workrequests.ListWorkRequestsRequest{CompartmentId: &scope, ResourceId: &image, Limit: &limit})
	if err != nil {
		return 0, fmt.Errorf("list work requests: %w", err)
	}
	for _, w := range answer.Items {
		if *w.OperationType == "ExportImage" && w.Status == workrequests.WorkRequestSummaryStatusSucceeded {
			n++
		}
	}
	return n, nil
}

// Left is what a run has left behind; everything in it should be empty.
type Left struct {
	Images   []string // ids of custom images
	Staged   []string // objects in the buckets that are for staging only
	Uploads  []string // multipart uploads, in all buckets
	Requests []string // pre-authenticated requests, in all buckets
}

// Left returns what is there now.
func (c *Cloud) Left(ctx context.Context, staging ...string) (Left, error) {
	var left Left
	images, err := c.Images(ctx)
	if err != nil {
		return left, err
	}
	for _, i := range images {
		if !i.Deleted {
			left.Images = append(left.Images, i.ID)
		}
	}
	buckets, err := c.buckets(ctx)
	if err != nil {
		return left, err
	}
	for _, bucket := range buckets {
		if err := c.leftIn(ctx, bucket, slices.Contains(staging, bucket), &left); err != nil {
			return left, err
		}
	}
	return left, nil
}

func (c *Cloud) leftIn(ctx context.Context, bucket string, staging bool, left *Left) error {
	uploads, err := c.objects.ListMultipartUploads(ctx, objectstorage.ListMultipartUploadsRequest{NamespaceName: &c.namespace, BucketName: &bucket})
	if err != nil {
		return fmt.Errorf("list uploads of %s: %w", bucket, err)
	}
	for _, u := range uploads.Items {
		left.Uploads = append(left.Uploads, bucket+"/"+*u.Object)
	}
	requests, err := c.objects.ListPreauthenticatedRequests(ctx,
		objectstorage.ListPreauthenticatedRequestsRequest{NamespaceName: &c.namespace, BucketName: &bucket})
	if err != nil {
		return fmt.Errorf("list pre-authenticated requests of %s: %w", bucket, err)
	}
	for _, r := range requests.Items {
		left.Requests = append(left.Requests, bucket+"/"+*r.Name)
	}
	if !staging {
		return nil
	}
	objects, err := c.objects.ListObjects(ctx, objectstorage.ListObjectsRequest{NamespaceName: &c.namespace, BucketName: &bucket})
	if err != nil {
		return fmt.Errorf("list objects of %s: %w", bucket, err)
	}
	for _, o := range objects.Objects {
		left.Staged = append(left.Staged, bucket+"/"+*o.Name)
	}
	return nil
}

func (c *Cloud) buckets(ctx context.Context) ([]string, error) {
	var all []string
	scopes, err := c.compartments(ctx)
	if err != nil {
		return nil, err
	}
	for _, scope := range scopes {
		answer, err := c.objects.ListBuckets(ctx, objectstorage.ListBucketsRequest{NamespaceName: &c.namespace, CompartmentId: &scope})
		if err != nil {
			return nil, fmt.Errorf("list buckets: %w", err)
		}
		for _, b := range answer.Items {
			all = append(all, *b.Name)
		}
	}
	return all, nil
}

// compartments are the tenancy and everything in it.
func (c *Cloud) compartments(ctx context.Context) ([]string, error) {
	everything := true
	answer, err := c.identity.ListCompartments(ctx, identity.ListCompartmentsRequest{CompartmentId: &c.tenancy, CompartmentIdInSubtree: &everything})
	if err != nil {
		return nil, fmt.Errorf("list compartments: %w", err)
	}
	all := []string{c.tenancy}
	for _, item := range answer.Items {
		all = append(all, *item.Id)
	}
	return all, nil
}
