package oci

import (
	"context"
	"iter"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// buckets yields the buckets of the region, in the order of scopes and names. An ID is "namespace/bucket": what a location
// of the bucket has behind the scheme. A bucket has no State and the attribute "namespace".
func (v inventory) buckets(ctx context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	const op = "list buckets"
	return func(yield func(backend.Resource, error) bool) {
		if q.State != nil {
			return
		}
		scopes, err := v.scopes(ctx, op, q)
		if err != nil {
			yield(backend.Resource{}, err)
			return
		}
		if q.ID != "" {
			if r, ok, err := v.bucket(ctx, op, q, scopes); ok || err != nil {
				yield(r, err)
			}
			return
		}
		for r, err := range v.bucketsOf(ctx, op, scopes) {
			if err == nil && !matchesBucket(r, q) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// bucketsOf yields the buckets of the scopes, one after the other, and ends after the first error.
func (v inventory) bucketsOf(ctx context.Context, op string, scopes []backend.Scope) iter.Seq2[backend.Resource, error] {
	return func(yield func(backend.Resource, error) bool) {
		namespace, err := v.namespace(ctx, op)
		if err != nil {
			yield(backend.Resource{}, err)
			return
		}
		for _, scope := range scopes {
			for r, err := range v.bucketsIn(ctx, op, namespace, scope) {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

func (v inventory) namespace(ctx context.Context, op string) (string, error) {
	resp, err := v.p.objects.GetNamespace(quick(ctx), objectstorage.GetNamespaceRequest{RequestMetadata: v.p.once})
	if err != nil {
		return "", failure(ctx, op, "namespace", resp, err)
	}
	return value(resp.Value), nil
}

// bucketsIn yields the buckets of one compartment by their names, as the service lists them.
func (v inventory) bucketsIn(ctx context.Context, op, namespace string, scope backend.Scope) iter.Seq2[backend.Resource, error] {
	limit := pageSize
	fetch := func(page *string) ([]objectstorage.BucketSummary, *string, error) {
		resp, err := v.p.objects.ListBuckets(quick(ctx), objectstorage.ListBucketsRequest{
			NamespaceName: &namespace, CompartmentId: &scope.ID, Limit: &limit, Page: page,
			Fields: []objectstorage.ListBucketsFieldsEnum{objectstorage.ListBucketsFieldsTags}, RequestMetadata: v.p.once,
		})
		if err != nil {
			return nil, nil, failure(ctx, op, scope.ID, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	}
	return func(yield func(backend.Resource, error) bool) {
		for b, err := range pages(op, scope.ID, fetch) {
			r := backend.Resource{}
			if err == nil {
				r = v.bucketResource(value(b.Namespace), value(b.Name), scope, b.FreeformTags)
				r.Created = when(b.TimeCreated)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// bucket returns the bucket of q.ID, if it is in one of the scopes and the rest of q matches it too.
func (v inventory) bucket(ctx context.Context, op string, q backend.Query, scopes []backend.Scope) (backend.Resource, bool, error) {
	namespace, name, ok := strings.Cut(q.ID, "/")
	if !ok || !namespacePattern.MatchString(namespace) || !bucketPattern.MatchString(name) {
		return backend.Resource{}, false, invalid(op, clip(q.ID), "a bucket is named namespace/bucket")
	}
	resp, err := v.p.objects.GetBucket(quick(ctx), objectstorage.GetBucketRequest{NamespaceName: &namespace, BucketName: &name, RequestMetadata: v.p.once})
	if err != nil {
		return backend.Resource{}, false, failure(ctx, op, q.ID, resp, err)
	}
	for _, scope := range scopes {
		if scope.ID == value(resp.CompartmentId) {
			r := v.bucketResource(namespace, name, scope, resp.FreeformTags)
			r.Created = when(resp.TimeCreated)
			return r, matchesBucket(r, q), nil
		}
	}
	return backend.Resource{}, false, nil
}

func (v inventory) bucketResource(namespace, name string, scope backend.Scope, tags map[string]string) backend.Resource {
	if len(tags) == 0 {
		tags = nil
	}
	return backend.Resource{
		ID: namespace + "/" + name, Type: typeBucket, Name: name, Scope: scope.ID, ScopePath: scope.Path, Region: v.p.account.region,
		Tags: tags, Attributes: map[string]string{"namespace": namespace},
	}
}

// matchesBucket compares name and tags.
func matchesBucket(r backend.Resource, q backend.Query) bool {
	for name, want := range q.Tags {
		if have, ok := r.Tags[name]; !ok || have != want {
			return false
		}
	}
	return q.MatchesName(r.Name)
}
