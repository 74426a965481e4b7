package oci

import (
	"context"
	"iter"
	"strconv"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// images yields the custom images that match q; OCI's own only by their id. The attributes are "os", "os_version" and
// "size_mb" (of what is billed; absent until the image is AVAILABLE).
func (v inventory) images(ctx context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	const op = "list images"
	if q.ID != "" {
		return v.oneImage(ctx, op, q)
	}
	return func(yield func(backend.Resource, error) bool) {
		scopes, err := v.scopes(ctx, op, q)
		if err != nil {
			yield(backend.Resource{}, err)
			return
		}
		for _, scope := range scopes {
			for image, err := range v.imagesOf(ctx, op, scope.ID) {
				if err != nil {
					yield(backend.Resource{}, err)
					return
				}
				r := v.imageResource(image, scope.Path)
				if r.Scope == scope.ID && selects(q, r.Name, r.State, r.Tags) && !yield(r, nil) {
					return
				}
			}
		}
	}
}

func (v inventory) oneImage(ctx context.Context, op string, q backend.Query) iter.Seq2[backend.Resource, error] {
	return func(yield func(backend.Resource, error) bool) {
		if err := checkOCID("image", q.ID, "image"); err != nil {
			yield(backend.Resource{}, invalid(op, clip(q.ID), "%w", err))
			return
		}
		image, err := compute(v).image(ctx, op, q.ID)
		if err != nil {
			yield(backend.Resource{}, err)
			return
		}
		if r := v.imageResource(image, ""); selects(q, r.Name, r.State, r.Tags) {
			yield(r, nil)
		}
	}
}

func (v inventory) imagesOf(ctx context.Context, op, compartment string) iter.Seq2[core.Image, error] {
	limit := pageSize
	return pages(op, compartment, func(page *string) ([]core.Image, *string, error) {
		resp, err := v.p.machines.ListImages(quick(ctx), core.ListImagesRequest{
			CompartmentId: &compartment, Limit: &limit, Page: page, RequestMetadata: v.p.once,
		})
		if err != nil {
			return nil, nil, failure(ctx, op, compartment, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	})
}

func (v inventory) imageResource(i core.Image, path string) backend.Resource {
	r := backend.Resource{
		ID: value(i.Id), Type: typeImage, Name: value(i.DisplayName), Scope: value(i.CompartmentId), ScopePath: path,
		Region: v.p.account.region, State: string(i.LifecycleState), Created: when(i.TimeCreated), Tags: i.FreeformTags,
		Attributes: map[string]string{"os": value(i.OperatingSystem), "os_version": value(i.OperatingSystemVersion)},
	}
	if i.SizeInMBs != nil {
		r.Attributes["size_mb"] = strconv.FormatInt(*i.SizeInMBs, 10)
	}
	return r
}
