package executor

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plugins/local"
)

// TestUploadInsideATreeIsRemoved begins an upload below the top of a tree, as CopyTree does, and has only its destination,
// as the journal does, to find it again.
func TestUploadInsideATreeIsRemoved(t *testing.T) {
	provider := local.New(local.Options{})
	dir := t.TempDir()
	tree := backend.Location{Scheme: "file", Path: filepath.ToSlash(dir) + "/"}
	storage, prefix, err := provider.Open(tree)
	if err != nil {
		t.Fatal(err)
	}
	u, err := storage.CreateUpload(t.Context(), prefix+"sub/object", backend.UploadOptions{Size: 2 << 20, PartSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Create(filepath.Join(t.TempDir(), "run"), journal.Run{ID: "run", Name: "name", Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, n := range []transfer.Note{{Begin: &transfer.Begin{Time: time.Now()}}, {Upload: &u}} {
		note := &journal.Note{Step: "transfer.tree", Item: "sub/object", To: tree.Join("sub/object"), Note: n}
		if err := j.Write(journal.Record{Note: note}, true); err != nil {
			t.Fatal(err)
		}
	}
	cleaner := &Cleaner{Backends: backend.Set{"file": provider}}
	litter := cleaner.Find(j.State())
	if len(litter) != 1 {
		t.Fatalf("found %v", litter)
	}
	if err := cleaner.Remove(t.Context(), j, litter[0]); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "sub")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if litter := cleaner.Find(j.State()); len(litter) != 0 {
		t.Errorf("the journal still tells of %v", litter)
	}
}
