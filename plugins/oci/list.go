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
	return func(yield func(backend.Object, error) bool) {
		for e, err := range b.entries(ctx, "list", prefix, nil) {
			if !yield(e.Object, err) {
				return
			}
		}
	}
}

// Browse lets the service fold what is below the next slash.
func (b *bucket) Browse(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
	return b.entries(ctx, "browse", prefix, optional("/"))
}

// entries yields what the service lists, with a delimiter the prefixes that end with it too.
func (b *bucket) entries(ctx context.Context, op, prefix string, delimiter *string) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		var start *string
		last, stays := "", 0
		for {
			resp, failed := b.objectsFrom(ctx, op, prefix, start, delimiter)
			if failed != nil {
				yield(backend.Entry{}, failed)
				return
			}
			for _, e := range inOrder(resp) {
				name := e.Prefix + e.Key // one of them is empty
				if name == last && e.Prefix != "" {
					continue // the page before ended within this prefix
				}
				if name <= last || !strings.HasPrefix(name, prefix) {
					yield(backend.Entry{}, b.broken(op, prefix, resp, errors.New("the list is out of order")))
					return
				}
				last = name
				if !yield(e, nil) {
					return
				}
			}
			next := resp.NextStartWith
			switch {
			case value(next) == "":
				return
			case start == nil || *start < *next:
				stays = 1
			default:
				stays++
			}
			if stays > maxStays {
				yield(backend.Entry{}, b.broken(op, prefix, resp, errStays))
				return
			}
			start = next
		}
	}
}

// inOrder merges the objects and the prefixes of a page, each of which are in order.
func inOrder(resp objectstorage.ListObjectsResponse) []backend.Entry {
	page := make([]backend.Entry, 0, len(resp.Objects)+len(resp.Prefixes))
	prefixes := resp.Prefixes
	for _, o := range resp.Objects {
		for len(prefixes) > 0 && prefixes[0] < value(o.Name) {
			page, prefixes = append(page, backend.Entry{Prefix: prefixes[0]}), prefixes[1:]
		}
		page = append(page, backend.Entry{Object: backend.Object{
			Key: value(o.Name), Size: value(o.Size), ModTime: when(o.TimeModified), Version: value(o.Etag), Checksum: checksumOf(nil, o.Md5),
			Tier: tierOf(string(o.StorageTier)), Archived: isArchived(string(o.ArchivalState)),
		}})
	}
	for _, prefix := range prefixes {
		page = append(page, backend.Entry{Prefix: prefix})
	}
	return page
}

// objectsFrom asks for one page. As in explain, a bucket that is said to be missing is asked for some more times.
func (b *bucket) objectsFrom(ctx context.Context, op, prefix string, start, delimiter *string) (objectstorage.ListObjectsResponse, *backend.Error) {
	limit, fields := pageSize, objectFields
	for n := 1; ; n++ {
		resp, err := b.p.objects.ListObjects(quick(ctx), objectstorage.ListObjectsRequest{
			NamespaceName: &b.namespace, BucketName: &b.name, Prefix: optional(prefix), Start: start, Delimiter: delimiter,
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
