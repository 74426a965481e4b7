package oci

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// urlLife is how long a URL that the service exports to can be written to. It is deleted when the export has ended; this
// is for the case that nobody comes back to do it.
const urlLife = 12 * time.Hour

// urlName is what the names of the pre-authenticated requests of a job begin with.
func (j job) urlName() string { return displayName(j.Token) + "-" }

// exportsByURL reports whether the account signs with a token instead of a user's own key: ExportImage then knows no user
// whose permissions would let it write into a bucket.
func (p *Provider) exportsByURL() bool {
	return p.account.user == ""
}

// exportByURL makes a pre-authenticated request for the object and exports to it. Its URL is a secret that the service
// shows once: it is used here and kept nowhere. One whose URL was lost is deleted.
func (c compute) exportByURL(ctx context.Context, j job, format string) (request string, err error) {
	if err := c.deleteURLs(ctx, j); err != nil {
		return "", err
	}
	op := "make a URL to export " + format + " to"
	namespace, bucket, _, err := split(j.Staging)
	if err != nil {
		return "", invalid(op, j.Staging.String(), "%w", err)
	}
	name, key := j.urlName()+format, j.key(format)
	resp, err := c.p.objects.CreatePreauthenticatedRequest(quick(ctx), objectstorage.CreatePreauthenticatedRequestRequest{
		NamespaceName: &namespace, BucketName: &bucket, RequestMetadata: c.p.once,
		CreatePreauthenticatedRequestDetails: objectstorage.CreatePreauthenticatedRequestDetails{
			Name: &name, ObjectName: &key, AccessType: objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeObjectwrite,
			TimeExpires: &common.SDKTime{Time: time.Now().Add(urlLife)},
		},
	})
	if err != nil {
		return "", failure(ctx, op, j.at(format).String(), resp, err)
	}
	uri := cmp.Or(value(resp.FullPath), c.p.objects.Host+value(resp.AccessUri))
	request, err = c.exportTo(ctx, j, format, value(resp.Id), core.ExportImageViaObjectStorageUriDetails{
		DestinationUri: &uri, ExportFormat: formatOf(format),
	})
	if err != nil && !backend.KindOf(err).Temporary() { // otherwise it may be in use
		return "", errors.Join(err, c.deleteURLs(context.WithoutCancel(ctx), j))
	}
	return request, err
}

// deleteURLs deletes the pre-authenticated requests of the job.
func (c compute) deleteURLs(ctx context.Context, j job) error {
	const op = "delete the URL of an export"
	namespace, bucket, _, err := split(j.Staging)
	if err != nil {
		return invalid(op, j.Staging.String(), "%w", err)
	}
	prefix, limit := j.prefix(), pageSize
	fetch := func(page *string) ([]objectstorage.PreauthenticatedRequestSummary, *string, error) {
		resp, err := c.p.objects.ListPreauthenticatedRequests(quick(ctx), objectstorage.ListPreauthenticatedRequestsRequest{
			NamespaceName: &namespace, BucketName: &bucket, ObjectNamePrefix: &prefix, Limit: &limit, Page: page, RequestMetadata: c.p.once,
		})
		if err != nil {
			return nil, nil, failure(ctx, op, j.Staging.String(), resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	}
	var ours []string
	for par, err := range pages(op, j.Staging.String(), fetch) {
		if err != nil {
			return err
		}
		if strings.HasPrefix(value(par.Name), j.urlName()) {
			ours = append(ours, value(par.Id))
		}
	}
	for _, id := range ours {
		resp, err := c.p.objects.DeletePreauthenticatedRequest(quick(ctx), objectstorage.DeletePreauthenticatedRequestRequest{
			NamespaceName: &namespace, BucketName: &bucket, ParId: &id, RequestMetadata: c.p.once,
		})
		if err != nil {
			if e := failure(ctx, op, j.Staging.String(), resp, err); e.Kind != backend.NotFound {
				return e
			}
		}
	}
	return nil
}

var secretInURL = regexp.MustCompile(`/p/\S+?/n/`)

// hideURLs takes the secrets of pre-authenticated requests out of a service's text.
func hideURLs(text string) string { return secretInURL.ReplaceAllString(text, "/p/***/n/") }
