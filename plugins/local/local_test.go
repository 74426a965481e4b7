package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		uploadForever(dir)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string) *storage {
	t.Helper()
	st, key, err := New(Options{}).Open(backend.Location{Scheme: "file", Path: filepath.ToSlash(dir) + "/"})
	if err != nil || key != "" {
		t.Fatalf("open %s: key %q, %v", dir, key, err)
	}
	return st.(*storage)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantKind(t testing.TB, what string, err error, kind backend.Kind) {
	t.Helper()
	var typed *backend.Error
	if !errors.As(err, &typed) || typed.Kind != kind {
		t.Errorf("%s: %v (kind %q), want kind %q", what, err, backend.KindOf(err), kind)
	}
}

func noise(n int, seed uint64) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), 1}).Read(p) // never fails
	return p
}

func read(t testing.TB, s backend.Storage, key string) []byte {
	t.Helper()
	obj := must(s.Stat(t.Context(), key))(t)
	p := make([]byte, obj.Size)
	if n, err := s.ReadAt(t.Context(), obj, p, 0); err != nil || n != len(p) {
		t.Fatalf("read %s: %d of %d bytes, %v", key, n, len(p), err)
	}
	return p
}

// leftovers returns the names of our own files below dir.
func leftovers(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if isOwn(filepath.Base(path)) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func keys(t testing.TB, s backend.Storage, prefix string) (keys []string) {
	t.Helper()
	for obj, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, obj.Key)
	}
	return keys
}

func TestOpenDividesTheLocation(t *testing.T) {
	p := New(Options{})
	for path, want := range map[string]string{"/a/b/c.img": "/a/b c.img", "/a/b/": "/a/b ", "/": "/ ", "/x": "/ x", "/a//b/../": "/a "} {
		st, key, err := p.Open(backend.Location{Scheme: "file", Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if got := st.(*storage).dir + " " + key; got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{"a/b", "./", "x", "/a/..", "/a/.", "/a\x00b/c", "/a/.hx-1.part", ""} {
		_, _, err := p.Open(backend.Location{Scheme: "file", Path: path})
		wantKind(t, path, err, backend.Invalid)
	}
}

func TestPutReadDelete(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet", "there")
	s, ctx := open(t, dir), t.Context()
	for obj, err := range s.List(ctx, "") {
		wantKind(t, "list of a missing container, "+obj.Key, err, backend.NotFound)
	}
	_, err := s.Stat(ctx, "a")
	wantKind(t, "stat in a missing container", err, backend.NotFound)

	at := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	p := noise(100_000, 1)
	put := must(s.Put(ctx, "d/e/a", p, backend.PutOptions{ModTime: at, Checksum: backend.SumCRC32C(p)}))(t)
	obj := must(s.Stat(ctx, "d/e/a"))(t)
	if put.Checksum != backend.SumCRC32C(p) {
		t.Errorf("checksum %s", put.Checksum)
	}
	if put.Checksum = ""; fmt.Sprint(put) != fmt.Sprint(obj) || !obj.ModTime.Equal(at) {
		t.Errorf("put says %v, stat %v", put, obj)
	}
	buf := make([]byte, 10)
	for _, c := range []struct {
		off  int64
		n    int
		want error
	}{{0, 10, nil}, {99_990, 10, nil}, {99_995, 5, io.EOF}, {100_000, 0, io.EOF}, {1 << 40, 0, io.EOF}} {
		n, err := s.ReadAt(ctx, obj, buf, c.off)
		if n != c.n || err != c.want || !bytes.Equal(buf[:n], p[min(c.off, 100_000):][:n]) {
			t.Errorf("read at %d: %d, %v", c.off, n, err)
		}
	}
	_, err = s.ReadAt(ctx, obj, buf, -1)
	wantKind(t, "read before the start", err, backend.Invalid)
	_, err = s.Put(ctx, "d/e/a", p, backend.PutOptions{Checksum: "crc32c:00000000"})
	wantKind(t, "wrong checksum", err, backend.Corrupt)

	for name, mode := range map[string]os.FileMode{"d/e/a": 0o600, "d/e": 0o700, "": 0o700} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q: %v %v", name, info.Mode(), err)
		}
	}
	must(s.Put(ctx, "d/e/a", []byte("new"), backend.PutOptions{}))(t)
	_, err = s.ReadAt(ctx, obj, buf, 0)
	wantKind(t, "read of a replaced file", err, backend.Changed)
	wantKind(t, "delete of a replaced file", s.Delete(ctx, obj), backend.Changed)
	wantKind(t, "delete of a directory", s.Delete(ctx, backend.Object{Key: "d/e"}), backend.NotFound)
	if err := s.Delete(ctx, must(s.Stat(ctx, "d/e/a"))(t)); err != nil {
		t.Error(err)
	}
	wantKind(t, "second delete", s.Delete(ctx, obj), backend.NotFound)
	if names := leftovers(t, dir); names != nil {
		t.Errorf("left: %q", names)
	}
}

func TestConditions(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	absent := backend.PutOptions{If: backend.Condition{Absent: true}}
	first := must(s.Put(ctx, "k", []byte("one"), absent))(t)
	_, err := s.Put(ctx, "k", []byte("two"), absent)
	wantKind(t, "absent", err, backend.Exists)
	second := must(s.Put(ctx, "k", []byte("two"), backend.PutOptions{If: backend.Condition{Version: first.Version}}))(t)
	_, err = s.Put(ctx, "k", []byte("three"), backend.PutOptions{If: backend.Condition{Version: first.Version}})
	wantKind(t, "version", err, backend.Changed)
	_, err = s.Put(ctx, "missing", nil, backend.PutOptions{If: backend.Condition{Version: first.Version}})
	wantKind(t, "version of a missing file", err, backend.Changed)
	if got := read(t, s, "k"); string(got) != "two" {
		t.Errorf("content %q", got)
	}
	os.Mkdir(filepath.Join(s.dir, "dir"), 0o700)
	for _, c := range []backend.Condition{{}, {Absent: true}} {
		_, err = s.Put(ctx, "dir", nil, backend.PutOptions{If: c})
		wantKind(t, "directory in the way", err, backend.Invalid)
	}
	_, err = s.Put(ctx, "k/below", nil, backend.PutOptions{})
	wantKind(t, "file in the way", err, backend.Invalid)
	if !strings.Contains(err.Error(), "an element of it is a file") {
		t.Errorf("text: %v", err)
	}
	if err := s.Delete(ctx, second); err != nil {
		t.Error(err)
	}
	if names := leftovers(t, s.dir); names != nil {
		t.Errorf("left: %q", names)
	}
}

// race lets 20 writers of two storages do the same at once and returns how many succeeded; the others must fail with kind.
func race(t *testing.T, dir string, kind backend.Kind, write func(s *storage, i int) error) (won int) {
	t.Helper()
	errs := make(chan error)
	start := make(chan struct{})
	for i := range 20 {
		s := open(t, dir)
		go func() {
			<-start
			errs <- write(s, i)
		}()
	}
	close(start)
	for range 20 {
		if err := <-errs; err == nil {
			won++
		} else {
			wantKind(t, "loser", err, kind)
		}
	}
	return won
}

func TestOneOfTwentyWritersWins(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	s := open(t, dir)
	if won := race(t, dir, backend.Exists, func(s *storage, i int) error {
		_, err := s.Put(ctx, "absent", []byte{byte(i)}, backend.PutOptions{If: backend.Condition{Absent: true}})
		return err
	}); won != 1 {
		t.Errorf("absent: %d writers won", won)
	}
	c := backend.Condition{Version: must(s.Stat(ctx, "absent"))(t).Version}
	if won := race(t, dir, backend.Changed, func(s *storage, i int) error {
		_, err := s.Put(ctx, "absent", []byte{byte(i)}, backend.PutOptions{If: c})
		return err
	}); won != 1 {
		t.Errorf("version: %d writers won", won)
	}
	obj := must(s.Stat(ctx, "absent"))(t)
	if won := race(t, dir, backend.Changed, func(s *storage, i int) error {
		if i%2 == 0 {
			if err := s.Delete(ctx, obj); backend.KindOf(err) != backend.NotFound {
				return err
			}
			return &backend.Error{Kind: backend.Changed}
		}
		_, err := s.Put(ctx, "absent", []byte{byte(i)}, backend.PutOptions{If: backend.Condition{Version: obj.Version}})
		return err
	}); won != 1 {
		t.Errorf("delete against put: %d won", won)
	}
	if names := leftovers(t, dir); names != nil {
		t.Errorf("left: %q", names)
	}
}

func TestListIsInOrderOfKeys(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	all := []string{"a-b", "a/b", "a/b-/x", "a/b.c", "a/c/d/e", "a0", "b", ".hidden", "a/.hidden/x", "ä/ö", "a/c-d", "z/z"}
	for _, key := range all {
		if _, err := s.Put(ctx, key, nil, backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	os.Mkdir(filepath.Join(s.dir, "empty"), 0o700)
	os.WriteFile(filepath.Join(s.dir, "a", ".hx-0.part"), nil, 0o600)
	os.WriteFile(filepath.Join(s.dir, "a", "new\nline"), nil, 0o600)
	all = append(all, "a/new\nline")
	slices.Sort(all)
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/c", "a/c/d/e", "a/c/d/ef", "a/b/", "z/z/", "/", "../", "..", "nothing/", "a//", ".h", "empty/"} {
		var want []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		if got := keys(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("prefix %q lists\n%q, want\n%q", prefix, got, want)
		}
	}
	_, err := s.Stat(ctx, "a/new\nline")
	wantKind(t, "a listed name that is no key", err, backend.Invalid)
	for _, err := range s.List(ctx, "") {
		if err != nil {
			t.Error(err)
		}
		break
	}
	file := open(t, filepath.Join(s.dir, "b"))
	for _, err := range file.List(ctx, "") {
		wantKind(t, "a container that is a file", err, backend.Invalid)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range s.List(ended, "") {
		wantKind(t, "list after cancel", err, backend.Canceled)
	}
	_, err = s.Put(ended, "canceled", nil, backend.PutOptions{})
	wantKind(t, "put after cancel", err, backend.Canceled)
}
