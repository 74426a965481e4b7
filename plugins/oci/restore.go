package oci

import (
	"context"
	"math"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// maxRestore is how long an archived object can be made readable for.
const maxRestore = 240 * time.Hour

// Restore asks for obj to be readable for period, in whole hours. The service takes about an hour, and does not make the
// time of an object that is restored already any longer.
func (b *bucket) Restore(ctx context.Context, obj backend.Object, period time.Duration) error {
	const op = "restore"
	if err := checkKey(op, obj.Key); err != nil {
		return err
	}
	if period <= 0 || period > maxRestore {
		return invalid(op, obj.Key, "the service restores for 1 to %d hours, not for %s", int(maxRestore.Hours()), period)
	}
	hours := int(math.Ceil(period.Hours()))
	resp, err := b.p.objects.RestoreObjects(quick(ctx), objectstorage.RestoreObjectsRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, RequestMetadata: b.p.once,
		RestoreObjectsDetails: objectstorage.RestoreObjectsDetails{ObjectName: &obj.Key, Hours: &hours, VersionId: optional(obj.Generation)},
	})
	if err != nil {
		e := b.fail(ctx, op, obj.Key, resp, err)
		switch codeOf(e) {
		case "AlreadyRestored", "RestoreInProgress", "NotArchivedObject":
			return nil
		}
		return e
	}
	b.works()
	return nil
}
