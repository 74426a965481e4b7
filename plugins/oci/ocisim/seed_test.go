package ocisim_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func TestLoadSeed(t *testing.T) {
	t.Parallel()
	seed, err := ocisim.LoadSeed(strings.NewReader(`{
		"compartments": [{"path": "a/b", "description": "B", "tags": {"k": "v"}}],
		"buckets": [{"name": "in", "compartment": "a"}],
		"instances": [{"name": "vm", "compartment": "a/b", "shape": "VM.X", "state": "STOPPED", "ad": 2, "disk_bytes": 2097152, "data_bytes": 65536,
			"tags": {"k": "v"}, "data_volumes": [{"name": "d", "size_gbs": 60}], "image_listing": "marketplace"}]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	c := newCloud(t, seed)
	in := c.getInstance(c.instance("vm"))
	if *in.Shape != "VM.X" || *in.AvailabilityDomain != "Iocq:PHX-AD-2" || in.LifecycleState != "STOPPED" || *in.CompartmentId != *c.compartment("a/b") {
		t.Errorf("have %v", in)
	}
	buckets := must(c.objects.ListBuckets(t.Context(), objectstorage.ListBucketsRequest{NamespaceName: ptr("axsim"), CompartmentId: c.compartment("a")}))(t)
	if len(buckets.Items) != 1 || *buckets.Items[0].Name != "in" {
		t.Errorf("have buckets %v", buckets.Items)
	}
}

func TestLoadSeedErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                     "empty",
		`{`:                                    "unexpected EOF",
		`{"a": 1 x}`:                           "byte 9",
		`{"bucket": []}`:                       `unknown field "bucket"; known keys are`,
		`{"instances": [{"x":1}]}`:             `unknown field "x"`,
		`{"instances": {}}`:                    "instances: have a object, want a []ocisim.SeedInstance",
		`{} {}`:                                "more than one",
		`{"buckets": [}`:                       "byte 14",
		`{"compartments": [{"path": "/a"}]}`:   `compartments[0].path "/a"`,
		`{"compartments": [{"path": "a//b"}]}`: `"a//b"`,
		`{"compartments": [{}]}`:               "want names joined",
		`{"buckets": [{"compartment": ""}]}`:   "buckets[0]: has no name",
		`{"buckets": [{"name": "a"}, {"name": "a"}]}`:                             `"a" is there twice`,
		`{"buckets": [{"name": "a", "compartment": "x"}]}`:                        `compartment "x" is not in the seed`,
		`{"instances": [{"name": ""}]}`:                                           "has no name",
		`{"instances": [{"name": "a"}, {"name": "a"}]}`:                           "twice",
		`{"instances": [{"name": "a", "compartment": "x"}]}`:                      "not in the seed",
		`{"instances": [{"name": "a", "state": "running"}]}`:                      "want RUNNING or STOPPED",
		`{"instances": [{"name": "a", "ad": 4}]}`:                                 "want 1, 2 or 3",
		`{"instances": [{"name": "a", "disk_bytes": 1000}]}`:                      "multiple of 1048576",
		`{"instances": [{"name": "a", "disk_bytes": 1048576, "data_bytes": -1}]}`: "data_bytes -1",
		`{"instances": [{"name": "a", "image_listing": "own"}]}`:                  "want platform, custom or marketplace",
		`{"instances": [{"name": "a", "data_volumes": [{}]}]}`:                    "data_volumes[0]",
		`{"instances": [{"name": "a", "image": "none"}]}`:                         `image "none"`,
		`{"images": [{"name": ""}]}`:                                              "want a name",
		`{"images": [{"name": "a", "compartment": "x"}]}`:                         "not in the seed",
		`{"images": [{"name": "a", "listing": "own"}]}`:                           "want custom, platform or marketplace",
		`{"images": [{"name": "a", "listing_type": "x"}]}`:                        "want COMMUNITY or NONE",
		`{"images": [{"name": "a", "state": "RUNNING"}]}`:                         "want AVAILABLE",
		`{"images": [{"name": "a", "base": "b"}, {"name": "b"}]}`:                 "not an image before it",
		`{"images": [{"name": "a", "disk_bytes": 5}]}`:                            "multiple of 1048576",
		`{"keys": [{"name": "k"}, {"name": "k"}]}`:                                "keys[1]",
		`{"buckets": [{"name": "a", "key": "k"}]}`:                                `key "k" is not in the seed`,
		`{"buckets": [{"name": "a", "versioning": "on"}]}`:                        "want Disabled, Enabled or Suspended",
		`{"buckets": [{"name": "a", "storage_tier": "Cold"}]}`:                    "want Standard or Archive",
		`{"buckets": [{"name": "a", "retention": ["1 HOURS"]}]}`:                  "want a number and DAYS or YEARS",
		`{"regions": "us-ashburn-1"}`:                                             "regions: have a string",
		`{"tuple_export": "some"}`:                                                "want all, users or none",
	} {
		_, err := ocisim.LoadSeed(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "read seed: ") {
			t.Errorf("%s: have error %v, want one that says %q", text, err, want)
		}
	}
	if _, err := ocisim.New(ocisim.Options{Dir: t.TempDir(), Seed: &ocisim.Seed{Buckets: []ocisim.SeedBucket{{Name: "a/b"}}}}); err == nil {
		t.Error("a bucket with a slash in its name was made")
	}
}

func TestSeedIsDeterministic(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, nil), newCloud(t, nil)
	a, b := one.server.Instances(), two.server.Instances()
	for i := range a {
		if a[i].ID != b[i].ID || must(one.server.DiskSHA256(a[i].ID))(t) != must(two.server.DiskSHA256(b[i].ID))(t) {
			t.Errorf("instance %s differs between two simulators of one seed", a[i].Name)
		}
		unique := a[i].ID[strings.LastIndexByte(a[i].ID, '.')+1:]
		if !strings.HasPrefix(a[i].ID, "ocid1.instance.oc1.phx.") || len(unique) != 60 {
			t.Errorf("have OCID %s", a[i].ID)
		}
	}
}

// TestSeededDisk looks at the default boot disk: 64 MiB with data at both ends, most of it holes.
func TestSeededDisk(t *testing.T) {
	t.Parallel()
	c := openCloud(t, t.TempDir(), nil, ocisim.NewManualClock(time.Now()))
	id := *c.instance("web-01")
	disk := readFile(t, must(c.server.DiskPath(id))(t))
	if len(disk) != 64<<20 {
		t.Fatalf("have a disk of %d bytes, want 64 MiB", len(disk))
	}
	var blocks []int
	for i := 0; i < len(disk); i += 64 << 10 {
		if strings.Trim(string(disk[i:i+64<<10]), "\x00") != "" {
			blocks = append(blocks, i>>16)
		}
	}
	if len(blocks) != 64 || blocks[0] != 0 || blocks[63] != 1023 {
		t.Errorf("data is in the blocks %v, want 64 blocks from the first to the last", blocks)
	}
	sum := sha256.Sum256(disk)
	if have := must(c.server.DiskSHA256(id))(t); have != hex.EncodeToString(sum[:]) {
		t.Errorf("DiskSHA256 says %s, want %x", have, sum)
	}
	if _, err := c.server.DiskSHA256("ocid1.instance.oc1.phx.none"); err == nil {
		t.Error("an instance that is not there has a disk")
	}
}

func TestNewRefusesBrokenState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ocisim.New(ocisim.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "state.json") {
		t.Errorf("have error %v, want one that names state.json", err)
	}
}
