package oci

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// compute exports instances: it makes a custom image of the boot volume, has the service write it below the staging
// location in each format, one after the other, and deletes the image at the end. Data volumes are not part of an image.
//
// The service's own state is the only state: images carry the token of their job, every mutating call a retry token that
// follows from it, so that a job can be continued by any process, from any point, with one CreateImage and one
// ExportImage per format.
type compute struct{ p *Provider }

var _ backend.Compute = compute{}

// formats are the extensions of the files, which ExportImage knows in upper case.
func formats() []string { return []string{"qcow2", "vmdk", "vhd", "vdi", "oci"} }

// Formats lists what ExportImage writes. "oci" is a tar of the image's metadata and a QCOW2.
func (c compute) Formats() []string { return formats() }

// StartExport makes the image, unless it is there. An instance that is in the wrong state for it is Busy. Staging is a
// location of this account, by whatever scheme: the service writes images to its own object storage only.
func (c compute) StartExport(ctx context.Context, r backend.ExportRequest) (backend.Job, error) {
	const op = "start export"
	j, err := newJob(op, r)
	if err != nil {
		return backend.Job{}, err
	}
	if j.Existing {
		return c.existing(ctx, op, j)
	}
	instance, err := c.instance(ctx, op, r.Instance)
	if err != nil {
		return backend.Job{}, err
	}
	j.Compartment = value(instance.CompartmentId)
	image, err := c.find(ctx, op, j)
	if errors.Is(err, backend.NotFound) {
		switch instance.LifecycleState {
		case core.InstanceLifecycleStateTerminated, core.InstanceLifecycleStateTerminating:
			return backend.Job{}, invalid(op, r.Instance, "the instance is %s", instance.LifecycleState)
		}
		image, err = c.create(ctx, op, j, r.Tags)
	}
	if err != nil {
		return backend.Job{}, err
	}
	j.Image = value(image.Id)
	return j.state("creating image", 0, 0), nil
}

// create makes the image. Asked again with the same token, the service returns the first one.
func (c compute) create(ctx context.Context, op string, j job, tags map[string]string) (core.Image, error) {
	all := map[string]string{}
	maps.Copy(all, tags)
	all[tokenTag] = j.Token
	name := displayName(j.Token)
	resp, err := c.p.machines.CreateImage(quick(ctx), core.CreateImageRequest{
		CreateImageDetails: core.CreateImageDetails{
			CompartmentId: &j.Compartment, InstanceId: &j.Instance, DisplayName: &name, FreeformTags: all,
		},
		OpcRetryToken: j.retryToken("image"), RequestMetadata: c.p.once,
	})
	if err != nil {
		e := failure(ctx, op, j.Instance, resp, err)
		if codeOf(e) == "InvalidatedRetryToken" {
			e.Err = fmt.Errorf("the image of an earlier export with this token is gone; begin with another token: %w", e.Err)
		}
		return core.Image{}, e
	}
	if value(resp.Id) == "" || resp.LifecycleState == core.ImageLifecycleStateDeleted {
		return core.Image{}, invalid(op, j.Instance, "the image of an earlier export with this token is gone; begin with another token")
	}
	return resp.Image, nil
}

// FindExport looks for the image of an earlier StartExport, also if the instance is gone meanwhile. The export of an image
// that was there before leaves no trace before its first object; its job follows from the request.
func (c compute) FindExport(ctx context.Context, r backend.ExportRequest) (backend.Job, error) {
	const op = "find export"
	j, err := newJob(op, r)
	if err != nil {
		return backend.Job{}, err
	}
	if j.Existing {
		return c.existing(ctx, op, j)
	}
	compartments, err := c.compartments(ctx, op, r.Instance)
	if err != nil {
		return backend.Job{}, err
	}
	for _, j.Compartment = range compartments {
		image, err := c.find(ctx, op, j)
		if errors.Is(err, backend.NotFound) {
			continue
		}
		if err != nil {
			return backend.Job{}, err
		}
		j.Image = value(image.Id)
		return j.state("creating image", 0, 0), nil
	}
	return backend.Job{}, notFound(op, r.Instance, errNoImage)
}

// compartments is where an image of the instance can be: in the instance's own, or anywhere if that is not known any more.
func (c compute) compartments(ctx context.Context, op, instance string) ([]string, error) {
	found, err := c.instance(ctx, op, instance)
	if err == nil {
		return []string{value(found.CompartmentId)}, nil
	}
	if !errors.Is(err, backend.NotFound) {
		return nil, err
	}
	var all []string
	for scope, err := range inventory(c).Scopes(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, scope.ID)
	}
	return all, nil
}

func (c compute) instance(ctx context.Context, op, id string) (core.Instance, error) {
	resp, err := c.p.machines.GetInstance(quick(ctx), core.GetInstanceRequest{InstanceId: &id, RequestMetadata: c.p.once})
	if err != nil {
		return core.Instance{}, failure(ctx, op, id, resp, err)
	}
	return resp.Instance, nil
}

// find returns the job's image, the oldest if there are several, or NotFound.
func (c compute) find(ctx context.Context, op string, j job) (core.Image, error) {
	var oldest core.Image
	images, err := c.images(ctx, op, j)
	for _, image := range images {
		if oldest.Id == nil || when(image.TimeCreated).Before(when(oldest.TimeCreated)) {
			oldest = image
		}
	}
	if err == nil && oldest.Id == nil {
		err = notFound(op, j.Instance, errNoImage)
	}
	return oldest, err
}

// images returns all images of the job that are not deleted: those with its name and its tag, in its compartment.
func (c compute) images(ctx context.Context, op string, j job) ([]core.Image, error) {
	name, limit := displayName(j.Token), pageSize
	fetch := func(page *string) ([]core.Image, *string, error) {
		resp, err := c.p.machines.ListImages(quick(ctx), core.ListImagesRequest{
			CompartmentId: &j.Compartment, DisplayName: &name, Limit: &limit, Page: page, RequestMetadata: c.p.once,
		})
		if err != nil {
			return nil, nil, failure(ctx, op, j.Instance, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	}
	var ours []core.Image
	for image, err := range pages(op, j.Instance, fetch) {
		if err != nil {
			return nil, err
		}
		if image.FreeformTags[tokenTag] == j.Token && value(image.DisplayName) == name && value(image.Id) != "" &&
			image.LifecycleState != core.ImageLifecycleStateDeleted {
			ours = append(ours, image)
		}
	}
	return ours, nil
}
