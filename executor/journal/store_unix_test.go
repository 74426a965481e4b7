//go:build unix

package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// holdLock is what the test binary does when it runs as another process: it takes the lock, says so and waits to be killed.
func holdLock(dir string) {
	_, err := Lock(dir, "nightly")
	fmt.Println("lock:", err)
	if err != nil {
		os.Exit(3)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
}

func TestLockOfAnotherProcess(t *testing.T) {
	root := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), "JOURNAL_TEST_LOCK="+root)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "lock: <nil>\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	if _, err := Lock(root, "nightly"); !errors.Is(err, ErrLocked) {
		t.Errorf("while it runs: %v", err)
	}
	other, err := Lock(root, "weekly")
	if err != nil {
		t.Errorf("the lock of another manifest: %v", err)
	} else {
		other.Close()
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	s, err := Lock(root, "nightly")
	if err != nil {
		t.Fatalf("after it was killed: %v", err)
	}
	if _, err := Lock(root, "nightly"); !errors.Is(err, ErrLocked) {
		t.Errorf("twice in one process: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Lock(root, "nightly"); err != nil {
		t.Fatalf("after it was given free: %v", err)
	}
	s.Close()
}

// Nobody else can read what a run remembers, whatever the umask is.
func TestModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	root := filepath.Join(t.TempDir(), "state")
	s, err := Lock(root, "nightly")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	j, err := Create(s.Dir("r1"), head)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("this system has no /dev/full")
	}
	if err != nil {
		t.Fatal(err)
	}
	j := &Journal{file: full, state: newState()}
	if err := j.Write(Record{Step: &Step{ID: "s"}}, false); !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, ErrWrite) {
		t.Errorf("%v", err)
	}
	full.Close()
}
