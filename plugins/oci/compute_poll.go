package oci

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// settling is how long after its creation a resource may still be unknown to other servers of the service.
const settling = time.Minute

// PollExport looks at the image first, then at the staged objects, then at the work requests: an image that was available
// had no export running, so an object that is missing afterwards has not been exported, or its export has failed. Images
// have no failed state; only work requests tell that. The id of the job never changes.
func (c compute) PollExport(ctx context.Context, id string) (backend.Job, error) {
	const op = "poll export"
	j, err := parseJob(op, id)
	if err != nil {
		return backend.Job{}, err
	}
	state, err := c.imageState(ctx, op, j.Image)
	if errors.Is(err, backend.NotFound) && j.justBegun(settling) && !j.Existing {
		return j.state("creating image", 0, 0), nil
	}
	if err != nil && !errors.Is(err, backend.NotFound) {
		return backend.Job{}, err
	}
	switch state {
	case core.ImageLifecycleStateProvisioning, core.ImageLifecycleStateImporting:
		return c.creating(ctx, op, j)
	case core.ImageLifecycleStateAvailable, core.ImageLifecycleStateExporting:
		if j.Existing {
			return c.exportingExisting(ctx, op, j, state == core.ImageLifecycleStateExporting)
		}
		return c.exporting(ctx, op, j, state == core.ImageLifecycleStateExporting)
	case core.ImageLifecycleStateDisabled:
		return backend.Job{}, invalid(op, j.Image, "the image is DISABLED")
	}
	work, err := c.workOf(ctx, op, j)
	if err == nil && work.failed != nil {
		return backend.Job{}, c.reasons(ctx, op, j, work.failed)
	}
	return backend.Job{}, &backend.Error{Op: op, Key: j.Image, Kind: backend.Changed,
		Err: errors.New("the image is gone: somebody deleted it, its creation failed without a trace, or it may not be read any more")}
}

func (c compute) imageState(ctx context.Context, op, id string) (core.ImageLifecycleStateEnum, error) {
	image, err := c.image(ctx, op, id)
	return image.LifecycleState, err
}

// creating is the state of a job whose image is being made.
func (c compute) creating(ctx context.Context, op string, j job) (backend.Job, error) {
	work, err := c.workOf(ctx, op, j)
	if err != nil {
		return backend.Job{}, err
	}
	if work.failed != nil {
		return backend.Job{}, c.reasons(ctx, op, j, work.failed)
	}
	return j.state("creating image", 0, work.percentOr(work.created)), nil
}

// exporting is the state of a job whose image exists, after the next export was begun if it is time for it.
func (c compute) exporting(ctx context.Context, op string, j job, running bool) (backend.Job, error) {
	done, next, err := c.staged(ctx, j)
	if err != nil {
		return backend.Job{}, err
	}
	if next == "" && !running {
		ready := j.state("exported", 1+len(j.Formats), 0)
		ready.Ready, ready.Artifacts = true, done
		return ready, nil
	}
	if next == "" { // the last object is there, the image not yet free
		return j.state("finishing", len(j.Formats), 99), nil
	}
	work, err := c.workOf(ctx, op, j)
	if err != nil {
		return backend.Job{}, err
	}
	switch {
	case work.running: // its object may be there before its end
		step := min(work.exported, len(j.Formats)-1)
		return j.state("exporting "+j.Formats[step], 1+step, work.percent), nil
	case work.failed != nil: // also if the image was EXPORTING a moment ago
		return backend.Job{}, c.reasons(ctx, op, j, work.failed)
	case running:
		return j.state("exporting "+next, 1+len(done), work.percentOr(work.exported > len(done))), nil
	case work.exported > len(done):
		return backend.Job{}, &backend.Error{Op: op, Key: j.at(next).String(), Kind: backend.Changed,
			Err: errors.New("the export succeeded, but the object is not there: somebody removed it")}
	}
	if _, err := c.export(ctx, j, next); err != nil {
		return backend.Job{}, err
	}
	return j.state("exporting "+next, 1+len(done), 0), nil
}

// staged returns what has been exported, and the first format that has not; "" if all have.
func (c compute) staged(ctx context.Context, j job) (done []backend.Artifact, next string, err error) {
	s, _, err := c.p.Open(j.Staging)
	if err != nil {
		return nil, "", err
	}
	for _, format := range j.Formats {
		obj, err := s.Stat(ctx, j.key(format))
		if errors.Is(err, backend.NotFound) && codeOf(err) != codeBucketNotFound {
			return done, format, nil
		}
		if err != nil {
			return nil, "", err
		}
		done = append(done, backend.Artifact{
			Name: j.file(format), At: j.at(format), Size: obj.Size, Format: format, Checksum: obj.Checksum,
		})
	}
	return done, "", nil
}

// work sums up the work requests of a job's image.
type work struct {
	running  bool    // one is under way
	percent  float32 // of that one
	created  bool    // the image was
	exported int     // exports that succeeded
	failed   *workrequests.WorkRequestSummary
}

// percentOr is the progress of the request under way. One that ended since the image was looked at is complete: its
// progress does not go back to where it began.
func (w work) percentOr(ended bool) float32 {
	if !w.running && ended {
		return 100
	}
	return w.percent
}

// workOf reads the work requests of the image. They are told apart by the names of their operations, of which only the
// verb is relied on.
func (c compute) workOf(ctx context.Context, op string, j job) (work, error) {
	limit := pageSize
	fetch := func(page *string) ([]workrequests.WorkRequestSummary, *string, error) {
		resp, err := c.p.work.ListWorkRequests(quick(ctx), workrequests.ListWorkRequestsRequest{
			CompartmentId: &j.Compartment, ResourceId: &j.Image, Limit: &limit, Page: page, RequestMetadata: c.p.once,
		})
		if err != nil {
			return nil, nil, failure(ctx, op, j.Image, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	}
	var w work
	for item, err := range pages(op, j.Image, fetch) {
		if err != nil {
			return work{}, err
		}
		operation := strings.ToLower(value(item.OperationType))
		export := strings.Contains(operation, "export")
		if !export && !strings.Contains(operation, "create") {
			continue
		}
		switch item.Status {
		case workrequests.WorkRequestSummaryStatusAccepted, workrequests.WorkRequestSummaryStatusInProgress, workrequests.WorkRequestSummaryStatusCanceling:
			w.running, w.percent = true, value(item.PercentComplete)
		case workrequests.WorkRequestSummaryStatusSucceeded:
			if export {
				w.exported++
			} else {
				w.created = true
			}
		case workrequests.WorkRequestSummaryStatusFailed, workrequests.WorkRequestSummaryStatusCanceled:
			w.failed = &item
		}
	}
	return w, nil
}

// reasons is the error of a work request that did not succeed, with everything that the service says about it.
func (c compute) reasons(ctx context.Context, op string, j job, failed *workrequests.WorkRequestSummary) error {
	e := &backend.Error{Op: op, Key: j.Image, Kind: backend.Invalid}
	fetch := func(page *string) ([]workrequests.WorkRequestError, *string, error) {
		resp, err := c.p.work.ListWorkRequestErrors(quick(ctx), workrequests.ListWorkRequestErrorsRequest{
			WorkRequestId: failed.Id, Page: page, RequestMetadata: c.p.once,
		})
		if err != nil {
			return nil, nil, failure(ctx, op, j.Image, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	}
	var texts []string
	for item, err := range pages(op, j.Image, fetch) {
		if err != nil {
			return err // the next poll asks again
		}
		text := fmt.Sprintf("%s (%s)", hideURLs(strings.TrimRight(value(item.Message), ". ")), value(item.Code))
		if advice := adviceOfCode[value(item.Code)]; advice != "" {
			text += ": " + advice
		}
		texts = append(texts, text)
		if kind, ok := kindOfCode[value(item.Code)]; ok && !kind.Temporary() {
			e.Kind = kind
		}
	}
	if len(texts) == 0 {
		texts = []string{"the service gives no reason"}
	}
	e.Err = fmt.Errorf("%s of %s is %s: %s (work request %s)", value(failed.OperationType), j, failed.Status, strings.Join(texts, "; "), value(failed.Id))
	return e
}
