package ocisim

import (
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// TestConcurrentUse: many clients write, read, copy and delete the same few objects. Whoever reads one must see one that was
// written, whole and with its own length; afterwards no file may be left that no object uses, and none be missing.
func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	b := newTestbed(t, Options{Dir: dir, Timings: Timings{Copy: 1}})
	bucket := b.bucket("b")
	var clients sync.WaitGroup
	for seed := range uint64(4) {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1))
			for range 25 {
				b.actRandomly(bucket, random)
			}
		})
	}
	clients.Wait()
	b.eventually(func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.store.copies {
			if w.Finished == nil {
				return false
			}
		}
		return true
	})
	uploads, err := b.OS.ListMultipartUploads(b.ctx, objectstorage.ListMultipartUploadsRequest{NamespaceName: b.ns, BucketName: bucket})
	b.must(err)
	equal(t, "open uploads", len(uploads.Items), 0)
	names := b.names(bucket, objectstorage.ListObjectsRequest{})
	before := map[string]string{}
	for _, name := range names {
		before[name] = b.get(bucket, name)
	}
	if len(names) == 0 {
		t.Error("no object is left: the test shows nothing")
	}
	b.must(b.Close())

	r := newTestbed(t, Options{Dir: dir})
	used := map[string]bool{}
	for name, content := range before {
		equal(t, name+" after a restart", r.get(bucket, name) == content, true)
		for _, seg := range r.find(bucket, name).Files {
			used[seg.File] = true
		}
	}
	r.noFilesBut(len(used))
	equal(t, "objects after a restart", len(r.names(bucket, objectstorage.ListObjectsRequest{})), len(names))
}

// actRandomly makes one request. Content is one letter, as often as its place in the alphabet tells.
func (b *testbed) actRandomly(bucket *string, random *rand.Rand) {
	name := string(rune('o' + random.IntN(3)))
	letter := random.IntN(20)
	content := strings.Repeat(string(rune('a'+letter)), 1+1000*letter)
	switch random.IntN(5) {
	case 0:
		b.put(bucket, name, content)
	case 1:
		up := b.createUpload(bucket, name)
		half := len(content) / 2
		if err := b.commit(up, b.uploadPart(up, 1, content[:half]), b.uploadPart(up, 2, content[half:])); err != nil {
			b.Error(err)
		}
	case 2:
		_, _ = b.OS.CopyObject(b.ctx, b.copyRequest(bucket, name, bucket, "copy")) // the source may not be there
	case 3:
		_, _ = b.OS.DeleteObject(b.ctx, objectstorage.DeleteObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name})
	default:
		resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name})
		if err != nil {
			return // it is not there at the moment
		}
		defer resp.Content.Close()
		text, err := io.ReadAll(resp.Content)
		whole := err == nil && len(text) > 0 && len(text) == 1+1000*int(text[0]-'a') && strings.Count(string(text), string(text[0])) == len(text)
		if !whole {
			b.Errorf("read %d bytes of a mixture, %v", len(text), err)
		}
	}
}
