//go:build unix

package memory

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/internal/testbin"
)

var size = flag.Int64("size", 512, "of the object, in MiB")

const (
	mib      = 1 << 20
	buffers  = 64 * mib  // limits.memory of the manifests
	mostUsed = 160 * mib // that the whole process may use
)

// TestMemory moves an object to the simulator, which is a process of its own, and back. Its size must not show in the
// memory of the command.
func TestMemory(t *testing.T) {
	dir := t.TempDir()
	bin, err := testbin.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	env, namespace := startSimulator(t, bin, dir)
	source, back := filepath.Join(dir, "there", "object"), filepath.Join(dir, "back", "object")
	if err := makeObject(source, *size*mib); err != nil {
		t.Fatal(err)
	}
	remote := "oci://" + namespace + "/archive/object"
	for _, way := range []struct{ name, from, to string }{{"there", source, remote}, {"back", remote, back}} {
		manifest := filepath.Join(dir, way.name+".yaml")
		text := fmt.Sprintf("version: 1\nname: memory-%s\nlimits: {memory: %dMiB}\ntransfers:\n  object: {from: %q, to: %q}\n",
			way.name, buffers/mib, way.from, way.to)
		if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), bin, "apply", "-f", manifest, "--progress", "none")
		cmd.Dir, cmd.Env = dir, env
		started := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", way.name, err, out)
		}
		took := time.Since(started)
		used := maxRSS(t, cmd.ProcessState)
		t.Logf("%-5s %d MiB in %.1f s, %.0f MiB/s; the most memory used: %.1f MiB", way.name, *size, took.Seconds(),
			float64(*size)/took.Seconds(), float64(used)/mib)
		if used >= mostUsed {
			t.Errorf("%s: the command used %d MiB of memory, with %d MiB of buffers; less than %d are right", way.name, used/mib, buffers/mib, mostUsed/mib)
		}
		if used < mib {
			t.Errorf("%s: %d bytes of memory cannot be all", way.name, used)
		}
	}
	if err := sameBytes(source, back); err != nil {
		t.Error(err)
	}
}

// maxRSS returns the most memory that an ended process had at once, in bytes.
func maxRSS(t *testing.T, p *os.ProcessState) int64 {
	t.Helper()
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the system does not tell what a process has used")
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}

// startSimulator runs the simulator until the test ends. It returns the environment of its clients.
func startSimulator(t *testing.T, bin, dir string) (env []string, namespace string) {
	t.Helper()
	seed := filepath.Join(dir, "seed.json")
	if err := os.WriteFile(seed, []byte(`{"buckets": [{"name": "archive"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	sim := exec.Command(bin, "simulate", "oci", "--seed-file", seed, "--dir", filepath.Join(dir, "sim"))
	out, err := sim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(sim.Process.Signal(os.Interrupt), sim.Wait()); err != nil {
			t.Errorf("the simulator: %v", err)
		}
	})
	var line struct {
		Endpoint   string `json:"endpoint"`
		ConfigFile string `json:"config_file"`
		Namespace  string `json:"namespace"`
	}
	if text, err := bufio.NewReader(out).ReadBytes('\n'); err != nil || json.Unmarshal(text, &line) != nil {
		t.Fatalf("the simulator says %q, %v", text, err)
	}
	return append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "HYPEREXPORT_STATE="+filepath.Join(dir, "state"),
		"OCI_CLI_CONFIG_FILE="+line.ConfigFile, "OCI_CLI_ENDPOINT="+line.Endpoint), line.Namespace
}

// makeObject writes a file of n bytes: 1 MiB of data in each 16 MiB, at another place each time, and holes between.
func makeObject(path string, n int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{1})
	for at := int64(0); err == nil && at < n; at += 16 * mib {
		place := at + int64(random.Uint64()%15)*mib
		_, err = io.CopyN(io.NewOffsetWriter(f, place), random, mib)
	}
	if err == nil {
		err = f.Truncate(n)
	}
	return errors.Join(err, f.Close())
}

// sameBytes compares two files.
func sameBytes(one, other string) error {
	a, err := os.Open(one)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(other)
	if err != nil {
		return err
	}
	defer b.Close()
	p, q := make([]byte, mib), make([]byte, mib)
	for at := int64(0); ; at += mib {
		n, errA := io.ReadFull(a, p)
		m, errB := io.ReadFull(b, q)
		if !bytes.Equal(p[:n], q[:m]) {
			return fmt.Errorf("the bytes differ after %d MiB", at/mib)
		}
		if errA != nil || errB != nil {
			if errors.Is(errA, io.ErrUnexpectedEOF) || errors.Is(errA, io.EOF) {
				return nil
			}
			return errors.Join(errA, errB)
		}
	}
}
