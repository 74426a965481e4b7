package oci

import (
	"context"
	"errors"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// existing is the job that exports an image which was there before. Others may export it at the same time: the service
// does one export of an image after the other, and all that a job knows to be its own is its objects.
func (c compute) existing(ctx context.Context, op string, j job) (backend.Job, error) {
	image, err := c.image(ctx, op, j.Image)
	if err != nil {
		return backend.Job{}, err
	}
	j.Compartment = value(image.CompartmentId)
	if j.Compartment == "" {
		return backend.Job{}, invalid(op, j.Image, "it is an image of OCI's own, which cannot be exported")
	}
	return j.state("exporting "+j.Formats[0], 1, 0), nil
}

func (c compute) image(ctx context.Context, op, id string) (core.Image, error) {
	resp, err := c.p.machines.GetImage(quick(ctx), core.GetImageRequest{ImageId: &id, RequestMetadata: c.p.once})
	if err != nil {
		return core.Image{}, failure(ctx, op, id, resp, err)
	}
	return resp.Image, nil
}

// exportingExisting is the state of a job whose image is not its own. While the image is EXPORTING, that may be somebody
// else's export; when it is free, the job asks for its next format. Asked again, the service answers with the work request
// of the first time, which tells whether that failed.
func (c compute) exportingExisting(ctx context.Context, op string, j job, running bool) (backend.Job, error) {
	done, next, err := c.staged(ctx, j)
	switch {
	case err != nil:
		return backend.Job{}, err
	case next == "":
		ready := j.state("exported", 1+len(j.Formats), 0)
		ready.Ready, ready.Artifacts = true, done
		return ready, nil
	case running:
		return j.state("exporting "+next, 1+len(done), 0), nil
	}
	request, err := c.export(ctx, j, next)
	if err != nil {
		return backend.Job{}, err
	}
	if request != "" {
		if err := c.failed(ctx, op, j, next, request); err != nil {
			return backend.Job{}, err
		}
	}
	return j.state("exporting "+next, 1+len(done), 0), nil
}

// failed returns why a work request brought no object, nil if it may still bring one.
func (c compute) failed(ctx context.Context, op string, j job, format, request string) error {
	resp, err := c.p.work.GetWorkRequest(quick(ctx), workrequests.GetWorkRequestRequest{WorkRequestId: &request, RequestMetadata: c.p.once})
	if err != nil {
		e := failure(ctx, op, request, resp, err)
		if e.Kind == backend.NotFound { // it is shown a little later than it is named, and forgotten some day
			return nil
		}
		return e
	}
	switch resp.Status {
	case workrequests.WorkRequestStatusFailed, workrequests.WorkRequestStatusCanceled:
		return c.reasons(ctx, op, j, &workrequests.WorkRequestSummary{Id: resp.Id, OperationType: resp.OperationType,
			Status: workrequests.WorkRequestSummaryStatusEnum(resp.Status)})
	case workrequests.WorkRequestStatusSucceeded:
		if done, next, err := c.staged(ctx, j); err != nil || next != format {
			return err // it has just arrived
		} else if len(done) < len(j.Formats) {
			return &backend.Error{Op: op, Key: j.at(format).String(), Kind: backend.Changed,
				Err: errors.New("the export succeeded, but the object is not there: somebody removed it")}
		}
	}
	return nil
}

// awaitFree waits until nothing exports the image any more, so that no object of the job comes after its end.
func (c compute) awaitFree(ctx context.Context, op, id string) error {
	for wait := firstLook; ; wait = nextLook(wait) {
		state, err := c.imageState(ctx, op, id)
		if errors.Is(err, backend.NotFound) || err == nil && state != core.ImageLifecycleStateExporting {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.p.pause(ctx, wait); err != nil {
			return failure(ctx, op, id, nil, err)
		}
	}
}
