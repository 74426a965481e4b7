package ocisim

import (
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// names lists all pages; prefixes stand among the names.
func (b *testbed) names(bucket *string, req objectstorage.ListObjectsRequest) []string {
	b.Helper()
	req.NamespaceName, req.BucketName = b.ns, bucket
	var names []string
	for {
		resp, err := b.OS.ListObjects(b.ctx, req)
		b.must(err)
		if req.Limit != nil && len(resp.Objects)+len(resp.Prefixes) > *req.Limit {
			b.Errorf("page of %d and %d entries for limit %d", len(resp.Objects), len(resp.Prefixes), *req.Limit)
		}
		for _, o := range resp.Objects {
			names = append(names, *o.Name)
		}
		names = append(names, resp.Prefixes...)
		if req.Start = resp.NextStartWith; req.Start == nil {
			return names
		}
		req.StartAfter = nil
	}
}

func TestListObjects(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	for _, name := range []string{"b", "a", "dir/2", "dir/1", "dir/sub/x", "dir/sub/y", "dir0", "dir-", "Z", "ä", "dir/"} {
		b.put(bucket, name, name)
	}
	type request = objectstorage.ListObjectsRequest
	for _, tc := range []struct {
		name string
		req  request
		want string
	}{
		{"all, in order of bytes", request{}, "Z a b dir- dir/ dir/1 dir/2 dir/sub/x dir/sub/y dir0 ä"},
		{"prefix", request{Prefix: str("dir/")}, "dir/ dir/1 dir/2 dir/sub/x dir/sub/y"},
		{"prefix of none", request{Prefix: str("nope")}, ""},
		{"start is inclusive", request{Start: str("dir/1")}, "dir/1 dir/2 dir/sub/x dir/sub/y dir0 ä"},
		{"start that is absent", request{Start: str("c")}, "dir- dir/ dir/1 dir/2 dir/sub/x dir/sub/y dir0 ä"},
		{"end is exclusive", request{End: str("dir/")}, "Z a b dir-"},
		{"startAfter", request{StartAfter: str("dir/1")}, "dir/2 dir/sub/x dir/sub/y dir0 ä"},
		{"startAfter that is absent", request{StartAfter: str("c")}, "dir- dir/ dir/1 dir/2 dir/sub/x dir/sub/y dir0 ä"},
		{"startAfter before the prefix", request{StartAfter: str("a"), Prefix: str("dir/s")}, "dir/sub/x dir/sub/y"},
		{"delimiter", request{Delimiter: str("/")}, "Z a b dir- dir0 ä dir/"},
		{"delimiter below a prefix", request{Delimiter: str("/"), Prefix: str("dir/")}, "dir/ dir/1 dir/2 dir/sub/"},
		{"delimiter, prefix without slash", request{Delimiter: str("/"), Prefix: str("dir/su")}, "dir/sub/"},
		{"pages of one", request{Limit: common.Int(1)}, "Z a b dir- dir/ dir/1 dir/2 dir/sub/x dir/sub/y dir0 ä"},
		{"pages of four", request{Limit: common.Int(4)}, "Z a b dir- dir/ dir/1 dir/2 dir/sub/x dir/sub/y dir0 ä"},
		{"pages of one with delimiter", request{Limit: common.Int(1), Delimiter: str("/")}, "Z a b dir- dir/ dir0 ä"},
		{"everything", request{Prefix: str("dir/"), Start: str("dir/1"), End: str("dir/sub/y"), Limit: common.Int(2)}, "dir/1 dir/2 dir/sub/x"},
	} {
		equal(t, tc.name, strings.Join(b.names(bucket, tc.req), " "), tc.want)
	}
	bad := func(req request, code string) {
		t.Helper()
		req.NamespaceName, req.BucketName = b.ns, bucket
		_, err := b.OS.ListObjects(b.ctx, req)
		b.fails(err, 400, code)
	}
	bad(request{Limit: common.Int(1001)}, "InvalidLimit")
	bad(request{Limit: common.Int(0)}, "InvalidLimit")
	bad(request{Delimiter: str("-")}, "InvalidParameter")
	bad(request{Fields: str("name,colour")}, "InvalidParameter")
	bad(request{Start: str("a"), StartAfter: str("b")}, "InvalidParameter")
}

func TestListFields(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	etag := b.put(bucket, "o", "12345")
	list := func(fields string) objectstorage.ObjectSummary {
		t.Helper()
		resp, err := b.OS.ListObjects(b.ctx, objectstorage.ListObjectsRequest{NamespaceName: b.ns, BucketName: bucket, Fields: &fields})
		b.must(err)
		return resp.Objects[0]
	}
	bare := list("")
	if bare.Size != nil || bare.Etag != nil || bare.Md5 != nil || bare.TimeCreated != nil || bare.TimeModified != nil || bare.StorageTier != "" {
		t.Errorf("fields that were not asked for: %v", bare)
	}
	all := list("name,size,etag,md5,timeCreated,timeModified,storageTier,archivalState")
	equal(t, "size", *all.Size, 5)
	equal(t, "etag", *all.Etag, etag)
	equal(t, "md5", *all.Md5, *b.head(bucket, "o").ContentMd5)
	equal(t, "tier", all.StorageTier, "Standard")
	if all.TimeCreated == nil || all.TimeModified == nil {
		t.Errorf("no times: %v", all)
	}
}
