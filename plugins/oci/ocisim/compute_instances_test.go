package ocisim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func (c *cloud) getInstance(id *string) core.GetInstanceResponse {
	c.t.Helper()
	return must(c.compute.GetInstance(c.t.Context(), core.GetInstanceRequest{InstanceId: id}))(c.t)
}

func TestListInstances(t *testing.T) {
	t.Parallel()
	seed := &ocisim.Seed{Compartments: []ocisim.SeedCompartment{{Path: "a"}, {Path: "b"}}}
	for i := range 7 {
		seed.Instances = append(seed.Instances, ocisim.SeedInstance{Name: fmt.Sprintf("vm-%d", i), Compartment: "a", AD: i%3 + 1, DiskBytes: 1 << 20})
	}
	seed.Instances[2].State = "STOPPED"
	c := newCloud(t, seed)
	for _, test := range []struct {
		name    string
		request core.ListInstancesRequest
		want    string
	}{
		{"newest first", core.ListInstancesRequest{}, "vm-6 vm-5 vm-4 vm-3 vm-2 vm-1 vm-0"},
		{"by name", core.ListInstancesRequest{SortBy: core.ListInstancesSortByDisplayname}, "vm-0 vm-1 vm-2 vm-3 vm-4 vm-5 vm-6"},
		{"in pages", core.ListInstancesRequest{SortBy: core.ListInstancesSortByDisplayname, Limit: ptr(3)}, "vm-0 vm-1 vm-2 vm-3 vm-4 vm-5 vm-6"},
		{"stopped", core.ListInstancesRequest{LifecycleState: core.InstanceLifecycleStateStopped}, "vm-2"},
		{"named", core.ListInstancesRequest{DisplayName: ptr("vm-5")}, "vm-5"},
		{"in one availability domain", core.ListInstancesRequest{AvailabilityDomain: ptr("Iocq:PHX-AD-2")}, "vm-4 vm-1"},
		{"elsewhere", core.ListInstancesRequest{CompartmentId: c.compartment("b")}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := test.request
			if request.CompartmentId == nil {
				request.CompartmentId = c.compartment("a")
			}
			var names []string
			for {
				list := must(c.compute.ListInstances(t.Context(), request))(t)
				for _, in := range list.Items {
					names = append(names, *in.DisplayName)
				}
				if list.OpcNextPage == nil {
					break
				}
				request.Page = list.OpcNextPage
			}
			if have := strings.Join(names, " "); have != test.want {
				t.Errorf("have %q, want %q", have, test.want)
			}
		})
	}
	_, err := c.compute.ListInstances(t.Context(), core.ListInstancesRequest{CompartmentId: ptr("")})
	wantError(t, err, 400, "MissingParameter")
	_, err = c.compute.ListInstances(t.Context(), core.ListInstancesRequest{CompartmentId: c.compartment("a"), Limit: ptr(1001)})
	wantError(t, err, 400, "InvalidParameter")
	_, err = c.compute.ListInstances(t.Context(), core.ListInstancesRequest{CompartmentId: ptr("ocid1.compartment.oc1..nowhere")})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
}

func TestGetInstance(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	in := c.getInstance(c.instance("web-01"))
	if *in.DisplayName != "web-01" || in.LifecycleState != core.InstanceLifecycleStateRunning || *in.Region != "phx" ||
		*in.CompartmentId != *c.compartment("acme/prod") || in.FreeformTags["role"] != "web" || len(*in.Etag) != 64 {
		t.Errorf("have %v", in)
	}
	if source, ok := in.SourceDetails.(core.InstanceSourceViaImageDetails); !ok || *source.ImageId != *in.ImageId {
		t.Errorf("have source %v, want the image %s", in.SourceDetails, *in.ImageId)
	}
	_, err := c.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: ptr("ocid1.instance.oc1.phx.none")})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
	_, err = c.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: ptr("web-01")})
	wantError(t, err, 400, "InvalidParameter")
}

func TestUpdateInstance(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	before := c.getInstance(c.instance("web-01"))
	updated := must(c.compute.UpdateInstance(t.Context(), core.UpdateInstanceRequest{
		InstanceId: before.Id, IfMatch: before.Etag,
		UpdateInstanceDetails: core.UpdateInstanceDetails{DisplayName: ptr("front"), FreeformTags: map[string]string{"x": "y"}},
	}))(t)
	after := c.getInstance(before.Id)
	if *after.DisplayName != "front" || after.FreeformTags["x"] != "y" || *after.Etag != *updated.Etag || *after.Etag == *before.Etag {
		t.Errorf("have %v", after)
	}
	_, err := c.compute.UpdateInstance(t.Context(), core.UpdateInstanceRequest{
		InstanceId: before.Id, IfMatch: before.Etag, UpdateInstanceDetails: core.UpdateInstanceDetails{DisplayName: ptr("late")},
	})
	wantError(t, err, 412, "NoEtagMatch")
	_, err = c.compute.UpdateInstance(t.Context(), core.UpdateInstanceRequest{
		InstanceId: before.Id, UpdateInstanceDetails: core.UpdateInstanceDetails{Shape: ptr("VM.Standard3.Flex")},
	})
	wantError(t, err, 501, "NotImplemented")
}

func (c *cloud) act(id *string, action string) (core.InstanceActionResponse, error) {
	return c.compute.InstanceAction(c.t.Context(), core.InstanceActionRequest{InstanceId: id, Action: core.InstanceActionActionEnum(action)})
}

func TestInstanceAction(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		action, from string
		want         string // states, each powerTime apart
	}{
		{"START", "STOPPED", "STARTING RUNNING"},
		{"start", "STOPPED", "STARTING RUNNING"},
		{"STOP", "RUNNING", "STOPPING STOPPED"},
		{"SOFTSTOP", "RUNNING", "STOPPING STOPPED"},
		{"RESET", "RUNNING", "STOPPING STARTING RUNNING"},
		{"SOFTRESET", "RUNNING", "STOPPING STARTING RUNNING"},
		{"REBOOTMIGRATE", "RUNNING", "STOPPING STARTING RUNNING"},
		{"DIAGNOSTICREBOOT", "RUNNING", "STOPPING STARTING RUNNING"},
		{"SENDDIAGNOSTICINTERRUPT", "RUNNING", "RUNNING"},
		{"START", "RUNNING", "IncorrectState"},
		{"STOP", "STOPPED", "IncorrectState"},
		{"RESET", "STOPPED", "IncorrectState"},
	} {
		t.Run(test.action+" of "+test.from, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, &ocisim.Seed{Instances: []ocisim.SeedInstance{{Name: "vm", State: test.from, DiskBytes: 1 << 20}}})
			id := c.instance("vm")
			answer, err := c.act(id, test.action)
			if test.want == "IncorrectState" {
				wantError(t, err, 409, "IncorrectState")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			states := []string{string(answer.LifecycleState)}
			for range strings.Count(test.want, " ") {
				c.clock.Advance(powerTime / 2)
				if have := string(c.getInstance(id).LifecycleState); have != states[len(states)-1] {
					t.Fatalf("%s after half the time, want %s", have, states[len(states)-1])
				}
				c.clock.Advance(powerTime / 2)
				states = append(states, string(c.getInstance(id).LifecycleState))
			}
			if have := strings.Join(states, " "); have != test.want {
				t.Errorf("have %s, want %s", have, test.want)
			}
		})
	}
}

func TestInstanceActionConditions(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id := c.instance("web-01")
	_, err := c.act(id, "")
	wantError(t, err, 400, "MissingParameter")

	before := c.getInstance(id)
	request := core.InstanceActionRequest{InstanceId: id, Action: core.InstanceActionActionStop, OpcRetryToken: ptr("stop-once"), IfMatch: before.Etag}
	stopping := must(c.compute.InstanceAction(t.Context(), request))(t)
	again := must(c.compute.InstanceAction(t.Context(), request))(t)
	if *again.Etag != *stopping.Etag || again.LifecycleState != core.InstanceLifecycleStateStopping {
		t.Errorf("the repeated request changed something: %v", again)
	}
	request.Action = core.InstanceActionActionReset
	_, err = c.compute.InstanceAction(t.Context(), request)
	wantError(t, err, 409, "InvalidatedRetryToken")
	request.OpcRetryToken = ptr("other")
	_, err = c.compute.InstanceAction(t.Context(), request)
	wantError(t, err, 412, "NoEtagMatch")
}

func TestTerminateInstance(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id := c.instance("db-01")
	boot := c.bootVolume(id)
	answer := must(c.compute.TerminateInstance(t.Context(), core.TerminateInstanceRequest{InstanceId: id}))(t)
	if c.request(answer.OpcWorkRequestId).OperationType == nil || answer.RawResponse.StatusCode != 204 {
		t.Errorf("have %v", answer)
	}
	if have := c.getInstance(id).LifecycleState; have != core.InstanceLifecycleStateTerminating {
		t.Errorf("have %s, want TERMINATING", have)
	}
	_, err := c.compute.TerminateInstance(t.Context(), core.TerminateInstanceRequest{InstanceId: id})
	wantError(t, err, 409, "IncorrectState")
	c.clock.Advance(powerTime)
	if have := c.getInstance(id).LifecycleState; have != core.InstanceLifecycleStateTerminated {
		t.Errorf("have %s, want TERMINATED", have)
	}
	volume := must(c.volumes.GetBootVolume(t.Context(), core.GetBootVolumeRequest{BootVolumeId: boot}))(t)
	if volume.LifecycleState != core.BootVolumeLifecycleStateTerminated {
		t.Errorf("have boot volume %s, want TERMINATED", volume.LifecycleState)
	}
	c.clock.Advance(2 * 3600e9)
	_, err = c.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: id})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
}

func TestTerminateKeepsBootVolume(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id := c.instance("web-01")
	boot := c.bootVolume(id)
	must(c.compute.TerminateInstance(t.Context(), core.TerminateInstanceRequest{InstanceId: id, PreserveBootVolume: ptr(true)}))(t)
	c.clock.Advance(powerTime)
	volume := must(c.volumes.GetBootVolume(t.Context(), core.GetBootVolumeRequest{BootVolumeId: boot}))(t)
	if volume.LifecycleState != core.BootVolumeLifecycleStateAvailable {
		t.Errorf("have boot volume %s, want AVAILABLE", volume.LifecycleState)
	}
}

func TestTerminateOvertakesAction(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id := c.instance("web-01")
	must(c.act(id, "RESET"))(t)
	must(c.compute.TerminateInstance(t.Context(), core.TerminateInstanceRequest{InstanceId: id}))(t)
	c.clock.Advance(10 * powerTime)
	if have := c.getInstance(id).LifecycleState; have != core.InstanceLifecycleStateTerminated {
		t.Errorf("have %s, want TERMINATED", have)
	}
}

func TestFailedTermination(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	id := c.instance("web-02")
	c.server.FailWorkRequest("TerminateInstance", 0, "InternalError", "not today")
	answer := must(c.compute.TerminateInstance(t.Context(), core.TerminateInstanceRequest{InstanceId: id}))(t)
	c.clock.Advance(powerTime)
	c.wantFailed(answer.OpcWorkRequestId, "InternalError")
	if have := c.getInstance(id).LifecycleState; have != core.InstanceLifecycleStateStopped {
		t.Errorf("have %s, want STOPPED as before", have)
	}
	volume := must(c.volumes.GetBootVolume(t.Context(), core.GetBootVolumeRequest{BootVolumeId: c.bootVolume(id)}))(t)
	if volume.LifecycleState != core.BootVolumeLifecycleStateAvailable {
		t.Errorf("have boot volume %s, want AVAILABLE", volume.LifecycleState)
	}
}
