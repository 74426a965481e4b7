package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// typeBucket is the only type of resources.
const typeBucket = "bucket"

// inventory lists the buckets of the account.
type inventory struct{ p *Provider }

var _ backend.Inventory = inventory{}

// Inventory returns the listing side, which knows buckets. Its Metrics and Act fail with Unsupported.
func (p *Provider) Inventory() (backend.Inventory, error) { return inventory{p}, nil }

// Scopes yields the account, which is not divided.
func (v inventory) Scopes(ctx context.Context) iter.Seq2[backend.Scope, error] {
	return func(yield func(backend.Scope, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(backend.Scope{}, failure(ctx, "list scopes", scheme, err))
			return
		}
		yield(backend.Scope{ID: scheme, Name: scheme}, nil)
	}
}

// listedBuckets is a page of the buckets of the account.
type listedBuckets struct {
	ContinuationToken string
	Buckets           struct {
		Bucket []struct {
			Name         string
			CreationDate time.Time
			BucketRegion string
		}
	}
}

// Resources yields the buckets of the account as the service lists them, which is by their names. An ID is the name. They
// have no State, and their tags are not read.
func (v inventory) Resources(ctx context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	const op = "list buckets"
	return func(yield func(backend.Resource, error) bool) {
		if err := answerable(op, q); err != nil {
			yield(backend.Resource{}, err)
			return
		}
		for token := ""; ; {
			query := url.Values{}
			set(query, "continuation-token", token)
			page := new(listedBuckets)
			if _, e := v.p.exchange(ctx, call{op: op, key: scheme, method: http.MethodGet, query: query}, page); e != nil {
				yield(backend.Resource{}, e)
				return
			}
			for _, b := range page.Buckets.Bucket {
				r := backend.Resource{ID: b.Name, Type: typeBucket, Name: b.Name, Scope: scheme,
					Region: cmp.Or(b.BucketRegion, v.p.o.region), Created: b.CreationDate}
				if q.State == nil && (q.ID == "" || q.ID == r.ID) && q.MatchesName(r.Name) && !yield(r, nil) {
					return
				}
			}
			if page.ContinuationToken == "" {
				return
			}
			if page.ContinuationToken == token {
				yield(backend.Resource{}, disordered(op, scheme))
				return
			}
			token = page.ContinuationToken
		}
	}
}

// answerable refuses queries for what there is not.
func answerable(op string, q backend.Query) error {
	switch {
	case q.Type != "" && q.Type != typeBucket:
		return &backend.Error{Op: op, Key: q.Type, Kind: backend.Unsupported, Err: fmt.Errorf("only resources of type %s are listed", typeBucket)}
	case len(q.Tags) > 0:
		return &backend.Error{Op: op, Kind: backend.Unsupported, Err: errors.New("the tags of buckets are not read")}
	case q.Scope != "" && q.Scope != scheme:
		return &backend.Error{Op: op, Key: clip(q.Scope), Kind: backend.NotFound, Err: errors.New("an account of S3 is not divided into scopes")}
	}
	return nil
}

// Metrics fails with Unsupported.
func (v inventory) Metrics(_ context.Context, id string, _ backend.MetricQuery) ([]backend.Series, error) {
	return nil, &backend.Error{Op: "metrics", Key: id, Kind: backend.Unsupported, Err: errors.New("metrics of S3 are not read")}
}

// Act fails with Unsupported.
func (v inventory) Act(_ context.Context, id, action string) error {
	return &backend.Error{Op: action, Key: id, Kind: backend.Unsupported, Err: errors.New("a bucket is not switched on or off")}
}
