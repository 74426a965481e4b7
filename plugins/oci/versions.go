package oci

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// objectFields are those that are asked for of each object or version in a list.
const objectFields = "name,size,etag,timeModified,md5,storageTier,archivalState"

// intercept changes what the SDK is about to sign. Its list of versions takes one field only, where the service takes several.
func intercept(r *http.Request) error {
	elements := strings.Split(r.URL.Path, "/") // "", n, namespace, b, bucket, objectversions
	if r.Method == http.MethodGet && len(elements) == 6 && elements[5] == "objectversions" {
		query := r.URL.Query()
		query.Set("fields", objectFields)
		r.URL.RawQuery = query.Encode()
	}
	return plainPath(r)
}

// Versions yields the versions of a bucket that keeps them, and of others what is there now. A Generation is the version id.
func (b *bucket) Versions(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error] {
	const op = "list versions"
	return func(yield func(backend.ObjectVersion, error) bool) {
		last := ""
		for item, err := range pages(op, prefix, func(page *string) ([]objectstorage.ObjectVersionSummary, *string, error) {
			return b.versionsFrom(ctx, op, prefix, page)
		}) {
			if err != nil {
				yield(backend.ObjectVersion{}, err)
				return
			}
			v := versionOf(item)
			if v.Key < last || v.Generation == "" || !strings.HasPrefix(v.Key, prefix) {
				yield(backend.ObjectVersion{}, &backend.Error{Op: op, Key: prefix, Kind: backend.Unavailable, Err: errors.New("the list is out of order or a version has no id")})
				return
			}
			v.Latest, last = v.Key != last, v.Key
			if !yield(v, nil) {
				return
			}
		}
	}
}

func versionOf(o objectstorage.ObjectVersionSummary) backend.ObjectVersion {
	return backend.ObjectVersion{DeleteMarker: value(o.IsDeleteMarker), Object: backend.Object{
		Key: value(o.Name), Size: value(o.Size), ModTime: when(o.TimeModified), Version: value(o.Etag), Checksum: checksumOf(nil, o.Md5),
		Tier: tierOf(string(o.StorageTier)), Archived: isArchived(string(o.ArchivalState)), Generation: value(o.VersionId),
	}}
}

// versionsFrom asks for one page. As in objectsFrom, a bucket that is said to be missing is asked for some more times.
func (b *bucket) versionsFrom(ctx context.Context, op, prefix string, page *string) ([]objectstorage.ObjectVersionSummary, *string, error) {
	limit := pageSize
	for n := 1; ; n++ {
		resp, err := b.p.objects.ListObjectVersions(quick(ctx), objectstorage.ListObjectVersionsRequest{
			NamespaceName: &b.namespace, BucketName: &b.name, Prefix: optional(prefix), Page: page,
			Limit: &limit, RequestMetadata: b.p.once,
		})
		if err == nil {
			b.works()
			return resp.Items, resp.OpcNextPage, nil
		}
		if e := b.fail(ctx, op, prefix, resp, err); e.Kind != backend.NotFound || codeOf(e) != codeBucketNotFound || n == bucketAsks {
			return nil, nil, e
		}
	}
}
