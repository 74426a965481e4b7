package s3

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// pageSize is the most entries that a list answers with.
const pageSize = 1000

// listedObjects is a page of the objects of a bucket.
type listedObjects struct {
	EncodingType          string
	IsTruncated           bool
	NextContinuationToken string
	Contents              []struct {
		Key          string
		Size         int64
		ETag         string
		LastModified time.Time
	}
}

// List yields objects in the order of their names, a page of them in memory.
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	const op = "list"
	return func(yield func(backend.Object, error) bool) {
		token, last := "", ""
		for {
			page, e := b.objectsAfter(ctx, op, prefix, token)
			if e != nil {
				yield(backend.Object{}, e)
				return
			}
			decode := decoder(page.EncodingType)
			for _, item := range page.Contents {
				obj := backend.Object{Key: decode(item.Key), Size: item.Size, ModTime: item.LastModified, Version: versionOf(item.ETag)}
				if obj.Key <= last || !strings.HasPrefix(obj.Key, prefix) {
					yield(backend.Object{}, disordered(op, prefix))
					return
				}
				last = obj.Key
				if !yield(obj, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			if page.NextContinuationToken == "" || page.NextContinuationToken == token {
				yield(backend.Object{}, disordered(op, prefix))
				return
			}
			token = page.NextContinuationToken
		}
	}
}

func (b *bucket) objectsAfter(ctx context.Context, op, prefix, token string) (*listedObjects, *backend.Error) {
	q := url.Values{"list-type": {"2"}, "max-keys": {strconv.Itoa(pageSize)}, "encoding-type": {"url"}}
	set(q, "prefix", prefix)
	set(q, "continuation-token", token)
	page := new(listedObjects)
	_, e := b.p.exchange(ctx, call{op: op, key: prefix, method: http.MethodGet, bucket: b.name, query: q}, page)
	return page, e
}

// set leaves out what is empty.
func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// decoder reads names as a list has them. They are asked for in the encoding of URLs, because XML cannot hold every name;
// a service that does not know it says so by not naming it.
func decoder(encoding string) func(string) string {
	if !strings.EqualFold(encoding, "url") {
		return func(name string) string { return name }
	}
	return func(name string) string {
		if plain, err := url.QueryUnescape(name); err == nil {
			return plain
		}
		return name
	}
}

// disordered is a list that cannot be relied on.
func disordered(op, key string) *backend.Error {
	return &backend.Error{Op: op, Key: key, Kind: backend.Unavailable, Err: errors.New("the list is out of order or does not advance")}
}
