package plugin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// alive reports whether there is a process that is no zombie.
func alive(t testing.TB, pid string) bool {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func signalTo(t testing.TB, pid string, s syscall.Signal) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err == nil {
		err = syscall.Kill(n, s)
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// stop stops a process and waits until none of its threads runs any more.
func stop(t testing.TB, pid string) {
	t.Helper()
	signalTo(t, pid, syscall.SIGSTOP)
	eventually(t, 5*time.Second, "the guest is stopped", func() bool {
		threads, err := filepath.Glob("/proc/" + pid + "/task/*/stat")
		return err == nil && len(threads) > 0 && !slices.ContainsFunc(threads, func(name string) bool {
			stat, err := os.ReadFile(name)
			_, after, _ := strings.Cut(string(stat), ") ")
			return err == nil && !strings.HasPrefix(after, "T")
		})
	})
}

// again repeats a call as the retry layer does.
func again(t testing.TB, f func() error) error {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		err := f()
		if !backend.KindOf(err).Temporary() || time.Now().After(deadline) {
			return err
		}
	}
}

// TestKillUnderLoad kills guests at random moments of reads and writes in shared memory. Every call ends, with the right
// bytes or with Unavailable, and nothing writes to a buffer that was given back.
func TestKillUnderLoad(t *testing.T) {
	o := options(t, "mem")
	o.Arena, o.Restarts = newArena(t, 64<<20), 1000
	h := launch(t, o)
	s := &sharing{Storage: openMem(t, h), arena: o.Arena}
	var workers sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for worker := range 4 {
		workers.Go(func() {
			data := backendData(300_000 + worker)
			key := fmt.Sprintf("object-%d", worker)
			for ctx.Err() == nil {
				o, err := s.Put(ctx, key, data, backend.PutOptions{Checksum: backend.SumCRC32C(data)})
				p := make([]byte, len(data))
				if err == nil {
					if _, err = s.ReadAt(ctx, o, p, 0); err == nil && !bytes.Equal(p, data) {
						t.Error("wrong bytes")
					}
				}
				// A guest in memory forgets everything, so that a version of before may be gone, too.
				if err != nil && !errors.Is(err, backend.Unavailable) && !errors.Is(err, backend.Canceled) && !errors.Is(err, backend.Changed) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	for range *kills / 2 {
		if err := again(t, func() error { _, err := s.Stat(ctx, "nothing"); return err }); !errors.Is(err, backend.NotFound) {
			t.Fatal(err)
		}
		<-time.After(time.Duration(rand.IntN(20_000)) * time.Microsecond)
		h.mu.Lock()
		pid := h.current.process.ID()
		h.mu.Unlock()
		signalTo(t, pid, syscall.SIGKILL)
	}
	cancel()
	workers.Wait()
	s.settle(t)
}

func TestStoppedGuestIsReplaced(t *testing.T) {
	o := options(t, "mem")
	o.Timeouts.Beat = 500 * time.Millisecond
	h := launch(t, o)
	s := openMem(t, h)
	pid := h.current.process.ID()
	stop(t, pid)
	began := time.Now()
	_, err := s.Stat(t.Context(), "key")
	if !errors.Is(err, backend.Unavailable) || !errors.Is(err, Hung) {
		t.Errorf("a call on a guest that is stopped: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if alive(t, pid) {
		t.Error("the stopped guest lives")
	}
	if err := again(t, func() error { _, err := s.Stat(t.Context(), "key"); return err }); !errors.Is(err, backend.NotFound) {
		t.Errorf("after it was started again: %v", err)
	}
}

// TestStubbornCall reads with a guest that knows no end. Once the read has returned nothing writes to the buffer.
func TestStubbornCall(t *testing.T) {
	o := options(t, "mem")
	o.Arena = newArena(t, 1<<20)
	o.Config.Settings["mischief"] = "stubborn"
	o.Timeouts.Cancel = 200 * time.Millisecond
	h := launch(t, o)
	s := openMem(t, h)
	p := o.Arena.Buffer(100_000)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := s.ReadAt(ctx, backend.Object{Key: "key", Size: 100_000}, p, 0)
	if !errors.Is(err, backend.Timeout) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, Hung) {
		t.Errorf("got %v", err)
	}
	for i := range p {
		p[i] = poison
	}
	for range 100 {
		if bytes.Count(p, []byte{poison}) != len(p) {
			t.Fatal("the guest still writes")
		}
	}
}

func TestCallTimeout(t *testing.T) {
	o := options(t, "mem")
	o.Config.Settings["mischief"] = "stubborn"
	o.Timeouts.Cancel, o.Timeouts.Bytes = 100*time.Millisecond, time.Second
	s := openMem(t, launch(t, o))
	if _, err := s.ReadAt(t.Context(), backend.Object{Key: "key", Size: 10}, make([]byte, 10), 0); !errors.Is(err, backend.Timeout) {
		t.Errorf("got %v", err)
	}
}

// TestPanickingGuest finds the reason, and not the bottom of the stack, in the error.
func TestPanickingGuest(t *testing.T) {
	o := options(t, "mem")
	o.Config.Settings["mischief"] = "panic"
	_, err := openMem(t, launch(t, o)).Stat(t.Context(), "key")
	if !errors.Is(err, Died) || !strings.HasSuffix(err.Error(), "printed last: panic: there is no moon") {
		t.Errorf("got %v", err)
	}
}

// TestStuckGuest calls a guest that is alive and never answers. Calls without bytes and lists end by themselves, and the
// guest that did not end the call is gone.
func TestStuckGuest(t *testing.T) {
	o := options(t, "mem")
	o.Config.Settings["mischief"] = "stuck"
	o.Timeouts.Cancel, o.Timeouts.Call = 100*time.Millisecond, 300*time.Millisecond
	h := launch(t, o)
	s := openMem(t, h)
	pid := h.current.process.ID()
	if _, err := s.Stat(t.Context(), "key"); !errors.Is(err, backend.Timeout) {
		t.Errorf("stat: %v", err)
	}
	eventually(t, 5*time.Second, "the guest is killed", func() bool { return !alive(t, pid) })
	for _, err := range s.List(t.Context(), "") {
		if !errors.Is(err, backend.Timeout) {
			t.Errorf("list: %v", err)
		}
	}
}

func TestTooManyRestarts(t *testing.T) {
	o := options(t, "mem")
	o.Restarts = 2
	o.Config.Settings["mischief"] = "exit"
	s := openMem(t, launch(t, o))
	for range 3 {
		_, err := s.Stat(t.Context(), "key")
		if !errors.Is(err, backend.Unavailable) || !errors.Is(err, Died) || !strings.Contains(err.Error(), "status 7") {
			t.Errorf("got %v", err)
		}
	}
	_, err := s.Stat(t.Context(), "key")
	if !errors.Is(err, Unstable) || backend.KindOf(err).Temporary() || !strings.Contains(err.Error(), "started again 2 times within 10m") {
		t.Errorf("after the last start: %v", err)
	}
}

// TestRestartFails takes the program away from under a plugin.
func TestRestartFails(t *testing.T) {
	o := options(t, "mem")
	path := filepath.Join(t.TempDir(), "plugin")
	if err := os.Symlink(o.Command[0], path); err != nil {
		t.Fatal(err)
	}
	o.Command[0], o.Restarts = path, 1
	h := launch(t, o)
	s := openMem(t, h)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	h.current.kill(Died, errors.New("for the test"))
	_, err := s.Stat(t.Context(), "key")
	if !errors.Is(err, Missing) || !errors.Is(err, backend.Unavailable) {
		t.Errorf("got %v", err)
	}
	if _, err = s.Stat(t.Context(), "key"); !errors.Is(err, Unstable) || !errors.Is(err, Missing) {
		t.Errorf("after the last start: %v", err)
	}
}

func TestHalfClosingGuest(t *testing.T) {
	h := launch(t, options(t, "half-closing"))
	s := openMem(t, h)
	pid := h.current.process.ID()
	_, err := s.Put(t.Context(), "key", []byte("text"), backend.PutOptions{})
	if !errors.Is(err, backend.Unavailable) {
		t.Errorf("got %v", err)
	}
	if alive(t, pid) {
		t.Error("a guest whose connection broke lives when the call has returned")
	}
}

func TestGiantMessage(t *testing.T) {
	o := options(t, "giant")
	o.Timeouts.Close = 100 * time.Millisecond // it does not look whether its host is there
	s := openMem(t, launch(t, o))
	_, err := s.Stat(t.Context(), "key")
	if !errors.Is(err, backend.Unavailable) || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v", err)
	}
}

func TestFlood(t *testing.T) {
	var log logged
	o := options(t, "mem")
	o.Log = log.add
	o.Config.Settings["mischief"] = "babble"
	h := launch(t, o)
	s := openMem(t, h)
	if _, err := s.Stat(t.Context(), "key"); !errors.Is(err, backend.NotFound) {
		t.Errorf("got %v", err)
	}
	h.Close()
	text := log.text()
	for _, want := range []string{"out 0 ooo", "err 0 eee", "raw out", "raw err"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the log", want)
		}
	}
	if lines := strings.Count(text, "\n"); lines > 2*linesBurst+100*linesRate {
		t.Errorf("%d lines were logged", lines)
	}
}

// TestHostKilled kills a host with kill -9. Its guest, also one that is stopped, is gone soon.
func TestHostKilled(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		cmd := exec.Command(options(t, "host").Command[0], "guest", "host")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		pid := strings.TrimSpace(line)
		if err != nil || !alive(t, pid) {
			t.Fatalf("the host says %q, %v", line, err)
		}
		if stopped {
			stop(t, pid)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		eventually(t, 2*time.Second, "the guest is gone", func() bool { return !alive(t, pid) })
	}
}

func TestGrandchildDiesToo(t *testing.T) {
	var log logged
	o := options(t, "grandchild")
	o.Log = log.add
	h := launch(t, o)
	var pid string
	eventually(t, 5*time.Second, "the grandchild is named", func() bool {
		_, pid, _ = strings.Cut(log.text(), "grandchild ")
		return pid != ""
	})
	pid, _, _ = strings.Cut(pid, "\n")
	if !alive(t, pid) {
		t.Fatalf("there is no grandchild %q", pid)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, 2*time.Second, "the grandchild is gone", func() bool { return !alive(t, pid) })
}

// TestClose closes a host whose guest is stopped, and one with a call under way.
func TestClose(t *testing.T) {
	o := options(t, "mem")
	o.Timeouts.Close = 200 * time.Millisecond
	h := launch(t, o)
	pid := h.current.process.ID()
	stop(t, pid)
	if err := h.Close(); err != nil || alive(t, pid) {
		t.Errorf("close: %v, the guest lives: %v", err, alive(t, pid))
	}

	o = options(t, "mem")
	o.Config.Settings["mischief"] = "stubborn"
	h = launch(t, o)
	s := openMem(t, h)
	failed := make(chan error)
	go func() {
		_, err := s.ReadAt(t.Context(), backend.Object{Key: "key", Size: 10}, make([]byte, 10), 0)
		failed <- err
	}()
	eventually(t, 5*time.Second, "the call is under way", func() bool { return h.current.calls.Load() > 1 })
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, backend.Unavailable) {
		t.Errorf("the call under way: %v", err)
	}
}

// TestNothingLeaks counts open files and the folders of sockets over the lives of some guests.
func TestNothingLeaks(t *testing.T) {
	sockets := func() int {
		dirs, err := filepath.Glob(filepath.Join(os.TempDir(), "plugin-dir*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(dirs)
	}
	files := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	arena := newArena(t, 1<<20)
	life := func() {
		o := options(t, "mem")
		o.SHA256, o.Arena = digestOf(t, o.Command[0]), arena
		h := launch(t, o)
		s := openMem(t, h)
		h.current.kill(Died, errors.New("for the test"))
		if err := again(t, func() error { _, err := s.Stat(t.Context(), "key"); return err }); !errors.Is(err, backend.NotFound) {
			t.Error(err)
		}
		h.Close()
		o.Command[2] = "crash"
		if _, err := Launch(t.Context(), o); err == nil {
			t.Error("it was launched")
		}
	}
	life()
	filesBefore, socketsBefore := files(), sockets()
	for range 3 {
		life()
	}
	eventually(t, 5*time.Second, "all files are closed", func() bool { return files() <= filesBefore })
	if now := sockets(); now > socketsBefore {
		t.Errorf("%d folders of sockets, before there were %d", now, socketsBefore)
	}
}

// TestSecrets looks for the secret wherever a guest could leave it.
func TestSecrets(t *testing.T) {
	var log logged
	o := options(t, "mem")
	o.Log = log.add
	o.Env = append(o.Env, "LANG=C")
	o.Config.Settings["mischief"] = "blab"
	t.Setenv("HOST_SECRET", canary)
	h := launch(t, o)
	s := openMem(t, h)
	_, err := s.Stat(t.Context(), "key")
	if !errors.Is(err, backend.Forbidden) || !strings.Contains(err.Error(), "denied for ***") {
		t.Errorf("got %v", err)
	}
	pid := h.current.process.ID()
	for _, name := range []string{"cmdline", "environ"} {
		content, err := os.ReadFile("/proc/" + pid + "/" + name)
		if err != nil || strings.Contains(string(content), "canary") {
			t.Errorf("%s of the guest has the secret, or cannot be read: %v", name, err)
		}
		if name == "environ" && (!strings.Contains(string(content), "LANG=C") || strings.Contains(string(content), "HOST_SECRET")) {
			t.Errorf("the guest has the environment %q", content)
		}
	}
	h.Close()
	text := log.text()
	if !strings.Contains(text, "the key is ***") || !strings.Contains(text, "raw ***") {
		t.Errorf("the log lacks what the guest printed: %s", text)
	}
	if i := strings.Index(text, canary[:5]); i >= 0 {
		t.Errorf("the log has a part of the secret: %q", text[max(0, i-20):i+len(canary)])
	}
}
