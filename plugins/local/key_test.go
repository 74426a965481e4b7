package local

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// TestKeysStayInside goes through what attackers and mistakes write, with every method.
func TestKeysStayInside(t *testing.T) {
	base, ctx := t.TempDir(), t.Context()
	s := open(t, filepath.Join(base, "container"))
	must(s.Put(ctx, "source", []byte("x"), backend.PutOptions{}))(t)
	for _, key := range []string{
		"", ".", "..", "/", "//", "../x", "a/../../x", "a/..", "./x", "a/./x", "/etc/passwd", "a//b", "a/", "a\x00b", "\x00",
		"../../../../../../../../../../tmp/hx-escaped", "a/b/../../../x", "x\n", "x\r", "\x1b[2J", "x\x7f", "\u0085",
		strings.Repeat("e", 256), "a/" + strings.Repeat("é", 128), ".hx-1.part", ".HX-1.parts", "a/.hx-/b", ".hx-",
	} {
		_, err := s.Put(ctx, key, []byte("x"), backend.PutOptions{})
		wantKind(t, "put", err, backend.Invalid)
		_, err = s.Stat(ctx, key)
		wantKind(t, "stat", err, backend.Invalid)
		_, err = s.ReadAt(ctx, backend.Object{Key: key}, make([]byte, 1), 0)
		wantKind(t, "read", err, backend.Invalid)
		_, err = s.CreateUpload(ctx, key, backend.UploadOptions{Size: 1, PartSize: 1})
		wantKind(t, "create upload", err, backend.Invalid)
		_, err = s.UploadPart(ctx, backend.Upload{Key: key, ID: newID()}, 1, nil, "")
		wantKind(t, "upload part", err, backend.Invalid)
		_, err = s.CompleteUpload(ctx, backend.Upload{Key: key, ID: newID()}, nil, backend.CompleteOptions{})
		wantKind(t, "complete", err, backend.Invalid)
		_, err = s.Copy(ctx, backend.Location{Scheme: "file", Path: s.dir + "/source"}, "", key, backend.CopyOptions{})
		wantKind(t, "copy", err, backend.Invalid)
		wantKind(t, "delete", s.Delete(ctx, backend.Object{Key: key}), backend.Invalid)
	}
	if names := must(os.ReadDir(base))(t); len(names) != 1 {
		t.Errorf("written beside the container: %v", names)
	}
	if got := keys(t, s, ""); len(got) != 1 {
		t.Errorf("written: %q", got)
	}
}

// FuzzKey writes under any key: it is refused, or listed and read back under exactly this key, and nothing lies outside.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"a", "a/b", "..", "a/../b", "/", "a\\b", "C:", "\xff", "é/é", ".hx-", "a\nb", "~", "-", "a/b/c/d", "CON", " "} {
		f.Add(seed)
	}
	base := f.TempDir()
	s := open(f, filepath.Join(base, "container"))
	f.Fuzz(func(t *testing.T, key string) {
		obj, err := s.Put(t.Context(), key, []byte(key), backend.PutOptions{})
		if err != nil {
			wantKind(t, key, err, backend.Invalid)
			if len(key) < 200 && checkKey(key) == nil {
				t.Errorf("the codec takes %q, the file system does not: %v", key, err)
			}
		} else {
			if got := keys(t, s, ""); len(got) != 1 || got[0] != key {
				t.Errorf("%q is listed as %q", key, got)
			}
			if !bytes.Equal(read(t, s, key), []byte(key)) {
				t.Errorf("%q: other bytes", key)
			}
			if err := s.Delete(t.Context(), obj); err != nil {
				t.Error(err)
			}
		}
		if names := must(os.ReadDir(base))(t); len(names) > 1 {
			t.Fatalf("%q wrote beside the container: %v", key, names)
		}
		if err := os.RemoveAll(s.dir); err != nil { // directories stay, and would be in the way of the next key
			t.Fatal(err)
		}
	})
}

// FuzzSidecar parses any list of parts.
func FuzzSidecar(f *testing.F) {
	name := filepath.Join(f.TempDir(), "list")
	file := must(os.Create(name))(f)
	for _, line := range []string{headerLine(backend.Upload{Key: "k", Size: 10, PartSize: 5}), voidLine(1), voidLine(2)} {
		if err := appendLine(file, line); err != nil {
			f.Fatal(err)
		}
	}
	file.Close()
	good := must(os.ReadFile(name))(f)
	if car := must(readSidecar(bytes.NewReader(good), false))(f); car.upload.Key != "k" {
		f.Errorf("%+v", car)
	}
	f.Add(good)
	for _, header := range []string{`upload 1 5 0 0 "k"`, `upload 1 -5 5 0 "k"`, `upload 1 5 5 0 "../k"`, `upload 1 9000000000000 1 0 "k"`} {
		f.Add(fmt.Appendf(nil, "%08x %s\n", crc32.Checksum([]byte(header), crc32.MakeTable(crc32.Castagnoli)), header))
	}
	f.Add([]byte("\n00000000 part 1 2 3 4 5\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		car, err := readSidecar(bytes.NewReader(text), false)
		if (car == nil) != (err != nil) {
			t.Errorf("%v, %v", car, err)
		}
		if car != nil && (checkKey(car.upload.Key) != nil || partCount(car.upload) > maxParts) {
			t.Errorf("%+v", car.upload)
		}
	})
}

func TestKindOfErrno(t *testing.T) {
	s := open(t, t.TempDir())
	seen := map[backend.Kind]bool{}
	for _, row := range errnoKinds {
		for _, err := range []error{row.errno, &os.PathError{Op: "open", Path: "x", Err: row.errno},
			&os.LinkError{Op: "rename", Err: row.errno}, os.NewSyscallError("fsync", row.errno)} {
			wantKind(t, row.errno.Error(), s.fail("put", "k", err), row.kind)
		}
		seen[row.kind] = true
	}
	for _, kind := range []backend.Kind{backend.NotFound, backend.Exists, backend.Full, backend.Forbidden, backend.Invalid, backend.Busy} {
		if !seen[kind] {
			t.Errorf("nothing is %q", kind)
		}
	}
	err := s.fail("stat", "k", &os.PathError{Op: "openat", Path: "k", Err: os.ErrClosed})
	if want := "stat k: file already closed (in " + s.dir + ")"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}
