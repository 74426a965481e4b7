package ocisim

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func TestRegions(t *testing.T) {
	clock := NewManualClock(testNow())
	o := Options{Dir: t.TempDir(), Clock: clock, Timings: Timings{Copy: time.Second},
		Seed: &Seed{Regions: []string{"us-ashburn-1"}, Buckets: []SeedBucket{{Name: "same"}, {Name: "same", Region: "us-ashburn-1"}}}}
	b := newTestbed(t, o)
	web := httptest.NewServer(b.RegionHandler("us-ashburn-1"))
	t.Cleanup(web.Close)
	east := *b
	east.URL = web.URL
	east.OS = b.OS
	east.OS.Host = web.URL
	if b.RegionHandler("eu-frankfurt-1") != nil {
		t.Error("there is a handler for a region that the tenancy is not subscribed to")
	}

	same := str("same")
	b.put(same, "o", "from the west")
	equal(t, "objects in the east", len(east.names(same, objectstorage.ListObjectsRequest{})), 0)
	copyTo := func(region string) (*string, error) {
		req := b.copyRequest(same, "o", same, "copy")
		req.DestinationRegion = &region
		resp, err := b.OS.CopyObject(b.ctx, req)
		return resp.OpcWorkRequestId, err
	}
	_, err := copyTo("eu-frankfurt-1")
	b.fails(err, 400, "InvalidRegion")
	id, err := copyTo("us-ashburn-1")
	b.must(err)
	clock.Advance(time.Second)
	equal(t, "copy", string(b.copyStatus(*id)), "COMPLETED")
	equal(t, "copied", east.get(same, "copy"), "from the west")
	_, err = b.OS.HeadObject(b.ctx, objectstorage.HeadObjectRequest{NamespaceName: b.ns, BucketName: same, ObjectName: str("copy")})
	b.fails(err, 404, "")

	only := east.bucket("only-east")
	list, err := b.OS.ListBuckets(b.ctx, objectstorage.ListBucketsRequest{NamespaceName: b.ns, CompartmentId: str(b.Tenancy())})
	b.must(err)
	equal(t, "buckets in the west", len(list.Items), 1)
	got, err := east.OS.GetBucket(b.ctx, objectstorage.GetBucketRequest{NamespaceName: b.ns, BucketName: only})
	b.must(err)
	equal(t, "OCID", strings.HasPrefix(*got.Id, "ocid1.bucket.oc1.iad."), true)
	equal(t, "request id", strings.HasPrefix(*got.OpcRequestId, "iad-1:"), true)

	who, err := identity.NewIdentityClientWithConfigurationProvider(b.Provider)
	b.must(err)
	b.connect(&who.BaseClient)
	subscribed, err := who.ListRegionSubscriptions(b.ctx, identity.ListRegionSubscriptionsRequest{TenancyId: str(b.Tenancy())})
	b.must(err)
	equal(t, "regions", len(subscribed.Items), 2)
	equal(t, "home", *subscribed.Items[0].IsHomeRegion && !*subscribed.Items[1].IsHomeRegion, true)

	b.must(b.Close())
	r := newTestbed(t, Options{Dir: o.Dir, Clock: clock})
	for host, want := range map[string]string{"objectstorage.us-ashburn-1.oraclecloud.com:443": "us-ashburn-1", "127.0.0.1:80": "us-phoenix-1"} {
		equal(t, host, r.hostRegion(host), want)
	}
	resp := r.raw("GET /n HTTP/1.1\r\nHost: objectstorage.us-ashburn-1.oraclecloud.com\r\n\r\n")
	equal(t, "region by host", strings.HasPrefix(resp.Header.Get("opc-request-id"), "iad-1:"), true)
	equal(t, "bucket of the east", r.state.ObjectStorage.Buckets["us-ashburn-1/only-east"] != nil, true)
}
