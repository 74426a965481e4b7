package s3

import (
	"cmp"
	"context"
	"encoding/xml"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// versionQuery names a version in a request; without one it is the current object.
func versionQuery(generation string) url.Values {
	if generation == "" {
		return nil
	}
	return url.Values{"versionId": {generation}}
}

// listedVersions is a page of the versions of the objects of a bucket. Versions and delete markers come one after the
// other, or mixed in their order: that is why both are Entries.
type listedVersions struct {
	XMLName             xml.Name
	EncodingType        string
	IsTruncated         bool
	NextKeyMarker       string
	NextVersionIDMarker string          `xml:"NextVersionIdMarker"`
	Entries             []listedVersion `xml:",any"`
}

type listedVersion struct {
	XMLName       xml.Name
	Key           string
	VersionID     string `xml:"VersionId"`
	IsLatest      bool
	Size          int64
	ETag          string
	LastModified  time.Time
	StorageClass  string
	RestoreStatus *restoreStatus
}

const (
	versionElement = "Version"
	markerElement  = "DeleteMarker"
)

// Versions yields the versions of a bucket that keeps them, and of others what is there now. A Generation is the version
// id, "null" for what was written while the bucket kept none.
func (b *bucket) Versions(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error] {
	const op = "list versions"
	return func(yield func(backend.ObjectVersion, error) bool) {
		var last backend.ObjectVersion
		keyMarker, idMarker := "", ""
		for {
			page, e := b.versionsAfter(ctx, op, prefix, keyMarker, idMarker)
			if e != nil {
				yield(backend.ObjectVersion{}, e)
				return
			}
			for _, v := range page.inOrder() {
				if v.Key == last.Key && v.Generation == last.Generation {
					continue // versitygw begins a page with the last of the page before
				}
				if v.Key < last.Key || v.Generation == "" || !strings.HasPrefix(v.Key, prefix) {
					yield(backend.ObjectVersion{}, disordered(op, prefix))
					return
				}
				last = v
				if !yield(v, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			next := decoder(page.EncodingType)(page.NextKeyMarker)
			if next == "" || next < keyMarker || next == keyMarker && page.NextVersionIDMarker == idMarker {
				yield(backend.ObjectVersion{}, disordered(op, prefix))
				return
			}
			keyMarker, idMarker = next, page.NextVersionIDMarker
		}
	}
}

// inOrder returns the entries by keys, of each key the newest first. Amazon lists them so; a service that lists all markers
// and then all versions has its page sorted by time.
func (p *listedVersions) inOrder() []backend.ObjectVersion {
	decode := decoder(p.EncodingType)
	var page []backend.ObjectVersion
	turns := 0 // from markers to versions or back
	for _, item := range p.Entries {
		marker := item.XMLName.Local == markerElement
		if !marker && item.XMLName.Local != versionElement {
			continue
		}
		if len(page) > 0 && page[len(page)-1].DeleteMarker != marker {
			turns++
		}
		page = append(page, backend.ObjectVersion{Latest: item.IsLatest, DeleteMarker: marker, Object: backend.Object{
			Key: decode(item.Key), Size: item.Size, ModTime: item.LastModified, Version: versionOf(item.ETag), Generation: item.VersionID,
			Tier: tierOf(item.StorageClass), Archived: item.RestoreStatus.archived(item.StorageClass),
		}})
	}
	if turns == 1 {
		slices.SortStableFunc(page, func(x, y backend.ObjectVersion) int {
			switch {
			case x.Key != y.Key:
				return cmp.Compare(x.Key, y.Key)
			case x.Latest != y.Latest && x.Latest:
				return -1
			case x.Latest != y.Latest:
				return 1
			case x.DeleteMarker == y.DeleteMarker:
				return 0 // as listed, since times are no finer than milliseconds
			}
			return y.ModTime.Compare(x.ModTime)
		})
	}
	return page
}

func (b *bucket) versionsAfter(ctx context.Context, op, prefix, keyMarker, idMarker string) (*listedVersions, *backend.Error) {
	q := url.Values{"versions": {""}, "max-keys": {strconv.Itoa(pageSize)}, "encoding-type": {"url"}}
	set(q, "prefix", prefix)
	set(q, "key-marker", keyMarker)
	set(q, "version-id-marker", idMarker)
	page := new(listedVersions)
	_, e := b.p.exchange(ctx, call{op: op, key: prefix, method: http.MethodGet, bucket: b.name, query: q, header: b.askForRestores()}, page)
	return page, e
}
