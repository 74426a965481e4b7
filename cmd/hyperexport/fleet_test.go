package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/plan"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// fleet is a tenancy of 12 compartments and n instances. Names repeat; two instances are from the Marketplace.
func fleet(n int) *ocisim.Seed {
	s := &ocisim.Seed{Buckets: []ocisim.SeedBucket{{Name: "hx-staging"}}}
	var paths []string
	for i := range 12 {
		path := fmt.Sprintf("acme/team-%02d", i)
		if i%3 == 2 {
			path += "/prod"
		}
		paths = append(paths, path)
		for parent := filepath.Dir(path); parent != "."; parent = filepath.Dir(parent) {
			s.Compartments = appendOnce(s.Compartments, parent)
		}
		s.Compartments = appendOnce(s.Compartments, path)
	}
	for i := range n {
		m := ocisim.SeedInstance{Name: vm(i), Compartment: paths[i%len(paths)], DiskBytes: 1 << 20, DataBytes: 1 << 16}
		switch {
		case i < 60 && i%20 == 7:
			m.Name = "worker" // three of them, in as many compartments
		case i < 60 && i%20 == 8:
			m.Name = "db"
		case i == n/4, i == n/2:
			m.ImageListing = "marketplace"
		}
		s.Instances = append(s.Instances, m)
	}
	return s
}

func vm(i int) string { return fmt.Sprintf("vm-%03d", i) }

func address(i int) string { return fmt.Sprintf("export.all[%q]", vm(i)) }

func appendOnce(list []ocisim.SeedCompartment, path string) []ocisim.SeedCompartment {
	for _, c := range list {
		if c.Path == path {
			return list
		}
	}
	return append(list, ocisim.SeedCompartment{Path: path})
}

const fleetManifest = `version: 1
name: fleet
limits: {parallel: 16}
retry: {attempts: 4, first: 1ms, max: 5ms}
exports:
  all:
    select: {compartment: acme, recursive: true}
    formats: [qcow2]
    staging: oci://axsim/hx-staging/
    to: ./out/${instance.compartment}/
`

// TestFleet plans and applies the export of 200 instances. Lists come in short pages. What cannot be exported is named with
// its reason, the rest is exported, and addresses do not change between runs.
func TestFleet(t *testing.T) {
	t.Setenv("HYPEREXPORT_POLL", "20ms")
	n := 200
	if raced {
		n = 40
	}
	y := newTenancyOf(t, fleetManifest, fleet(n))
	for _, op := range []string{"ListInstances", "ListVolumeAttachments", "ListCompartments"} {
		y.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: op}, Effect: ocisim.Effect{ShortPage: true, PageItems: 5}})
	}
	y.terminate(y.instance(vm(n - 1)))
	y.Check(os.WriteFile(y.manifest, []byte(strings.Replace(fleetManifest, "recursive: true", "recursive: true, state: [RUNNING, STOPPED, TERMINATED]", 1)), 0o600))

	first, second := y.plan(), y.plan()
	blocked := map[string]string{}
	for i, s := range first.Steps {
		if s.Blocked != "" {
			blocked[s.ID] = s.Blocked
		}
		if s.ID != second.Steps[i].ID {
			t.Errorf("step %d is %s, then %s", i, s.ID, second.Steps[i].ID)
		}
	}
	if len(first.Steps) != n || len(blocked) != 3 || first.Stopped() {
		t.Fatalf("%d steps, blocked are %v", len(first.Steps), blocked)
	}
	for id, why := range map[string]string{address(n / 4): "Marketplace", address(n / 2): "Marketplace", address(n - 1): "TERMINATED"} {
		if !strings.Contains(blocked[id], why) {
			t.Errorf("%s is blocked because %q, want %s", id, blocked[id], why)
		}
	}
	code, output := y.command("apply")
	if code != exitPartial || y.made() != n-3 || !strings.Contains(output, "Marketplace") {
		t.Fatalf("exit code %d after %d images\n%s", code, y.made(), output)
	}
	y.exported(n - 3)
	third := y.plan()
	for i, s := range third.Steps {
		if s.ID != first.Steps[i].ID || (s.Current == "") != (s.Blocked != "") {
			t.Errorf("after the run step %d is %s, current %q, blocked %q; it was %s", i, s.ID, s.Current, s.Blocked, first.Steps[i].ID)
		}
	}
	if left := y.sim.left(y); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	t.Logf("%d steps, %d blocked, %d images made, %d requests", len(first.Steps), len(blocked), y.made(), len(y.sim.Log().All()))
}

// plan returns the plan as JSON says it.
func (y *tenancy) plan() *plan.Plan {
	y.Helper()
	code, output := y.command("plan", "-o", "json")
	p := new(plan.Plan)
	if err := json.Unmarshal([]byte(output), p); err != nil || code != exitBlocked {
		y.Fatalf("exit code %d, %v\n%s", code, err, output)
	}
	return p
}

// exported fails unless so many images are there, each with its descriptor, and each has the magic number of its format.
func (y *tenancy) exported(want int) {
	y.Helper()
	images, descriptors := 0, 0
	err := filepath.WalkDir(filepath.Join(y.dir, "out"), func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case strings.HasSuffix(path, plan.DescriptorSuffix):
			descriptors++
			return nil
		}
		text, err := os.ReadFile(path)
		if images++; err == nil && !strings.HasPrefix(string(text), "QFI\xfb") {
			err = fmt.Errorf("%s is no qcow2", path)
		}
		return err
	})
	y.Check(err)
	if images != want || descriptors != want {
		y.Errorf("%d images and %d descriptors, want %d", images, descriptors, want)
	}
}
