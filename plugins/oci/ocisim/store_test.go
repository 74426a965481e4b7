package ocisim

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// dataFiles are the names of the files that hold bytes of objects.
func (b *testbed) dataFiles() []string {
	b.Helper()
	entries, err := os.ReadDir(filepath.Join(b.dir, "objects", "data"))
	b.must(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTornJournal(t *testing.T) {
	dir := t.TempDir()
	b := newTestbed(t, Options{Dir: dir})
	bucket := b.bucket("b")
	b.put(bucket, "whole", "1")
	b.put(bucket, "torn", "2")
	b.must(b.Close())
	path := filepath.Join(dir, "objects", "journal")
	data, err := os.ReadFile(path)
	b.must(err)
	b.must(os.WriteFile(path, data[:len(data)-9], 0o600))
	r := newTestbed(t, Options{Dir: dir})
	equal(t, "names", strings.Join(r.names(bucket, objectstorage.ListObjectsRequest{}), " "), "whole")
	r.noFilesBut(1) // that of the torn object is swept

	r.put(bucket, "next", "3")
	r.must(r.Close())
	b.must(os.WriteFile(path, []byte("{nonsense}\n"), 0o600))
	if _, err := New(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v, want an error that names the line", err)
	}
}

// TestManyObjects: the cost of a PUT must not grow with the number of objects, so it writes one line each.
func TestManyObjects(t *testing.T) {
	st, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	for i := range n {
		name := "o" + strconv.Itoa(i*7919%n)
		if err := st.do(change{Bucket: "id", Put: &object{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "lines", st.lines, n)
	entries, next := st.bucket("id").list(listing{prefix: "o199", limit: 5})
	equal(t, "entries", len(entries), 5)
	equal(t, "next", next, "o1994")
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
}

// TestUnwritableJournal: what cannot be kept did not happen, and the client is told.
func TestUnwritableJournal(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	b.put(bucket, "o", "old")
	b.mu.Lock()
	b.must(b.store.journal.Close())
	var err error
	b.store.journal, err = os.Open(b.store.journalPath()) // for reading only
	b.mu.Unlock()
	b.must(err)
	_, err = b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, "o", "new"))
	b.fails(err, 500, "InternalServerError")
	_, err = b.OS.DeleteObject(b.ctx, objectstorage.DeleteObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("o")})
	b.fails(err, 500, "InternalServerError")
	equal(t, "content", b.get(bucket, "o"), "old")
	b.noFilesBut(1)
}
