package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

func random(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

func spoolTo(t *testing.T) func() (transfer.File, error) {
	return func() (transfer.File, error) {
		f, err := os.CreateTemp(t.TempDir(), "spool")
		if err == nil {
			t.Cleanup(func() { _ = f.Close() })
		}
		return f, err
	}
}

func TestStreamStoresWhatComes(t *testing.T) {
	for _, n := range []int{0, 1, mib - 1, mib, mib + 1, 7*mib + 5} {
		dst, data := empty(), random(n)
		res, err := small().Stream(t.Context(), bytes.NewReader(data), ref(dst, "x"), transfer.StreamOptions{SHA256: true, Spool: spoolTo(t)})
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		sum := sha256.Sum256(data)
		if !bytes.Equal(content(t, dst, "x"), data) || res.SHA256 != backend.NewChecksum(backend.SHA256, sum[:]) || res.Checksum != backend.SumCRC32C(data) {
			t.Errorf("%d bytes: %+v", n, res)
		}
		if left := uploads(t, dst); left != 0 {
			t.Errorf("%d bytes: %d uploads are left", n, left)
		}
	}
}

func TestStreamWithoutASpoolRefusesWhatNeedsTheSize(t *testing.T) {
	_, err := small().Stream(t.Context(), bytes.NewReader(random(3*mib)), ref(empty(), "x"), transfer.StreamOptions{})
	if !errors.Is(err, backend.Unsupported) {
		t.Error(err)
	}
}

func TestStreamThatBreaksLeavesNothing(t *testing.T) {
	broken := errors.New("the line is dead")
	for _, n := range []int{10, mib, 5*mib + 3} {
		dst := empty()
		fill(t, dst, "x")
		r := io.MultiReader(bytes.NewReader(random(n)), iotestErr{broken})
		_, err := small().Stream(t.Context(), r, ref(dst, "x"), transfer.StreamOptions{Spool: spoolTo(t)})
		if !errors.Is(err, broken) || string(content(t, dst, "x")) != "x" || uploads(t, dst) != 0 {
			t.Errorf("%d bytes: %v, %q", n, err, content(t, dst, "x"))
		}
	}
}

type iotestErr struct{ err error }

func (r iotestErr) Read([]byte) (int, error) { return 0, r.err }

func TestStreamEndsWithItsContext(t *testing.T) {
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() }) // the read that hangs ends
	dst := empty()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = w.Write(random(2 * mib))
		cancel()
	}()
	_, err := small().Stream(ctx, r, ref(dst, "x"), transfer.StreamOptions{Spool: spoolTo(t)})
	if backend.KindOf(err) != backend.Canceled || len(keys(t, dst)) != 0 || uploads(t, dst) != 0 {
		t.Errorf("%v, keys %v", err, keys(t, dst))
	}
}

func TestReadInOrder(t *testing.T) {
	src := source(9*mib + 7)
	want := content(t, src, "src")
	for _, c := range []struct{ off, length, want int64 }{{0, 0, 9*mib + 7}, {5, 3, 3}, {9 * mib, 0, 7}, {9 * mib, 100, 7}, {mib, 4 * mib, 4 * mib}} {
		var out bytes.Buffer
		res, err := small().Read(t.Context(), ref(src, "src"), &out, transfer.ReadOptions{Off: c.off, Length: c.length})
		if err != nil || !bytes.Equal(out.Bytes(), want[c.off:c.off+c.want]) || res.Moved != c.want {
			t.Errorf("%+v: %d bytes, %+v, %v", c, out.Len(), res, err)
		}
	}
}

func TestReadTellsOfWrongBytes(t *testing.T) {
	src, data := empty(), random(5*mib)
	if _, err := src.Put(t.Context(), "src", data, backend.PutOptions{Checksum: backend.SumCRC32C(data)}); err != nil {
		t.Fatal(err)
	}
	bad := &backendtest.Faults{Storage: src, Rules: []backendtest.Rule{{Op: backendtest.OpRead, Nth: 2, Corrupt: true}}}
	_, err := small().Read(t.Context(), ref(bad, "src"), io.Discard, transfer.ReadOptions{})
	if !errors.Is(err, backend.Corrupt) || !strings.Contains(err.Error(), "do not use them") {
		t.Error(err)
	}
}

func TestReadChecksEveryAlgorithm(t *testing.T) {
	for sum, text := range map[backend.Checksum]string{ // of "hello\n", by other tools
		"md5:b1946ac92492d2347c6235b4d2611184":                                    "hello\n",
		"sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03": "hello\n",
		"crc64nvme:ae8b14860a799888":                                              "123456789",
	} {
		src := empty()
		obj, err := src.Put(t.Context(), "k", []byte(text), backend.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		obj.Checksum = sum
		if _, err := small().Read(t.Context(), ref(src, "k"), io.Discard, transfer.ReadOptions{Source: &obj}); err != nil {
			t.Error(err)
		}
		obj.Checksum = sum[:len(sum)-1] + "f"
		if _, err := small().Read(t.Context(), ref(src, "k"), io.Discard, transfer.ReadOptions{Source: &obj}); !errors.Is(err, backend.Corrupt) {
			t.Errorf("%s: %v", obj.Checksum, err)
		}
	}
}

func TestReadEndsWithItsWriter(t *testing.T) {
	r, w := io.Pipe()
	_ = r.Close()
	_, err := small().Read(t.Context(), ref(source(9*mib), "src"), w, transfer.ReadOptions{})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	s := empty()
	fill(t, s, "a/1.gz", "a/2.txt", "a/b/3.gz", "a/c/3.gz", "a/c/d/4.gz", "top.gz", "[x].gz", "a/{y}")
	for pattern, want := range map[string][]string{
		"*.gz": {"[x].gz", "top.gz"}, "*": {"[x].gz", "a/", "top.gz"}, "*/": {"a/"}, "a/*": {"a/1.gz", "a/2.txt", "a/b/", "a/c/", "a/{y}"},
		"a/?/3.gz": {"a/b/3.gz", "a/c/3.gz"}, "a/[c-z]/*": {"a/c/3.gz", "a/c/d/"}, "**/*.gz": {"[x].gz", "a/1.gz", "a/b/3.gz", "a/c/3.gz", "a/c/d/4.gz", "top.gz"},
		"a/**": {"a/1.gz", "a/2.txt", "a/b/3.gz", "a/c/3.gz", "a/c/d/4.gz", "a/{y}"}, `\[x\].gz`: {"[x].gz"}, `a/\{*`: {"a/{y}"}, "none*": nil, "a/*/d/*": {"a/c/d/4.gz"},
	} {
		var got []string
		for e, err := range transfer.Find(t.Context(), ref(s, ""), pattern) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Key+e.Prefix)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
	for _, err := range transfer.Find(t.Context(), ref(s, ""), "[a") {
		if !errors.Is(err, backend.Invalid) {
			t.Error(err)
		}
	}
}

func TestSplitPattern(t *testing.T) {
	for path, want := range map[string][2]string{
		"b/k/*.gz": {"b/k/", "*.gz"}, "b/*/x": {"b/", "*/x"}, "b/a?": {"b/", "a?"}, `b/c/a\*`: {"b/c/", `a\*`}, "*": {"", "*"}, `b\d/x/*`: {"", `b\d/x/*`},
	} {
		if prefix, pattern, ok := transfer.SplitPattern(path); !ok || prefix != want[0] || pattern != want[1] {
			t.Errorf("%s: %q %q %v", path, prefix, pattern, ok)
		}
	}
	if _, _, ok := transfer.SplitPattern(`b/{a}/c\d`); ok {
		t.Error("a name without *, ? and [ is taken as it is")
	}
}

func TestDeleteEach(t *testing.T) {
	mem := empty()
	fill(t, mem, "a", "b", "c", "d")
	s := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{{Op: backendtest.OpDelete, Key: "b", Err: backend.Forbidden}}}
	changed, err := mem.Stat(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mem.Put(t.Context(), "c", []byte("new"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	objects := func(yield func(backend.Object, error) bool) {
		for _, o := range []backend.Object{{Key: "a", Size: 1}, {Key: "b", Size: 1}, changed, {Key: "gone"}} {
			if !yield(o, nil) {
				return
			}
		}
	}
	res, err := small().DeleteEach(t.Context(), ref(s, ""), objects, nil)
	if err == nil || res.Deleted != 2 || res.Failed != 2 || !slices.Equal(keys(t, mem), []string{"b", "c", "d"}) {
		t.Errorf("%+v, %v, left %v", res, err, keys(t, mem))
	}
}

func TestCopyEach(t *testing.T) {
	src, dst := empty(), empty()
	fill(t, src, "a", "b", "c")
	fill(t, dst, "x/b")
	pairs := func(yield func(transfer.Pair, error) bool) {
		for _, name := range []string{"a", "b", "c"} {
			obj, err := src.Stat(t.Context(), name)
			if !yield(transfer.Pair{Name: name, From: ref(src, name), To: ref(dst, "x/"+name), Source: obj}, err) {
				return
			}
		}
	}
	for rule, want := range map[transfer.Existing]transfer.TreeResult{
		transfer.Fail: {Copied: 2, Failed: 1}, transfer.Skip: {Copied: 0, Kept: 3}, transfer.Overwrite: {Copied: 3},
	} {
		if rule == transfer.Skip {
			fill(t, dst, "x/a", "x/c")
		} else {
			for _, key := range []string{"x/a", "x/c"} {
				_ = dst.Delete(t.Context(), backend.Object{Key: key})
			}
		}
		res, err := small().CopyEach(t.Context(), pairs, transfer.TreeOptions{Selection: transfer.Selection{Existing: rule}})
		if res.Copied != want.Copied || res.Kept != want.Kept || res.Failed != want.Failed || (err != nil) != (want.Failed > 0) {
			t.Errorf("%s: %+v, %v", rule, res, err)
		}
	}
}
