package ocisim_test

import (
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func TestFailWorkRequest(t *testing.T) {
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
	c := newCloud(t, nil)
	image := c.createImage("web-01")
	c.server.HoldState("ExportImage", 0)
	if end := c.export(exportTuple(image, "x", "QCOW2")); end.Status != workrequests.WorkRequestStatusSucceeded {
		t.Errorf("have work request %v, want SUCCEEDED", end)
	}
	c.clock.Advance(time.Minute)
	if have := c.getImage(image).LifecycleState; have != core.ImageLifecycleStateExporting {
		t.Errorf("have image %s, want EXPORTING", have)
	}
	c.server.Release("ExportImage")
	if have := c.getImage(image).LifecycleState; have != core.ImageLifecycleStateAvailable {
		t.Errorf("have image %s, want AVAILABLE", have)
	}
}

func TestHideWorkRequest(t *testing.T) {
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
	c := newCloud(t, nil)
	c.server.FailWorkRequest("InstanceAction", 1, "InternalError", "")
	id := c.instance("web-02")
	must(c.act(id, "START"))(t)
	c.clock.Advance(powerTime)
	if have := c.getInstance(id).LifecycleState; have != core.InstanceLifecycleStateStopped {
		t.Errorf("have %s, want STOPPED", have)
	}
}

// TestComputeRestart lets a second simulator end what a first one began, as after a crash in the middle.
func TestComputeRestart(t *testing.T) {
	first := newCloud(t, nil)
	clock := first.clock
	want := must(first.server.DiskSHA256(*first.instance("web-01")))(t)
	image := first.createImage("web-01")
	create := createImageRequest(first, "db-01")
	create.OpcRetryToken = ptr("create")
	created := must(first.compute.CreateImage(t.Context(), create))(t)
	must(first.act(first.instance("web-02"), "START"))(t)
	export := exportTuple(image, "x", "QCOW2")
	export.OpcRetryToken = ptr("export")
	exported := must(first.compute.ExportImage(t.Context(), export))(t)
	clock.Advance(powerTime / 2)
	if err := first.server.Close(); err != nil {
		t.Fatal(err)
	}

	second := openCloud(t, first.dir, &ocisim.Seed{}, clock)
	if have := second.getImage(image).LifecycleState; have != core.ImageLifecycleStateExporting {
		t.Errorf("have image %s after the restart, want EXPORTING", have)
	}
	if again := must(second.compute.ExportImage(t.Context(), export))(t); *again.OpcWorkRequestId != *exported.OpcWorkRequestId {
		t.Error("the retry token of the export was forgotten")
	}
	clock.Advance(exportTime)
	second.awaitImage(created.Id, core.ImageLifecycleStateAvailable)
	second.awaitImage(image, core.ImageLifecycleStateAvailable)
	if have := second.request(exported.OpcWorkRequestId); have.Status != workrequests.WorkRequestStatusSucceeded {
		t.Errorf("have work request %v, want SUCCEEDED", have)
	}
	if have := rawSHA256(t, second.download("x"), "qcow2"); have != want {
		t.Errorf("the disk in the export has the hash %s, want %s", have, want)
	}
	if have := second.getInstance(second.instance("web-02")).LifecycleState; have != core.InstanceLifecycleStateRunning {
		t.Errorf("have instance %s, want RUNNING", have)
	}
}
