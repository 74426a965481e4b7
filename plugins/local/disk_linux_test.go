package local

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const diskEnv = "HX_LOCAL_DISK"

// inNamespace runs the test again in a child, as this user of a user namespace of its own: as 0 it may mount file systems
// that nobody else sees, as another it is held to the permissions of files even if the caller is root. It needs no root,
// only a kernel that allows user namespaces.
func inNamespace(t *testing.T, user int, test func(t *testing.T, dir string)) {
	if dir := os.Getenv(diskEnv); dir != "" {
		test(t, dir)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), diskEnv+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Skipf("this kernel allows no user namespace: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func mount(t *testing.T, dir, options string) *storage {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return open(t, dir)
}

func TestFullDisk(t *testing.T) {
	inNamespace(t, 0, func(t *testing.T, dir string) {
		s, ctx := mount(t, dir, "size=8m"), t.Context()
		empty := func(what string) {
			t.Helper()
			if names := leftovers(t, dir); names != nil {
				t.Errorf("%s left %q", what, names)
			}
		}
		_, err := s.Put(ctx, "big", noise(16<<20, 1), backend.PutOptions{})
		wantKind(t, "put", err, backend.Full)
		empty("put")
		if !strings.Contains(err.Error(), dir) {
			t.Errorf("the error does not say where: %v", err)
		}
		_, err = s.CreateUpload(ctx, "big", backend.UploadOptions{Size: 4 << 30, PartSize: 16 << 20})
		wantKind(t, "create upload", err, backend.Full)
		if want := "create upload big: needs 4.0 GiB, 8.0 MiB free on " + dir; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		empty("create upload")

		whole := noise(6<<20, 2)
		u := must(s.CreateUpload(ctx, "big", backend.UploadOptions{Size: 6 << 20, PartSize: 3 << 20}))(t)
		part := must(s.UploadPart(ctx, u, 1, whole[:3<<20], ""))(t)
		must(s.Put(ctx, "other", noise(4<<20, 3), backend.PutOptions{}))(t)
		_, err = s.UploadPart(ctx, u, 2, whole[3<<20:], "")
		wantKind(t, "part", err, backend.Full)
		if got := parts(t, s, u); len(got) != 1 || got[0] != part {
			t.Errorf("parts on a full disk: %v", got)
		}
		_, err = s.Copy(ctx, backend.Location{Scheme: "file", Path: dir + "/other"}, "", "copy", backend.CopyOptions{})
		wantKind(t, "copy", err, backend.Full)
		if err := s.Delete(ctx, backend.Object{Key: "other"}); err != nil {
			t.Fatal(err)
		}
		second := must(s.UploadPart(ctx, u, 2, whole[3<<20:], ""))(t)
		must(s.CompleteUpload(ctx, u, []backend.Part{part, second}, backend.CompleteOptions{Checksum: backend.SumCRC32C(whole)}))(t)
		if !bytes.Equal(read(t, s, "big"), whole) {
			t.Error("other bytes after the disk was full")
		}
		empty("complete")

		u = must(s.CreateUpload(ctx, "holes", backend.UploadOptions{Size: 2 << 20, PartSize: 2 << 20}))(t)
		if err := s.AbortUpload(ctx, u); err != nil {
			t.Error(err)
		}
		empty("abort")
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		_, err = s.Put(ctx, "x", nil, backend.PutOptions{})
		wantKind(t, "put on a read-only disk", err, backend.Forbidden)
		wantKind(t, "delete on a read-only disk", s.Delete(ctx, backend.Object{Key: "big"}), backend.Forbidden)
	})
}

func TestNoInodesLeft(t *testing.T) {
	inNamespace(t, 0, func(t *testing.T, dir string) {
		s, ctx := mount(t, dir, "size=8m,nr_inodes=4"), t.Context()
		must(s.Put(ctx, "a", nil, backend.PutOptions{}))(t)
		must(s.Put(ctx, "b", nil, backend.PutOptions{}))(t)
		_, err := s.CreateUpload(ctx, "c", backend.UploadOptions{Size: 1, PartSize: 1}) // two files: the second does not fit
		wantKind(t, "create upload", err, backend.Full)
		if names := leftovers(t, dir); names != nil {
			t.Errorf("left: %q", names)
		}
		must(s.Put(ctx, "c", nil, backend.PutOptions{}))(t)
		_, err = s.Put(ctx, "d", nil, backend.PutOptions{})
		wantKind(t, "put", err, backend.Full)
	})
}

func TestPermissions(t *testing.T) {
	inNamespace(t, 1000, func(t *testing.T, dir string) {
		s, ctx := open(t, dir), t.Context()
		obj := must(s.Put(ctx, "d/k", []byte("x"), backend.PutOptions{}))(t)
		u := create(t, s, "d/u", 10)
		for name, mode := range map[string]os.FileMode{"d/k": 0, "d": 0o500} {
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
		defer os.Chmod(filepath.Join(dir, "d"), 0o700)
		must(s.Stat(ctx, "d/k"))(t)
		_, err := s.ReadAt(ctx, backend.Object{Key: "d/k"}, make([]byte, 1), 0)
		wantKind(t, "read", err, backend.Forbidden)
		_, err = s.Put(ctx, "d/new", nil, backend.PutOptions{})
		wantKind(t, "put", err, backend.Forbidden)
		_, err = s.Put(ctx, "d/new/below", nil, backend.PutOptions{})
		wantKind(t, "put in a new directory", err, backend.Forbidden)
		wantKind(t, "delete", s.Delete(ctx, backend.Object{Key: "d/k"}), backend.Forbidden)
		wantKind(t, "delete a version", s.Delete(ctx, obj), backend.Forbidden)
		wantKind(t, "abort", s.AbortUpload(ctx, u), backend.Forbidden)
		if err := os.Chmod(filepath.Join(dir, "d"), 0); err != nil {
			t.Fatal(err)
		}
		for _, err := range s.List(ctx, "") {
			wantKind(t, "list", err, backend.Forbidden)
		}
	})
}

// blocks returns how many bytes of the disk a file takes.
func blocks(t *testing.T, dir, key string) int64 {
	t.Helper()
	info := must(os.Stat(filepath.Join(dir, key)))(t)
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

func TestHolesStayHoles(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	s := open(t, dir)
	const size, part = 16 << 20, 4 << 20
	whole := make([]byte, size)
	copy(whole[part+100<<10:], noise(100<<10, 1)) // in the middle of part 2
	copy(whole[3*part-1000:], noise(2000, 2))     // from part 3 into part 4
	o := backend.UploadOptions{Size: size, PartSize: part}
	const atMost = 512 << 10

	u := must(s.CreateUpload(ctx, "upload", o))(t)
	var list []backend.Part
	for n := range 4 {
		dense := noise(part, 3)
		must(s.UploadPart(ctx, u, n+1, dense, ""))(t) // and then another one in its place
		list = append(list, must(s.UploadPart(ctx, u, n+1, whole[n*part:(n+1)*part], ""))(t))
	}
	must(s.CompleteUpload(ctx, u, list, backend.CompleteOptions{Checksum: backend.SumCRC32C(whole)}))(t)
	must(s.Put(ctx, "put", whole, backend.PutOptions{}))(t)
	from := backend.Location{Scheme: "file", Path: dir + "/upload"}
	must(s.Copy(ctx, from, "", "copy", backend.CopyOptions{}))(t)
	must(s.Copy(ctx, backend.Location{Scheme: "file", Path: dir + "/put"}, "", "copy2", backend.CopyOptions{}))(t)
	got := make([]byte, size)
	for _, key := range []string{"upload", "put", "copy", "copy2"} {
		if n := blocks(t, dir, key); n > atMost {
			t.Errorf("%s takes %d bytes of the disk", key, n)
		}
		for i := range got {
			got[i] = 0xa5
		}
		obj := must(s.Stat(ctx, key))(t)
		for off := 0; off < size; off += 3 << 20 { // not aligned with the parts
			must(s.ReadAt(ctx, obj, got[off:min(off+3<<20, size)], int64(off)))(t)
		}
		if !bytes.Equal(got, whole) {
			t.Errorf("%s: other bytes", key)
		}
	}
}

// The ways to copy below sharing blocks, each on its own: this machine's file system may never use some of them.
func TestEveryWayToCopy(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	whole := make([]byte, 5<<20)
	copy(whole[1<<20:], noise(3<<20+5, 1))
	must(open(t, dir).Put(ctx, "in", whole, backend.PutOptions{}))(t)
	in := must(os.Open(filepath.Join(dir, "in")))(t)
	defer in.Close()
	size := int64(len(whole))
	for name, copyAll := range map[string]func(out *os.File) error{
		"kernel":  func(out *os.File) error { return second(copyRange(ctx, out, in, 0, size)) },
		"windows": func(out *os.File) error { return copyWindows(ctx, out, in, 0, size) },
	} {
		out := must(os.Create(filepath.Join(dir, name)))(t)
		if err := out.Truncate(size); err != nil {
			t.Fatal(err)
		}
		if err := copyAll(out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		out.Close()
		if got := must(os.ReadFile(filepath.Join(dir, name)))(t); !bytes.Equal(got, whole) {
			t.Errorf("%s: other bytes", name)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	short := must(os.OpenFile(filepath.Join(dir, "in"), os.O_RDWR, 0))(t)
	defer short.Close()
	if err := short.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	out := must(os.Create(filepath.Join(dir, "out")))(t)
	defer out.Close()
	for _, err := range []error{second(copyRange(ctx, out, short, 0, size)), copyWindows(ctx, out, short, 0, size)} {
		if kindOf(err) != backend.Changed {
			t.Errorf("copy of a file that became shorter: %v", err)
		}
	}
}

func TestCopyAcrossFileSystems(t *testing.T) {
	inNamespace(t, 0, func(t *testing.T, dir string) {
		s, ctx := mount(t, dir, "size=8m"), t.Context()
		other := open(t, t.TempDir())
		whole := make([]byte, 64<<20)
		copy(whole[5<<20:], noise(1<<20, 1))
		obj := must(other.Put(ctx, "in", whole, backend.PutOptions{}))(t)
		from := backend.Location{Scheme: "file", Path: other.dir + "/in"}
		must(s.Copy(ctx, from, obj.Version, "d/out", backend.CopyOptions{}))(t) // fits only with its holes
		if !bytes.Equal(read(t, s, "d/out"), whole) {
			t.Error("other bytes")
		}
		must(other.Put(ctx, "in", whole[:10], backend.PutOptions{}))(t)
		_, err := s.Copy(ctx, from, obj.Version, "d/out", backend.CopyOptions{})
		wantKind(t, "copy of a replaced source", err, backend.Changed)
	})
}

func descriptors(t *testing.T) int {
	t.Helper()
	return len(must(os.ReadDir("/proc/self/fd"))(t))
}

func TestNoDescriptorStaysOpen(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	p := noise(partSize, 1)
	absent := backend.PutOptions{If: backend.Condition{Absent: true}}
	round := func(i int) {
		key := fmt.Sprintf("a/b/k%d", i%3)
		obj := must(s.Put(ctx, key, p, backend.PutOptions{}))(t)
		read(t, s, key)
		wantKind(t, "read", second(s.ReadAt(ctx, backend.Object{Key: key, Version: "0"}, p[:1], 0)), backend.Changed)
		wantKind(t, "stat", second(s.Stat(ctx, "missing")), backend.NotFound)
		wantKind(t, "stat", second(s.Stat(ctx, "a")), backend.NotFound)
		wantKind(t, "put", second(s.Put(ctx, key, p, absent)), backend.Exists)
		wantKind(t, "put", second(s.Put(ctx, key+"/x", p, backend.PutOptions{})), backend.Invalid)
		obj = must(s.Put(ctx, key, p, backend.PutOptions{If: backend.Condition{Version: obj.Version}}))(t)
		u := create(t, s, "a/u", 2*partSize)
		whole := bytes.Repeat(p, 2)
		list := []backend.Part{send(t, s, u, whole, 1), send(t, s, u, whole, 2)}
		wantKind(t, "part", second(s.UploadPart(ctx, u, 3, p, "")), backend.Invalid)
		first(t, s.ListParts(ctx, u))
		first(t, s.ListUploads(ctx, ""))
		wantKind(t, "complete", second(s.CompleteUpload(ctx, u, nil, backend.CompleteOptions{})), backend.Invalid)
		for range 2 {
			must(s.CompleteUpload(ctx, u, list, backend.CompleteOptions{}))(t)
		}
		from := backend.Location{Scheme: "file", Path: s.dir + "/a/u"}
		must(s.Copy(ctx, from, "", "c", backend.CopyOptions{}))(t)
		for _, err := range []error{s.AbortUpload(ctx, create(t, s, "a/u", 1)), s.Delete(ctx, obj), s.Delete(ctx, backend.Object{Key: "c"})} {
			if err != nil {
				t.Error(err)
			}
		}
		first(t, s.List(ctx, ""))
		keys(t, s, "a/b/")
	}
	round(0)
	before := descriptors(t)
	for i := range 20 {
		round(i)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// first takes one value of a sequence and leaves the rest.
func first[T any](t *testing.T, all iter.Seq2[T, error]) {
	t.Helper()
	for _, err := range all {
		if err != nil {
			t.Error(err)
		}
		return
	}
	t.Error("the sequence is empty")
}

func TestSpaceOfASmallDisk(t *testing.T) {
	inNamespace(t, 0, func(t *testing.T, dir string) {
		s, ctx := mount(t, dir, "size=8m"), t.Context()
		before, err := s.Space(ctx, "a/b/")
		if err != nil || before.Free > 8<<20 || before.Free < 7<<20 || before.Place == "" || before.ReadOnly != "" {
			t.Fatalf("%+v, %v", before, err)
		}
		if _, err := s.Put(ctx, "a/b/c", noise(4<<20, 1), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		after, err := s.Space(ctx, "a/b/d/e/")
		if err != nil || after.Place != before.Place || before.Free-after.Free < 4<<20 {
			t.Errorf("after 4 MiB: %+v, %v", after, err)
		}
		if _, err := s.Space(ctx, "a/b/c/"); err == nil {
			t.Error("below a file there is space")
		}
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		if ro, err := s.Space(ctx, ""); err != nil || !strings.Contains(ro.ReadOnly, "read-only") {
			t.Errorf("%+v, %v", ro, err)
		}
	})
}

func TestSpaceOfADirectoryOfSomebodyElse(t *testing.T) {
	inNamespace(t, 1000, func(t *testing.T, dir string) {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		if space, err := open(t, dir).Space(t.Context(), "x/"); err != nil || !strings.Contains(space.ReadOnly, "permission denied") {
			t.Errorf("%+v, %v", space, err)
		}
	})
}
