package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// What a trial of a permission has shown.
const (
	Granted  = "ok"
	Missing  = "missing"
	Unproven = "unproven" // it could not be tried without changing something
)

// Trial is what became of trying one permission.
type Trial struct {
	Name   string `json:"permission"`
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"` // of one that is not ok
}

// impossible is a name and an entity tag that nothing has. What is asked of it changes nothing: who may do it is told that it is
// not there or has changed, who may not that the bucket is not there.
const impossible = "hyperexport-auth-check-nothing-has-this-name"

// Try tries each permission of p and leaves everything as it was. An error means that the service could not be asked.
func (p *Provider) Try(ctx context.Context, perm Permission) ([]Trial, error) {
	var all []Trial
	for _, name := range perm.Names {
		trial := Trial{Name: name, State: Unproven, Detail: "only " + perm.shownBy + " would show it"}
		if perm.Service == "" {
			var err error
			if trial, err = p.try(ctx, perm, name); err != nil {
				return all, err
			}
		}
		all = append(all, trial)
	}
	return all, nil
}

func (p *Provider) try(ctx context.Context, perm Permission, name string) (Trial, error) {
	if strings.Contains(perm.bucket, "*") {
		return Trial{name, Unproven, "the name of the bucket follows from a variable"}, nil
	}
	var err error
	if perm.bucket != "" {
		err = p.tryBucket(ctx, perm, name)
	} else {
		err = p.tryMachine(ctx, perm, name)
	}
	var unproven *unprovenError
	var e *backend.Error
	switch {
	case err == nil:
		return Trial{name, Granted, ""}, nil
	case errors.As(err, &unproven):
		return Trial{name, Unproven, unproven.Error()}, nil
	case !errors.As(err, &e):
		return Trial{}, err
	case denies(e):
		return Trial{name, Missing, e.Error()}, nil
	}
	return Trial{}, e
}

// unprovenError says why a permission could not be tried.
type unprovenError struct{ why string }

func (e *unprovenError) Error() string { return e.why }

func unproven(format string, args ...any) error { return &unprovenError{fmt.Sprintf(format, args...)} }

// denies reports whether an error hides or says that something is not allowed. A missing bucket looks like that too.
func denies(e *backend.Error) bool {
	return e.Kind == backend.Forbidden || codeOf(e) == "NotAuthorizedOrNotFound" || codeOf(e) == codeBucketNotFound
}

// tried takes the answer that proves a permission, one of codes, for success.
func tried(ctx context.Context, op, key string, resp common.OCIResponse, err error, codes ...string) error {
	if err == nil {
		return nil
	}
	e := failure(ctx, op, key, resp, err)
	for _, code := range codes {
		if codeOf(e) == code {
			return nil
		}
	}
	return e
}

// tryBucket tries what is asked of a bucket. A bucket that is said to be missing is asked for some more times, as elsewhere.
func (p *Provider) tryBucket(ctx context.Context, perm Permission, name string) (err error) {
	for range bucketAsks {
		if err = p.tryBucketOnce(ctx, perm, name); codeOf(err) != codeBucketNotFound {
			return err
		}
	}
	return err
}

func (p *Provider) tryBucketOnce(ctx context.Context, perm Permission, name string) error {
	ns := perm.namespace
	op, bucket, object, one := "try "+name, perm.bucket, impossible, 1
	etag := impossible
	switch name {
	case "OBJECT_INSPECT":
		resp, err := p.objects.ListObjects(quick(ctx), objectstorage.ListObjectsRequest{NamespaceName: &ns, BucketName: &bucket, Limit: &one, RequestMetadata: p.once})
		return tried(ctx, op, bucket, resp, err)
	case "BUCKET_READ":
		resp, err := p.objects.ListMultipartUploads(quick(ctx), objectstorage.ListMultipartUploadsRequest{NamespaceName: &ns, BucketName: &bucket, Limit: &one, RequestMetadata: p.once})
		return tried(ctx, op, bucket, resp, err)
	case "OBJECT_READ":
		resp, err := p.objects.GetObject(quick(ctx), objectstorage.GetObjectRequest{NamespaceName: &ns, BucketName: &bucket, ObjectName: &object, RequestMetadata: p.once})
		if err == nil {
			_ = resp.Content.Close() // of an object with that name after all
		}
		return tried(ctx, op, bucket, resp, err, "ObjectNotFound")
	case "OBJECT_DELETE":
		resp, err := p.objects.DeleteObject(quick(ctx), objectstorage.DeleteObjectRequest{
			NamespaceName: &ns, BucketName: &bucket, ObjectName: &object, IfMatch: &etag, RequestMetadata: p.once})
		return tried(ctx, op, bucket, resp, err, "ObjectNotFound", "IfMatchFailed")
	case "OBJECT_CREATE":
		none := int64(0)
		resp, err := p.objects.PutObject(quick(ctx), objectstorage.PutObjectRequest{
			NamespaceName: &ns, BucketName: &bucket, ObjectName: &object, IfMatch: &etag, ContentLength: &none,
			PutObjectBody: io.NopCloser(strings.NewReader("")), RequestMetadata: p.once})
		return tried(ctx, op, bucket, resp, err, "IfMatchFailed", "ObjectNotFound")
	case "PAR_MANAGE":
		resp, err := p.objects.ListPreauthenticatedRequests(quick(ctx), objectstorage.ListPreauthenticatedRequestsRequest{
			NamespaceName: &ns, BucketName: &bucket, Limit: &one, RequestMetadata: p.once})
		return tried(ctx, op, bucket, resp, err)
	case "BUCKET_UPDATE": // of nothing, so that nothing changes whatever becomes of the condition
		resp, err := p.objects.UpdateBucket(quick(ctx), objectstorage.UpdateBucketRequest{NamespaceName: &ns, BucketName: &bucket, IfMatch: &etag, RequestMetadata: p.once})
		return tried(ctx, op, bucket, resp, err, "IfMatchFailed")
	case "OBJECT_OVERWRITE":
		return p.tryUpload(ctx, perm, ns)
	}
	return unproven("it is not known how to try it")
}

// tryUpload begins an upload, which needs OBJECT_OVERWRITE too, and aborts it, which needs OBJECT_DELETE: without that nothing
// is begun.
func (p *Provider) tryUpload(ctx context.Context, perm Permission, ns string) error {
	if err := p.tryBucketOnce(ctx, perm, "OBJECT_DELETE"); err != nil {
		return unproven("an upload that shows it could not be aborted without OBJECT_DELETE")
	}
	op, object := "try OBJECT_OVERWRITE", impossible
	resp, err := p.objects.CreateMultipartUpload(quick(ctx), objectstorage.CreateMultipartUploadRequest{
		NamespaceName: &ns, BucketName: &perm.bucket, CreateMultipartUploadDetails: objectstorage.CreateMultipartUploadDetails{Object: &object}, RequestMetadata: p.once})
	if err != nil {
		return tried(ctx, op, perm.bucket, resp, err)
	}
	abort := objectstorage.AbortMultipartUploadRequest{NamespaceName: &ns, BucketName: &perm.bucket, ObjectName: &object, UploadId: resp.UploadId, RequestMetadata: p.once}
	rest := context.WithoutCancel(ctx) // what was begun is ended, whoever has lost patience
	var failed *backend.Error
	for n := range bucketAsks {
		if n > 0 && p.pause(rest, time.Second) != nil {
			break
		}
		answer, err := p.objects.AbortMultipartUpload(quick(rest), abort)
		if err == nil {
			return nil
		}
		failed = failure(rest, "abort the upload "+value(resp.UploadId)+" that was begun to try OBJECT_OVERWRITE", perm.bucket+"/"+object, answer, err)
	}
	failed.Kind = backend.Invalid // another try would begin another upload
	return failed
}

// tryMachine tries what is asked of compute and identity.
func (p *Provider) tryMachine(ctx context.Context, perm Permission, name string) error {
	one, op, m := 1, "try "+name, perm.machine
	if name == "COMPARTMENT_INSPECT" {
		root, err := p.tenancy(ctx, op)
		if err != nil {
			return err
		}
		if p.compartment != "" {
			root = p.compartment
		}
		resp, err := p.identity.ListCompartments(quick(ctx), identity.ListCompartmentsRequest{CompartmentId: &root, Limit: &one, RequestMetadata: p.once})
		return tried(ctx, op, root, resp, err)
	}
	if m.Image != "" && name == "INSTANCE_IMAGE_READ" {
		_, err := compute{p}.image(ctx, op, m.Image)
		return err
	}
	at, err := p.compartmentOf(ctx, op, m)
	sees := name == "INSTANCE_READ" || name == "INSTANCE_INSPECT"
	var e *backend.Error
	switch {
	case m.Instance != "" && sees:
		return err
	case errors.As(err, &e) && denies(e):
		return unproven("the machine may not be seen")
	case err != nil:
		return err
	}
	switch name {
	case "INSTANCE_READ", "INSTANCE_INSPECT":
		resp, err := p.machines.ListInstances(quick(ctx), core.ListInstancesRequest{CompartmentId: &at, Limit: &one, RequestMetadata: p.once})
		return tried(ctx, op, at, resp, err)
	case "VOLUME_ATTACHMENT_INSPECT", "VOLUME_INSPECT":
		resp, err := p.machines.ListVolumeAttachments(quick(ctx), core.ListVolumeAttachmentsRequest{CompartmentId: &at, Limit: &one, RequestMetadata: p.once})
		return tried(ctx, op, at, resp, err)
	case "INSTANCE_IMAGE_INSPECT", "INSTANCE_IMAGE_READ":
		resp, err := p.machines.ListImages(quick(ctx), core.ListImagesRequest{CompartmentId: &at, Limit: &one, RequestMetadata: p.once})
		return tried(ctx, op, at, resp, err)
	case "WORKREQUEST_INSPECT":
		resp, err := p.work.ListWorkRequests(quick(ctx), workrequests.ListWorkRequestsRequest{CompartmentId: &at, Limit: &one, RequestMetadata: p.once})
		return tried(ctx, op, at, resp, err)
	case "INSTANCE_CREATE_IMAGE", "INSTANCE_IMAGE_CREATE":
		return p.tryCreateImage(ctx, op, at, m)
	case "INSTANCE_POWER_ACTIONS":
		return p.tryPower(ctx, op, at, m)
	case "INSTANCE_IMAGE_DELETE":
		return p.tryDeleteImage(ctx, op, at)
	}
	return unproven("it is not known how to try it")
}

// compartmentOf is the compartment in which the machines of m are.
func (p *Provider) compartmentOf(ctx context.Context, op string, m MachineUse) (string, error) {
	if m.Instance != "" {
		instance, err := compute{p}.instance(ctx, op, m.Instance)
		return value(instance.CompartmentId), err
	}
	if m.Image != "" {
		image, err := compute{p}.image(ctx, op, m.Image)
		return value(image.CompartmentId), err
	}
	if strings.HasPrefix(m.Compartment, "ocid1.") {
		return m.Compartment, nil
	}
	scopes, err := inventory{p}.scopes(ctx, op, backend.Query{Scope: m.Compartment})
	var e *backend.Error
	switch {
	case err == nil && len(scopes) > 0:
		return scopes[0].ID, nil
	case errors.As(err, &e) && e.Kind != backend.NotFound && e.Kind != backend.Forbidden:
		return "", e
	}
	return "", unproven("the compartment %s is not there, or may not be seen", m.Compartment)
}

// tryPower asks for the stop of a machine on a condition that does not hold.
func (p *Provider) tryPower(ctx context.Context, op, at string, m MachineUse) error {
	id, err := p.anyMachine(ctx, at, m)
	if err != nil {
		return err
	}
	etag := impossible
	resp, err := p.machines.InstanceAction(quick(ctx), core.InstanceActionRequest{
		InstanceId: &id, Action: core.InstanceActionActionStop, IfMatch: &etag, RequestMetadata: p.once})
	return tried(ctx, op, id, resp, err, "NoEtagMatch", "IncorrectState")
}

// anyMachine is the machine of m, or a running one of the compartment.
func (p *Provider) anyMachine(ctx context.Context, at string, m MachineUse) (string, error) {
	if m.Instance != "" {
		return m.Instance, nil
	}
	one := 1
	list, err := p.machines.ListInstances(quick(ctx), core.ListInstancesRequest{
		CompartmentId: &at, Limit: &one, LifecycleState: core.InstanceLifecycleStateRunning, RequestMetadata: p.once})
	if err != nil || len(list.Items) == 0 {
		return "", unproven("there is no machine to try it with")
	}
	return value(list.Items[0].Id), nil
}

// tryCreateImage asks for an image with a tag of a namespace that does not exist. Who may make one is told so.
func (p *Provider) tryCreateImage(ctx context.Context, op, at string, m MachineUse) error {
	id, err := p.anyMachine(ctx, at, m)
	if err != nil {
		return err
	}
	resp, err := p.machines.CreateImage(quick(ctx), core.CreateImageRequest{
		CreateImageDetails: core.CreateImageDetails{
			CompartmentId: &at, InstanceId: &id, DefinedTags: map[string]map[string]any{impossible: {"tried": "by hyperexport auth check"}},
		}, RequestMetadata: p.once})
	if err == nil { // the tag was taken: the image is not wanted
		made := value(resp.Id)
		answer, err := p.machines.DeleteImage(quick(ctx), core.DeleteImageRequest{ImageId: &made, RequestMetadata: p.once})
		return tried(ctx, "remove the image "+made+" that was made to try "+op, at, answer, err)
	}
	if e := failure(ctx, op, id, resp, err); e.Kind != backend.Invalid && e.Kind != backend.Busy {
		return e
	}
	return nil
}

// tryDeleteImage asks for the end of an image on a condition that does not hold.
func (p *Provider) tryDeleteImage(ctx context.Context, op, at string) error {
	list, err := p.machines.ListImages(quick(ctx), core.ListImagesRequest{CompartmentId: &at, RequestMetadata: p.once})
	if err != nil {
		return unproven("there is no image to try it with")
	}
	etag := impossible
	for _, image := range list.Items {
		if value(image.CompartmentId) == at {
			resp, err := p.machines.DeleteImage(quick(ctx), core.DeleteImageRequest{ImageId: image.Id, IfMatch: &etag, RequestMetadata: p.once})
			return tried(ctx, op, value(image.Id), resp, err, "NoEtagMatch")
		}
	}
	return unproven("there is no custom image in the compartment to try it with")
}
