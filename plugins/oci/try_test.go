package oci

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// everything is what a manifest needs that exports web-01 to a bucket and copies from there to another.
func everything(w *world) []Permission {
	ns := w.sim.Namespace()
	return Permissions(Use{
		Region:   w.sim.Region(),
		Machines: []MachineUse{{Step: "export.web", Instance: w.sim.Instances()[0].ID}, {Step: "export.all", Compartment: "acme/prod"}},
		Buckets: []BucketUse{
			{Step: "export.web", Namespace: ns, Name: "hx-staging", Stage: true, Reads: true},
			{Step: "export.web", Namespace: ns, Name: "archive", Writes: true, Reads: true},
			{Step: "export.web", Namespace: ns, Name: "arch*", Reads: true},
			{Step: "bucket.archive", Namespace: ns, Name: "archive", Rules: true},
		},
		Copies: []string{"hx-staging", "archive"},
	}, "")
}

// states tries everything and returns the states of each permission.
func states(t *testing.T, w *world, p *Provider) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, perm := range everything(w) {
		trials, err := p.Try(t.Context(), perm)
		if err != nil {
			t.Fatalf("%v: %v", perm.Names, err)
		}
		if len(trials) != len(perm.Names) {
			t.Errorf("%v: %d trials", perm.Names, len(trials))
		}
		for _, trial := range trials {
			if (trial.State == Granted) != (trial.Detail == "") {
				t.Errorf("%+v: a detail belongs to what is not ok", trial)
			}
			if perm.Service == "" && !strings.Contains(perm.bucket, "*") {
				all[trial.Name] = append(all[trial.Name], trial.State)
			} else if trial.State != Unproven {
				t.Errorf("%s of %s cannot be tried, and is %s", trial.Name, perm.bucket, trial.State)
			}
		}
	}
	return all
}

// TestEachDenialIsMissed denies one operation after the other: exactly the permissions that it stands for are missing, and
// nothing that could not be tried passes for granted.
func TestEachDenialIsMissed(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	p := w.provider(t)
	for operation, want := range map[string]string{
		"":                      "",
		"ListCompartments":      "COMPARTMENT_INSPECT",
		"GetInstance":           "INSTANCE_READ INSTANCE_INSPECT",
		"ListInstances":         "INSTANCE_READ INSTANCE_INSPECT",
		"ListVolumeAttachments": "VOLUME_ATTACHMENT_INSPECT VOLUME_INSPECT",
		"CreateImage":           "INSTANCE_CREATE_IMAGE INSTANCE_IMAGE_CREATE",
		"ListImages":            "INSTANCE_IMAGE_INSPECT INSTANCE_IMAGE_READ",
		"ListWorkRequests":      "WORKREQUEST_INSPECT",
		"ListObjects":           "OBJECT_INSPECT",
		"GetObject":             "OBJECT_READ",
		"PutObject":             "OBJECT_CREATE",
		"CreateMultipartUpload": "OBJECT_OVERWRITE",
		"DeleteObject":          "OBJECT_DELETE",
		"ListMultipartUploads":  "BUCKET_READ",
		"UpdateBucket":          "BUCKET_UPDATE",
	} {
		w.sim.Rules().Reset()
		if operation != "" {
			w.sim.Rules().Add(ocisim.Rule{Principal: "user", Operation: operation})
		}
		missing := map[string]bool{}
		for name, found := range states(t, w, p) {
			missing[name] = slices.Contains(found, Missing)
		}
		for name, is := range missing {
			if is != slices.Contains(strings.Fields(want), name) {
				t.Errorf("without %s: %s is missing: %v", operation, name, is)
			}
		}
	}
	w.sim.Rules().Reset()
	ns := w.sim.Namespace()
	for _, bucket := range []string{"hx-staging", "archive"} {
		left, err := p.objects.ListMultipartUploads(t.Context(), objectstorage.ListMultipartUploadsRequest{NamespaceName: &ns, BucketName: &bucket})
		check(t, err)
		objects, err := p.objects.ListObjects(t.Context(), objectstorage.ListObjectsRequest{NamespaceName: &ns, BucketName: &bucket})
		check(t, err)
		if len(left.Items) > 0 || len(objects.Objects) > 0 {
			t.Errorf("%s: %d uploads and %d objects stay", bucket, len(left.Items), len(objects.Objects))
		}
	}
	if w.sim.Log().Count("AbortMultipartUpload") == 0 {
		t.Error("no upload was ever begun")
	}
}

// TestImagesThatMayBeRemoved has an image to try it with.
func TestImagesThatMayBeRemoved(t *testing.T) {
	w := newWorld(t, ocisim.Options{Seed: &ocisim.Seed{Compartments: []ocisim.SeedCompartment{{Path: "acme/prod"}},
		Buckets:   []ocisim.SeedBucket{{Name: "hx-staging"}, {Name: "archive"}},
		Instances: []ocisim.SeedInstance{{Name: "web-01", Compartment: "acme/prod", DiskBytes: 1 << 20, ImageListing: "custom"}}}})
	p := w.provider(t)
	if got := states(t, w, p)["INSTANCE_IMAGE_DELETE"]; !slices.Equal(got, []string{Granted, Granted}) && !slices.Equal(got, []string{Granted}) {
		t.Errorf("%v", got)
	}
	w.sim.Rules().Add(ocisim.Rule{Operation: "DeleteImage"})
	if got := states(t, w, p)["INSTANCE_IMAGE_DELETE"]; slices.Contains(got, Granted) || !slices.Contains(got, Missing) {
		t.Errorf("denied: %v", got)
	}
}

// TestServiceThatFails reports no permission as missing because the service is down, and repeats an abort.
func TestServiceThatFails(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	p := w.provider(t)
	perms := everything(w)
	write := perms[slices.IndexFunc(perms, func(perm Permission) bool { return slices.Contains(perm.Names, "OBJECT_OVERWRITE") })]
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "AbortMultipartUpload", Times: 2}, Effect: ocisim.Effect{Status: 503}})
	if trials, err := p.Try(t.Context(), write); err != nil || trials[1].State != Granted {
		t.Errorf("%+v, %v", trials, err)
	}
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "AbortMultipartUpload"}, Effect: ocisim.Effect{Status: 503}})
	_, err := p.Try(t.Context(), write)
	if err == nil || backend.KindOf(err).Temporary() || !strings.Contains(err.Error(), "that was begun to try OBJECT_OVERWRITE") {
		t.Errorf("an upload that stays: %v", err)
	}
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "PutObject"}, Effect: ocisim.Effect{Status: 503, RetryAfter: time.Second}})
	if _, err := p.Try(t.Context(), write); !errors.Is(err, backend.Unavailable) {
		t.Errorf("a service that is down: %v", err)
	}
}
