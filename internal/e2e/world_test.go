package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/internal/proof"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

const (
	mib    = 1 << 20
	memory = 4 * mib // limits.memory of the manifest: parts then have a quarter of it
	part   = memory / 4
	pace   = 6 * mib // bytes per second of each body, so that there is something to interrupt
)

const manifest = `version: 1
name: kill
limits: {memory: 4MiB}
exports:
  web:
    select: {compartment: acme, name: "web-*", expect: {min: 2, max: 2}}
    formats: [qcow2, vmdk]
    staging: oci://%[1]s/hx-staging/
    to: ./images/
transfers:
  there:
    from: ./folder/
    to: oci://%[1]s/archive/folder/
    checksum: sha256
  back:
    from: oci://%[1]s/archive/folder/
    to: ./back/
    after: [there]
`

func seed() *ocisim.Seed {
	machine := func(name, state string) ocisim.SeedInstance {
		return ocisim.SeedInstance{Name: name, Compartment: "acme", State: state, DiskBytes: 8 * mib, DataBytes: 5*mib + 300<<10}
	}
	return &ocisim.Seed{
		Compartments: []ocisim.SeedCompartment{{Path: "acme"}},
		Buckets:      []ocisim.SeedBucket{{Name: "hx-staging", Compartment: "acme"}, {Name: "archive", Compartment: "acme"}},
		Instances:    []ocisim.SeedInstance{machine("web-01", "RUNNING"), machine("web-02", "STOPPED")},
	}
}

func formats() []string { return []string{"qcow2", "vmdk"} }

// world is a simulator, and a folder with a manifest, that one run has for itself.
type world struct {
	bin, dir string
	sim      *ocisim.Server
	cloud    *proof.Cloud
	env      []string
	folder   proof.Folder
}

func newWorld(t *testing.T, bin string) *world {
	t.Helper()
	w := &world{bin: bin, dir: t.TempDir()}
	var err error
	w.sim, err = ocisim.New(ocisim.Options{Dir: filepath.Join(w.dir, "sim"), Seed: seed(),
		Timings: ocisim.Timings{CreateImage: 100 * time.Millisecond, ExportImage: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(w.sim)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		if err := w.sim.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, operation := range []string{"GetObject", "UploadPart"} {
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: operation}, Effect: ocisim.Effect{BytesPerSecond: pace}})
	}
	config, profile, err := w.sim.WriteConfig(filepath.Join(w.dir, "client"), web.URL)
	if err != nil {
		t.Fatal(err)
	}
	if w.cloud, err = proof.NewCloud(config, profile, web.URL, w.sim.Namespace(), w.sim.Tenancy()); err != nil {
		t.Fatal(err)
	}
	w.env = append(os.Environ(), "HOME="+w.dir, "XDG_CONFIG_HOME="+w.dir, "HYPEREXPORT_STATE="+filepath.Join(w.dir, "state"),
		"OCI_CLI_CONFIG_FILE="+config, "OCI_CLI_PROFILE="+profile, "OCI_CLI_REGION="+w.sim.Region(), "OCI_CLI_ENDPOINT="+web.URL)
	w.fill(t)
	return w
}

// fill writes the manifest and the folder that it copies: two objects of several parts and many of one request.
func (w *world) fill(t *testing.T) {
	t.Helper()
	sizes := map[string]int64{"big.img": 6*mib + 1, "more/middle": 2*mib + 777, "empty": 0}
	for n := range 30 {
		sizes[fmt.Sprintf("small/%02d", n)] = int64(n*n) * 100
	}
	random := rand.NewChaCha8(sha256.Sum256([]byte("folder")))
	for name, size := range sizes {
		path := filepath.Join(w.dir, "folder", name)
		text := make([]byte, size)
		_, err := io.ReadFull(random, text)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.folder, err = proof.ReadFolder(filepath.Join(w.dir, "folder")); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(manifest, w.sim.Namespace())
	if err := os.WriteFile(filepath.Join(w.dir, "manifest.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run is one process of the command.
type run struct {
	killed         bool
	code           int
	stdout, stderr bytes.Buffer
}

// apply runs the command. If kill is not zero, the process is killed after that time, unless it has ended.
func (w *world) apply(ctx context.Context, kill time.Duration) (*run, error) {
	return w.command(ctx, kill, "apply", "-f", "manifest.yaml", "--progress", "none", "-o", "json", "--poll", "50ms")
}

func (w *world) command(ctx context.Context, kill time.Duration, args ...string) (*run, error) {
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	r := &run{}
	cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if kill > 0 {
		timer := time.AfterFunc(kill, func() { cmd.Process.Kill() })
		defer timer.Stop()
	}
	_ = cmd.Wait() // the state of the process says it all
	r.code = cmd.ProcessState.ExitCode()
	r.killed = r.code == -1
	return r, ctx.Err()
}

// journals returns what the runs of the manifest have written down.
func (w *world) journals() ([]journal.State, error) {
	dirs, err := filepath.Glob(filepath.Join(w.dir, "state", "kill", "runs", "*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(dirs)
	var all []journal.State
	for _, dir := range dirs {
		if state, err := journal.Read(dir); err == nil { // an empty one is of a process that died at once
			all = append(all, state)
		}
	}
	return all, nil
}

// report is the product of apply -o json.
type report struct {
	Outcome  string `json:"outcome"`
	ExitCode int    `json:"exit_code"`
	Steps    []struct {
		ID      string   `json:"id"`
		Outcome string   `json:"outcome"`
		Retries int      `json:"retries"`
		Left    []string `json:"left"`
	} `json:"steps"`
}

func (r *run) report() (report, error) {
	var doc report
	return doc, json.Unmarshal(r.stdout.Bytes(), &doc)
}
