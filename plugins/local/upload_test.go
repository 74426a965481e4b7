package local

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const partSize = 256 << 10

func create(t testing.TB, s *storage, key string, size int64) backend.Upload {
	t.Helper()
	return must(s.CreateUpload(t.Context(), key, backend.UploadOptions{Size: size, PartSize: partSize}))(t)
}

func send(t testing.TB, s *storage, u backend.Upload, whole []byte, n int) backend.Part {
	t.Helper()
	p := whole[(n-1)*partSize : min(n*partSize, len(whole))]
	return must(s.UploadPart(t.Context(), u, n, p, backend.SumCRC32C(p)))(t)
}

func parts(t testing.TB, s *storage, u backend.Upload) (parts []backend.Part) {
	t.Helper()
	for part, err := range s.ListParts(t.Context(), u) {
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	return parts
}

func uploads(t testing.TB, s *storage, prefix string) (list []backend.Upload) {
	t.Helper()
	for u, err := range s.ListUploads(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, u)
	}
	return list
}

func TestUpload(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	other := open(t, s.dir)
	must(s.Put(ctx, "d/k", []byte("old"), backend.PutOptions{}))(t)
	whole := noise(3*partSize+1000, 1)
	u := create(t, s, "d/k", int64(len(whole)))
	send(t, s, u, whole, 4)
	first := send(t, other, u, whole, 2)
	send(t, s, u, whole, 1)
	again := send(t, s, u, whole, 2)
	if first.Tag == again.Tag {
		t.Error("a part that is sent again keeps its tag")
	}
	if got := read(t, s, "d/k"); string(got) != "old" {
		t.Errorf("before complete: %q", got)
	}
	list := parts(t, other, u)
	_, err := s.CompleteUpload(ctx, u, list, backend.CompleteOptions{})
	wantKind(t, "complete with a part missing", err, backend.Invalid)
	third := send(t, other, u, whole, 3)
	all := parts(t, s, u)
	if len(all) != 4 || all[2] != third || all[1] != again {
		t.Errorf("parts %v", all)
	}
	wrong := append([]backend.Part(nil), all...)
	wrong[1] = first
	_, err = s.CompleteUpload(ctx, u, wrong, backend.CompleteOptions{})
	wantKind(t, "complete with an old tag", err, backend.Invalid)
	_, err = s.CompleteUpload(ctx, u, all, backend.CompleteOptions{Checksum: "crc32c:00000000"})
	wantKind(t, "complete with a wrong checksum", err, backend.Corrupt)
	_, err = s.CompleteUpload(ctx, u, all, backend.CompleteOptions{If: backend.Condition{Absent: true}})
	wantKind(t, "complete over an object", err, backend.Exists)
	_, err = s.UploadPart(ctx, u, 1, whole[:partSize], "crc32c:00000000")
	wantKind(t, "part with a wrong checksum", err, backend.Corrupt)
	for _, n := range []int{-1, 0, 5} {
		_, err = s.UploadPart(ctx, u, n, whole[:partSize], "")
		wantKind(t, fmt.Sprint("part ", n), err, backend.Invalid)
	}
	_, err = s.UploadPart(ctx, u, 4, whole[:partSize], "")
	wantKind(t, "part of a wrong size", err, backend.Invalid)
	if got := read(t, s, "d/k"); string(got) != "old" {
		t.Errorf("after refused completes: %q", got)
	}
	at := time.Unix(1_000_000_000, 42)
	o := backend.CompleteOptions{Checksum: backend.SumCRC32C(whole), ModTime: at}
	obj := must(s.CompleteUpload(ctx, u, all, o))(t)
	if now := must(s.Stat(ctx, "d/k"))(t); now.Version != obj.Version || !now.ModTime.Equal(at) || obj.Checksum != o.Checksum {
		t.Errorf("complete says %v, stat %v", obj, now)
	}
	if !bytes.Equal(read(t, s, "d/k"), whole) {
		t.Error("other bytes")
	}
	for range 2 {
		if got, err := other.CompleteUpload(ctx, u, all, o); err != nil || got.Version != obj.Version {
			t.Errorf("complete again: %v, %v", got, err)
		}
	}
	_, err = s.CompleteUpload(ctx, u, all, backend.CompleteOptions{Checksum: "crc32c:00000000"})
	wantKind(t, "complete again, other checksum", err, backend.NotFound)
	_, err = s.UploadPart(ctx, u, 1, whole[:partSize], "")
	wantKind(t, "part after complete", err, backend.NotFound)
	for range 2 {
		if err := s.AbortUpload(ctx, u); err != nil {
			t.Error(err)
		}
	}
	if names := leftovers(t, s.dir); names != nil {
		t.Errorf("left: %q", names)
	}
}

func TestOtherChecksumsOfTheWhole(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	for algorithm, sum := range map[backend.Algorithm]backend.Checksum{
		backend.SHA256:    "sha256:15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
		backend.MD5:       "md5:25f9e794323b453885f5181f1b624d0b",
		backend.CRC64NVME: "crc64nvme:ae8b14860a799888",
		"xxh3":            "",
	} {
		u := create(t, s, "k", 9)
		list := []backend.Part{send(t, s, u, []byte("123456789"), 1)}
		_, err := s.CompleteUpload(ctx, u, list, backend.CompleteOptions{Checksum: backend.NewChecksum(algorithm, []byte{1})})
		if sum == "" {
			wantKind(t, "unknown algorithm", err, backend.Invalid)
			continue
		}
		wantKind(t, "wrong sum", err, backend.Corrupt)
		if _, err := s.CompleteUpload(ctx, u, list, backend.CompleteOptions{Checksum: sum}); err != nil {
			t.Error(err)
		}
	}
}

func TestEmptyUpload(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	for _, withPart := range []bool{false, true} {
		u := create(t, s, "empty", 0)
		var list []backend.Part
		if withPart {
			list = append(list, send(t, s, u, nil, 1))
		}
		obj, err := s.CompleteUpload(ctx, u, list, backend.CompleteOptions{Checksum: backend.SumCRC32C(nil)})
		if err != nil || obj.Size != 0 {
			t.Errorf("%v, %v", obj, err)
		}
	}
}

func TestAbort(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	whole := noise(2*partSize, 1)
	u := create(t, s, "a/k", int64(len(whole)))
	list := []backend.Part{send(t, s, u, whole, 1), send(t, s, u, whole, 2)}
	for range 2 {
		if err := s.AbortUpload(ctx, u); err != nil {
			t.Error(err)
		}
	}
	if names := leftovers(t, s.dir); names != nil {
		t.Errorf("left: %q", names)
	}
	_, err := s.UploadPart(ctx, u, 1, whole[:partSize], "")
	wantKind(t, "part after abort", err, backend.NotFound)
	_, err = s.CompleteUpload(ctx, u, list, backend.CompleteOptions{})
	wantKind(t, "complete after abort", err, backend.NotFound)
	for _, err := range s.ListParts(ctx, u) {
		wantKind(t, "list after abort", err, backend.NotFound)
	}
	for _, id := range []string{"", "..", "../x", strings.Repeat("0", 32), strings.Repeat("/", 32)} {
		u.ID = id
		_, err := s.UploadPart(ctx, u, 1, whole[:partSize], "")
		wantKind(t, "part of upload "+id, err, backend.NotFound)
		if err := s.AbortUpload(ctx, u); err != nil {
			t.Errorf("abort of upload %q: %v", id, err)
		}
	}
}

func TestListUploads(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	a := create(t, s, "d/disk \xff\"1.img", 10)
	b := create(t, s, "d/e/disk2.img", 20)
	for prefix, want := range map[string]int{"": 2, "d/": 2, "d/e/": 1, "d/disk": 1, "d/e/disk3": 0, "x": 0} {
		if got := uploads(t, s, prefix); len(got) != want {
			t.Errorf("prefix %q: %v", prefix, got)
		}
	}
	if got := uploads(t, s, "d/d"); len(got) != 1 || got[0].Key != a.Key || got[0].ID != a.ID || got[0].Size != 10 || !got[0].Created.Equal(a.Created) {
		t.Errorf("%v, want %v", got, a)
	}
	inner := uploads(t, open(t, filepath.Join(s.dir, "d")), "e/")
	if len(inner) != 1 || inner[0].Key != "e/disk2.img" {
		t.Errorf("from the container below: %v", inner)
	}
	must(open(t, filepath.Join(s.dir, "d")).UploadPart(ctx, inner[0], 1, make([]byte, 20), ""))(t)
	if got := parts(t, s, b); len(got) != 1 {
		t.Errorf("a part sent through another container: %v", got)
	}
	// What a killed Put leaves is found and removed; what a running one writes is neither.
	id := newID()
	os.WriteFile(filepath.Join(s.dir, "d", tempName(id)), []byte("x"), 0o600)
	f := must(s.folder("d", false))(t)
	defer f.Close()
	running := must(s.newTemp(f, newID()))(t)
	defer running.discard()
	must(tryLock(running.File))(t)
	list := uploads(t, s, "d/.hx-")
	if len(list) != 1 || list[0].ID != id || !list[0].Stray {
		t.Fatalf("leftovers: %v", list)
	}
	runningID := strings.TrimSuffix(strings.TrimPrefix(running.name, ownPrefix), ".part")
	wantKind(t, "abort of a running put",
		s.AbortUpload(ctx, backend.Upload{Key: "d/" + running.name, ID: runningID}), backend.Busy)
	running.discard()
	for _, u := range uploads(t, s, "") {
		if err := s.AbortUpload(ctx, u); err != nil {
			t.Error(err)
		}
	}
	if names := leftovers(t, s.dir); names != nil {
		t.Errorf("left: %q", names)
	}
}

func TestTornAndForeignLinesOfTheList(t *testing.T) {
	s := open(t, t.TempDir())
	whole := noise(3*partSize, 1)
	u := create(t, s, "k", int64(len(whole)))
	first, second := send(t, s, u, whole, 1), send(t, s, u, whole, 2)
	name := filepath.Join(s.dir, sidecarName(u.ID))
	good := must(os.ReadFile(name))(t)
	for cut := len(good) - 1; cut > len(good)-70; cut-- {
		os.WriteFile(name, good[:cut], 0o600)
		got := parts(t, s, u)
		if len(got) != 1 || got[0] != first {
			if !(cut >= len(good)-1 && len(got) == 2) { // only the line feed is missing
				t.Fatalf("cut to %d of %d bytes: %v", cut, len(good), got)
			}
		}
		third := send(t, s, u, whole, 3)
		if got := parts(t, s, u); got[len(got)-1] != third {
			t.Fatalf("cut to %d bytes: the line after the torn one is lost: %v", cut, got)
		}
	}
	os.WriteFile(name, append([]byte("garbage "+strings.Repeat("x", 10_000)+"\n00000000 part 2 1 0 0 0\n"), good...), 0o600)
	if got := parts(t, s, u); len(got) != 2 || got[1] != second {
		t.Errorf("with garbage: %v", got)
	}
	os.WriteFile(name, nil, 0o600)
	list := uploads(t, s, "")
	if len(list) != 1 {
		t.Fatalf("with an empty list: %v", list)
	}
	if err := s.AbortUpload(t.Context(), list[0]); err != nil || leftovers(t, s.dir) != nil {
		t.Errorf("abort: %v, left %q", err, leftovers(t, s.dir))
	}
}

func TestPartsOfAnotherProcessAreCompared(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	whole := noise(3*partSize, 1)
	u := create(t, s, "k", int64(len(whole)))
	all := []backend.Part{send(t, s, u, whole, 1), send(t, s, u, whole, 2), send(t, s, u, whole, 3)}
	s.writer = func() string { return "next" }
	if got := parts(t, s, u); len(got) != 3 {
		t.Errorf("nothing was lost: %v", got)
	}
	f := must(os.OpenFile(filepath.Join(s.dir, tempName(u.ID)), os.O_RDWR, 0))(t)
	f.WriteAt(make([]byte, 512), partSize+100)
	f.Close()
	if got := parts(t, s, u); len(got) != 2 || got[1] != all[2] {
		t.Errorf("part 2 was lost: %v", got)
	}
	_, err := s.CompleteUpload(ctx, u, all, backend.CompleteOptions{})
	wantKind(t, "complete with a lost part", err, backend.Invalid)
	all[1] = send(t, s, u, whole, 2)
	if _, err := s.CompleteUpload(ctx, u, all, backend.CompleteOptions{Checksum: backend.SumCRC32C(whole)}); err != nil {
		t.Error(err)
	}
}

func TestCompleteAfterAKillBeforeTheListWasRemoved(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	whole := noise(partSize, 1)
	u := create(t, s, "k", partSize)
	list := []backend.Part{send(t, s, u, whole, 1)}
	os.Rename(filepath.Join(s.dir, tempName(u.ID)), filepath.Join(s.dir, "k"))
	o := backend.CompleteOptions{Checksum: backend.SumCRC32C(whole)}
	if obj, err := s.CompleteUpload(ctx, u, list, o); err != nil || obj.Size != partSize || leftovers(t, s.dir) != nil {
		t.Errorf("%v, %v, left %q", obj, err, leftovers(t, s.dir))
	}
}

// After a failed sync nobody knows which bytes are there, and the kernel says it only once.
func TestFailedSync(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	must(s.Put(ctx, "k", []byte("old"), backend.PutOptions{}))(t)
	broken := *s
	broken.sync = func(f *os.File) error { return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO} }
	_, err := broken.Put(ctx, "k", []byte("new"), backend.PutOptions{})
	wantKind(t, "put", err, backend.Unknown)
	whole := noise(partSize, 1)
	u := create(t, s, "k", partSize)
	list := []backend.Part{send(t, s, u, whole, 1)}
	_, err = broken.CompleteUpload(ctx, u, list, backend.CompleteOptions{})
	wantKind(t, "complete", err, backend.Unknown)
	_, err = s.CompleteUpload(ctx, u, list, backend.CompleteOptions{})
	wantKind(t, "complete once more", err, backend.NotFound)
	if got := read(t, s, "k"); string(got) != "old" || leftovers(t, s.dir) != nil {
		t.Errorf("content %q, left %q", got, leftovers(t, s.dir))
	}
}

// A part that waits for its turn while the upload is completed must not write into the object.
func TestLatePartDoesNotTouchTheObject(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	whole := noise(partSize, 1)
	u := create(t, s, "k", partSize)
	list := []backend.Part{send(t, s, u, whole, 1)}
	late := must(s.openUpload(ctx, u, true))(t)
	defer late.Close()
	must(s.CompleteUpload(ctx, u, list, backend.CompleteOptions{}))(t)
	if err := late.lock(ctx, 0, partSize); kindOf(err) != backend.NotFound {
		t.Errorf("the late part would be written: %v", err)
	}
	// And the other way round: complete waits for a part that is being written.
	u = create(t, s, "k2", partSize)
	list = []backend.Part{send(t, s, u, whole, 1)}
	writing := must(s.openUpload(ctx, u, true))(t)
	if err := writing.lock(ctx, 0, partSize); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	_, err := s.CompleteUpload(short, u, list, backend.CompleteOptions{})
	wantKind(t, "complete while a part is written", err, backend.Timeout)
	writing.Close()
	must(s.CompleteUpload(ctx, u, list, backend.CompleteOptions{}))(t)
}

func TestUploadRace(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	won := race(t, dir, backend.Exists, func(s *storage, i int) error {
		u, err := s.CreateUpload(ctx, "k", backend.UploadOptions{Size: 10, PartSize: 10})
		if err != nil {
			return err
		}
		part, err := s.UploadPart(ctx, u, 1, bytes.Repeat([]byte{byte(i)}, 10), "")
		if err != nil {
			return err
		}
		_, err = s.CompleteUpload(ctx, u, []backend.Part{part}, backend.CompleteOptions{If: backend.Condition{Absent: true}})
		if err != nil {
			if err := s.AbortUpload(ctx, u); err != nil {
				return err
			}
		}
		return err
	})
	if won != 1 || leftovers(t, dir) != nil {
		t.Errorf("%d won, left %q", won, leftovers(t, dir))
	}
}

// The same part from many goroutines and two storages at once: one of them wins as a whole.
func TestSamePartAtOnce(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	u := create(t, s, "k", partSize)
	done := make(chan error)
	for i := range 8 {
		mine := open(t, s.dir)
		go func() {
			_, err := mine.UploadPart(ctx, u, 1, noise(partSize, uint64(i)), "")
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	list := parts(t, s, u)
	must(s.CompleteUpload(ctx, u, list, backend.CompleteOptions{}))(t)
	if got := backend.SumCRC32C(read(t, s, "k")); got != list[0].Checksum {
		t.Errorf("the list says %s, the bytes have %s", list[0].Checksum, got)
	}
}
