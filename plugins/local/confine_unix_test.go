//go:build unix

package local

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func TestDeviceErrorsAreNotRepeated(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ESTALE, syscall.EXDEV} {
		if kind := kindOf(errno); kind != backend.Unknown || kind.Temporary() {
			t.Errorf("%v is %q", errno, kind)
		}
	}
}

func TestSymbolicLinks(t *testing.T) {
	base, ctx := t.TempDir(), t.Context()
	s := open(t, filepath.Join(base, "c"))
	must(s.Put(ctx, "d/real", []byte("inside"), backend.PutOptions{}))(t)
	os.WriteFile(filepath.Join(base, "secret"), []byte("outside"), 0o600)
	for name, target := range map[string]string{
		"good": "d/real", "d/up": "../good", "folder": "d", "circle": ".", "self": "self", "nowhere": "x",
		"out": "../secret", "abs": filepath.Join(base, "secret"), "d/out": "../../secret", "outdir": "..",
	} {
		if err := os.Symlink(target, filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := keys(t, s, ""); !slices.Equal(got, []string{"d/real", "d/up", "good"}) {
		t.Errorf("list: %q", got)
	}
	if got := keys(t, s, "folder/"); got != nil {
		t.Errorf("list through a link: %q", got)
	}
	for _, key := range []string{"good", "d/up", "folder/real", "circle/circle/good"} {
		if got := read(t, s, key); string(got) != "inside" {
			t.Errorf("%s: %q", key, got)
		}
	}
	for key, kind := range map[string]backend.Kind{
		"out": backend.Forbidden, "abs": backend.Forbidden, "d/out": backend.Forbidden, "outdir/secret": backend.Forbidden,
		"outdir/c/good": backend.Forbidden, "nowhere": backend.NotFound, "self": backend.Invalid, "folder": backend.NotFound,
	} {
		_, err := s.Stat(ctx, key)
		wantKind(t, "stat "+key, err, kind)
		_, err = s.ReadAt(ctx, backend.Object{Key: key}, make([]byte, 7), 0)
		wantKind(t, "read "+key, err, kind)
	}
	_, err := s.Put(ctx, "outdir/secret", []byte("x"), backend.PutOptions{})
	wantKind(t, "put through a link", err, backend.Forbidden)
	if !strings.Contains(err.Error(), "escapes") {
		t.Errorf("text: %v", err)
	}
	must(s.Put(ctx, "out", []byte("new"), backend.PutOptions{}))(t) // replaces the link
	obj := must(s.Stat(ctx, "good"))(t)
	if err := s.Delete(ctx, obj); err != nil { // removes the link
		t.Error(err)
	}
	if got := read(t, s, "d/real"); string(got) != "inside" {
		t.Errorf("target of a deleted link: %q", got)
	}
	if got := must(os.ReadFile(filepath.Join(base, "secret")))(t); string(got) != "outside" {
		t.Errorf("outside: %q", got)
	}
}

// A file that is written to in place is another version, also when its size and time look the same.
func TestChangedInPlace(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	obj := must(s.Put(ctx, "k", []byte("12345"), backend.PutOptions{}))(t)
	name := filepath.Join(s.dir, "k")
	deadline := time.Now().Add(10 * time.Second)
	for must(s.Stat(ctx, "k"))(t).Version == obj.Version { // clocks of file systems tick in milliseconds
		f := must(os.OpenFile(name, os.O_RDWR, 0))(t)
		f.WriteAt([]byte("x"), 2)
		f.Close()
		os.Chtimes(name, time.Time{}, obj.ModTime)
		if time.Now().After(deadline) {
			t.Fatal("the change is not seen")
		}
	}
	if now := must(s.Stat(ctx, "k"))(t); now.Size != obj.Size || !now.ModTime.Equal(obj.ModTime) {
		t.Errorf("%v, %v: the test shows nothing", now, obj)
	}
	_, err := s.ReadAt(ctx, obj, make([]byte, 5), 0)
	wantKind(t, "read", err, backend.Changed)
	_, err = s.Copy(ctx, backend.Location{Scheme: "file", Path: name}, obj.Version, "to", backend.CopyOptions{})
	wantKind(t, "copy", err, backend.Changed)
}

// Pipes, sockets and the like are no objects, and nothing waits for their other end.
func TestPipes(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	for _, name := range []string{"pipe", ".hx-" + newID() + ".parts", ".hx-" + newID() + ".part"} {
		if err := syscall.Mkfifo(filepath.Join(s.dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	os.Symlink("pipe", filepath.Join(s.dir, "link"))
	pipe := open(t, filepath.Join(s.dir, "pipe"))
	done := make(chan bool)
	go func() {
		defer close(done)
		if got := keys(t, s, ""); got != nil {
			t.Errorf("list: %q", got)
		}
		uploads(t, s, "")
		for _, key := range []string{"pipe", "link", "pipe/x"} {
			_, err := s.Stat(ctx, key)
			wantKind(t, "stat", err, backend.NotFound)
			_, err = s.ReadAt(ctx, backend.Object{Key: key}, make([]byte, 1), 0)
			wantKind(t, "read", err, backend.NotFound)
			_, err = s.ReadAt(ctx, backend.Object{Key: key, Version: "1"}, make([]byte, 1), 0)
			wantKind(t, "read a version", err, backend.Changed)
			_, err = s.Copy(ctx, backend.Location{Scheme: "file", Path: s.dir + "/" + key}, "", "to", backend.CopyOptions{})
			wantKind(t, "copy", err, backend.NotFound)
		}
		_, err := s.Put(ctx, "pipe/x", nil, backend.PutOptions{})
		wantKind(t, "put below a pipe", err, backend.Invalid)
		_, err = pipe.Stat(ctx, "x")
		wantKind(t, "a pipe as container", err, backend.NotFound)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("somebody waits for the other end of a pipe")
	}
}

// A directory in the container turns into a link that leads out, and back, all the time. Nothing is read or written there.
func TestSwappedDirectory(t *testing.T) {
	base, ctx := t.TempDir(), t.Context()
	s := open(t, filepath.Join(base, "c"))
	outside := filepath.Join(base, "outside")
	secret := noise(1000, 9)
	for _, err := range []error{os.MkdirAll(filepath.Join(s.dir, "d"), 0o700), os.Mkdir(outside, 0o700),
		os.WriteFile(filepath.Join(outside, "k"), secret, 0o600), os.Symlink(outside, filepath.Join(s.dir, "link"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var stop atomic.Bool
	var swaps, through int
	var swapper sync.WaitGroup
	swapper.Go(func() {
		in := func(name string) string { return filepath.Join(s.dir, name) }
		for ; !stop.Load(); swaps++ {
			os.Rename(in("d"), in("kept"))
			os.Rename(in("link"), in("d"))
			os.Rename(in("d"), in("link"))
			os.Rename(in("kept"), in("d"))
		}
	})
	inside := bytes.Repeat([]byte("i"), 1000)
	refusals := []backend.Kind{backend.Forbidden, backend.NotFound, backend.Changed, backend.Invalid}
	deadline := time.Now().Add(time.Second)
	for time.Now().Before(deadline) {
		for _, err := range []error{
			second(s.Put(ctx, "d/k", inside, backend.PutOptions{})),
			second(s.Copy(ctx, backend.Location{Scheme: "file", Path: s.dir + "/d/k"}, "", "d/copy", backend.CopyOptions{})),
			s.Delete(ctx, backend.Object{Key: "d/copy"}),
		} {
			if err == nil {
				through++
			} else if kind := backend.KindOf(err); !slices.Contains(refusals, kind) {
				t.Errorf("%v (kind %q)", err, kind)
			}
		}
		if u, err := s.CreateUpload(ctx, "d/k", backend.UploadOptions{Size: 1000, PartSize: 1000}); err == nil {
			part, err := s.UploadPart(ctx, u, 1, inside, "")
			if err == nil {
				_, err = s.CompleteUpload(ctx, u, []backend.Part{part}, backend.CompleteOptions{})
			}
			for _, err := range []error{err, s.AbortUpload(ctx, u)} {
				if err != nil && !slices.Contains(refusals, backend.KindOf(err)) {
					t.Errorf("upload: %v", err)
				}
			}
		}
		p := make([]byte, 1000)
		if n, err := s.ReadAt(ctx, backend.Object{Key: "d/k"}, p, 0); err == nil && !bytes.Equal(p[:n], inside) {
			t.Fatal("read from outside")
		}
		for _, err := range s.List(ctx, "d/") {
			if err != nil && !errors.Is(err, backend.Forbidden) {
				t.Errorf("list: %v", err)
			}
		}
	}
	stop.Store(true)
	swapper.Wait()
	t.Logf("%d swaps, %d writes went through", swaps, through)
	names := must(os.ReadDir(outside))(t)
	if got := must(os.ReadFile(filepath.Join(outside, "k")))(t); len(names) != 1 || !bytes.Equal(got, secret) {
		t.Errorf("outside: %v, changed: %t", names, !bytes.Equal(got, secret))
	}
	if swaps == 0 || through == 0 {
		t.Errorf("%d swaps, %d writes: nothing was tried", swaps, through)
	}
}

func second[T any](_ T, err error) error { return err }
