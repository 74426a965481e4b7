package ocisim_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// qemu runs qemu-img and returns what it prints.
func qemu(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("qemu-img", args...)
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal("qemu-img is not installed, and these tests judge images with it: apt install qemu-utils")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("qemu-img %s: %v: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func exportTuple(image *string, object, format string) core.ExportImageRequest {
	return core.ExportImageRequest{ImageId: image, ExportImageDetails: core.ExportImageViaObjectStorageTupleDetails{
		NamespaceName: ptr("axsim"), BucketName: ptr("hx-staging"), ObjectName: &object,
		ExportFormat: core.ExportImageDetailsExportFormatEnum(format),
	}}
}

func exportURI(image *string, uri, format string) core.ExportImageRequest {
	return core.ExportImageRequest{ImageId: image, ExportImageDetails: core.ExportImageViaObjectStorageUriDetails{
		DestinationUri: &uri, ExportFormat: core.ExportImageDetailsExportFormatEnum(format),
	}}
}

// export starts an export, waits for its end and returns its work request.
func (c *cloud) export(request core.ExportImageRequest) workrequests.GetWorkRequestResponse {
	c.t.Helper()
	answer := must(c.compute.ExportImage(c.t.Context(), request))(c.t)
	c.clock.Advance(exportTime)
	c.eventually("the end of the export", func() bool { return c.request(answer.OpcWorkRequestId).TimeFinished != nil })
	return c.request(answer.OpcWorkRequestId)
}

// download fetches an object of the bucket hx-staging into a file.
func (c *cloud) download(object string) string {
	c.t.Helper()
	answer := must(c.objects.GetObject(c.t.Context(), objectstorage.GetObjectRequest{
		NamespaceName: ptr("axsim"), BucketName: ptr("hx-staging"), ObjectName: &object,
	}))(c.t)
	defer answer.Content.Close()
	file := filepath.Join(c.t.TempDir(), "object")
	f := must(os.Create(file))(c.t)
	must(io.Copy(f, answer.Content))(c.t)
	if err := f.Close(); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// exportedSHA256 exports an image and returns the hash of its disk, after qemu-img judged it.
func (c *cloud) exportedSHA256(image *string, format, driver string) string {
	c.t.Helper()
	object := "out/" + format
	if end := c.export(exportTuple(image, object, format)); end.Status != workrequests.WorkRequestStatusSucceeded {
		c.t.Fatalf("have work request %v", end)
	}
	return rawSHA256(c.t, c.download(object), driver)
}

// rawSHA256 returns the hash of the disk in an image file.
func rawSHA256(t *testing.T, file, driver string) string {
	t.Helper()
	var info struct {
		Format      string `json:"format"`
		VirtualSize int64  `json:"virtual-size"`
	}
	if err := json.Unmarshal(qemu(t, "info", "--output=json", file), &info); err != nil {
		t.Fatal(err)
	}
	if info.Format != driver || info.VirtualSize != diskSize {
		t.Errorf("have %s of %d bytes, want %s of %d", info.Format, info.VirtualSize, driver, diskSize)
	}
	if driver != "vpc" { // qemu-img has no check for it
		qemu(t, "check", "-f", driver, file)
	}
	raw := filepath.Join(t.TempDir(), "raw")
	qemu(t, "convert", "-f", driver, "-O", "raw", file, raw)
	sum := sha256.Sum256(readFile(t, raw))
	return hex.EncodeToString(sum[:])
}

func TestExportImage(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	want := must(c.server.DiskSHA256(*c.instance("db-01")))(t)
	image := c.createImage("db-01")
	for format, driver := range map[string]string{"QCOW2": "qcow2", "VMDK": "vmdk", "VHD": "vpc", "VDI": "vdi"} {
		t.Run(format, func(t *testing.T) {
			if have := c.exportedSHA256(image, format, driver); have != want {
				t.Errorf("the disk in the export has the hash %s, want %s", have, want)
			}
		})
	}
	t.Run("OCI", func(t *testing.T) { // the default
		if end := c.export(exportTuple(image, "archive.oci", "")); end.Status != workrequests.WorkRequestStatusSucceeded {
			t.Fatalf("have work request %v", end)
		}
		metadata, disk := untar(t, c.download("archive.oci"))
		if !json.Valid(metadata) || !bytes.Contains(metadata, []byte("Oracle Linux")) {
			t.Errorf("have image_metadata.json %s", metadata)
		}
		if have := rawSHA256(t, disk, "qcow2"); have != want {
			t.Errorf("the disk in the export has the hash %s, want %s", have, want)
		}
	})
}

// untar takes the two files out of an export in the format OCI.
func untar(t *testing.T, file string) (metadata []byte, disk string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(readFile(t, file)))
	for {
		header, err := r.Next()
		if err == io.EOF {
			return metadata, disk
		}
		if err != nil {
			t.Fatal(err)
		}
		body := must(io.ReadAll(r))(t)
		switch header.Name {
		case "image_metadata.json":
			metadata = body
		case "output.QCOW2":
			disk = filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(disk, body, 0o600); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("there is a file %s", header.Name)
		}
	}
}

func TestExportImageStates(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	image := c.createImage("web-01")
	before := c.getImage(image)
	request := exportTuple(image, "states", "QCOW2")
	request.OpcRetryToken = ptr("export-once")
	answer := must(c.compute.ExportImage(t.Context(), request))(t)
	if answer.LifecycleState != core.ImageLifecycleStateExporting || *answer.Etag != *before.Etag {
		t.Errorf("have %s with etag %s, want EXPORTING with the etag from before, %s", answer.LifecycleState, *answer.Etag, *before.Etag)
	}
	again := must(c.compute.ExportImage(t.Context(), request))(t)
	if *again.OpcWorkRequestId != *answer.OpcWorkRequestId {
		t.Error("the repeated request began another export")
	}
	_, err := c.compute.ExportImage(t.Context(), exportTuple(image, "second", "VDI"))
	wantError(t, err, 409, "IncorrectState")
	_, err = c.compute.DeleteImage(t.Context(), core.DeleteImageRequest{ImageId: image})
	wantError(t, err, 409, "IncorrectState")

	c.followRequest(answer.OpcWorkRequestId, exportTime)
	if have := c.getImage(image).LifecycleState; have != core.ImageLifecycleStateAvailable {
		t.Errorf("have %s, want AVAILABLE", have)
	}
	list := must(c.requests.ListWorkRequests(t.Context(), workrequests.ListWorkRequestsRequest{CompartmentId: before.CompartmentId, ResourceId: image}))(t)
	if len(list.Items) != 2 || *list.Items[0].OperationType != "ExportImage" || *list.Items[1].OperationType != "CreateImage" {
		t.Errorf("have work requests %v, want the export and the creation", list.Items)
	}
	request.ExportImageDetails = exportTuple(image, "states", "VMDK").ExportImageDetails
	_, err = c.compute.ExportImage(t.Context(), request)
	wantError(t, err, 409, "InvalidatedRetryToken")
}

func TestExportImageRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t, &ocisim.Seed{
		Buckets: []ocisim.SeedBucket{{Name: "hx-staging"}},
		Instances: []ocisim.SeedInstance{
			{Name: "vm", DiskBytes: 1 << 20}, {Name: "golden", DiskBytes: 1 << 20, ImageListing: "custom"},
			{Name: "appliance", DiskBytes: 1 << 20, ImageListing: "marketplace"},
		},
	})
	image := c.createImage("vm")
	tuple := func(namespace, bucket, object string) core.ExportImageRequest {
		return core.ExportImageRequest{ImageId: image, ExportImageDetails: core.ExportImageViaObjectStorageTupleDetails{
			NamespaceName: &namespace, BucketName: &bucket, ObjectName: &object,
		}}
	}
	for name, test := range map[string]struct {
		request core.ExportImageRequest
		code    string
	}{
		"platform image":            {exportTuple(c.getInstance(c.instance("vm")).ImageId, "x", "QCOW2"), "InvalidParameter"},
		"Marketplace image":         {exportTuple(c.getInstance(c.instance("appliance")).ImageId, "x", "QCOW2"), "InvalidParameter"},
		"image of a Marketplace VM": {exportTuple(c.createImage("appliance"), "x", "QCOW2"), "InvalidParameter"},
		"missing bucket":            {tuple("axsim", "nowhere", "x"), "InvalidParameter"},
		"other namespace":           {tuple("other", "hx-staging", "x"), "InvalidParameter"},
		"no object":                 {tuple("axsim", "hx-staging", ""), "MissingParameter"},
		"no URI":                    {exportURI(image, "", "QCOW2"), "MissingParameter"},
		"URI of a bucket":           {exportURI(image, c.url+"/n/axsim/b/hx-staging", "QCOW2"), "InvalidParameter"},
		"URI without a host":        {exportURI(image, "/n/axsim/b/hx-staging/o/x", "QCOW2"), "InvalidParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.compute.ExportImage(t.Context(), test.request)
			wantError(t, err, 400, test.code)
		})
	}
	if end := c.export(exportTuple(c.getInstance(c.instance("golden")).ImageId, "golden", "QCOW2")); end.Status != workrequests.WorkRequestStatusSucceeded {
		t.Errorf("an uploaded custom image is not exported: %v", end)
	}
}

// par makes a pre-authenticated request and returns its URI.
func (c *cloud) par(access objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeEnum, object *string) string {
	c.t.Helper()
	answer := must(c.objects.CreatePreauthenticatedRequest(c.t.Context(), objectstorage.CreatePreauthenticatedRequestRequest{
		NamespaceName: ptr("axsim"), BucketName: ptr("hx-staging"),
		CreatePreauthenticatedRequestDetails: objectstorage.CreatePreauthenticatedRequestDetails{
			Name: ptr("par"), AccessType: access, ObjectName: object, TimeExpires: &common.SDKTime{Time: c.clock.Now().Add(time.Hour)},
		},
	}))(c.t)
	return c.url + *answer.AccessUri
}

func TestExportImageToURI(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	want := must(c.server.DiskSHA256(*c.instance("web-01")))(t)
	image := c.createImage("web-01")
	anyObject := objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeAnyobjectwrite
	for name, test := range map[string]struct{ uri, object string }{
		"signed by the user": {c.url + "/n/axsim/b/hx-staging/o/by%20uri", "by uri"},
		"PAR of an object":   {c.par(objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeObjectwrite, ptr("disk.qcow2")), "disk.qcow2"},
		"PAR of a bucket":    {c.par(anyObject, nil) + "deep/er.qcow2", "deep/er.qcow2"},
		"PAR without a name": {c.par(anyObject, nil), "export of web-01"},
	} {
		t.Run(name, func(t *testing.T) {
			if end := c.export(exportURI(image, test.uri, "QCOW2")); end.Status != workrequests.WorkRequestStatusSucceeded {
				t.Fatalf("have %v", end)
			}
			if have := rawSHA256(t, c.download(test.object), "qcow2"); have != want {
				t.Errorf("the disk in the export has the hash %s, want %s", have, want)
			}
		})
	}
	for name, uri := range map[string]string{
		"PAR for reading":   c.par(objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeObjectread, ptr("read")),
		"unknown PAR":       c.url + "/p/none/n/axsim/b/hx-staging/o/x",
		"other object":      strings.Replace(c.par(objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeObjectwrite, ptr("mine")), "mine", "yours", 1),
		"bucket is missing": c.url + "/n/axsim/b/nowhere/o/x",
	} {
		t.Run(name, func(t *testing.T) {
			end := c.export(exportURI(image, uri, "QCOW2"))
			failures := must(c.requests.ListWorkRequestErrors(t.Context(), workrequests.ListWorkRequestErrorsRequest{WorkRequestId: end.Id}))(t)
			if end.Status != workrequests.WorkRequestStatusFailed || len(failures.Items) != 1 {
				t.Errorf("have %v with errors %v, want FAILED with one", end, failures.Items)
			}
			if have := c.getImage(image).LifecycleState; have != core.ImageLifecycleStateAvailable {
				t.Errorf("have image %s, want AVAILABLE", have)
			}
		})
	}
}

func TestExportImageWithoutQemu(t *testing.T) {
	c := newCloud(t, nil)
	image := c.createImage("web-01")
	t.Setenv("PATH", t.TempDir())
	end := c.export(exportTuple(image, "x", "QCOW2"))
	failures := must(c.requests.ListWorkRequestErrors(t.Context(), workrequests.ListWorkRequestErrorsRequest{WorkRequestId: end.Id}))(t)
	if end.Status != workrequests.WorkRequestStatusFailed || len(failures.Items) != 1 || !strings.Contains(*failures.Items[0].Message, "qemu-utils") {
		t.Errorf("have %v with errors %v, want FAILED with the name of the package to install", end, failures.Items)
	}
}
