package oci

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// concerns checks one export.
func (w *world) concerns(t *testing.T, r backend.ExportRequest) []backend.Concern {
	t.Helper()
	found, err := w.compute(t).CheckExports(t.Context(), []backend.ExportRequest{r})
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	return found[0]
}

func says(list []backend.Concern, blocks bool, part string) bool {
	return slices.ContainsFunc(list, func(c backend.Concern) bool { return c.Blocks == blocks && strings.Contains(c.Text, part) })
}

func TestCheckExports(t *testing.T) {
	w := computeWorld(t)
	r := w.request(t, "qcow2")
	if found := w.concerns(t, r); len(found) != 0 {
		t.Errorf("nothing is in the way: %+v", found)
	}
	shop := r
	shop.Instance = w.instance(t, "shop")
	many := []backend.ExportRequest{r, shop, r}
	found, err := w.compute(t).CheckExports(t.Context(), many)
	if err != nil || len(found) != 3 || len(found[0]) != 0 || len(found[2]) != 0 || !says(found[1], true, "Marketplace") {
		t.Errorf("%+v, %v", found, err)
	}
	if n := w.sim.Log().Count("GetBucket"); n != 1 {
		t.Errorf("the bucket of three exports is looked at %d times", n)
	}
	w.counts(t, 0, 0)
	bad := r
	bad.Formats = []string{"iso"}
	if !says(w.concerns(t, bad), true, "format") {
		t.Errorf("a format that is not there: %+v", w.concerns(t, bad))
	}
	gone := r
	gone.Instance += "x"
	if found := w.concerns(t, gone); len(found) != 0 {
		t.Errorf("what cannot be seen is no concern: %+v", found)
	}
}

func TestCheckExportsOfAnImage(t *testing.T) {
	w := computeWorld(t)
	r := w.imageRequest(t, "qcow2")
	if found := w.concerns(t, r); len(found) != 0 {
		t.Errorf("a custom image: %+v", found)
	}
	w.sim.Hold("ExportImage", 1)
	if _, err := w.compute(t).PollExport(t.Context(), w.start(t, r)); err != nil {
		t.Fatal(err)
	}
	if found := w.concerns(t, r); !says(found, false, "EXPORTING") {
		t.Errorf("an image that is being exported: %+v", found)
	}
	w.sim.Release("ExportImage")
	r.Image = w.platformImage(t)
	if found := w.concerns(t, r); !says(found, true, "OCI's own") {
		t.Errorf("an image of OCI's own: %+v", found)
	}
}

func TestCheckExportsOfALimit(t *testing.T) {
	for _, c := range []struct {
		limit, there int
		blocks       bool
		says         string
	}{{1, 1, true, "used up"}, {1, 0, false, "leaves room for 1, and 2 instances"}, {2, 0, false, ""}, {3, 1, false, ""}} {
		w := computeWorld(t)
		for range c.there {
			w.customImage(t)
		}
		if err := w.sim.SetLimits(ocisim.Limits{Images: c.limit}); err != nil {
			t.Fatal(err)
		}
		r := w.request(t, "qcow2")
		other := r
		other.Token, other.Instance = "other", w.instance(t, "web-02")
		found, err := w.compute(t).CheckExports(t.Context(), []backend.ExportRequest{r, other})
		if err != nil || c.says == "" && len(found[1]) > 0 || c.says != "" && !says(found[1], c.blocks, c.says) {
			t.Errorf("%+v: %+v, %v", c, found, err)
		}
	}
}

func TestBucketConcerns(t *testing.T) {
	name, yes := "hx-staging", true
	for _, c := range []struct {
		bucket objectstorage.Bucket
		blocks bool
		says   string // "" is nothing
	}{
		{objectstorage.Bucket{PublicAccessType: objectstorage.BucketPublicAccessTypeNopublicaccess}, false, ""},
		{objectstorage.Bucket{PublicAccessType: objectstorage.BucketPublicAccessTypeObjectread}, false, "public"},
		{objectstorage.Bucket{Versioning: objectstorage.BucketVersioningEnabled}, false, "old versions"},
		{objectstorage.Bucket{StorageTier: objectstorage.BucketStorageTierArchive}, true, "archives"},
		{objectstorage.Bucket{IsReadOnly: &yes}, true, "read-only"},
	} {
		c.bucket.Name = &name
		if found := bucketConcerns(c.bucket); c.says == "" && len(found) > 0 || c.says != "" && !says(found, c.blocks, c.says) {
			t.Errorf("%q: %+v", c.says, found)
		}
	}
}

func TestClockConcerns(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for off, worry := range map[time.Duration]bool{0: false, time.Minute: false, 3 * time.Minute: true, -4 * time.Minute: true} {
		answer := &http.Response{Header: http.Header{"Date": {now.Add(off).Format(http.TimeFormat)}}}
		if found := clockConcerns(answer, now); (len(found) == 1) != worry {
			t.Errorf("%s off: %+v", off, found)
		}
	}
	if found := clockConcerns(&http.Response{Header: http.Header{}}, now); len(found) != 0 {
		t.Errorf("no date: %+v", found)
	}
}

// start starts an export and returns its id.
func (w *world) start(t *testing.T, r backend.ExportRequest) string {
	t.Helper()
	job, err := w.compute(t).StartExport(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return job.ID
}
