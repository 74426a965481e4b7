package proof

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// TestLeftSeesEverything leaves one thing of each kind, and expects to find each where it is.
func TestLeftSeesEverything(t *testing.T) {
	sim, err := ocisim.New(ocisim.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		server.Close()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	config, profile, err := sim.WriteConfig(t.TempDir(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCloud(config, profile, server.URL, sim.Namespace(), sim.Tenancy())
	if err != nil {
		t.Fatal(err)
	}
	wantLeft(t, c, "0 0 0 0")

	namespace, bucket, other, name := sim.Namespace(), "hx-staging", "archive", "thing"
	_, err = c.objects.CreateMultipartUpload(t.Context(), objectstorage.CreateMultipartUploadRequest{NamespaceName: &namespace, BucketName: &other,
		CreateMultipartUploadDetails: objectstorage.CreateMultipartUploadDetails{Object: &name}})
	if err != nil {
		t.Fatal(err)
	}
	wantLeft(t, c, "0 0 1 0")

	length := int64(0)
	_, err = c.objects.PutObject(t.Context(), objectstorage.PutObjectRequest{NamespaceName: &namespace, BucketName: &bucket, ObjectName: &name,
		ContentLength: &length, PutObjectBody: io.NopCloser(strings.NewReader(""))})
	if err != nil {
		t.Fatal(err)
	}
	wantLeft(t, c, "0 1 1 0")

	_, err = c.objects.CreatePreauthenticatedRequest(t.Context(), objectstorage.CreatePreauthenticatedRequestRequest{
		NamespaceName: &namespace, BucketName: &bucket,
		CreatePreauthenticatedRequestDetails: objectstorage.CreatePreauthenticatedRequestDetails{Name: &name, ObjectName: &name,
			AccessType:  objectstorage.CreatePreauthenticatedRequestDetailsAccessTypeObjectread,
			TimeExpires: &common.SDKTime{Time: time.Now().Add(time.Hour)}}})
	if err != nil {
		t.Fatal(err)
	}
	wantLeft(t, c, "0 1 1 1")

	instance := sim.Instances()[0]
	_, err = c.machines.CreateImage(t.Context(), core.CreateImageRequest{
		CreateImageDetails: core.CreateImageDetails{CompartmentId: &instance.Compartment, InstanceId: &instance.ID, DisplayName: &name}})
	if err != nil {
		t.Fatal(err)
	}
	wantLeft(t, c, "1 1 1 1")
}

// wantLeft compares the numbers of images, staged objects, uploads and pre-authenticated requests.
func wantLeft(t *testing.T, c *Cloud, want string) {
	t.Helper()
	left, err := c.Left(t.Context(), "hx-staging")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(len(left.Images), len(left.Staged), len(left.Uploads), len(left.Requests)); got != want {
		t.Errorf("left: %s, want %s: %+v", got, want, left)
	}
}

func TestFoldersDiffer(t *testing.T) {
	want := Folder{Files: map[string]string{"a": "1", "b/c": "2"}}
	for _, c := range []struct {
		files map[string]string
		wrong string
	}{
		{map[string]string{"a": "1", "b/c": "2"}, ""},
		{map[string]string{"a": "1"}, "b/c is missing"},
		{map[string]string{"a": "1", "b/c": "3"}, "b/c has other bytes"},
		{map[string]string{"a": "1", "b/c": "2", "d": "4"}, "d is too much"},
	} {
		err := Folder{Files: c.files}.Equal(want)
		if got := fmt.Sprint(err); c.wrong == "" && err != nil || c.wrong != "" && !strings.Contains(got, c.wrong) {
			t.Errorf("%v: %v, want %q", c.files, err, c.wrong)
		}
	}
}

func TestTemporaryFilesAreFound(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"object", "sub/.hx-1.part", "sub/hx-2"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := TemporaryFiles(dir)
	if err != nil || len(found) != 1 || !strings.HasSuffix(found[0], ".hx-1.part") {
		t.Errorf("found %q, %v", found, err)
	}
}
