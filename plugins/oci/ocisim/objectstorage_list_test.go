package ocisim

import (
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
