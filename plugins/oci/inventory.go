package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// inventory lists compartments, instances and buckets.
type inventory struct{ p *Provider }

var _ backend.Inventory = inventory{}

// The types of resources.
const (
	typeInstance = "instance"
	typeImage    = "image"
	typeBucket   = "bucket"
)

// detailed is up to how many instances each is looked at more closely: names of volumes, and sizes of boot volumes that the
// list leaves out, cost requests of their own.
const detailed = 50

// Resources yields instances and, after them, buckets; custom images only if q asks for them.
func (v inventory) Resources(ctx context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	kind := q.Type
	if kind == "" && q.ID != "" {
		kind = typeBucket
		switch {
		case strings.HasPrefix(q.ID, "ocid1.image."):
			kind = typeImage
		case strings.HasPrefix(q.ID, "ocid1."):
			kind = typeInstance
		}
	}
	return func(yield func(backend.Resource, error) bool) {
		var lists []iter.Seq2[backend.Resource, error]
		switch kind {
		case "":
			lists = append(lists, v.machines(ctx, q), v.buckets(ctx, q))
		case typeInstance:
			lists = append(lists, v.machines(ctx, q))
		case typeImage:
			lists = append(lists, v.images(ctx, q))
		case typeBucket:
			lists = append(lists, v.buckets(ctx, q))
		default:
			yield(backend.Resource{}, &backend.Error{Op: "list resources", Key: q.Type, Kind: backend.Unsupported,
				Err: fmt.Errorf("only resources of the types %s, %s and %s are listed", typeInstance, typeImage, typeBucket)})
		}
		for _, list := range lists {
			for r, err := range list {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

// machines yields instances. Those that are TERMINATED are left out unless q.State or q.ID asks for them. The attributes
// are "shape", "image", "availability_domain", "data_volumes" (names with commas between them; absent if there are none)
// and "boot_gb"; "unseen" has "data volumes" if those may not be listed. Of more than 50 instances, volumes go by the names of their attachments and some lack boot_gb.
func (v inventory) machines(ctx context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	const op = "list instances"
	return func(yield func(backend.Resource, error) bool) {
		found, err := v.instances(ctx, op, q)
		if err != nil {
			yield(backend.Resource{}, err)
			return
		}
		for i := range found {
			if err := v.describe(ctx, op, found, i); err != nil {
				yield(backend.Resource{}, err)
				return
			}
			if !yield(found[i].resource, nil) {
				return
			}
		}
	}
}

// found is an instance and what of it is not in the Resource.
type found struct {
	resource backend.Resource
	instance core.Instance
	volumes  []core.VolumeAttachment
}

// instances returns what matches q, in the order of scopes and names.
func (v inventory) instances(ctx context.Context, op string, q backend.Query) ([]found, error) {
	if q.ID != "" {
		return v.one(ctx, op, q)
	}
	scopes, err := v.scopes(ctx, op, q)
	if err != nil {
		return nil, err
	}
	var all []found
	for _, scope := range scopes {
		first := len(all)
		for instance, err := range v.list(ctx, op, scope.ID, q) {
			if err != nil {
				return nil, err
			}
			if matches(instance, q) {
				all = append(all, found{instance: instance, resource: v.resource(instance, scope.Path)})
			}
		}
		if err := v.attach(ctx, op, scope.ID, nil, all[first:]); err != nil {
			return nil, err
		}
		slices.SortStableFunc(all[first:], func(a, b found) int { return cmp.Compare(a.resource.Name, b.resource.Name) })
	}
	return all, nil
}

// one returns the instance of q.ID, if the rest of q matches it too.
func (v inventory) one(ctx context.Context, op string, q backend.Query) ([]found, error) {
	if err := checkOCID("instance", q.ID, "instance"); err != nil {
		return nil, invalid(op, clip(q.ID), "%w", err)
	}
	instance, err := compute(v).instance(ctx, op, q.ID)
	if err != nil {
		return nil, err
	}
	if q.State == nil {
		q.State = []string{string(instance.LifecycleState)}
	}
	if !matches(instance, q) {
		return nil, nil
	}
	path, inside := "", q.Scope == ""
	scopes, err := v.scopes(ctx, op, backend.Query{Scope: q.Scope, Recursive: q.Recursive})
	if err != nil && !(inside && backend.KindOf(err) != backend.Canceled && !backend.KindOf(err).Temporary()) {
		return nil, err
	}
	for _, scope := range scopes { // who may see the instance need not be allowed to list compartments
		if scope.ID == value(instance.CompartmentId) {
			path, inside = scope.Path, true
		}
	}
	if !inside {
		return nil, nil
	}
	all := []found{{instance: instance, resource: v.resource(instance, path)}}
	return all, v.attach(ctx, op, value(instance.CompartmentId), &q.ID, all)
}

// list yields the instances of one compartment. What the service can filter, it filters.
func (v inventory) list(ctx context.Context, op, compartment string, q backend.Query) iter.Seq2[core.Instance, error] {
	limit := pageSize
	request := core.ListInstancesRequest{CompartmentId: &compartment, Limit: &limit, RequestMetadata: v.p.once}
	if q.Name != "" && !strings.ContainsAny(q.Name, "*?") {
		request.DisplayName = &q.Name
	}
	if len(q.State) == 1 {
		if state, ok := core.GetMappingInstanceLifecycleStateEnum(q.State[0]); ok {
			request.LifecycleState = state
		}
	}
	return pages(op, compartment, func(page *string) ([]core.Instance, *string, error) {
		request.Page = page
		resp, err := v.p.machines.ListInstances(quick(ctx), request)
		if err != nil {
			return nil, nil, failure(ctx, op, compartment, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	})
}

// matches compares name, state and tags.
func matches(i core.Instance, q backend.Query) bool {
	if q.State == nil && i.LifecycleState == core.InstanceLifecycleStateTerminated {
		return false
	}
	return selects(q, value(i.DisplayName), string(i.LifecycleState), i.FreeformTags)
}

func selects(q backend.Query, name, state string, tags map[string]string) bool {
	if q.State != nil && !slices.ContainsFunc(q.State, func(want string) bool { return strings.EqualFold(want, state) }) {
		return false
	}
	for tag, want := range q.Tags {
		if have, ok := tags[tag]; !ok || have != want {
			return false
		}
	}
	return q.MatchesName(name)
}

// resource translates what the list tells.
func (v inventory) resource(i core.Instance, path string) backend.Resource {
	r := backend.Resource{
		ID: value(i.Id), Type: typeInstance, Name: value(i.DisplayName), Scope: value(i.CompartmentId), ScopePath: path,
		Region: v.p.account.region, State: string(i.LifecycleState), Created: when(i.TimeCreated), Tags: i.FreeformTags,
		Attributes: map[string]string{"shape": value(i.Shape), "availability_domain": value(i.AvailabilityDomain)},
	}
	image := value(i.ImageId)
	if source, ok := i.SourceDetails.(core.InstanceSourceViaImageDetails); ok {
		if image == "" {
			image = value(source.ImageId)
		}
		if source.BootVolumeSizeInGBs != nil {
			r.Attributes["boot_gb"] = strconv.FormatInt(*source.BootVolumeSizeInGBs, 10)
		}
	}
	if image != "" {
		r.Attributes["image"] = image
	}
	return r
}

// attach finds the data volumes of instances of one compartment, with one list for all of them.
func (v inventory) attach(ctx context.Context, op, compartment string, instance *string, all []found) error {
	if len(all) == 0 {
		return nil
	}
	index := map[string]int{}
	for i := range all {
		index[all[i].resource.ID] = i
	}
	limit := pageSize
	fetch := func(page *string) ([]core.VolumeAttachment, *string, error) {
		resp, err := v.p.machines.ListVolumeAttachments(quick(ctx), core.ListVolumeAttachmentsRequest{
			CompartmentId: &compartment, InstanceId: instance, Limit: &limit, Page: page, RequestMetadata: v.p.once,
		})
		if err != nil {
			return nil, nil, failure(ctx, op, compartment, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	}
	for a, err := range pages(op, compartment, fetch) {
		if kind := backend.KindOf(err); kind == backend.NotFound || kind == backend.Forbidden {
			for i := range all {
				all[i].resource.Attributes["unseen"] = "data volumes"
			}
			return nil
		}
		if err != nil {
			return err
		}
		i, ours := index[value(a.GetInstanceId())]
		if ours && (a.GetLifecycleState() == core.VolumeAttachmentLifecycleStateAttached || a.GetLifecycleState() == core.VolumeAttachmentLifecycleStateAttaching) {
			all[i].volumes = append(all[i].volumes, a)
		}
	}
	return nil
}

// describe fills in the volumes of one of all.
func (v inventory) describe(ctx context.Context, op string, all []found, i int) error {
	f, closely := &all[i], len(all) <= detailed
	var names []string
	for _, a := range f.volumes {
		name := value(a.GetDisplayName())
		if id := a.GetVolumeId(); closely && id != nil {
			resp, err := v.p.volumes.GetVolume(quick(ctx), core.GetVolumeRequest{VolumeId: id, RequestMetadata: v.p.once})
			if err != nil {
				if e := failure(ctx, op, *id, resp, err); e.Kind != backend.NotFound && e.Kind != backend.Forbidden {
					return e
				}
			} else if value(resp.DisplayName) != "" {
				name = *resp.DisplayName
			}
		}
		if name == "" {
			name = value(a.GetVolumeId())
		}
		names = append(names, name)
	}
	if slices.Sort(names); len(names) > 0 {
		f.resource.Attributes["data_volumes"] = strings.Join(names, ",")
	}
	if closely && f.resource.Attributes["boot_gb"] == "" {
		return v.bootSize(ctx, op, f)
	}
	return nil
}

// bootSize looks at the boot volume, where the instance does not tell its size. One that may not be seen has no size.
func (v inventory) bootSize(ctx context.Context, op string, f *found) error {
	tolerate := func(e *backend.Error) error {
		if e.Kind == backend.NotFound || e.Kind == backend.Forbidden {
			return nil
		}
		return e
	}
	i := f.instance
	attached, err := v.p.machines.ListBootVolumeAttachments(quick(ctx), core.ListBootVolumeAttachmentsRequest{
		AvailabilityDomain: i.AvailabilityDomain, CompartmentId: i.CompartmentId, InstanceId: i.Id, RequestMetadata: v.p.once,
	})
	if err != nil {
		return tolerate(failure(ctx, op, value(i.Id), attached, err))
	}
	for _, a := range attached.Items {
		resp, err := v.p.volumes.GetBootVolume(quick(ctx), core.GetBootVolumeRequest{BootVolumeId: a.BootVolumeId, RequestMetadata: v.p.once})
		if err != nil {
			return tolerate(failure(ctx, op, value(a.BootVolumeId), resp, err))
		}
		if resp.SizeInGBs != nil {
			f.resource.Attributes["boot_gb"] = strconv.FormatInt(*resp.SizeInGBs, 10)
		}
	}
	return nil
}

// Metrics fails with Unsupported.
func (v inventory) Metrics(_ context.Context, id string, _ backend.MetricQuery) ([]backend.Series, error) {
	return nil, &backend.Error{Op: "metrics", Key: id, Kind: backend.Unsupported, Err: errors.New("metrics of OCI are not read yet")}
}
