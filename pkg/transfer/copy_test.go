package transfer_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

func TestCopySizesAroundEveryBoundary(t *testing.T) {
	for _, size := range []int64{0, 1, 4095, mib - 1, mib, mib + 1, 4*mib - 1, 4 * mib, 5*mib + 13, 23 * mib} {
		for _, sha := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, sha256 %v", size, sha), func(t *testing.T) {
				src, dst := source(size), empty()
				res, err := small().Copy(t.Context(), ref(src, "src"), ref(dst, "dst"), transfer.CopyOptions{SHA256: sha})
				if err != nil {
					t.Fatal(err)
				}
				sameContent(t, src, "src", dst, "dst")
				want := content(t, src, "src")
				if res.Moved != size || res.Checksum != backend.SumCRC32C(want) {
					t.Errorf("moved %d, %s; want %d, %s", res.Moved, res.Checksum, size, backend.SumCRC32C(want))
				}
				if sum := sha256.Sum256(want); sha && res.SHA256 != backend.NewChecksum(backend.SHA256, sum[:]) {
					t.Errorf("%s, want %x", res.SHA256, sum)
				}
				if uploads(t, dst) != 0 {
					t.Error("an upload is left")
				}
			})
		}
	}
}

func TestCopyByTheDestination(t *testing.T) {
	m := source(3 * mib)
	f := &backendtest.Faults{Storage: m}
	from := transfer.Ref{Storage: f, Key: "src", At: m.Location("src")}
	to := transfer.Ref{Storage: f, Key: "dst", At: m.Location("dst")}
	res, err := small().Copy(t.Context(), from, to, transfer.CopyOptions{})
	if err != nil || !res.ServerSide || f.BytesRead() != 0 {
		t.Fatalf("%+v, %v; %d bytes passed through", res, err, f.BytesRead())
	}
	sameContent(t, m, "src", m, "dst")
}

// A sink's answer tells the kind of the failure, and the text names side, object and part.
func TestFailuresAreNamedAndLeaveNothing(t *testing.T) {
	for _, c := range []struct {
		name             string
		source, dest     backendtest.Rule
		kind             backend.Kind
		side             string
		uploadsLeftOnEnd int
	}{
		{"source gone", backendtest.Rule{Op: backendtest.OpRead, Err: backend.Changed}, backendtest.Rule{Op: "none"}, backend.Changed, "source", 0},
		{"source truncated", backendtest.Rule{Op: backendtest.OpRead, Nth: 3, Truncate: 100}, backendtest.Rule{Op: "none"}, backend.Unavailable, "source", 0},
		{"destination full", backendtest.Rule{Op: "none"}, backendtest.Rule{Op: backendtest.OpUploadPart, Part: 2, Err: backend.Full}, backend.Full, "destination", 0},
		{"denied", backendtest.Rule{Op: "none"}, backendtest.Rule{Op: backendtest.OpCreateUpload, Err: backend.Forbidden}, backend.Forbidden, "destination", 0},
		{"part never arrives right", backendtest.Rule{Op: "none"}, backendtest.Rule{Op: backendtest.OpUploadPart, Part: 3, Corrupt: true}, backend.Corrupt, "destination", 0},
		{"exists", backendtest.Rule{Op: "none"}, backendtest.Rule{Op: backendtest.OpCompleteUpload, Err: backend.Exists}, backend.Exists, "destination", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := &backendtest.Faults{Storage: source(5 * mib), Rules: []backendtest.Rule{c.source}}
			mem := empty()
			dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{c.dest}}
			_, err := small().Copy(t.Context(), ref(src, "src"), ref(dst, "dst"), transfer.CopyOptions{})
			var side *transfer.Error
			if !errors.Is(err, c.kind) || !errors.As(err, &side) || side.Side != c.side {
				t.Fatalf("%v: want %q of the %s", err, c.kind, c.side)
			}
			if _, err := mem.Stat(t.Context(), "dst"); !errors.Is(err, backend.NotFound) {
				t.Errorf("something is visible: %v", err)
			}
			if n := uploads(t, mem); n != 0 {
				t.Errorf("%d uploads left", n)
			}
		})
	}
}

func TestAFlippedBitIsReadAndSentAgain(t *testing.T) {
	src, mem := source(5*mib), empty()
	dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{{Op: backendtest.OpUploadPart, Part: 2, Corrupt: true, Times: 2}}}
	if _, err := small().Copy(t.Context(), ref(src, "src"), ref(dst, "dst"), transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if dst.Fired(0) != 2 || dst.Calls(backendtest.OpUploadPart) != 7 {
		t.Errorf("fired %d times in %d calls", dst.Fired(0), dst.Calls(backendtest.OpUploadPart))
	}
	sameContent(t, src, "src", mem, "dst")
}

// A source that says what its checksum is catches bytes that were spoiled on the way from it.
func TestSpoiledReadIsCaughtByTheSourcesChecksum(t *testing.T) {
	src, dst := empty(), empty()
	pattern := make([]byte, 3*mib)
	_, _ = backendtest.NewPattern(3).ReadAt(pattern, 0)
	obj, err := src.Put(t.Context(), "src", pattern, backend.PutOptions{Checksum: backend.SumCRC32C(pattern)})
	if err != nil || obj.Checksum == "" {
		t.Fatalf("%+v, %v", obj, err)
	}
	bad := &backendtest.Faults{Storage: src, Rules: []backendtest.Rule{{Op: backendtest.OpRead, Nth: 2, Corrupt: true}}}
	_, err = small().Copy(t.Context(), ref(bad, "src"), ref(dst, "dst"), transfer.CopyOptions{})
	if !errors.Is(err, backend.Corrupt) || bad.Fired(0) != 1 {
		t.Fatalf("%v", err)
	}
	if _, err := dst.Stat(t.Context(), "dst"); !errors.Is(err, backend.NotFound) {
		t.Error("spoiled bytes became visible")
	}
}

func TestALateRepeatOfAPartIsReconciled(t *testing.T) {
	src, mem := source(6*mib), empty()
	dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{{Op: backendtest.OpUploadPart, Part: 4, Late: true, Times: 1}}}
	if _, err := small().Copy(t.Context(), ref(src, "src"), ref(dst, "dst"), transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if dst.Fired(0) == 0 || dst.Calls(backendtest.OpCompleteUpload) < 2 {
		t.Errorf("%v: the late part did not disturb the first complete (%d calls)", dst, dst.Calls(backendtest.OpCompleteUpload))
	}
	sameContent(t, src, "src", mem, "dst")
}

func TestReplacedSourceIsNeverMixed(t *testing.T) {
	mem, dst := empty(), empty()
	mem.AddGenerated("src", 8*mib, 1)
	src := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{
		{Op: backendtest.OpRead, Nth: 4, Do: func() { mem.AddGenerated("src", 8*mib, 2) }}}}
	_, err := small().Copy(t.Context(), ref(src, "src"), ref(dst, "dst"), transfer.CopyOptions{})
	if !errors.Is(err, backend.Changed) {
		t.Fatal(err)
	}
	if _, err := dst.Stat(t.Context(), "dst"); !errors.Is(err, backend.NotFound) || uploads(t, dst) != 0 {
		t.Error("a mixture is visible or an upload is left")
	}
}

func TestTheOldObjectStaysUntilTheNewOneIsWhole(t *testing.T) {
	src, mem := source(5*mib), empty()
	old := []byte("old")
	if _, err := mem.Put(t.Context(), "dst", old, backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	seen := 0
	dst := &backendtest.Faults{Storage: mem}
	dst.Rules = []backendtest.Rule{{Op: backendtest.OpCompleteUpload, Do: func() {
		if string(content(t, mem, "dst")) == "old" {
			seen++
		}
	}}}
	if _, err := small().Copy(t.Context(), ref(src, "src"), ref(dst, "dst"), transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if seen != 1 {
		t.Error("the old object was not readable right before the upload was completed")
	}
	sameContent(t, src, "src", mem, "dst")
}

func TestCancelLeavesAResumableUploadAndSendsNothingMore(t *testing.T) {
	src, mem := source(12*mib), empty()
	ctx, cancel := context.WithCancel(t.Context())
	dst := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{{Op: backendtest.OpUploadPart, Nth: 6, Do: cancel}}}
	var book notebook
	_, err := small().Copy(ctx, ref(src, "src"), ref(dst, "dst"), transfer.CopyOptions{Note: book.note})
	if backend.KindOf(err) != backend.Canceled {
		t.Fatal(err)
	}
	calls := dst.Calls(backendtest.OpUploadPart)
	if uploads(t, mem) != 1 {
		t.Fatalf("%d uploads, want the one to go on with", uploads(t, mem))
	}
	again := &backendtest.Faults{Storage: mem}
	res, err := small().Copy(t.Context(), ref(src, "src"), ref(again, "dst"), transfer.CopyOptions{Note: book.note, Resume: &book.c})
	if err != nil {
		t.Fatal(err)
	}
	if dst.Calls(backendtest.OpUploadPart) != calls {
		t.Error("a part was sent after Copy had returned")
	}
	if sent := again.BytesSent(); res.Reused == 0 || res.Reused+sent < 12*mib || again.BytesRead() != 0 && sent+res.Reused != 12*mib {
		t.Errorf("reused %d, sent %d of %d", res.Reused, sent, 12*mib)
	}
	sameContent(t, src, "src", mem, "dst")
}

// All parts may have been read before the source changes: what was read is then whole, but not what is there.
func TestAChangeAfterTheLastReadIsSeen(t *testing.T) {
	for _, size := range []int64{mib / 2, 4 * mib} {
		mem, dst := source(size), empty()
		change := func() { mem.AddGenerated("src", size, 99) }
		e := transfer.New(transfer.Options{Memory: 4 * mib, Streams: 1})
		src := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{{Op: backendtest.OpRead, Nth: int((size + mib - 1) / mib), After: true, Do: change}}}
		to := &backendtest.Faults{Storage: dst, Rules: []backendtest.Rule{{Op: backendtest.OpUploadPart, Part: 4, Do: change}}}
		if size < mib {
			to.Rules = nil
		} else {
			src.Rules = nil
		}
		_, err := e.Copy(t.Context(), ref(src, "src"), ref(to, "dst"), transfer.CopyOptions{})
		if !errors.Is(err, backend.Changed) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, err := dst.Stat(t.Context(), "dst"); !errors.Is(err, backend.NotFound) || uploads(t, dst) != 0 {
			t.Errorf("%d bytes: the old content is visible or an upload is left", size)
		}
	}
}
