package plugins

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/internal/gateway"
	"github.com/hyperexport/hyperexport/internal/testbin"
)

var (
	kills    = flag.Int("kills", 50, "plugins to kill; a fifth as many hosts")
	seedFlag = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the moments")
)

// killsPerRun is less than the restarts that a host has for a plugin within ten minutes.
const killsPerRun = 3

func setUp(t *testing.T) (bin string, s *gateway.Server) {
	t.Helper()
	bin, err := testbin.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if s, err = gateway.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("seed %d", *seedFlag)
	return bin, s
}

// TestPluginKilled kills the S3 plugin at random moments of transfers to and from S3. Each command ends well all the same,
// every byte is right, and nothing is left. What is sent again after a kill was in a buffer when it came.
func TestPluginKilled(t *testing.T) {
	bin, server := setUp(t)
	var killed atomic.Int64
	t.Run("runs", func(t *testing.T) {
		for n := range (*kills + killsPerRun - 1) / killsPerRun {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(*seedFlag, uint64(n)))
				for hit := 0; hit < killsPerRun && !t.Failed(); {
					now := killPlugins(t, newWorld(t, bin, server), random, killsPerRun-hit)
					hit += now
					killed.Add(int64(now))
				}
			})
		}
	})
	t.Logf("%d plugins were killed", killed.Load())
	if killed.Load() < int64(*kills) {
		t.Errorf("%d plugins were killed, want %d", killed.Load(), *kills)
	}
}

// killPlugins runs apply once and kills its plugin up to most times. It returns how often it did.
func killPlugins(t *testing.T, w *world, random *rand.Rand, most int) (killed int) {
	cmd, output := w.start(t)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-time.After(time.Duration(random.IntN(400)) * time.Millisecond):
			if w.sent.Load() == 0 {
				continue // one that dies before it has ever answered is no plugin, and ends the command
			}
			if pid, ok := pluginOf(cmd.Process.Pid); ok && killed < most {
				if syscall.Kill(pid, syscall.SIGKILL) == nil {
					killed++
				}
			}
		}
	}
	if err != nil {
		t.Errorf("apply, with %d kills: %v\n%s", killed, err, output)
		return killed
	}
	w.check(t)
	if sent := w.sent.Load(); sent > size+int64(killed)*memory {
		t.Errorf("%d bytes were sent for %d bytes and %d kills with at most %d bytes in flight", sent, size, killed, memory)
	}
	return killed
}

// TestHostKilled kills the command at random moments. Two seconds later none of its plugins is there. Then either the same
// command ends well, or clean removes the uploads that were left.
func TestHostKilled(t *testing.T) {
	bin, server := setUp(t)
	for n := range max(1, *kills/5) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			random := rand.New(rand.NewPCG(*seedFlag, uint64(n)<<32))
			w := newWorld(t, bin, server)
			cmd, _ := w.start(t)
			plugin := awaitPlugin(t, cmd)
			timer := time.NewTimer(time.Duration(random.IntN(500)) * time.Millisecond)
			<-timer.C
			_ = cmd.Process.Kill() // it may have ended
			_ = cmd.Wait()
			dead := time.Now()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for left := processesOf(bin); len(left) > 0; left = processesOf(bin) {
				if time.Since(dead) > 2*time.Second {
					t.Fatalf("two seconds after its host, plugin %d: there are still %v", plugin, left)
				}
				<-tick.C
			}
			if n%2 == 1 {
				cmd, output := w.startWith(t, "clean", "-f", "manifest.yaml", "--remove")
				if err := cmd.Wait(); err != nil {
					t.Fatalf("clean: %v\n%s", err, output)
				}
				w.checkUploads(t)
				return
			}
			cmd, output := w.start(t)
			if err := cmd.Wait(); err != nil {
				t.Fatalf("apply again: %v\n%s", err, output)
			}
			w.check(t)
		})
	}
}

// awaitPlugin waits until the command has started its plugin.
func awaitPlugin(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if pid, ok := pluginOf(cmd.Process.Pid); ok {
			return pid
		}
	}
	t.Fatal("no plugin was started")
	return 0
}
