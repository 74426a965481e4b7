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
	Contents              []listedObject
	CommonPrefixes        []struct{ Prefix string }
}

type listedObject struct {
	Key           string
	Size          int64
	ETag          string
	LastModified  time.Time
	StorageClass  string         `xml:",omitempty"`
	RestoreStatus *restoreStatus `xml:",omitempty"`
}

// List yields objects in the order of their names, a page of them in memory.
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	return func(yield func(backend.Object, error) bool) {
		for e, err := range b.entries(ctx, "list", prefix, "") {
			if !yield(e.Object, err) {
				return
			}
		}
	}
}

// Browse lets the service fold what is below the next slash.
func (b *bucket) Browse(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
	return b.entries(ctx, "browse", prefix, "/")
}

// entries yields what the service lists, with a delimiter the prefixes that end with it too.
func (b *bucket) entries(ctx context.Context, op, prefix, delimiter string) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		token, last := "", ""
		for {
			page, e := b.objectsAfter(ctx, op, prefix, delimiter, token)
			if e != nil {
				yield(backend.Entry{}, e)
				return
			}
			for _, entry := range page.inOrder() {
				name := entry.Prefix + entry.Key // one of them is empty
				if name == last && entry.Prefix != "" {
					continue // the page before ended within this prefix
				}
				if name <= last || !strings.HasPrefix(name, prefix) {
					yield(backend.Entry{}, disordered(op, prefix))
					return
				}
				last = name
				if !yield(entry, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			if page.NextContinuationToken == "" || page.NextContinuationToken == token {
				yield(backend.Entry{}, disordered(op, prefix))
				return
			}
			token = page.NextContinuationToken
		}
	}
}

// inOrder merges the objects and the prefixes of a page, each of which are in order.
func (p *listedObjects) inOrder() []backend.Entry {
	decode := decoder(p.EncodingType)
	page := make([]backend.Entry, 0, len(p.Contents)+len(p.CommonPrefixes))
	prefixes := p.CommonPrefixes
	for _, item := range p.Contents {
		key := decode(item.Key)
		for len(prefixes) > 0 && decode(prefixes[0].Prefix) < key {
			page, prefixes = append(page, backend.Entry{Prefix: decode(prefixes[0].Prefix)}), prefixes[1:]
		}
		page = append(page, backend.Entry{Object: backend.Object{
			Key: key, Size: item.Size, ModTime: item.LastModified, Version: versionOf(item.ETag),
			Tier: tierOf(item.StorageClass), Archived: item.RestoreStatus.archived(item.StorageClass),
		}})
	}
	for _, prefix := range prefixes {
		page = append(page, backend.Entry{Prefix: decode(prefix.Prefix)})
	}
	return page
}

func (b *bucket) objectsAfter(ctx context.Context, op, prefix, delimiter, token string) (*listedObjects, *backend.Error) {
	q := url.Values{"list-type": {"2"}, "max-keys": {strconv.Itoa(pageSize)}, "encoding-type": {"url"}}
	set(q, "prefix", prefix)
	set(q, "delimiter", delimiter)
	set(q, "continuation-token", token)
	page := new(listedObjects)
	_, e := b.p.exchange(ctx, call{op: op, key: prefix, method: http.MethodGet, bucket: b.name, query: q, header: b.askForRestores()}, page)
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
