package backendtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

func newFaults(rules ...backendtest.Rule) *backendtest.Faults {
	return &backendtest.Faults{Storage: backendtest.NewMem(backendtest.MemOptions{}), Seed: 42, Rules: rules}
}

func TestFaultsSchedule(t *testing.T) {
	ctx := t.Context()
	f := newFaults(
		backendtest.Rule{Op: backendtest.OpPut, Key: "a/*", Nth: 2, Err: backend.Throttled},
		backendtest.Rule{Op: backendtest.OpStat, Every: 3, Times: 1, Err: &backend.Error{Kind: backend.Offline}},
		backendtest.Rule{Op: backendtest.OpDelete, After: true, Err: backend.Timeout},
	)
	var kinds []backend.Kind
	for _, key := range []string{"a/1", "b/1", "a/2", "a/3"} {
		_, err := f.Put(ctx, key, nil, backend.PutOptions{})
		kinds = append(kinds, backend.KindOf(err))
	}
	for range 7 {
		_, err := f.Stat(ctx, "b/1")
		kinds = append(kinds, backend.KindOf(err))
	}
	want := []backend.Kind{"", "", backend.Throttled, "", "", "", backend.Offline, "", "", "", ""}
	if !slices.Equal(kinds, want) {
		t.Errorf("%q, want %q", kinds, want)
	}
	if err := f.Delete(ctx, backend.Object{Key: "b/1"}); !errors.Is(err, backend.Timeout) {
		t.Errorf("the answer of the delete was not lost: %v", err)
	}
	if _, err := f.Stat(ctx, "b/1"); !errors.Is(err, backend.NotFound) {
		t.Errorf("the delete had no effect: %v", err)
	}
	if f.Calls(backendtest.OpPut) != 4 || f.Calls(backendtest.OpStat) != 8 || f.Fired(0) != 1 {
		t.Errorf("%d puts, %d stats, %v", f.Calls(backendtest.OpPut), f.Calls(backendtest.OpStat), f)
	}
}

func TestFaultsProbabilityDependsOnTheCallsNotOnTheirOrder(t *testing.T) {
	run := func(seed uint64, parallel bool) string {
		f := newFaults(backendtest.Rule{Op: backendtest.OpStat, Probability: 0.3, Err: backend.Unavailable})
		f.Seed = seed
		failed := make([]byte, 200)
		var wg sync.WaitGroup
		for i := range failed {
			stat := func() {
				failed[i] = '.'
				if _, err := f.Stat(t.Context(), string(rune('a'+i))); errors.Is(err, backend.Unavailable) {
					failed[i] = 'x'
				}
			}
			if parallel {
				wg.Go(stat)
			} else {
				stat()
			}
		}
		wg.Wait()
		return string(failed)
	}
	first := run(1, false)
	if run(1, true) != first {
		t.Error("the same seed and calls failed differently")
	}
	if run(2, false) == first {
		t.Error("another seed failed in the same way")
	}
	if n := bytes.Count([]byte(first), []byte("x")); n < 30 || n > 90 {
		t.Errorf("%d of 200 calls failed, expected about 60", n)
	}
}

func TestFaultsSpoilBytes(t *testing.T) {
	ctx := t.Context()
	f := newFaults(
		backendtest.Rule{Op: backendtest.OpRead, Nth: 1, Truncate: 10},
		backendtest.Rule{Op: backendtest.OpRead, Nth: 2, Corrupt: true},
		backendtest.Rule{Op: backendtest.OpPut, Nth: 2, Corrupt: true},
		backendtest.Rule{Op: backendtest.OpList, Truncate: 1, Err: backend.Offline},
	)
	want := []byte("0123456789abcdef")
	o, err := f.Put(ctx, "k", want, backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 16)
	if n, err := f.ReadAt(ctx, o, p, 0); n != 10 || !errors.Is(err, backend.Unavailable) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated read: %d, %v", n, err)
	}
	if n, err := f.ReadAt(ctx, o, p, 0); n != 16 || err != nil || bytes.Equal(p, want) {
		t.Errorf("corrupt read: %d, %v, %q", n, err, p)
	}
	if n, err := f.ReadAt(ctx, o, make([]byte, 17), 0); n != 16 || err != io.EOF {
		t.Errorf("read past the end: %d, %v; want 16 and a bare io.EOF", n, err)
	}
	_, err = f.Put(ctx, "k2", want, backend.PutOptions{Checksum: backend.SumCRC32C(want)})
	if !errors.Is(err, backend.Corrupt) || string(want) != "0123456789abcdef" {
		t.Errorf("corrupt put: %v, the caller's bytes are %q", err, want)
	}
	if _, err := f.Put(ctx, "k3", nil, backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	var errs []error
	for _, err := range f.List(ctx, "") {
		errs = append(errs, err)
	}
	if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], backend.Offline) {
		t.Errorf("cut list: %v", errs)
	}
	if f.BytesSent() != 32 || f.BytesRead() != 42 {
		t.Errorf("%d bytes sent, %d read", f.BytesSent(), f.BytesRead())
	}
}

func TestFaultsLatePartChangesItsTagBeforeComplete(t *testing.T) {
	ctx := t.Context()
	f := newFaults(backendtest.Rule{Op: backendtest.OpUploadPart, Part: 2, Nth: 1, Late: true, Err: backend.Timeout})
	u, err := f.CreateUpload(ctx, "k", backend.UploadOptions{Size: 5, PartSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	one, err := f.UploadPart(ctx, u, 1, []byte("abc"), "")
	if err != nil {
		t.Fatal(err)
	}
	p := []byte("de")
	if _, err := f.UploadPart(ctx, u, 2, p, ""); !errors.Is(err, backend.Timeout) {
		t.Fatalf("the first attempt: %v", err)
	}
	two, err := f.UploadPart(ctx, u, 2, p, "")
	if err != nil {
		t.Fatal(err)
	}
	copy(p, "XX")
	if _, err := f.CompleteUpload(ctx, u, []backend.Part{one, two}, backend.CompleteOptions{}); !errors.Is(err, backend.Invalid) {
		t.Errorf("complete with the tag of before the late part: %v", err)
	}
	var parts []backend.Part
	for part, err := range f.ListParts(ctx, u) {
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	sum := backend.SumCRC32C([]byte("abcde"))
	if _, err := f.CompleteUpload(ctx, u, parts, backend.CompleteOptions{Checksum: sum}); err != nil {
		t.Error(err)
	}
	if sent := f.Sent(); len(sent) != 3 || sent[2].Number != 2 {
		t.Errorf("sent %v", sent)
	}
}

func TestFaultsHangUntilTheContextEnds(t *testing.T) {
	f := newFaults(backendtest.Rule{Op: backendtest.OpStat, Hang: true},
		backendtest.Rule{Op: backendtest.OpPut, Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Stat(ctx, "k"); !errors.Is(err, backend.Canceled) {
		t.Errorf("stat: %v", err)
	}
	if _, err := f.Put(ctx, "k", nil, backend.PutOptions{}); !errors.Is(err, backend.Canceled) {
		t.Errorf("put: %v", err)
	}
	if _, err := f.Storage.Stat(t.Context(), "k"); !errors.Is(err, backend.NotFound) {
		t.Errorf("the put took effect: %v", err)
	}
}
