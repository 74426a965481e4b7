package ocisim_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func (c *cloud) getImage(id *string) core.GetImageResponse {
	c.t.Helper()
	return must(c.compute.GetImage(c.t.Context(), core.GetImageRequest{ImageId: id}))(c.t)
}

func (c *cloud) request(id *string) workrequests.GetWorkRequestResponse {
	c.t.Helper()
	return must(c.requests.GetWorkRequest(c.t.Context(), workrequests.GetWorkRequestRequest{WorkRequestId: id}))(c.t)
}

func createImageRequest(c *cloud, instance string) core.CreateImageRequest {
	in := c.getInstance(c.instance(instance))
	return core.CreateImageRequest{CreateImageDetails: core.CreateImageDetails{
		CompartmentId: in.CompartmentId, InstanceId: in.Id, DisplayName: ptr("export of " + instance), FreeformTags: map[string]string{"by": "test"},
	}}
}

// createImage makes an image of an instance and waits for it.
func (c *cloud) createImage(instance string) *string {
	c.t.Helper()
	answer := must(c.compute.CreateImage(c.t.Context(), createImageRequest(c, instance)))(c.t)
	c.clock.Advance(createTime)
	c.awaitImage(answer.Id, core.ImageLifecycleStateAvailable)
	return answer.Id
}

func (c *cloud) awaitImage(id *string, state core.ImageLifecycleStateEnum) {
	c.t.Helper()
	c.eventually("image "+string(state), func() bool { return c.getImage(id).LifecycleState == state })
}

func TestCreateImage(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	for _, test := range []struct {
		instance string
		state    core.InstanceLifecycleStateEnum
	}{{"web-01", core.InstanceLifecycleStateRunning}, {"web-02", core.InstanceLifecycleStateStopped}} {
		t.Run(test.instance, func(t *testing.T) {
			source := c.getInstance(c.instance(test.instance))
			answer := must(c.compute.CreateImage(t.Context(), createImageRequest(c, test.instance)))(t)
			im := answer.Image
			if im.LifecycleState != core.ImageLifecycleStateProvisioning || im.SizeInMBs != nil || *im.BaseImageId != *source.ImageId ||
				im.FreeformTags["by"] != "test" || *im.OperatingSystem != "Oracle Linux" || answer.Etag == nil {
				t.Errorf("have %v", im)
			}
			if have := c.getInstance(source.Id).LifecycleState; have != core.InstanceLifecycleStateCreatingImage {
				t.Errorf("have instance %s, want CREATING_IMAGE", have)
			}
			_, err := c.compute.CreateImage(t.Context(), createImageRequest(c, test.instance))
			wantError(t, err, 409, "IncorrectState")
			_, err = c.compute.DeleteImage(t.Context(), core.DeleteImageRequest{ImageId: im.Id})
			wantError(t, err, 409, "IncorrectState")

			c.followRequest(answer.OpcWorkRequestId, createTime)
			c.awaitImage(im.Id, core.ImageLifecycleStateAvailable)
			done := c.getImage(im.Id)
			if *done.SizeInMBs != diskSize>>20 || *done.Etag == *answer.Etag {
				t.Errorf("have %v", done)
			}
			if have := c.getInstance(source.Id).LifecycleState; have != test.state {
				t.Errorf("have instance %s, want %s", have, test.state)
			}
		})
	}
}

// followRequest watches a work request through the time that it takes, up to SUCCEEDED.
func (c *cloud) followRequest(id *string, d time.Duration) {
	c.t.Helper()
	first := c.request(id)
	if first.Status != workrequests.WorkRequestStatusAccepted || *first.PercentComplete != 0 || first.TimeStarted != nil ||
		first.RawResponse.Header.Get("retry-after") == "" || len(first.Resources) == 0 {
		c.t.Errorf("have %v at first", first)
	}
	last := float32(-1)
	for range 3 {
		c.clock.Advance(d / 4)
		now := c.request(id)
		if now.Status != workrequests.WorkRequestStatusInProgress || *now.PercentComplete <= last || *now.PercentComplete >= 100 || now.TimeFinished != nil {
			c.t.Errorf("have %v after %v %%", now, last)
		}
		last = *now.PercentComplete
	}
	c.clock.Advance(d / 4)
	c.eventually("the end of the work request", func() bool { return c.request(id).TimeFinished != nil })
	if end := c.request(id); end.Status != workrequests.WorkRequestStatusSucceeded || *end.PercentComplete != 100 {
		c.t.Errorf("have %v at the end", end)
	}
	logs := must(c.requests.ListWorkRequestLogs(c.t.Context(), workrequests.ListWorkRequestLogsRequest{WorkRequestId: id}))(c.t)
	failures := must(c.requests.ListWorkRequestErrors(c.t.Context(), workrequests.ListWorkRequestErrorsRequest{WorkRequestId: id}))(c.t)
	if len(logs.Items) != 3 || len(failures.Items) != 0 {
		c.t.Errorf("have logs %v and errors %v", logs.Items, failures.Items)
	}
}

func TestCreateImageToken(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	request := createImageRequest(c, "web-01")
	request.OpcRetryToken = ptr("one-image")
	first := must(c.compute.CreateImage(t.Context(), request))(t)
	again := must(c.compute.CreateImage(t.Context(), request))(t)
	if *again.Id != *first.Id || *again.OpcWorkRequestId != *first.OpcWorkRequestId {
		t.Errorf("have another image %s, want %s", *again.Id, *first.Id)
	}
	other := request
	other.DisplayName = ptr("another name")
	_, err := c.compute.CreateImage(t.Context(), other)
	wantError(t, err, 409, "InvalidatedRetryToken")

	c.clock.Advance(createTime)
	c.awaitImage(first.Id, core.ImageLifecycleStateAvailable)
	c.clock.Advance(24*time.Hour - createTime - time.Second)
	again = must(c.compute.CreateImage(t.Context(), request))(t)
	if *again.Id != *first.Id {
		t.Error("the token was forgotten before 24 hours had passed")
	}
	c.clock.Advance(time.Second)
	later := must(c.compute.CreateImage(t.Context(), request))(t)
	if *later.Id == *first.Id {
		t.Error("the token was still known after 24 hours")
	}
}

func TestCreateImageTokenOfDeletedImage(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	request := createImageRequest(c, "web-01")
	request.OpcRetryToken = ptr("gone")
	im := must(c.compute.CreateImage(t.Context(), request))(t)
	c.clock.Advance(createTime)
	c.awaitImage(im.Id, core.ImageLifecycleStateAvailable)
	must(c.compute.DeleteImage(t.Context(), core.DeleteImageRequest{ImageId: im.Id}))(t)
	_, err := c.compute.CreateImage(t.Context(), request)
	wantError(t, err, 409, "InvalidatedRetryToken")
}

func TestCreateImageRace(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	request := createImageRequest(c, "web-01")
	request.OpcRetryToken = ptr("raced")
	var wait sync.WaitGroup
	ids, errs := make([]string, 20), make([]error, 20)
	for i := range ids {
		wait.Go(func() {
			answer, err := c.compute.CreateImage(t.Context(), request)
			if errs[i] = err; err == nil {
				ids[i] = *answer.Id
			}
		})
	}
	wait.Wait()
	for i := range ids {
		if errs[i] != nil || ids[i] != ids[0] {
			t.Errorf("request %d: image %q, error %v; want image %q", i, ids[i], errs[i], ids[0])
		}
	}
	list := must(c.compute.ListImages(t.Context(), core.ListImagesRequest{CompartmentId: request.CompartmentId, DisplayName: request.DisplayName}))(t)
	if len(list.Items) != 1 {
		t.Errorf("have %d images, want 1", len(list.Items))
	}
}

func TestCreateImageRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	request := createImageRequest(c, "web-01")
	request.InstanceId = ptr("ocid1.instance.oc1.phx.none")
	_, err := c.compute.CreateImage(t.Context(), request)
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
	request.InstanceId = nil
	_, err = c.compute.CreateImage(t.Context(), request)
	wantError(t, err, 400, "InvalidParameter")
	request.ImageSourceDetails = core.ImageSourceViaObjectStorageUriDetails{SourceUri: ptr("http://x/n/a/b/c/o/d")}
	_, err = c.compute.CreateImage(t.Context(), request)
	wantError(t, err, 501, "NotImplemented")
}

func TestImagesShowLaterWrites(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id := c.instance("web-01")
	before := must(c.server.DiskSHA256(*id))(t)
	im := c.createImage("web-01")
	disk := must(os.OpenFile(must(c.server.DiskPath(*id))(t), os.O_WRONLY, 0))(t)
	must(disk.WriteAt([]byte("later"), 5<<20))(t)
	if err := disk.Close(); err != nil {
		t.Fatal(err)
	}
	if after := must(c.server.DiskSHA256(*id))(t); after == before {
		t.Fatal("the write did not change the disk")
	}
	if have := c.exportedSHA256(im, "QCOW2", "qcow2"); have != before {
		t.Errorf("the image has the hash %s, want that of the disk when it was made, %s", have, before)
	}
}

func TestListImages(t *testing.T) {
	t.Parallel()
	c := newCloud(t, &ocisim.Seed{Instances: []ocisim.SeedInstance{
		{Name: "vm", DiskBytes: 1 << 20, ImageListing: "custom"}, {Name: "appliance", DiskBytes: 1 << 20, ImageListing: "marketplace"},
	}})
	c.createImage("vm")
	count := func(request core.ListImagesRequest) (custom, platform int) {
		t.Helper()
		request.CompartmentId, request.Limit = c.tenancy(), ptr(2)
		for {
			list := must(c.compute.ListImages(t.Context(), request))(t)
			for _, im := range list.Items {
				if im.CompartmentId == nil {
					platform++
				} else {
					custom++
				}
			}
			if list.OpcNextPage == nil {
				return custom, platform
			}
			request.Page = list.OpcNextPage
		}
	}
	for _, test := range []struct {
		name             string
		request          core.ListImagesRequest
		custom, platform int
	}{
		{"all", core.ListImagesRequest{}, 2, 3},
		{"by system", core.ListImagesRequest{OperatingSystem: ptr("Windows")}, 0, 1},
		{"by version", core.ListImagesRequest{OperatingSystemVersion: ptr("8")}, 2, 1},
		{"by name", core.ListImagesRequest{DisplayName: ptr("export of vm"), SortBy: core.ListImagesSortByDisplayname}, 1, 0},
		{"available", core.ListImagesRequest{LifecycleState: core.ImageLifecycleStateAvailable}, 2, 3},
		{"deleted", core.ListImagesRequest{LifecycleState: core.ImageLifecycleStateDeleted}, 0, 0},
	} {
		if custom, platform := count(test.request); custom != test.custom || platform != test.platform {
			t.Errorf("%s: have %d custom and %d platform images, want %d and %d", test.name, custom, platform, test.custom, test.platform)
		}
	}
}

func TestUpdateImage(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	before := c.getImage(c.createImage("web-01"))
	must(c.compute.UpdateImage(t.Context(), core.UpdateImageRequest{
		ImageId: before.Id, IfMatch: before.Etag,
		UpdateImageDetails: core.UpdateImageDetails{DisplayName: ptr("renamed"), OperatingSystem: ptr("Custom"), FreeformTags: map[string]string{}},
	}))(t)
	after := c.getImage(before.Id)
	if *after.DisplayName != "renamed" || *after.OperatingSystem != "Custom" || len(after.FreeformTags) != 0 || *after.OperatingSystemVersion != "8" {
		t.Errorf("have %v", after)
	}
	_, err := c.compute.UpdateImage(t.Context(), core.UpdateImageRequest{ImageId: before.Id, IfMatch: before.Etag})
	wantError(t, err, 412, "NoEtagMatch")
}

func TestDeleteImage(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id := c.createImage("web-01")
	platform := c.getInstance(c.instance("web-01")).ImageId
	_, err := c.compute.DeleteImage(t.Context(), core.DeleteImageRequest{ImageId: platform})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
	_, err = c.compute.DeleteImage(t.Context(), core.DeleteImageRequest{ImageId: id, IfMatch: ptr("stale")})
	wantError(t, err, 412, "NoEtagMatch")

	answer := must(c.compute.DeleteImage(t.Context(), core.DeleteImageRequest{ImageId: id}))(t)
	if answer.RawResponse.StatusCode != 204 {
		t.Errorf("have status %d, want 204", answer.RawResponse.StatusCode)
	}
	if have := c.getImage(id).LifecycleState; have != core.ImageLifecycleStateDeleted {
		t.Errorf("have %s, want DELETED", have)
	}
	_, err = c.compute.DeleteImage(t.Context(), core.DeleteImageRequest{ImageId: id})
	wantError(t, err, 409, "IncorrectState")
	c.clock.Advance(time.Hour)
	_, err = c.compute.GetImage(t.Context(), core.GetImageRequest{ImageId: id})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
}
