package transfer_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

var errDied = errors.New("the process died")

// diary is a notebook whose process dies at the nth note: the note is lost, as is everything after it.
type diary struct {
	notebook
	left int
}

func (d *diary) note(n transfer.Note) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left < 0 {
		return errDied
	}
	d.c.Apply(n)
	return nil
}

// A copy that dies at any note goes on in the next one: the bytes and the SHA-256 are right, what the first had written
// down is not sent again, and no second upload is left.
func TestResumeFromEveryNote(t *testing.T) {
	const size = 9*mib + 5
	want := sha256.Sum256(content(t, source(size), "src"))
	for _, sha := range []bool{false, true} {
		for notes := 0; ; notes++ {
			src, mem := source(size), empty()
			first := diary{left: notes}
			o := transfer.CopyOptions{Note: first.note, SHA256: sha}
			_, err := small().Copy(t.Context(), ref(src, "src"), ref(mem, "dst"), o)
			if err == nil {
				if notes < 11 {
					t.Fatalf("only %d notes in a copy of 10 parts", notes)
				}
				break
			}
			if !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			written := len(first.c.Parts)
			second := &backendtest.Faults{Storage: mem}
			o = transfer.CopyOptions{Note: first.notebook.note, SHA256: sha, Resume: &first.c}
			res, err := small().Copy(t.Context(), ref(src, "src"), ref(second, "dst"), o)
			if err != nil {
				t.Fatalf("resume after %d notes: %v", notes, err)
			}
			if sent := second.Calls(backendtest.OpUploadPart); sent != 10-written {
				t.Errorf("after %d notes with %d parts: %d parts sent again", notes, written, sent-(10-written))
			}
			if sha && res.SHA256 != backend.NewChecksum(backend.SHA256, want[:]) {
				t.Errorf("after %d notes: %s, want %x", notes, res.SHA256, want)
			}
			sameContent(t, src, "src", mem, "dst")
			if n := uploads(t, mem); n != 0 {
				t.Errorf("after %d notes: %d uploads left", notes, n)
			}
		}
	}
}

func TestResumeWhenTheCompleteWasNotWrittenDown(t *testing.T) {
	src, mem := source(5*mib), empty()
	var book notebook
	lost := &backendtest.Faults{Storage: mem, Rules: []backendtest.Rule{
		{Op: backendtest.OpCompleteUpload, After: true, Err: backend.Timeout}}}
	if _, err := small().Copy(t.Context(), ref(src, "src"), ref(lost, "dst"), transfer.CopyOptions{Note: book.note}); !errors.Is(err, backend.Timeout) {
		t.Fatal(err)
	}
	again := &backendtest.Faults{Storage: mem}
	if _, err := small().Copy(t.Context(), ref(src, "src"), ref(again, "dst"), transfer.CopyOptions{Note: book.note, Resume: &book.c}); err != nil {
		t.Fatal(err)
	}
	if again.Calls(backendtest.OpUploadPart) != 0 || again.Calls(backendtest.OpCreateUpload) != 0 {
		t.Error("the object was sent again although it was there")
	}
	sameContent(t, src, "src", mem, "dst")
}

func TestResumeStartsAgainWhenTheSourceChanged(t *testing.T) {
	src, mem := source(5*mib), empty()
	first := diary{left: 4}
	if _, err := small().Copy(t.Context(), ref(src, "src"), ref(mem, "dst"), transfer.CopyOptions{Note: first.note}); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	src.AddGenerated("src", 5*mib, 99)
	res, err := small().Copy(t.Context(), ref(src, "src"), ref(mem, "dst"), transfer.CopyOptions{Note: first.notebook.note, Resume: &first.c})
	if err != nil || res.Reused != 0 {
		t.Fatalf("reused %d, %v", res.Reused, err)
	}
	sameContent(t, src, "src", mem, "dst")
	if uploads(t, mem) != 0 {
		t.Error("the earlier upload is left")
	}
}

func TestResumeDoesNotTrustPartsTheDestinationHasNot(t *testing.T) {
	src, mem := source(5*mib), empty()
	first := diary{left: 5}
	if _, err := small().Copy(t.Context(), ref(src, "src"), ref(mem, "dst"), transfer.CopyOptions{Note: first.note}); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	for n, p := range first.c.Parts {
		p.Tag = fmt.Sprint("another write of part ", n)
		first.c.Parts[n] = p
	}
	res, err := small().Copy(t.Context(), ref(src, "src"), ref(mem, "dst"), transfer.CopyOptions{Note: first.notebook.note, Resume: &first.c})
	if err != nil || res.Reused != 0 || res.Moved != 5*mib {
		t.Fatalf("reused %d, moved %d, %v", res.Reused, res.Moved, err)
	}
	sameContent(t, src, "src", mem, "dst")
}
