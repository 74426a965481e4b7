package oci

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// List yields objects in the order of their names, a page of them in memory.
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	const op = "list"
	return func(yield func(backend.Object, error) bool) {
		var start *string
		last, stays := "", 0
		for {
			resp, failed := b.objectsFrom(ctx, op, prefix, start)
			if failed != nil {
				yield(backend.Object{}, failed)
				return
			}
			for _, o := range resp.Objects {
				obj := backend.Object{
					Key: value(o.Name), Size: value(o.Size), ModTime: when(o.TimeModified), Version: value(o.Etag), Checksum: checksumOf(nil, o.Md5),
				}
				if obj.Key <= last || !strings.HasPrefix(obj.Key, prefix) {
					yield(backend.Object{}, b.broken(op, prefix, resp, errors.New("the list is out of order")))
					return
				}
				last = obj.Key
				if !yield(obj, nil) {
					return
				}
			}
			next := value(resp.NextStartWith)
			if next == "" {
				return
			}
			if start == nil || *start < next {
				stays = 0
			}
			if stays++; stays > maxStays {
				yield(backend.Object{}, b.broken(op, prefix, resp, errStays))
				return
			}
			start = &next
		}
	}
}

// objectsFrom asks for one page. As in explainMissing, a bucket that is said to be missing is asked for some more times.
func (b *bucket) objectsFrom(ctx context.Context, op, prefix string, start *string) (objectstorage.ListObjectsResponse, *backend.Error) {
	limit, fields := pageSize, "name,size,etag,timeModified,md5"
	for n := 1; ; n++ {
		resp, err := b.p.objects.ListObjects(quick(ctx), objectstorage.ListObjectsRequest{
			NamespaceName: &b.namespace, BucketName: &b.name, Prefix: optional(prefix), Start: start,
			Limit: &limit, Fields: &fields, RequestMetadata: b.p.once,
		})
		if err == nil {
			b.works()
			return resp, nil
		}
		if e := b.fail(ctx, op, prefix, resp, err); e.Kind != backend.NotFound || codeOf(e) != codeBucketNotFound || n == bucketAsks {
			return resp, e
		}
	}
}
