package oci

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
)

// Copy lets the service copy an object, also from another bucket of the region, and waits for it. Without o.Meta and
// o.ModTime the copy keeps the metadata of its source.
func (b *bucket) Copy(ctx context.Context, from backend.Location, version string, key string, o backend.CopyOptions) (backend.Object, error) {
	const op = "copy"
	headers, err := headersOf(op, key, o.Meta, o.ModTime)
	if err != nil {
		return backend.Object{}, err
	}
	ifMatch, ifNoneMatch, err := conditions(op, key, o.If)
	if err != nil {
		return backend.Object{}, err
	}
	if from.Scheme != b.p.scheme {
		return backend.Object{}, &backend.Error{Op: op, Key: key, Kind: backend.Unsupported, Err: fmt.Errorf("the source %s is not served by this account", from)}
	}
	namespace, name, sourceKey, err := split(from)
	if err != nil {
		return backend.Object{}, invalid(op, key, "source %s: %w", from, err)
	}
	if err := checkKey(op, sourceKey); err != nil {
		return backend.Object{}, err
	}
	source := &bucket{p: b.p, namespace: namespace, name: name}
	resp, err := b.p.objects.CopyObject(patient(ctx), objectstorage.CopyObjectRequest{
		NamespaceName: &namespace, BucketName: &name,
		CopyObjectDetails: objectstorage.CopyObjectDetails{
			SourceObjectName: &sourceKey, SourceObjectIfMatchETag: optional(version),
			DestinationRegion: &b.p.account.region, DestinationNamespace: &b.namespace, DestinationBucket: &b.name,
			DestinationObjectName: &key, DestinationObjectIfMatchETag: ifMatch, DestinationObjectIfNoneMatchETag: ifNoneMatch,
			DestinationObjectMetadata: prefixed(headers),
		},
		RequestMetadata: b.p.once,
	})
	if err != nil {
		return backend.Object{}, b.copyFailed(ctx, source, from, version, key, o.If, source.fail(ctx, op, key, resp, err))
	}
	if value(resp.OpcWorkRequestId) == "" {
		return backend.Object{}, b.broken(op, key, resp, errors.New("the answer has no work request"))
	}
	if err := b.awaitCopy(ctx, key, *resp.OpcWorkRequestId); err != nil {
		return backend.Object{}, b.copyFailed(ctx, source, from, version, key, o.If, err)
	}
	return b.Stat(ctx, key)
}

// copyFailed settles the kind of an error that may be about the source's version or the destination's condition: the
// service has the same codes for both.
func (b *bucket) copyFailed(ctx context.Context, source *bucket, from backend.Location, version, key string, c backend.Condition, e *backend.Error) error {
	switch {
	case e.Kind != backend.Changed && e.Kind != backend.Exists && e.Kind != backend.NotFound && e.Kind != backend.Unavailable:
		return e
	case codeOf(e) == codeBucketNotFound:
		return e
	}
	_, _, sourceKey, _ := split(from)
	now, err := source.Stat(ctx, sourceKey)
	switch {
	case err != nil && !errors.Is(err, backend.NotFound):
		return e
	case version != "" && (err != nil || now.Version != version):
		e.Kind = backend.Changed
		return e
	case err != nil:
		e.Kind = backend.NotFound
		return e
	}
	there, err := b.Stat(ctx, key)
	switch {
	case c.Absent && err == nil:
		e.Kind = backend.Exists
	case c.Version != "" && (errors.Is(err, backend.NotFound) || err == nil && there.Version != c.Version):
		e.Kind = backend.Changed
	case e.Kind == backend.Changed || e.Kind == backend.Exists:
		e.Kind = backend.Unavailable // the reason has gone meanwhile
	}
	return e
}

// awaitCopy waits until a copy has ended, as often as the service wishes to be asked.
func (b *bucket) awaitCopy(ctx context.Context, key, id string) *backend.Error {
	const op = "copy"
	for wait := 100 * time.Millisecond; ; wait = min(wait*2, 10*time.Second) {
		resp, err := b.p.objects.GetWorkRequest(quick(ctx), objectstorage.GetWorkRequestRequest{WorkRequestId: &id, RequestMetadata: b.p.once})
		if err != nil {
			return b.fail(ctx, op, key, resp, err)
		}
		switch resp.Status {
		case objectstorage.WorkRequestStatusCompleted:
			return nil
		case objectstorage.WorkRequestStatusFailed, objectstorage.WorkRequestStatusCanceled:
			return b.copyErrors(ctx, key, id, string(resp.Status))
		}
		if err := b.p.pause(ctx, max(wait, httpclient.RetryAfter(resp.RawResponse.Header, time.Now()))); err != nil {
			return failure(ctx, op, key, nil, err)
		}
	}
}

// copyErrors says why a copy failed.
func (b *bucket) copyErrors(ctx context.Context, key, id, status string) *backend.Error {
	const op = "copy"
	e := &backend.Error{Op: op, Key: key, Kind: backend.Unavailable}
	var reasons []string
	fetch := func(page *string) ([]objectstorage.WorkRequestError, *string, error) {
		resp, err := b.p.objects.ListWorkRequestErrors(quick(ctx), objectstorage.ListWorkRequestErrorsRequest{WorkRequestId: &id, Page: page, RequestMetadata: b.p.once})
		if err != nil {
			return nil, nil, b.fail(ctx, op, key, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	}
	for item, err := range pages(op, key, fetch) {
		if err != nil {
			reasons = append(reasons, err.Error())
			break
		}
		reasons = append(reasons, fmt.Sprintf("%s (%s)", strings.TrimRight(value(item.Message), "."), value(item.Code)))
		if kind, ok := kindOfCode[value(item.Code)]; ok {
			e.Kind = kind
		}
	}
	e.Err = fmt.Errorf("work request %s is %s: %s", id, status, strings.Join(reasons, "; "))
	return e
}
