package ocisim_test

import (
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
)

func TestFailWorkRequest(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	c.server.FailWorkRequest("CreateImage", 2, "OutOfCapacity", "no room")
	image := c.createImage("web-01")
	second := must(c.compute.CreateImage(t.Context(), createImageRequest(c, "db-01")))(t)
	c.clock.Advance(createTime)
	c.awaitImage(second.Id, core.ImageLifecycleStateDeleted)
	c.wantFailed(second.OpcWorkRequestId, "OutOfCapacity")
	if have := c.getInstance(c.instance("db-01")).LifecycleState; have != core.InstanceLifecycleStateRunning {
		t.Errorf("have instance %s, want RUNNING", have)
	}

	c.server.FailWorkRequest("ExportImage", 1, "InternalError", "broke")
	end := c.export(exportTuple(image, "x", "QCOW2"))
	c.wantFailed(end.Id, "InternalError")
	if have := c.getImage(image).LifecycleState; have != core.ImageLifecycleStateAvailable {
		t.Errorf("have image %s, want AVAILABLE", have)
	}
	_, err := c.objects.HeadObject(t.Context(), objectstorage.HeadObjectRequest{NamespaceName: ptr("axsim"), BucketName: ptr("hx-staging"), ObjectName: ptr("x")})
	if err == nil {
		t.Error("the failed export left an object")
	}
	if end := c.export(exportTuple(image, "x", "QCOW2")); end.Status != workrequests.WorkRequestStatusSucceeded {
		t.Errorf("the second export has %v, want SUCCEEDED", end)
	}
}

func (c *cloud) wantFailed(request *string, code string) {
	c.t.Helper()
	failures := must(c.requests.ListWorkRequestErrors(c.t.Context(), workrequests.ListWorkRequestErrorsRequest{WorkRequestId: request}))(c.t)
	if have := c.request(request); have.Status != workrequests.WorkRequestStatusFailed || len(failures.Items) != 1 || *failures.Items[0].Code != code {
		c.t.Errorf("have %v with errors %v, want FAILED with %s", have, failures.Items, code)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	c.server.Hold("CreateImage", 1)
	im := must(c.compute.CreateImage(t.Context(), createImageRequest(c, "web-01")))(t)
	c.clock.Advance(100 * createTime)
	if have := c.request(im.OpcWorkRequestId); have.Status != workrequests.WorkRequestStatusInProgress {
		t.Errorf("have work request %s, want IN_PROGRESS", have.Status)
	}
	if have := c.getImage(im.Id).LifecycleState; have != core.ImageLifecycleStateProvisioning {
		t.Errorf("have image %s, want PROVISIONING", have)
	}
	c.createImage("db-01") // the second is not held
	c.server.Release("CreateImage")
	c.awaitImage(im.Id, core.ImageLifecycleStateAvailable)
}

func TestHoldState(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	image := c.createImage("web-01")
	c.server.HoldState("ExportImage", 0)
	request := c.export(exportTuple(image, "x", "QCOW2")).Id
	c.clock.Advance(time.Minute)
	if have := c.getImage(image).LifecycleState; have != core.ImageLifecycleStateExporting {
		t.Errorf("have image %s, want EXPORTING", have)
	}
	tag := c.getImage(image).Etag
	c.server.Release("ExportImage")
	if have := c.getImage(image).LifecycleState; have != core.ImageLifecycleStateAvailable {
		t.Errorf("have image %s, want AVAILABLE", have)
	}
	if end := c.request(request); end.Status != workrequests.WorkRequestStatusSucceeded || *c.getImage(image).Etag == *tag {
		t.Errorf("have work request %v and the image's etag %s", end, *tag)
	}
	c.download("x")
}

func TestHideWorkRequest(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	image := c.createImage("web-01")
	c.server.HideWorkRequest("ExportImage", 1)
	answer := must(c.compute.ExportImage(t.Context(), exportTuple(image, "x", "QCOW2")))(t)
	if answer.OpcWorkRequestId != nil {
		t.Errorf("have work request %s, want none", *answer.OpcWorkRequestId)
	}
	c.clock.Advance(exportTime)
	c.awaitImage(image, core.ImageLifecycleStateAvailable)
}

func TestFailedAction(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	c.server.FailWorkRequest("InstanceAction", 1, "InternalError", "")
	id := c.instance("web-02")
	must(c.act(id, "START"))(t)
	c.clock.Advance(powerTime)
	if have := c.getInstance(id).LifecycleState; have != core.InstanceLifecycleStateStopped {
		t.Errorf("have %s, want STOPPED", have)
	}
}

func TestPlansNameOperations(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	defer func() {
		if recover() == nil {
			t.Error("Hold accepted a name that is no operation with background work")
		}
	}()
	c.server.Hold("GetImage", 1)
}
