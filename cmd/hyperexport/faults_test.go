package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// fault is one way in which a call goes wrong.
type fault struct {
	name    string
	effect  ocisim.Effect
	forever bool // every such call, not only the nth
	code    int  // what apply ends with, unless codes has another for the operation
	codes   map[string]int
}

var faultsOfCalls = []fault{
	{name: "cut before", effect: ocisim.Effect{ResetBefore: true}},
	{name: "answer lost", effect: ocisim.Effect{LoseAnswer: true}},
	{name: "slow", effect: ocisim.Effect{Stall: 100 * time.Millisecond}},
	{name: "429", effect: ocisim.Effect{Status: 429, Code: "TooManyRequests", RetryAfter: time.Second}},
	{name: "500", effect: ocisim.Effect{Status: 500, Code: "InternalServerError"}},
	{name: "500 for ever", effect: ocisim.Effect{Status: 500, Code: "InternalServerError"}, forever: true, code: exitTemporary},
	{name: "denied", effect: ocisim.Effect{Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."},
		forever: true, code: exitDenied, codes: map[string]int{
			// The export goes on without: what cannot be seen is no concern, and is named if it matters.
			"GetTenancy": exitDone, "ListCompartments": exitDone, "GetBucket": exitDone, "GetBootVolume": exitDone,
			"ListBootVolumeAttachments": exitDone, "ListAppCatalogSubscriptions": exitDone, "ListVolumeAttachments": exitDone,
			"GetResourceAvailability": exitDone, "Unknown": exitDone, "ListPreauthenticatedRequests": exitDone,
			// The service does not say whether the thing is missing: the plan is blocked, and nothing is touched.
			"GetInstance": exitBlocked, "ListObjects": exitBlocked,
			// An image that was made a moment ago may be unknown for a while, and HEAD and GET must agree.
			"GetImage": exitTemporary, "HeadObject": exitTemporary,
		}},
}

// tenancy is a simulator with one instance, and a folder to work in.
type tenancy struct {
	*testing.T
	sim      *simulator
	dir      string
	manifest string
	env      map[string]string
}

func (y *tenancy) Check(err error) {
	if err != nil {
		y.Fatal(err)
	}
}

func newTenancy(t *testing.T, manifest string) *tenancy {
	y := newTenancyOf(t, manifest, smallSeed())
	y.env["WEB_01"] = y.instance("web-01")
	return y
}

func newTenancyOf(t *testing.T, manifest string, seed *ocisim.Seed) *tenancy {
	y := &tenancy{T: t, dir: t.TempDir()}
	quick := 10 * time.Millisecond
	sim, err := ocisim.New(ocisim.Options{Dir: filepath.Join(y.dir, "sim"), Seed: seed,
		Timings: ocisim.Timings{Copy: quick, CreateImage: quick, ExportImage: quick, PowerAction: quick}})
	y.Check(err)
	y.sim = &simulator{Server: sim, server: httptest.NewServer(sim), key: scriptKey()}
	t.Cleanup(func() {
		y.sim.server.CloseClientConnections()
		y.Check(sim.Close())
		y.sim.server.Close()
	})
	y.Check(sim.RegisterKey(sim.Tenancy()+"/"+sim.User()+"/"+fingerprint(y.sim.key), &y.sim.key.PublicKey))
	y.env = map[string]string{"HOME": y.dir, "HYPEREXPORT_STATE": filepath.Join(y.dir, "state"),
		"OCI_CLI_CONFIG_FILE": y.sim.writeConfig(y, filepath.Join(y.dir, ".oci")), "OCI_CLI_ENDPOINT": y.sim.server.URL}
	y.manifest = filepath.Join(y.dir, "m.yaml")
	y.Check(os.WriteFile(y.manifest, []byte(manifest), 0o600))
	return y
}

func (y *tenancy) instance(name string) string {
	for _, i := range y.sim.Instances() {
		if i.Name == name {
			return i.ID
		}
	}
	y.Fatalf("no instance %s", name)
	return ""
}

// command runs a command line in this process.
func (y *tenancy) command(args ...string) (code int, output string) {
	var out bytes.Buffer
	a := newApp()
	defer a.cancel()
	a.stdout, a.stderr, a.stdin = &out, &out, strings.NewReader("")
	a.env = func(name string) (string, bool) { v, ok := y.env[name]; return v, ok }
	code = run(append(args, "-f", y.manifest), a)
	return code, out.String()
}

// machines is a client of compute.
func (y *tenancy) machines() core.ComputeClient {
	c, err := core.NewComputeClientWithConfigurationProvider(y.sim.provider())
	y.Check(err)
	c.Host = y.sim.server.URL
	return c
}

// terminate terminates an instance and waits until it is.
func (y *tenancy) terminate(id string) {
	c := y.machines()
	_, err := c.TerminateInstance(context.Background(), core.TerminateInstanceRequest{InstanceId: &id})
	y.Check(err)
	for range 500 {
		resp, err := c.GetInstance(context.Background(), core.GetInstanceRequest{InstanceId: &id})
		y.Check(err)
		if resp.LifecycleState == core.InstanceLifecycleStateTerminated {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	y.Fatalf("%s is not terminated", id)
}

// state returns the lifecycle state of web-01.
func (y *tenancy) state() string {
	id := y.env["WEB_01"]
	resp, err := y.machines().GetInstance(context.Background(), core.GetInstanceRequest{InstanceId: &id})
	y.Check(err)
	return string(resp.LifecycleState)
}

// made returns how many images were made: calls of CreateImage with one token make one.
func (y *tenancy) made() int {
	tokens := map[string]bool{}
	for _, e := range y.sim.Log().All() {
		if e.Operation == "CreateImage" {
			tokens[e.RetryToken] = true
		}
	}
	return len(tokens)
}

// whole fails unless nothing is left behind in the tenancy and at the destination, and the instance is as it was found.
func (y *tenancy) whole(when, output string) {
	y.Helper()
	y.sim.Faults().Reset()
	if left := y.sim.left(y); len(left) > 0 {
		y.Errorf("%s is left %s\n%s", strings.Join(left, ", "), when, output)
	}
	for range 200 { // the last action may be under way
		if y.state() == "RUNNING" {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	if state := y.state(); state != "RUNNING" {
		y.Errorf("the instance is %s %s\n%s", state, when, output)
	}
	err := filepath.WalkDir(filepath.Join(y.dir, "out"), func(path string, _ os.DirEntry, err error) error {
		if name := filepath.Base(path); err == nil && name != "out" && name != "web-01.qcow2" && name != "web-01.export.json" {
			y.Errorf("%s is left %s", path, when)
		}
		return nil
	})
	y.Check(err)
}

const faultManifest = `version: 1
name: faults
vars: {web: {env: WEB_01}}
retry: {attempts: 4, first: 1ms, max: 5ms}
exports:
  web: {instance: "${web}", formats: [qcow2], staging: oci://axsim/hx-staging/, to: ./out/, stop: hard, timeout: 6s}
`

// TestEveryCallAndFault lets each call of an export go wrong in each way. Whatever happens, no second image is made, the
// exit code is the right one, and after the run, or after clean, nothing is left and the instance is as it was found.
func TestEveryCallAndFault(t *testing.T) {
	t.Setenv("HYPEREXPORT_POLL", "5ms")
	calm := newTenancy(t, faultManifest)
	if code, output := calm.command("apply"); code != exitDone {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	counts := map[string]int{}
	for _, e := range calm.sim.Log().All() {
		counts[e.Operation]++
	}
	calm.whole("without a fault", "")
	var cases []faultCase
	for op, n := range counts {
		for _, f := range faultsOfCalls {
			for nth := 1; nth <= min(n, 3) && !(f.forever && nth > 1); nth++ {
				cases = append(cases, faultCase{op, nth, f})
			}
		}
	}
	slices.SortFunc(cases, func(a, b faultCase) int { return strings.Compare(a.String(), b.String()) })
	if raced {
		some := cases[:0]
		for i := 0; i < len(cases); i += 9 {
			some = append(some, cases[i])
		}
		cases = some
	}
	runCases(t, cases)
	t.Logf("%d operations, %d cases of a call and a fault", len(counts), len(cases))
}

// work is background work of the service that goes wrong.
type work struct {
	name  string
	plan  func(s *ocisim.Server)
	until string // operation that is let go before the run is continued or cleaned; "" is none
	code  int
}

var faultsOfWork = []work{
	{"image cannot be made", func(s *ocisim.Server) { s.FailWorkRequest("CreateImage", 1, "InternalError", "No.") }, "", exitFailed},
	{"too many images", func(s *ocisim.Server) { s.FailWorkRequest("CreateImage", 1, "LimitExceeded", "No.") }, "", exitFailed},
	{"image never AVAILABLE", func(s *ocisim.Server) { s.Hold("CreateImage", 1) }, "CreateImage", exitTemporary},
	{"image made and never AVAILABLE", func(s *ocisim.Server) { s.HoldState("CreateImage", 1) }, "CreateImage", exitTemporary},
	{"export fails", func(s *ocisim.Server) { s.FailWorkRequest("ExportImage", 1, "InternalError", "No.") }, "", exitFailed},
	{"export never ends", func(s *ocisim.Server) { s.Hold("ExportImage", 1) }, "ExportImage", exitTemporary},
	{"export ends and image stays EXPORTING", func(s *ocisim.Server) { s.HoldState("ExportImage", 1) }, "ExportImage", exitTemporary},
	{"work requests are not named", func(s *ocisim.Server) { s.HideWorkRequest("CreateImage", 0); s.HideWorkRequest("ExportImage", 0) }, "", exitDone},
	{"instance does not stop at first", func(s *ocisim.Server) { s.FailWorkRequest("InstanceAction", 1, "InternalError", "No.") }, "", exitDone},
	{"instance does not start at first", func(s *ocisim.Server) { s.FailWorkRequest("InstanceAction", 2, "InternalError", "No.") }, "", exitDone},
	{"instance never stops", func(s *ocisim.Server) { s.Hold("InstanceAction", 1) }, "InstanceAction", exitTemporary},
}

func TestEveryWorkThatFails(t *testing.T) {
	t.Setenv("HYPEREXPORT_POLL", "5ms")
	for _, c := range faultsOfWork {
		for _, next := range []string{"clean --remove", "apply"} {
			t.Run(c.name+", then "+next, func(t *testing.T) {
				t.Parallel()
				y := newTenancy(t, strings.Replace(faultManifest, "timeout: 6s", "timeout: 2s", 1))
				c.plan(y.sim.Server)
				if c.until != "" { // a run that has failed still waits until it can start the instance again
					defer time.AfterFunc(3*time.Second, func() { y.sim.Release(c.until) }).Stop()
				}
				code, output := y.command("apply")
				if code != c.code || y.made() > 1 {
					t.Errorf("exit code %d, want %d, after %d images were made\n%s", code, c.code, y.made(), output)
				}
				if code == exitDone {
					y.whole("after the run", output)
					return
				}
				if c.until != "" {
					y.sim.Release(c.until)
				}
				code, again := y.command(strings.Fields(next)...)
				if code != exitDone {
					t.Errorf("%s ends with %d\n%s", next, code, again)
				}
				y.whole("after "+next, output+again)
			})
		}
	}
}

type faultCase struct {
	op  string
	nth int
	fault
}

func (c faultCase) String() string { return fmt.Sprintf("%s %d %s", c.op, c.nth, c.name) }

// runCases runs the cases several at a time: most of what they do is wait.
func runCases(t *testing.T, cases []faultCase) {
	var wg sync.WaitGroup
	room := make(chan struct{}, 8)
	for _, c := range cases {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			t.Run(c.String(), c.run)
		})
	}
	wg.Wait()
}

func (c faultCase) run(t *testing.T) {
	y := newTenancy(t, faultManifest)
	match := ocisim.Match{Operation: c.op, Nth: c.nth, Times: 1}
	if c.forever {
		match.Nth, match.Times = 0, 0
	}
	y.sim.Faults().Add(ocisim.Fault{Match: match, Effect: c.effect})
	code, output := y.command("apply")
	if want := c.wanted(); code != want {
		t.Errorf("exit code %d, want %d\n%s", code, want, output)
	}
	if n := y.made(); n > 1 {
		t.Errorf("%d images were made\n%s", n, output)
	}
	if code == exitDone {
		y.whole("after the run", output)
		return
	}
	y.sim.Faults().Reset()
	next := []string{"clean", "--remove"}
	if c.nth%2 == 0 || c.name == "denied" {
		next = []string{"apply"}
	}
	code, again := y.command(next...)
	if code != exitDone {
		t.Errorf("%s ends with %d\n%s", next[0], code, again)
	}
	y.whole("after "+next[0], output+again)
}

func (c faultCase) wanted() int {
	if code, ok := c.codes[c.op]; ok {
		return code
	}
	return c.code
}
