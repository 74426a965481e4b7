package ocisim_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func imageSeed() *ocisim.Seed {
	return &ocisim.Seed{
		Buckets: []ocisim.SeedBucket{{Name: "hx-staging"}, {Name: "replica", ReadOnly: true}},
		Images: []ocisim.SeedImage{
			{Name: "firewall", Listing: "marketplace", ListingType: "COMMUNITY", OS: "Custom", OSVersion: "7", NoImages: true},
			{Name: "own", DiskBytes: 1 << 20},
			{Name: "hardened", Base: "firewall", DiskBytes: 1 << 20},
			{Name: "plain", Listing: "platform"},
			{Name: "off", State: "DISABLED", DiskBytes: 1 << 20},
			{Name: "stuck", State: "EXPORTING", DiskBytes: 1 << 20},
			{Name: "coming", State: "PROVISIONING", DiskBytes: 1 << 20},
		},
		Instances: []ocisim.SeedInstance{
			{Name: "vm", DiskBytes: 1 << 20, Image: "own", IgnoresSoftStop: true},
			{Name: "appliance", DiskBytes: 1 << 20, Image: "firewall"},
		},
	}
}

func TestSeededImages(t *testing.T) {
	t.Parallel()
	c := newCloud(t, imageSeed())
	image := func(name string) *string { return ptr(c.server.ImageID(name)) }
	firewall := c.getImage(image("firewall"))
	if firewall.CompartmentId != nil || firewall.ListingType != core.ImageListingTypeCommunity || *firewall.CreateImageAllowed || *firewall.OperatingSystem != "Custom" {
		t.Errorf("have %v", firewall.Image)
	}
	if plain := c.getImage(image("plain")); plain.CompartmentId != nil || !*plain.CreateImageAllowed || plain.ListingType != "" {
		t.Errorf("have %v", plain.Image)
	}
	hardened := c.getImage(image("hardened"))
	if *hardened.CompartmentId != c.server.Tenancy() || *hardened.BaseImageId != *image("firewall") {
		t.Errorf("have %v", hardened.Image)
	}
	if coming := c.getImage(image("coming")); coming.SizeInMBs != nil {
		t.Errorf("an image that is being made has the size %d", *coming.SizeInMBs)
	}
	if *c.getInstance(c.instance("vm")).ImageId != *image("own") {
		t.Error("the instance is of another image")
	}
	for name, want := range map[string]struct {
		status int
		code   string
	}{
		"firewall": {400, "InvalidParameter"}, "hardened": {400, "InvalidParameter"}, "plain": {400, "InvalidParameter"},
		"off": {409, "IncorrectState"}, "stuck": {409, "IncorrectState"}, "coming": {409, "IncorrectState"},
	} {
		_, err := c.compute.ExportImage(t.Context(), exportTuple(image(name), "x", "QCOW2"))
		wantError(t, err, want.status, want.code)
	}
	if end := c.export(exportTuple(image("own"), "own.qcow2", "QCOW2")); end.Status != workrequests.WorkRequestStatusSucceeded {
		t.Errorf("have %v", end)
	}
	_, err := c.compute.CreateImage(t.Context(), createImageRequest(c, "appliance"))
	wantError(t, err, 400, "InvalidParameter")
}

func TestImageLimit(t *testing.T) {
	t.Parallel()
	seed := imageSeed()
	seed.Limits.Images = 6
	c := newCloud(t, seed)
	first := c.createImage("vm")
	_, err := c.compute.CreateImage(t.Context(), createImageRequest(c, "vm"))
	wantError(t, err, 400, "LimitExceeded")
	must(c.compute.DeleteImage(t.Context(), core.DeleteImageRequest{ImageId: first}))(t)
	c.createImage("vm")
}

// TestStubbornGuest stops a guest that does not listen: it runs on for 15 minutes, and then its power is cut.
func TestStubbornGuest(t *testing.T) {
	t.Parallel()
	c := newCloud(t, imageSeed())
	vm := c.instance("vm")
	state := func() core.InstanceLifecycleStateEnum { return c.getInstance(vm).LifecycleState }
	must(c.act(vm, "SOFTSTOP"))(t)
	c.clock.Advance(15*time.Minute - time.Second)
	if have := state(); have != core.InstanceLifecycleStateStopping {
		t.Errorf("after almost 15 minutes: have %s, want STOPPING", have)
	}
	_, err := c.act(vm, "START")
	wantError(t, err, 409, "IncorrectState")
	c.clock.Advance(time.Second)
	if have := state(); have != core.InstanceLifecycleStateStopped {
		t.Errorf("after 15 minutes: have %s, want STOPPED", have)
	}
	must(c.act(vm, "START"))(t)
	c.clock.Advance(powerTime)
	must(c.act(vm, "STOP"))(t)
	c.clock.Advance(powerTime)
	if have := state(); have != core.InstanceLifecycleStateStopped {
		t.Errorf("have %s, want STOPPED: STOP asks nobody", have)
	}
}

func TestTupleExport(t *testing.T) {
	t.Parallel()
	for who, refused := range map[string]map[string]bool{
		"":      {"user": false, "token": false},
		"users": {"user": false, "token": true},
		"none":  {"user": true, "token": true},
	} {
		seed := imageSeed()
		seed.TupleExport = who
		c := newCloud(t, seed)
		request := exportTuple(ptr(c.server.ImageID("own")), "own", "QCOW2")
		check := func(principal string) {
			_, err := c.compute.ExportImage(t.Context(), request)
			if refused[principal] {
				wantError(t, err, 400, "InvalidParameter")
			} else if err != nil {
				t.Errorf("tuple_export %q, %s: %v", who, principal, err)
			}
		}
		check("user")
		c.clock.Advance(exportTime)
		c.awaitImage(request.ImageId, core.ImageLifecycleStateAvailable)
		c.useToken("ST$header.claims.signature")
		check("token")
		c.clock.Advance(exportTime)
		c.awaitImage(request.ImageId, core.ImageLifecycleStateAvailable)
		uri := c.par(objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeObjectwrite, ptr("by-uri"))
		if end := c.export(exportURI(request.ImageId, uri, "QCOW2")); end.Status != workrequests.WorkRequestStatusSucceeded {
			t.Errorf("tuple_export %q: the URI does not work: %v", who, end)
		}
	}
}

// tokenProvider signs with a security token as its keyId.
type tokenProvider struct {
	common.ConfigurationProvider
	keyID string
}

func (p tokenProvider) KeyID() (string, error) { return p.keyID, nil }

// useToken lets compute be called with a security token.
func (c *cloud) useToken(keyID string) {
	c.t.Helper()
	if err := c.server.RegisterKey(keyID, &testKey().PublicKey); err != nil {
		c.t.Fatal(err)
	}
	c.compute.Signer = common.DefaultRequestSigner(tokenProvider{c.provider, keyID})
}

// TestExportImageToOtherRegion exports with a pre-authenticated request to a bucket that is in another region.
func TestExportImageToOtherRegion(t *testing.T) {
	t.Parallel()
	seed := imageSeed()
	seed.Regions = []string{"us-ashburn-1"}
	seed.Buckets = append(seed.Buckets, ocisim.SeedBucket{Name: "hx-staging", Region: "us-ashburn-1"})
	c := newCloud(t, seed)
	ashburn := httptest.NewServer(c.server.RegionHandler("us-ashburn-1"))
	t.Cleanup(ashburn.Close)
	c.url, c.objects.Host = ashburn.URL, ashburn.URL
	uri := c.par(objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeObjectwrite, ptr("away.qcow2"))
	if end := c.export(exportURI(ptr(c.server.ImageID("own")), uri, "QCOW2")); end.Status != workrequests.WorkRequestStatusSucceeded {
		t.Fatalf("have %v", end)
	}
	qemu(t, "check", "-f", "qcow2", c.download("away.qcow2"))
}

// TestExportImageToLostPAR exports to pre-authenticated requests that end before the export does.
func TestExportImageToLostPAR(t *testing.T) {
	t.Parallel()
	c := newCloud(t, imageSeed())
	image := ptr(c.server.ImageID("own"))
	par := func(bucket string, life time.Duration) objectstorage.PreauthenticatedRequest {
		answer := must(c.objects.CreatePreauthenticatedRequest(t.Context(), objectstorage.CreatePreauthenticatedRequestRequest{
			NamespaceName: ptr("axsim"), BucketName: &bucket,
			CreatePreauthenticatedRequestDetails: objectstorage.CreatePreauthenticatedRequestDetails{
				Name: ptr("par"), AccessType: objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeObjectwrite, ObjectName: ptr("o"),
				TimeExpires: &common.SDKTime{Time: c.clock.Now().Add(life)},
			},
		}))(t)
		return answer.PreauthenticatedRequest
	}
	deleted := par("hx-staging", time.Hour)
	must(c.objects.DeletePreauthenticatedRequest(t.Context(), objectstorage.DeletePreauthenticatedRequestRequest{
		NamespaceName: ptr("axsim"), BucketName: ptr("hx-staging"), ParId: deleted.Id,
	}))(t)
	for name, p := range map[string]objectstorage.PreauthenticatedRequest{
		"expires on the way": par("hx-staging", exportTime/2), "deleted": deleted, "of a read-only bucket": par("replica", 10*time.Hour),
	} {
		end := c.export(exportURI(image, c.url+*p.AccessUri, "QCOW2"))
		if end.Status != workrequests.WorkRequestStatusFailed || c.getImage(image).LifecycleState != core.ImageLifecycleStateAvailable {
			t.Errorf("%s: have %s with the image %s, want FAILED and AVAILABLE", name, end.Status, c.getImage(image).LifecycleState)
		}
		_, err := c.objects.HeadObject(t.Context(), objectstorage.HeadObjectRequest{NamespaceName: ptr("axsim"), BucketName: ptr("hx-staging"), ObjectName: ptr("o")})
		wantError(t, err, 404, "BadErrorResponse")
	}
}
