package ocisim_test

import (
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"
)

// bootVolume returns the OCID of an instance's boot volume.
func (c *cloud) bootVolume(instance *string) *string {
	c.t.Helper()
	in := c.getInstance(instance)
	list := must(c.compute.ListBootVolumeAttachments(c.t.Context(), core.ListBootVolumeAttachmentsRequest{
		AvailabilityDomain: in.AvailabilityDomain, CompartmentId: in.CompartmentId, InstanceId: in.Id,
	}))(c.t)
	if len(list.Items) != 1 || list.Items[0].LifecycleState != core.BootVolumeAttachmentLifecycleStateAttached {
		c.t.Fatalf("have boot volume attachments %v, want one", list.Items)
	}
	return list.Items[0].BootVolumeId
}

func TestWhatAnInstanceHas(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	in := c.getInstance(c.instance("db-01"))
	boot := must(c.volumes.GetBootVolume(t.Context(), core.GetBootVolumeRequest{BootVolumeId: c.bootVolume(in.Id)}))(t)
	if *boot.SizeInMBs != diskSize>>20 || *boot.SizeInGBs != 1 || *boot.ImageId != *in.ImageId || boot.Etag == nil {
		t.Errorf("have boot volume %v", boot)
	}
	attachment := must(c.compute.GetBootVolumeAttachment(t.Context(), core.GetBootVolumeAttachmentRequest{BootVolumeAttachmentId: in.Id}))(t)
	if *attachment.BootVolumeId != *boot.Id {
		t.Errorf("have boot volume attachment %v", attachment)
	}

	attached := must(c.compute.ListVolumeAttachments(t.Context(), core.ListVolumeAttachmentsRequest{CompartmentId: in.CompartmentId, InstanceId: in.Id}))(t)
	if len(attached.Items) != 1 || attached.Items[0].GetLifecycleState() != core.VolumeAttachmentLifecycleStateAttached {
		t.Fatalf("have volume attachments %v, want one", attached.Items)
	}
	one := must(c.compute.GetVolumeAttachment(t.Context(), core.GetVolumeAttachmentRequest{VolumeAttachmentId: attached.Items[0].GetId()}))(t)
	data := must(c.volumes.GetVolume(t.Context(), core.GetVolumeRequest{VolumeId: one.GetVolumeId()}))(t)
	if *data.DisplayName != "db-01-data" || *data.SizeInGBs != 50 || data.LifecycleState != core.VolumeLifecycleStateAvailable {
		t.Errorf("have data volume %v", data)
	}

	vnics := must(c.compute.ListVnicAttachments(t.Context(), core.ListVnicAttachmentsRequest{CompartmentId: in.CompartmentId, InstanceId: in.Id}))(t)
	if len(vnics.Items) != 1 {
		t.Fatalf("have VNIC attachments %v, want one", vnics.Items)
	}
	must(c.compute.GetVnicAttachment(t.Context(), core.GetVnicAttachmentRequest{VnicAttachmentId: vnics.Items[0].Id}))(t)
	vnic := must(c.networks.GetVnic(t.Context(), core.GetVnicRequest{VnicId: vnics.Items[0].VnicId}))(t)
	if !strings.HasPrefix(*vnic.PrivateIp, "10.0.") || *vnic.PublicIp == "" || len(*vnic.MacAddress) != 17 || !*vnic.IsPrimary {
		t.Errorf("have VNIC %v", vnic)
	}
	_, err := c.networks.GetVnic(t.Context(), core.GetVnicRequest{VnicId: ptr("ocid1.vnic.oc1.phx.none")})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
}

func TestListVolumes(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	prod := c.compartment("acme/prod")
	boots := must(c.volumes.ListBootVolumes(t.Context(), core.ListBootVolumesRequest{CompartmentId: prod, Limit: ptr(2)}))(t)
	if len(boots.Items) != 2 || boots.OpcNextPage == nil {
		t.Errorf("have %d boot volumes on the first page, want 2 and a second page", len(boots.Items))
	}
	data := must(c.volumes.ListVolumes(t.Context(), core.ListVolumesRequest{CompartmentId: prod}))(t)
	if len(data.Items) != 1 {
		t.Errorf("have %d data volumes, want 1", len(data.Items))
	}
	_, err := c.compute.ListBootVolumeAttachments(t.Context(), core.ListBootVolumeAttachmentsRequest{AvailabilityDomain: ptr(""), CompartmentId: prod})
	wantError(t, err, 400, "MissingParameter")
}
