package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func TestObjectKeepsNameBytesAndMetadata(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	at := time.Date(2024, 2, 29, 12, 0, 0, 123456789, time.UTC)
	for _, key := range []string{"a//b/../c d%41", "/lead", "trail/", "?q#f&x=y", "ünï/✓", "{bucketName}", strings.Repeat("k", 1024), "disk-404.qcow2"} {
		for _, size := range []int{0, 1, 1_024_001} {
			want := bytes.Repeat([]byte{byte(size), 7, 9}, size/3+1)[:size]
			put, err := s.Put(t.Context(), key, want, backend.PutOptions{Meta: map[string]string{"owner": "platform"}, ModTime: at})
			if err != nil {
				t.Fatalf("put %q with %d bytes: %v", key, size, err)
			}
			obj, err := s.Stat(t.Context(), key)
			if err != nil || obj.Key != key || obj.Size != int64(size) || obj.Version != put.Version || obj.Checksum != backend.SumCRC32C(want) {
				t.Errorf("stat %q: %+v, %v", key, obj, err)
			}
			if !maps.Equal(obj.Meta, map[string]string{"owner": "platform", "hyperexport-mtime": "2024-02-29T12:00:00.123456789Z"}) {
				t.Errorf("metadata of %q: %v", key, obj.Meta)
			}
			got := make([]byte, size+1)
			if n, err := s.ReadAt(t.Context(), obj, got, 0); err != io.EOF || !bytes.Equal(got[:n], want) {
				t.Errorf("read %q: %d of %d bytes, %v", key, n, size, err)
			}
		}
	}
}

func TestReadIsPinned(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	obj, err := s.Put(t.Context(), "k", []byte("one"), backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "k", []byte("two"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 3)
	if n, err := s.ReadAt(t.Context(), obj, p, 0); !errors.Is(err, backend.Changed) || n != 0 {
		t.Errorf("replaced object: %d bytes, %v", n, err)
	}
	if err := s.Delete(t.Context(), obj); !errors.Is(err, backend.Changed) {
		t.Errorf("delete of the old version: %v", err)
	}
	if err := s.Delete(t.Context(), backend.Object{Key: "k"}); err != nil {
		t.Error(err)
	}
	if _, err := s.ReadAt(t.Context(), obj, p, 0); !errors.Is(err, backend.Changed) {
		t.Errorf("removed object: %v", err)
	}
	if err := s.Delete(t.Context(), obj); !errors.Is(err, backend.NotFound) {
		t.Errorf("second delete: %v", err)
	}
}

// TestDamagedAnswers lets reads go wrong on the way and looks at the kind of each error.
func TestDamagedAnswers(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	obj, err := s.Put(t.Context(), "k", want, backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		effect ocisim.Effect
		kind   backend.Kind
		retry  time.Duration
	}{
		"truncated":   {ocisim.Effect{TruncateAt: 1000}, backend.Offline, 0},
		"reset":       {ocisim.Effect{ResetBefore: true}, backend.Offline, 0},
		"lost answer": {ocisim.Effect{LoseAnswer: true}, backend.Offline, 0},
		"flipped":     {ocisim.Effect{CorruptByte: 4711}, backend.Corrupt, 0},
		"429":         {ocisim.Effect{Status: 429, Code: "TooManyRequests", RetryAfter: 7 * time.Second}, backend.Throttled, 7 * time.Second},
		"503":         {ocisim.Effect{Status: 503, Code: "ServiceUnavailable"}, backend.Unavailable, 0},
		"bucket":      {ocisim.BucketNotFound(), backend.Unavailable, 0},
		"object":      {ocisim.Effect{Status: 404, Code: "ObjectNotFound"}, backend.Changed, 0},
	} {
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "GetObject"}, Effect: c.effect})
		p := make([]byte, len(want))
		_, err := s.ReadAt(t.Context(), obj, p, 0)
		var e *backend.Error
		if !errors.As(err, &e) || e.Kind != c.kind || e.RetryAfter != c.retry {
			t.Errorf("%s: %q %v, want %q", name, backend.KindOf(err), err, c.kind)
		}
		w.sim.Faults().Reset()
		if n, err := s.ReadAt(t.Context(), obj, p, 0); err != nil || !bytes.Equal(p[:n], want) {
			t.Errorf("%s: the next read gives %d bytes, %v", name, n, err)
		}
	}
}

func TestStatTellsBucketsFromObjects(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	_, err := w.storage(t, "nowhere").Stat(t.Context(), "k")
	if !errors.Is(err, backend.NotFound) || !strings.Contains(err.Error(), "bucket axsim/nowhere") {
		t.Errorf("object in a bucket that is missing: %v", err)
	}
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Method: "HEAD", Times: 1}, Effect: ocisim.BucketNotFound()})
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "GetObject", Times: 2}, Effect: ocisim.BucketNotFound()})
	s := w.storage(t, "archive")
	if _, err = s.Stat(t.Context(), "k"); !errors.Is(err, backend.NotFound) || strings.Contains(err.Error(), "bucket axsim") {
		t.Errorf("missing object: %v", err)
	}
	for _, data := range []string{"", "x"} {
		if _, err := s.Put(t.Context(), "k", []byte(data), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "HeadObject", Times: 1}, Effect: ocisim.BucketNotFound()})
		if obj, err := s.Stat(t.Context(), "k"); err != nil || obj.Size != int64(len(data)) {
			t.Errorf("HEAD that denies an object of %d bytes: %+v, %v", len(data), obj, err)
		}
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "HeadObject", Times: 2}, Effect: ocisim.BucketNotFound()})
		if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, backend.Unavailable) {
			t.Errorf("HEAD that denies an object of %d bytes for ever: %v", len(data), err)
		}
	}
}

func TestPutWithAFalseAnswerIsTakenBack(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "PutObject", Times: 1}, Effect: ocisim.Effect{WrongChecksum: true}})
	if _, err := s.Put(t.Context(), "k", []byte("data"), backend.PutOptions{}); !errors.Is(err, backend.Corrupt) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, backend.NotFound) {
		t.Errorf("the object is still there: %v", err)
	}
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "PutObject", Times: 1}, Effect: ocisim.Effect{CorruptByte: 2}})
	if _, err := s.Put(t.Context(), "k", []byte("data"), backend.PutOptions{}); !errors.Is(err, backend.Corrupt) {
		t.Errorf("put with a byte flipped on the way: %v", err)
	}
}

// upload makes an upload of three parts and returns them.
func upload(t *testing.T, s backend.Storage, key string) (backend.Upload, []backend.Part, []byte) {
	t.Helper()
	data := bytes.Repeat([]byte("three parts "), 1000)
	size := int64(5000)
	u, err := s.CreateUpload(t.Context(), key, backend.UploadOptions{Size: int64(len(data)), PartSize: size})
	if err != nil {
		t.Fatal(err)
	}
	var parts []backend.Part
	for n := 1; len(data[int64(n-1)*size:]) > 0; n++ {
		p := data[int64(n-1)*size : min(int64(n)*size, int64(len(data)))]
		part, err := s.UploadPart(t.Context(), u, n, p, backend.SumCRC32C(p))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
		if int64(n)*size >= int64(len(data)) {
			break
		}
	}
	return u, parts, data
}

func TestLostCommitAnswer(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	u, parts, data := upload(t, s, "k")
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "CommitMultipartUpload", Times: 1}, Effect: ocisim.Effect{LoseAnswer: true}})
	o := backend.CompleteOptions{Checksum: backend.SumCRC32C(data)}
	if _, err := s.CompleteUpload(t.Context(), u, parts, o); !errors.Is(err, backend.Offline) {
		t.Fatalf("lost answer: %v", err)
	}
	obj, err := s.CompleteUpload(t.Context(), u, parts, o)
	if err != nil || obj.Size != int64(len(data)) || obj.Checksum != o.Checksum {
		t.Errorf("repeated: %+v, %v", obj, err)
	}
	if n := w.sim.Log().Count("CommitMultipartUpload"); n != 2 {
		t.Errorf("%d commits", n)
	}
}

func TestCompleteLeavesOutStraysAndNamesWhatIsWrong(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	u, parts, data := upload(t, s, "k")
	if _, err := s.UploadPart(t.Context(), u, 9000, []byte("stray"), ""); err != nil {
		t.Fatal(err)
	}
	replaced := slices.Clone(parts)
	replaced[1].Tag = "other"
	_, err := s.CompleteUpload(t.Context(), u, replaced, backend.CompleteOptions{})
	if !errors.Is(err, backend.Invalid) || !strings.Contains(err.Error(), "part 2 was replaced") {
		t.Errorf("wrong tag: %v", err)
	}
	if _, err = s.CompleteUpload(t.Context(), u, parts[:2], backend.CompleteOptions{}); !errors.Is(err, backend.Invalid) {
		t.Errorf("missing part: %v", err)
	}
	if _, err = s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: "crc32c:00000000"}); !errors.Is(err, backend.Corrupt) {
		t.Errorf("wrong checksum: %v", err)
	}
	obj, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: backend.SumCRC32C(data)})
	if err != nil || obj.Size != int64(len(data)) {
		t.Errorf("with a stray part: %+v, %v", obj, err)
	}
}

func TestCommitWithAFalseChecksumIsTakenBack(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	u, parts, data := upload(t, s, "k")
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "CommitMultipartUpload", Times: 1}, Effect: ocisim.Effect{WrongChecksum: true}})
	if _, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: backend.SumCRC32C(data)}); !errors.Is(err, backend.Corrupt) {
		t.Errorf("complete: %v", err)
	}
	if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, backend.NotFound) {
		t.Errorf("the object is still there: %v", err)
	}
}

func TestListsGoOnAfterEmptyPages(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("p/%02d", i)
		if _, err := s.Put(t.Context(), key, []byte(key), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		want = append(want, key)
	}
	u, parts, _ := upload(t, s, "p/upload")
	for _, op := range []string{"ListObjects", "ListMultipartUploads", "ListMultipartUploadParts"} {
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: op, Nth: 1}, Effect: ocisim.Effect{ShortPage: true, PageItems: 0}})
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: op}, Effect: ocisim.Effect{ShortPage: true, PageItems: 2}})
	}
	var got []string
	for o, err := range s.List(t.Context(), "p/") {
		if err != nil {
			t.Fatal(err)
		}
		if o.Size != 4 || o.Version == "" || o.ModTime.IsZero() {
			t.Errorf("listed as %+v", o)
		}
		got = append(got, o.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("list gives %q", got)
	}
	var uploads []backend.Upload
	for u, err := range s.ListUploads(t.Context(), "p/") {
		if err != nil {
			t.Fatal(err)
		}
		uploads = append(uploads, u)
	}
	if len(uploads) != 1 || uploads[0].ID != u.ID || uploads[0].Created.IsZero() {
		t.Errorf("uploads %+v", uploads)
	}
	n := 0
	for p, err := range s.ListParts(t.Context(), u) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Number != parts[n].Number || p.Tag != parts[n].Tag || p.Size != parts[n].Size || p.Checksum.Algorithm() != backend.MD5 {
			t.Errorf("part %+v, uploaded as %+v", p, parts[n])
		}
		n++
	}
	if n != len(parts) {
		t.Errorf("%d parts listed", n)
	}
}

func TestListThatDoesNotAdvance(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	u, _, _ := upload(t, s, "k")
	if _, err := s.Put(t.Context(), "k", nil, backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	w.sim.Faults().Add(ocisim.Fault{Effect: ocisim.Effect{ShortPage: true}})
	for _, err := range s.List(t.Context(), "") {
		if !errors.Is(err, backend.Unavailable) {
			t.Errorf("objects: %v", err)
		}
	}
	for _, err := range s.ListParts(t.Context(), u) {
		if !errors.Is(err, backend.Unavailable) {
			t.Errorf("parts: %v", err)
		}
	}
	if n := w.sim.Log().Count("ListObjects") + w.sim.Log().Count("ListMultipartUploadParts"); n > 4*maxStays {
		t.Errorf("%d requests", n)
	}
}

func TestCopyConditionsAndFailures(t *testing.T) {
	w := newWorld(t, ocisim.Options{Timings: ocisim.Timings{Copy: 20 * time.Millisecond}})
	s := w.storage(t, "archive")
	src, err := w.storage(t, "logs").Put(t.Context(), "src", []byte("bytes"), backend.PutOptions{Meta: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	from := w.location("logs", "src")
	obj, err := s.Copy(t.Context(), from, src.Version, "copy", backend.CopyOptions{If: backend.Condition{Absent: true}})
	if err != nil || obj.Size != 5 || obj.Checksum != src.Checksum || obj.Meta["a"] != "b" {
		t.Fatalf("%+v, %v", obj, err)
	}
	_, err = s.Copy(t.Context(), from, "", "copy", backend.CopyOptions{If: backend.Condition{Absent: true}})
	if !errors.Is(err, backend.Exists) {
		t.Errorf("onto an object: %v", err)
	}
	if _, err = s.Copy(t.Context(), from, "old", "other", backend.CopyOptions{}); !errors.Is(err, backend.Changed) {
		t.Errorf("of an old version: %v", err)
	}
	if _, err = s.Copy(t.Context(), w.location("logs", "none"), "", "other", backend.CopyOptions{}); !errors.Is(err, backend.NotFound) {
		t.Errorf("of nothing: %v", err)
	}
	if _, err = s.Copy(t.Context(), backend.Location{Scheme: "s3", Path: "b/k"}, "", "other", backend.CopyOptions{}); !errors.Is(err, backend.Unsupported) {
		t.Errorf("from elsewhere: %v", err)
	}
	w.config.Scheme = "dr"
	s, from = w.storage(t, "archive"), backend.Location{Scheme: "dr", Path: from.Path}
	if _, err = s.Copy(t.Context(), from, "", "named", backend.CopyOptions{}); err != nil || !slices.Equal(s.Info().CopyFrom, []string{"dr"}) {
		t.Errorf("under another name: %v, from %q", err, s.Info().CopyFrom)
	}
}

func TestEndedContext(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "PutObject"}, Effect: ocisim.Effect{Stall: time.Minute}})
	for kind, end := range map[backend.Kind]func(context.Context) (context.Context, context.CancelFunc){
		backend.Timeout: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 30*time.Millisecond)
		},
		backend.Canceled: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(30*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		ctx, cancel := end(t.Context())
		started := time.Now()
		_, err := s.Put(ctx, "k", make([]byte, 4<<20), backend.PutOptions{})
		cancel()
		if backend.KindOf(err) != kind || time.Since(started) > 10*time.Second {
			t.Errorf("%q after %s: %v", kind, time.Since(started), err)
		}
	}
}

func TestBadNamesAreRefusedWithoutARequest(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	p := w.provider(t)
	for _, path := range []string{"", "ns", "ns/", "ns//k", "n s/b/k", "ns/b?x/k"} {
		if _, _, err := p.Open(backend.Location{Scheme: scheme, Path: path}); !errors.Is(err, backend.Invalid) {
			t.Errorf("open %q: %v", path, err)
		}
	}
	s := w.storage(t, "archive")
	for _, key := range []string{"", "a\x00b", "a\nb", strings.Repeat("x", 1025)} {
		if _, err := s.Put(t.Context(), key, nil, backend.PutOptions{}); !errors.Is(err, backend.Invalid) {
			t.Errorf("put %q: %v", key, err)
		}
	}
	if _, err := s.Put(t.Context(), "k", nil, backend.PutOptions{Meta: map[string]string{"a": "b\r\nauthorization: x"}}); !errors.Is(err, backend.Invalid) {
		t.Errorf("header injection: %v", err)
	}
	if n := len(w.sim.Log().All()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
