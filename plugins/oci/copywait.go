package oci

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
)

const (
	firstAsk = 100 * time.Millisecond
	lastAsk  = 10 * time.Second

	// deafAnswers is how many times in a row it is borne that the state of a copy cannot be asked for. To give up is to
	// cancel the copy, which may be nearly through.
	deafAnswers = 5
	// cancelWithin is how long is waited for a canceled copy to end.
	cancelWithin = 20 * time.Second
)

// await waits until the copy has ended, as often as the service wishes to be asked, and cancels it if it cannot be waited for.
func (c *copying) await(ctx context.Context, id string) *backend.Error {
	const op = "copy"
	deaf := 0
	for wait := firstAsk; ; wait = min(wait*2, lastAsk) {
		state, again, failed := c.look(ctx, id)
		switch {
		case failed == nil && state == objectstorage.WorkRequestStatusCompleted:
			return nil
		case failed == nil && (state == objectstorage.WorkRequestStatusFailed || state == objectstorage.WorkRequestStatusCanceled):
			return c.reasons(ctx, id, string(state))
		case failed == nil:
			deaf = 0
		default:
			if deaf++; !failed.Kind.Temporary() || deaf > deafAnswers || ctx.Err() != nil {
				c.cancel(ctx, id)
				return failed
			}
			again = failed.RetryAfter
		}
		if err := c.source.p.pause(ctx, max(wait, again)); err != nil {
			c.cancel(ctx, id)
			return failure(ctx, op, c.key, nil, err)
		}
	}
}

// look asks for the state of the work request, and when to ask again.
func (c *copying) look(ctx context.Context, id string) (objectstorage.WorkRequestStatusEnum, time.Duration, *backend.Error) {
	p := c.source.p
	resp, err := p.objects.GetWorkRequest(quick(ctx), objectstorage.GetWorkRequestRequest{WorkRequestId: &id, RequestMetadata: p.once})
	if err != nil {
		return "", 0, c.source.fail(ctx, "copy", c.key, resp, err)
	}
	return resp.Status, httpclient.RetryAfter(resp.RawResponse.Header, time.Now()), nil
}

// cancel stops the copy and waits until it has ended, so that nothing is written when the caller has gone on. ctx may have
// ended. What then cannot be canceled goes on at the service.
func (c *copying) cancel(ctx context.Context, id string) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), cancelWithin)
	defer done()
	p := c.source.p
	_, _ = p.objects.CancelWorkRequest(quick(ctx), objectstorage.CancelWorkRequestRequest{WorkRequestId: &id, RequestMetadata: p.once})
	for wait := firstAsk; ; wait *= 2 {
		state, _, failed := c.look(ctx, id)
		switch state {
		case objectstorage.WorkRequestStatusCompleted, objectstorage.WorkRequestStatusFailed, objectstorage.WorkRequestStatusCanceled:
			return
		}
		if failed != nil && !failed.Kind.Temporary() || p.pause(ctx, wait) != nil {
			return
		}
	}
}

// reasons says why a copy failed.
func (c *copying) reasons(ctx context.Context, id, status string) *backend.Error {
	const op = "copy"
	p := c.source.p
	e := &backend.Error{Op: op, Key: c.key, Kind: backend.Unavailable}
	var reasons []string
	advice := ""
	fetch := func(page *string) ([]objectstorage.WorkRequestError, *string, error) {
		resp, err := p.objects.ListWorkRequestErrors(quick(ctx), objectstorage.ListWorkRequestErrorsRequest{WorkRequestId: &id, Page: page, RequestMetadata: p.once})
		if err != nil {
			return nil, nil, c.source.fail(ctx, op, c.key, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	}
	for item, err := range pages(op, c.key, fetch) {
		if err != nil {
			reasons = append(reasons, err.Error())
			break
		}
		code := value(item.Code)
		reasons = append(reasons, fmt.Sprintf("%s (%s)", strings.TrimRight(value(item.Message), "."), code))
		if kind, ok := kindOfCode[code]; ok {
			e.Kind = kind
		}
		if code == codeNoServicePolicy {
			advice = c.servicePolicy()
		} else if text := adviceOfCode[code]; text != "" {
			advice = text
		}
	}
	text := strings.Join(reasons, "; ")
	if advice != "" {
		text += ": " + advice
	}
	e.Err = fmt.Errorf("work request %s is %s: %s", id, status, text)
	return e
}
