package oci

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// EndExport deletes every image of the job that it has made, then the URLs and the staged objects, those unless keepStaged.
// An image that the service is at work with cannot be deleted: EndExport waits until it can, which may take as long as the
// work, or until ctx ends. It then waits until the image shows as deleted.
func (c compute) EndExport(ctx context.Context, id string, keepStaged bool) error {
	const op = "end export"
	j, err := parseJob(op, id)
	if err != nil {
		return err
	}
	if j.Existing {
		err = c.awaitFree(ctx, op, j.Image)
	} else {
		err = c.deleteImages(ctx, op, j)
	}
	if err != nil {
		return err
	}
	err = c.deleteURLs(ctx, j)
	if kind := backend.KindOf(err); err != nil && (c.p.exportsByURL() || kind != backend.Forbidden && kind != backend.NotFound) {
		return err
	}
	if keepStaged {
		return nil
	}
	return c.deleteStaged(ctx, j)
}

func (c compute) deleteImages(ctx context.Context, op string, j job) error {
	images, err := c.images(ctx, op, j)
	if err != nil {
		return err
	}
	ids := map[string]bool{j.Image: true} // lists may lag behind
	for _, image := range images {
		ids[value(image.Id)] = true
	}
	for id := range ids {
		if err := c.deleteImage(ctx, op, id); err != nil {
			return err
		}
	}
	return nil
}

// How long to wait between two looks at a resource that changes.
const firstLook = 500 * time.Millisecond

func nextLook(wait time.Duration) time.Duration { return min(wait*3/2, 15*time.Second) }

// deleteImage deletes an image and waits until it is gone.
func (c compute) deleteImage(ctx context.Context, op, id string) error {
	asked := false
	for wait := firstLook; ; wait = nextLook(wait) {
		state, err := c.imageState(ctx, op, id)
		if errors.Is(err, backend.NotFound) || state == core.ImageLifecycleStateDeleted {
			return nil
		}
		if err != nil {
			return err
		}
		if state != core.ImageLifecycleStateProvisioning && state != core.ImageLifecycleStateImporting && state != core.ImageLifecycleStateExporting && !asked {
			resp, err := c.p.machines.DeleteImage(quick(ctx), core.DeleteImageRequest{ImageId: &id, RequestMetadata: c.p.once})
			if err != nil {
				e := failure(ctx, op, id, resp, err)
				if e.Kind == backend.NotFound {
					return c.notDeleted(ctx, op, id, e)
				}
				if e.Kind != backend.Busy {
					return e
				}
			}
			if asked = err == nil; asked {
				continue
			}
		}
		if err := c.p.pause(ctx, wait); err != nil {
			return failure(ctx, op, id, nil, err)
		}
	}
}

// notDeleted tells an image that is gone from one that may not be deleted: the service says the same of both.
func (c compute) notDeleted(ctx context.Context, op, id string, answer *backend.Error) error {
	state, err := c.imageState(ctx, op, id)
	switch {
	case errors.Is(err, backend.NotFound), err == nil && state == core.ImageLifecycleStateDeleted:
		return nil
	case err != nil:
		return err
	}
	answer.Kind = backend.Forbidden
	answer.Err = fmt.Errorf("the image is there and may not be deleted: the permission INSTANCE_IMAGE_DELETE is missing: %w", answer.Err)
	return answer
}

// deleteStaged deletes what the job has staged. Its prefix carries the token, so nothing else is there.
func (c compute) deleteStaged(ctx context.Context, j job) error {
	s, _, err := c.p.Open(j.Staging)
	if err != nil {
		return err
	}
	var staged []backend.Object
	for obj, err := range s.List(ctx, j.prefix()) {
		if err != nil {
			return err
		}
		staged = append(staged, obj)
	}
	for _, obj := range staged {
		if err := s.Delete(ctx, backend.Object{Key: obj.Key}); err != nil && !errors.Is(err, backend.NotFound) {
			return err
		}
	}
	return nil
}
