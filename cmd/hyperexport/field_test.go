package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/plan"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// These are ways in which tools like this one have been seen to fail.

// qemuFormats are the formats of exports and what qemu calls them.
var qemuFormats = map[string]string{"qcow2": "qcow2", "vmdk": "vmdk", "vhd": "vpc", "vdi": "vdi"}

const everyFormat = `version: 1
name: formats
vars: {web: {env: WEB_01}}
exports:
  web: {instance: "${web}", formats: [qcow2, vmdk, vhd, vdi], staging: oci://axsim/hx-staging/, to: ./out/}
`

// TestExportedImagesAreRealDisks has qemu read each image as the format that its name says, and nothing else, and
// compares the disk in it with that of the instance.
func TestExportedImagesAreRealDisks(t *testing.T) {
	t.Setenv("HYPEREXPORT_POLL", "5ms")
	y := newTenancy(t, everyFormat)
	if code, output := y.command("apply"); code != exitDone {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	want, err := y.sim.DiskSHA256(y.env["WEB_01"])
	y.Check(err)
	for format, driver := range qemuFormats {
		image := filepath.Join(y.dir, "out", "web-01."+format)
		var info struct {
			Format  string `json:"format"`
			Size    int64  `json:"virtual-size"`
			Backing string `json:"backing-filename"`
		}
		y.Check(json.Unmarshal(y.qemu("info", "-f", driver, "--output=json", image), &info))
		if info.Format != driver || info.Size < smallSeed().Instances[0].DiskBytes || info.Backing != "" {
			t.Errorf("%s is %+v", filepath.Base(image), info)
		}
		if driver != "vpc" { // of which qemu-img knows no check
			y.qemu("check", "-f", driver, image)
		}
		if got := y.diskOf(image, driver); got != want {
			t.Errorf("the disk in the %s is %s, that of the instance %s", format, got, want)
		}
	}
}

// qemu runs qemu-img and returns what it prints.
func (y *tenancy) qemu(args ...string) []byte {
	y.Helper()
	var stdout, stderr bytes.Buffer
	c := exec.Command("qemu-img", args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		y.Errorf("qemu-img %s: %v: %s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.Bytes()
}

// diskOf returns the SHA-256 of the disk in an image. What a format rounds the size up to must be zeros.
func (y *tenancy) diskOf(image, driver string) string {
	y.Helper()
	raw := image + ".raw"
	y.qemu("convert", "-f", driver, "-O", "raw", image, raw)
	disk, err := os.ReadFile(raw)
	y.Check(err)
	size := min(len(disk), int(smallSeed().Instances[0].DiskBytes))
	if strings.Trim(string(disk[size:]), "\x00") != "" {
		y.Errorf("%s goes on after the end of its disk", filepath.Base(image))
	}
	sum := sha256.Sum256(disk[:size])
	return hex.EncodeToString(sum[:])
}

// TestSlowImageIsMadeOnce loses the answer of CreateImage and lets the image take longer than its export may: neither the
// repeated call nor the next run makes another.
func TestSlowImageIsMadeOnce(t *testing.T) {
	t.Setenv("HYPEREXPORT_POLL", "5ms")
	y := newTenancy(t, strings.Replace(faultManifest, "timeout: 6s", "timeout: 1s", 1))
	y.sim.Hold("CreateImage", 1)
	y.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "CreateImage", Times: 1}, Effect: ocisim.Effect{LoseAnswer: true}})
	defer time.AfterFunc(2*time.Second, func() { y.sim.Release("CreateImage") }).Stop()
	code, output := y.command("apply")
	if code != exitTemporary || !strings.Contains(output, "longer than its timeout") {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	if images := y.sim.images(y); len(images) != 1 || y.made() != 1 {
		t.Errorf("%d requests made the images %q\n%s", y.made(), images, output)
	}
	y.sim.Release("CreateImage")
	code, output = y.command("apply")
	if code != exitDone || y.made() != 1 {
		t.Errorf("exit code %d after %d images were made\n%s", code, y.made(), output)
	}
	y.whole("after the second run", output)
}

const twinManifest = `version: 1
name: twins
limits: {parallel: 4}
exports:
  all: {select: {compartment: acme, recursive: true}, formats: [qcow2, vmdk], staging: oci://axsim/hx-staging/, to: ./out/}
`

// TestEqualNamesDoNotCollide exports three instances of one name at once, to one place by way of one place: each image has
// the disk of the instance that its descriptor names.
func TestEqualNamesDoNotCollide(t *testing.T) {
	t.Setenv("HYPEREXPORT_POLL", "5ms")
	seed := &ocisim.Seed{Buckets: []ocisim.SeedBucket{{Name: "hx-staging"}}}
	for _, path := range []string{"acme", "acme/a", "acme/b"} {
		seed.Compartments = append(seed.Compartments, ocisim.SeedCompartment{Path: path})
		seed.Instances = append(seed.Instances, ocisim.SeedInstance{Name: "web", Compartment: path, DiskBytes: 8 << 20, DataBytes: 1 << 20})
	}
	y := newTenancyOf(t, twinManifest, seed)
	if code, output := y.command("apply"); code != exitDone {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	found, err := filepath.Glob(filepath.Join(y.dir, "out", "*"+plan.DescriptorSuffix))
	y.Check(err)
	exported := map[string]bool{}
	for _, name := range found {
		text, err := os.ReadFile(name)
		y.Check(err)
		var d plan.Descriptor
		y.Check(json.Unmarshal(text, &d))
		want, err := y.sim.DiskSHA256(d.Instance)
		y.Check(err)
		for _, a := range d.Artifacts {
			if got := y.diskOf(filepath.Join(y.dir, "out", a.Name), a.Format); got != want {
				t.Errorf("%s has another disk than its instance", a.Name)
			}
		}
		exported[d.Instance] = true
	}
	if len(exported) != 3 {
		t.Errorf("%d instances are described, by %q", len(exported), found)
	}
}

const downManifest = `version: 1
name: down
retry: {attempts: 3, first: 1ms, max: 2ms}
transfers:
  down: {from: "oci://axsim/logs/%s", to: ./out/}
`

// put makes an object of the simulator.
func (y *tenancy) put(key string, text []byte) {
	from := filepath.Join(y.dir, "from")
	y.Check(os.WriteFile(from, text, 0o600))
	if code, output := y.command("cp", from, "oci://axsim/logs/"+key); code != exitDone {
		y.Fatalf("exit code %d\n%s", code, output)
	}
}

// TestTruncatedBodyIsAnErrorWithoutAFile ends each answer too early, then lets them be whole: of an object that is read at
// once, and of one that comes in parts.
func TestTruncatedBodyIsAnErrorWithoutAFile(t *testing.T) {
	for _, size := range []int{1 << 20, 40<<20 + 7} {
		y := newTenancy(t, fmt.Sprintf(downManifest, "disk.raw"))
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		y.put("disk.raw", want)
		y.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "GetObject"}, Effect: ocisim.Effect{TruncateAt: 1000}})
		code, output := y.command("apply")
		if _, err := os.Stat(filepath.Join(y.dir, "out", "disk.raw")); code != exitTemporary || !os.IsNotExist(err) {
			t.Errorf("exit code %d, the file: %v\n%s", code, err, output)
		}
		y.sim.Faults().Reset()
		code, output = y.command("apply")
		if got, err := os.ReadFile(filepath.Join(y.dir, "out", "disk.raw")); code != exitDone || !bytes.Equal(got, want) {
			t.Errorf("exit code %d, then: %d bytes, %v\n%s", code, len(got), err, output)
		}
	}
}

// TestRetriesGoByTheStatus has names and messages that sound like another status than the one that counts.
func TestRetriesGoByTheStatus(t *testing.T) {
	const key = "timeout 503 connection reset.txt"
	for _, c := range []struct {
		effect      ocisim.Effect
		code, calls int
	}{
		{ocisim.Effect{Status: 403, Code: "NotAllowed", Message: "timeout waiting for 503: connection reset, try again"}, exitDenied, 1},
		{ocisim.Effect{Status: 400, Code: "InvalidParameter", Message: "i/o timeout (429 TooManyRequests)"}, exitFailed, 1},
		{ocisim.Effect{Status: 503, Code: "ServiceUnavailable", Message: "404 not found: NonRetryableError, permission denied"}, exitTemporary, 3},
		{ocisim.Effect{Status: 500, Code: "InternalServerError", Message: "403 Forbidden"}, exitTemporary, 3},
	} {
		y := newTenancy(t, fmt.Sprintf(downManifest, key))
		y.put(key, []byte("text"))
		y.sim.Log().Reset()
		y.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "GetObject"}, Effect: c.effect})
		code, output := y.command("apply")
		if calls := y.sim.Log().Count("GetObject"); code != c.code || calls != c.calls {
			t.Errorf("%d %q: exit code %d after %d calls, want %d after %d\n%s", c.effect.Status, c.effect.Message, code, calls, c.code, c.calls, output)
		}
	}
}

const mirrorManifest = `version: 1
name: mirror
retry: {attempts: 2, first: 1ms, max: 2ms}
transfers:
  mirror: {from: ./src/, to: oci://axsim/logs/m/, delete: true}
`

// TestFailedDeleteIsNoSuccess refuses to delete an object whose name, with the message of the error, speaks of 404.
func TestFailedDeleteIsNoSuccess(t *testing.T) {
	y := newTenancy(t, mirrorManifest)
	y.put("m/404.qcow2", []byte("disk"))
	y.put("m/kept", []byte("kept"))
	y.Check(os.MkdirAll(filepath.Join(y.dir, "src"), 0o700))
	y.Check(os.WriteFile(filepath.Join(y.dir, "src", "kept"), []byte("kept"), 0o600))
	for _, op := range []string{"DeleteObject", "BatchDeleteObjects"} {
		y.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: op},
			Effect: ocisim.Effect{Status: 500, Code: "InternalServerError", Message: "404: object not found in cache"}})
	}
	code, output := y.command("apply")
	if code == exitDone || !strings.Contains(output, "404.qcow2") {
		t.Errorf("exit code %d\n%s", code, output)
	}
	if there := y.sim.objects(y, "logs", "m/404.qcow2"); len(there) != 1 {
		t.Errorf("there is %q", there)
	}
	y.sim.Faults().Reset()
	if code, output := y.command("apply"); code != exitDone || len(y.sim.objects(y, "logs", "m/404.qcow2")) != 0 {
		t.Errorf("exit code %d, and it is still there\n%s", code, output)
	}
}

// killPoint is when a run is killed: when the nth request for an operation arrives, or when it was carried out and is not
// yet answered.
type killPoint struct {
	op   string
	nth  int
	done bool
}

// TestCleanAfterAKillAtEachRequest kills an export at each kind of request that it makes, one that stops the instance and
// one that does not. Afterwards clean removes everything that was made and starts what was stopped.
func TestCleanAfterAKillAtEachRequest(t *testing.T) {
	for name, manifest := range map[string]string{"stopped": faultManifest, "running": strings.Replace(faultManifest, "stop: hard, ", "", 1)} {
		points := pointsOf(t, manifest)
		t.Logf("%s: %d points", name, len(points))
		for i, p := range points {
			if raced && i%3 > 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s %d, done %v", name, p.op, p.nth, p.done), func(t *testing.T) {
				t.Parallel()
				y := newTenancy(t, manifest)
				y.killed(p)
				code, output := y.command("clean", "--remove")
				if code != exitDone {
					t.Errorf("clean ends with %d\n%s", code, output)
				}
				y.whole("after clean", output)
			})
		}
	}
}

// pointsOf returns where a run can be killed: at the first request of each operation that reads, and at every one that changes
// something, before and after.
func pointsOf(t *testing.T, manifest string) (points []killPoint) {
	calm := newTenancy(t, manifest)
	calm.killed(killPoint{})
	requests := calm.sim.Log().All()
	calm.whole("without a kill", "")
	counts := map[string]int{}
	for _, e := range requests {
		counts[e.Operation]++
		p := killPoint{e.Operation, counts[e.Operation], false}
		switch {
		case e.Method != http.MethodGet && e.Method != http.MethodHead:
			points = append(points, p, killPoint{p.op, p.nth, true})
		case p.nth == 1:
			points = append(points, p)
		}
	}
	return points
}

// killed runs apply in a process of its own, and kills it at p; the zero p lets it end.
func (y *tenancy) killed(p killPoint) {
	y.Helper()
	if p.op != "" {
		effect := ocisim.Effect{Stall: time.Hour}
		if p.done {
			effect.StallAt = 1 // of the answer; one without a body is given
		}
		y.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: p.op, Nth: p.nth}, Effect: effect})
		defer y.sim.Faults().Reset()
	}
	c := exec.Command("hyperexport", "apply", "-f", y.manifest, "--progress", "none")
	c.Env = append(os.Environ(), "HYPEREXPORT_POLL=10ms")
	for name, value := range y.env {
		c.Env = append(c.Env, name+"="+value)
	}
	y.Check(c.Start())
	var err error
	ended := make(chan struct{}) // closed after err is set
	go func() {
		err = c.Wait()
		close(ended)
	}()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.After(patience); ; {
		select {
		case <-ended:
			if p.op == "" || p.done && err == nil {
				y.Check(err)
				return
			}
			y.Fatalf("apply ended before its request %s %d: %v", p.op, p.nth, err)
		case <-again.C:
			if y.sim.Faults().Struck() == 0 {
				continue
			}
			if p.done {
				<-time.After(20 * time.Millisecond) // in which it is carried out
			}
			_ = c.Process.Kill() // it may have ended
			<-ended
			return
		case <-end:
			_ = c.Process.Kill()
			y.Fatalf("it does not end")
		}
	}
}
