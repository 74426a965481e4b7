package ocisim_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// TestComputeRestart lets a second simulator end what a first one began, in a directory that was left in the middle of
// an export: by Close, or as it is found after the process was killed.
func TestComputeRestart(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*testing.T, *cloud) (dir string){
		"closed": func(t *testing.T, c *cloud) string {
			if err := c.server.Close(); err != nil {
				t.Fatal(err)
			}
			return c.dir
		},
		"killed": func(t *testing.T, c *cloud) string {
			var dir string
			c.eventually("a copy that no temporary file vanished from", func() bool {
				dir = t.TempDir()
				return os.CopyFS(dir, os.DirFS(c.dir)) == nil
			})
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) { testRestart(t, leave) })
	}
}

func testRestart(t *testing.T, leave func(*testing.T, *cloud) string) {
	first := newCloud(t, nil)
	want := must(first.server.DiskSHA256(*first.instance("web-01")))(t)
	image := first.createImage("web-01")
	create := createImageRequest(first, "db-01")
	create.OpcRetryToken = ptr("create")
	created := must(first.compute.CreateImage(t.Context(), create))(t)
	must(first.act(first.instance("web-02"), "START"))(t)
	export := exportTuple(image, "x", "QCOW2")
	export.OpcRetryToken = ptr("export")
	exported := must(first.compute.ExportImage(t.Context(), export))(t)
	first.clock.Advance(powerTime / 2)

	second := openCloud(t, leave(t, first), &ocisim.Seed{}, ocisim.NewManualClock(first.clock.Now()))
	if have := second.getImage(image).LifecycleState; have != core.ImageLifecycleStateExporting {
		t.Errorf("have image %s after the restart, want EXPORTING", have)
	}
	if again := must(second.compute.ExportImage(t.Context(), export))(t); *again.OpcWorkRequestId != *exported.OpcWorkRequestId {
		t.Error("the retry token of the export was forgotten")
	}
	if again := must(second.compute.CreateImage(t.Context(), create))(t); *again.Id != *created.Id {
		t.Error("the retry token of the image was forgotten")
	}
	second.clock.Advance(exportTime)
	second.awaitImage(created.Id, core.ImageLifecycleStateAvailable)
	second.awaitImage(image, core.ImageLifecycleStateAvailable)
	if have := second.request(exported.OpcWorkRequestId); have.Status != workrequests.WorkRequestStatusSucceeded {
		t.Errorf("have work request %v, want SUCCEEDED", have)
	}
	if have := rawSHA256(t, second.download("x"), "qcow2"); have != want {
		t.Errorf("the disk in the export has the hash %s, want %s", have, want)
	}
	second.clock.Advance(powerTime)
	if have := second.getInstance(second.instance("web-02")).LifecycleState; have != core.InstanceLifecycleStateRunning {
		t.Errorf("have instance %s, want RUNNING", have)
	}
	for _, folder := range []string{"exports", "images"} {
		if files := must(os.ReadDir(second.dir + "/" + folder))(t); folder == "exports" && len(files) != 0 || len(files) > 2 {
			t.Errorf("%s has files nobody needs: %v", folder, files)
		}
	}
}

// TestWallClock runs an export as users of a running simulator see it.
func TestWallClock(t *testing.T) {
	t.Parallel()
	short := 20 * time.Millisecond
	server, err := ocisim.New(ocisim.Options{
		Dir: t.TempDir(), Timings: ocisim.Timings{CreateImage: short, ExportImage: short, PowerAction: short},
		Seed: &ocisim.Seed{
			Buckets:   []ocisim.SeedBucket{{Name: "hx-staging"}},
			Instances: []ocisim.SeedInstance{{Name: "vm", DiskBytes: diskSize, DataBytes: 1 << 20}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	t.Cleanup(func() {
		front.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &cloud{t: t, server: server, clock: ocisim.NewManualClock(time.Now()), url: front.URL}
	c.authenticate()
	c.connect(&http.Client{Transport: front.Client().Transport})
	im := must(c.compute.CreateImage(t.Context(), createImageRequest(c, "vm")))(t)
	c.awaitImage(im.Id, core.ImageLifecycleStateAvailable)
	must(c.compute.ExportImage(t.Context(), exportTuple(im.Id, "x", "VMDK")))(t)
	c.awaitImage(im.Id, core.ImageLifecycleStateAvailable)
	if have, want := rawSHA256(t, c.download("x"), "vmdk"), must(server.DiskSHA256(*c.instance("vm")))(t); have != want {
		t.Errorf("the disk in the export has the hash %s, want %s", have, want)
	}
}
