package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Delete removes an object, of exactly obj.Version if that is set, or for good the version that obj.Generation names. A
// delete of nothing succeeds at the service, and not every service heeds a condition on it, so that the object is looked at
// before.
func (b *bucket) Delete(ctx context.Context, obj backend.Object) error {
	const op = "delete"
	if e := b.checkKey(op, obj.Key); e != nil {
		return e
	}
	now, e := b.head(ctx, op, obj.Key, obj.Generation)
	switch {
	case e != nil && obj.Generation != "" && statusOf(e) == http.StatusMethodNotAllowed: // as a delete marker answers
		now.Version = obj.Version
	case e != nil:
		return e
	}
	if obj.Version != "" && obj.Version != now.Version {
		return &backend.Error{Op: op, Key: obj.Key, Kind: backend.Changed, Err: fmt.Errorf("version %s is there, not %s", now.Version, clip(obj.Version))}
	}
	if e := b.remove(ctx, op, obj); e != nil {
		return e
	}
	return nil
}

// remove sends the delete. What a version id names never changes, so that only deletes without one have a condition.
func (b *bucket) remove(ctx context.Context, op string, obj backend.Object) *backend.Error {
	c := call{op: op, key: obj.Key, method: http.MethodDelete, bucket: b.name, object: obj.Key, query: versionQuery(obj.Generation), header: http.Header{}}
	if obj.Version != "" && obj.Generation == "" && !b.p.plain.Load() {
		c.header.Set("If-Match", etagOf(obj.Version))
		_, e := b.p.finish(ctx, c)
		if e == nil || e.Kind != backend.Unsupported && codeOf(e) != "InvalidArgument" {
			return e
		}
		b.p.plain.Store(true)
		c.header.Del("If-Match")
	}
	_, e := b.p.finish(ctx, c)
	return e
}

// CreateContainer makes the bucket, in the region of the configuration. Amazon's oldest region makes one again that is
// there, and takes its settings back: it is looked at before.
func (b *bucket) CreateContainer(ctx context.Context) error {
	const op = "create bucket"
	if _, e := b.p.finish(ctx, call{op: op, key: b.name, method: http.MethodHead, bucket: b.name}); e == nil {
		return &backend.Error{Op: op, Key: b.name, Kind: backend.Exists, Err: errors.New("the bucket is there")}
	} else if e.Kind != backend.NotFound {
		return e
	}
	c := call{op: op, key: b.name, method: http.MethodPut, bucket: b.name}
	if b.p.o.aws && b.p.o.region != defaultRegion {
		c.xml = createBucket{Xmlns: xmlns, LocationConstraint: b.p.o.region}
	}
	if _, e := b.p.finish(ctx, c); e != nil {
		return e
	}
	return nil
}

const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"

type createBucket struct {
	XMLName            struct{} `xml:"CreateBucketConfiguration"`
	Xmlns              string   `xml:"xmlns,attr"`
	LocationConstraint string
}
