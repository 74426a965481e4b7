package oci

import (
	"context"
	"errors"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// export asks for one format and returns the id of the work request, which older answers do not have. An image that is
// still at something else is asked again by the next poll: then the id is empty too.
//
// The service is given the bucket and the name. Under a federated user or a principal it does not always accept the bucket
// (it says that the bucketName is invalid); it then gets a URL that may write this one object.
func (c compute) export(ctx context.Context, j job, format string) (request string, err error) {
	if c.p.exportsByURL() {
		return c.exportByURL(ctx, j, format)
	}
	namespace, bucket, _, err := split(j.Staging)
	if err != nil {
		return "", invalid("export "+format, j.Staging.String(), "%w", err)
	}
	key := j.key(format)
	request, err = c.exportTo(ctx, j, format, "", core.ExportImageViaObjectStorageTupleDetails{
		NamespaceName: &namespace, BucketName: &bucket, ObjectName: &key, ExportFormat: formatOf(format),
	})
	if refusesBucket(err) {
		return c.exportByURL(ctx, j, format)
	}
	return request, err
}

// refusesBucket reports whether the service does not accept the bucket by its name, though it is there: it is looked into
// before every export. The code says only that some parameter is invalid; its name is in the text alone.
func refusesBucket(err error) bool {
	var e *serviceError
	return errors.As(err, &e) && e.Code == "InvalidParameter" && strings.Contains(e.Message, "bucketName")
}

func formatOf(format string) core.ExportImageDetailsExportFormatEnum {
	return core.ExportImageDetailsExportFormatEnum(strings.ToUpper(format))
}

// exportTo asks for an export to a destination. variant tells apart destinations of the same format.
func (c compute) exportTo(ctx context.Context, j job, format, variant string, to core.ExportImageDetails) (string, error) {
	resp, err := c.p.machines.ExportImage(quick(ctx), core.ExportImageRequest{
		ImageId: &j.Image, ExportImageDetails: to, OpcRetryToken: j.retryToken("export " + format + variant), RequestMetadata: c.p.once,
	})
	if err != nil {
		e := failure(ctx, "export "+format, j.Image, resp, err)
		if e.Kind == backend.Busy {
			return "", nil
		}
		return "", e
	}
	return value(resp.OpcWorkRequestId), nil
}
