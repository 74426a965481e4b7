package oci

import (
	"context"
	"errors"
	"net/http"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// mostDeletes is how many objects the service deletes in one request.
const mostDeletes = 1000

// DeleteAll lets the service delete the objects in one request. Of those that it does not delete it tells the status and a
// text, and no code.
func (b *bucket) DeleteAll(ctx context.Context, objs []backend.Object) []error {
	const op = "delete"
	errs := make([]error, len(objs))
	index := map[string]int{}
	var wanted []objectstorage.BatchDeleteObjectIdentifier
	for i, obj := range objs {
		switch _, twice := index[obj.Key]; {
		case obj.Generation != "" || twice:
			errs[i] = invalid(op, obj.Key, "old versions, and one object twice, are not deleted together with others")
		default:
			if errs[i] = checkKey(op, obj.Key); errs[i] == nil {
				index[obj.Key] = i
				wanted = append(wanted, objectstorage.BatchDeleteObjectIdentifier{ObjectName: &objs[i].Key, IfMatch: optional(obj.Version)})
			}
		}
	}
	if len(wanted) == 0 {
		return errs
	}
	skip := true
	resp, err := b.p.objects.BatchDeleteObjects(patient(ctx), objectstorage.BatchDeleteObjectsRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, RequestMetadata: b.p.once,
		BatchDeleteObjectsDetails: objectstorage.BatchDeleteObjectsDetails{Objects: wanted, IsSkipDeletedResult: &skip},
	})
	if err != nil {
		for key, i := range index {
			errs[i] = b.fail(ctx, op, key, resp, err)
		}
		return errs
	}
	b.works()
	for _, failed := range resp.Failed {
		i, ok := index[value(failed.ObjectName)]
		if !ok {
			continue
		}
		answer := &serviceError{Status: value(failed.StatusCode), Message: hideURLs(value(failed.ErrorMessage))}
		e := &backend.Error{Op: op, Key: objs[i].Key, Kind: answer.kind(true), RequestID: requestID(resp), Err: answer}
		if errs[i] = e; answer.Status == http.StatusPreconditionFailed {
			e.Kind = backend.Changed
		}
		if errors.Is(e, backend.NotFound) {
			errs[i] = b.notDeleted(ctx, objs[i], e)
		}
	}
	return errs
}
