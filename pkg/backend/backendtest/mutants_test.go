package backendtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

var readMutants = []mutant{
	{name: "read ignores the version", cases: "replaced-source deleted-source old-object-until-complete",
		wreck: func(_ *testing.T, b *broken) {
			b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
				now, err := b.Mem.Stat(ctx, obj.Key)
				if err != nil {
					return 0, err
				}
				return b.Mem.ReadAt(ctx, now, p, off)
			}
		}},
	{name: "read wraps EOF", cases: "reads empty-object", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			n, err := b.Mem.ReadAt(ctx, obj, p, off)
			if err == io.EOF {
				err = &backend.Error{Op: "read", Key: obj.Key, Err: io.EOF}
			}
			return n, err
		}
	}},
	{name: "read is short without an error", cases: "reads", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			return b.Mem.ReadAt(ctx, obj, p[:min(len(p), 4500)], off)
		}
	}},
	{name: "read writes to the caller's memory later", cases: "reads canceled-read", wreck: func(_ *testing.T, b *broken) {
		var late []byte
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			if len(late) > 0 {
				late[0] = 1
			}
			late = p
			return b.Mem.ReadAt(ctx, obj, p, off)
		}
	}},
	{name: "read returns wrong bytes when canceled", cases: "canceled-read", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			if ctx.Err() != nil {
				return len(p), kindError("read", obj.Key, backend.Canceled)
			}
			return b.Mem.ReadAt(ctx, obj, p, off)
		}
	}},
	{name: "stat returns a plain error", cases: "missing-object", wreck: func(_ *testing.T, b *broken) {
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := b.Mem.Stat(ctx, key)
			if err != nil {
				err = errors.New(err.Error())
			}
			return o, err
		}
	}},
	{name: "stat returns a kind that is no Error", cases: "missing-object", wreck: func(_ *testing.T, b *broken) {
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := b.Mem.Stat(ctx, key)
			if err != nil {
				err = backend.KindOf(err)
			}
			return o, err
		}
	}},
	{name: "versions do not change", cases: "replaced-source", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			obj, err := b.Mem.Put(ctx, key, p, o)
			obj.Version = "1"
			return obj, err
		}
	}},
}

var writeMutants = []mutant{
	{name: "put keeps the caller's memory", cases: "replaced-object metadata", wreck: func(_ *testing.T, b *broken) {
		kept := map[string][]byte{}
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			kept[key] = p
			return b.Mem.Put(ctx, key, p, o)
		}
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			if p, ok := kept[key]; ok {
				_, _ = b.Mem.Put(ctx, key, p, backend.PutOptions{})
			}
			return b.Mem.Stat(ctx, key)
		}
	}},
	{name: "put encrypts in place", cases: "replaced-object", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			obj, err := b.Mem.Put(ctx, key, p, o)
			for i := range p {
				p[i] ^= 0x55
			}
			return obj, err
		}
	}},
	{name: "keys are cleaned", cases: "odd-keys", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			return b.Mem.Put(ctx, path.Clean(key), p, o)
		}
	}},
	{name: "keys are unescaped", cases: "odd-keys", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			clean := strings.ReplaceAll(key, "%41", "A")
			obj, err := b.Mem.Put(ctx, clean, p, o)
			obj.Key = key
			return obj, err
		}
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			obj, err := b.Mem.Stat(ctx, strings.ReplaceAll(key, "%41", "A"))
			obj.Key = key
			return obj, err
		}
	}},
	{name: "keys are refused by put only", cases: "odd-keys key-limits", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			if strings.Contains(key, "..") || len(key) > 1000 {
				return backend.Object{}, kindError("put", key, backend.Invalid)
			}
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
	{name: "long keys are cut", cases: "key-limits", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			return b.Mem.Put(ctx, key[:min(len(key), 255)], p, o)
		}
	}},
	{name: "a folder replaces the object of its name", cases: "keys-that-are-prefixes", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			_ = b.Mem.Delete(ctx, backend.Object{Key: path.Dir(key)})
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
	{name: "checksums are ignored", cases: "put-checksum part-checksum complete-checksum", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			o.Checksum = ""
			return b.Mem.Put(ctx, key, p, o)
		}
		b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, _ backend.Checksum) (backend.Part, error) {
			return b.Mem.UploadPart(ctx, u, n, p, "")
		}
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
			o.Checksum = ""
			return b.Mem.CompleteUpload(ctx, u, parts, o)
		}
	}},
	{name: "checksums are verified after the fact", cases: "put-checksum complete-checksum", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			obj, err := b.Mem.Put(ctx, key, p, backend.PutOptions{})
			if err == nil && obj.Checksum.Contradicts(o.Checksum) {
				return obj, kindError("put", key, backend.Corrupt)
			}
			return obj, err
		}
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
			obj, err := b.Mem.CompleteUpload(ctx, u, parts, backend.CompleteOptions{})
			if err == nil && obj.Checksum.Contradicts(o.Checksum) {
				return obj, kindError("complete", u.Key, backend.Corrupt)
			}
			return obj, err
		}
	}},
	{name: "metadata and times are dropped", cases: "metadata mod-time", wreck: func(_ *testing.T, b *broken) {
		b.create = func(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
			o.Meta, o.ModTime = nil, time.Time{}
			return b.Mem.CreateUpload(ctx, key, o)
		}
	}},
	{name: "conditions are ignored", cases: "put-if-absent put-if-version complete-if-absent complete-if-version copy-if-absent",
		wreck: func(_ *testing.T, b *broken) { ignoreConditions(b) }},
	{name: "conditions are checked before the write", cases: "put-if-absent", wreck: func(_ *testing.T, b *broken) {
		var mu sync.Mutex
		checked, both := 0, make(chan struct{})
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			if _, err := b.Mem.Stat(ctx, key); err == nil && o.If.Absent {
				return backend.Object{}, kindError("put", key, backend.Exists)
			}
			mu.Lock()
			if checked++; checked == 2 {
				close(both)
			}
			mu.Unlock()
			<-both
			o.If = backend.Condition{}
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
	{name: "an empty object is refused", cases: "empty-object", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			if len(p) == 0 {
				return backend.Object{}, kindError("put", key, backend.Invalid)
			}
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
	{name: "a canceled put leaves half an object", cases: "canceled-put", wreck: func(_ *testing.T, b *broken) {
		puts := 0
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			if puts++; puts%5 == 0 {
				_, _ = b.Mem.Put(context.WithoutCancel(ctx), key, p[:len(p)/2], o)
				return backend.Object{}, kindError("put", key, backend.Canceled)
			}
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
}

func ignoreConditions(b *broken) {
	b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
		o.If = backend.Condition{}
		return b.Mem.Put(ctx, key, p, o)
	}
	b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
		o.If = backend.Condition{}
		return b.Mem.CompleteUpload(ctx, u, parts, o)
	}
	b.copy = func(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (backend.Object, error) {
		o.If = backend.Condition{}
		return b.Mem.Copy(ctx, from, version, key, o)
	}
}

var uploadMutants = []mutant{
	{name: "a part overwrites another", cases: "parts-in-any-order parts-in-parallel", wreck: func(_ *testing.T, b *broken) {
		var mu sync.Mutex
		came := 0
		b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
			part, err := b.Mem.UploadPart(ctx, u, n, p, sum)
			mu.Lock()
			defer mu.Unlock()
			if came++; came == 4 {
				_, err = b.Mem.UploadPart(ctx, u, 1, make([]byte, u.PartSize), "")
			}
			return part, err
		}
	}},
	{name: "the first part sent stays", cases: "parts-replaced complete-with-replaced-part", wreck: func(_ *testing.T, b *broken) {
		had := map[string]backend.Part{}
		b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
			id := fmt.Sprint(u.ID, n)
			if part, ok := had[id]; ok {
				return part, nil
			}
			part, err := b.Mem.UploadPart(ctx, u, n, p, sum)
			had[id] = part
			return part, err
		}
	}},
	{name: "parts are kept in the caller's memory", cases: "upload-in-order canceled-part", wreck: func(_ *testing.T, b *broken) {
		kept := map[int][]byte{}
		b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
			kept[n] = p
			return b.Mem.UploadPart(ctx, u, n, p, sum)
		}
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, _ backend.CompleteOptions) (backend.Object, error) {
			for i, part := range parts {
				parts[i], _ = b.Mem.UploadPart(ctx, u, part.Number, kept[part.Number], "")
			}
			return b.Mem.CompleteUpload(ctx, u, parts, backend.CompleteOptions{})
		}
	}},
	{name: "uploads live in the value", cases: "parts-from-new-value", wreck: func(_ *testing.T, b *broken) {
		known := map[string]bool{}
		b.create = func(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
			u, err := b.Mem.CreateUpload(ctx, key, o)
			known[u.ID] = true
			return u, err
		}
		b.parts = func(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
			if !known[u.ID] {
				u.ID = "?"
			}
			return b.Mem.ListParts(ctx, u)
		}
	}},
	{name: "each value is another container", cases: "same-container", wreck: func(_ *testing.T, b *broken) {
		*b = *newBroken(backendtest.NewMem(backendtest.MemOptions{}))
	}},
	{name: "part 0 is taken for part 1", cases: "part-number", wreck: func(_ *testing.T, b *broken) {
		b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
			return b.Mem.UploadPart(ctx, u, max(n, 1), p, sum)
		}
	}},
	{name: "one upload per key", cases: "two-uploads-of-one-key list-uploads", wreck: func(_ *testing.T, b *broken) {
		had := map[string]backend.Upload{}
		b.create = func(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
			if u, ok := had[key]; ok {
				return u, nil
			}
			u, err := b.Mem.CreateUpload(ctx, key, o)
			had[key] = u
			return u, err
		}
	}},
	{name: "aborted and completed uploads stay listed", cases: "list-uploads", wreck: func(_ *testing.T, b *broken) {
		var all []backend.Upload
		b.create = func(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
			u, err := b.Mem.CreateUpload(ctx, key, o)
			all = append(all, u)
			return u, err
		}
		b.uploads = func(_ context.Context, prefix string) iter.Seq2[backend.Upload, error] {
			return func(yield func(backend.Upload, error) bool) {
				for _, u := range all {
					if strings.HasPrefix(u.Key, prefix) && !yield(u, nil) {
						return
					}
				}
			}
		}
	}},
	{name: "abort is not repeatable", cases: "abort-twice upload-after-complete", wreck: func(_ *testing.T, b *broken) {
		b.abort = func(ctx context.Context, u backend.Upload) error {
			for _, err := range b.Mem.ListParts(ctx, u) {
				if err != nil {
					return err
				}
			}
			return b.Mem.AbortUpload(ctx, u)
		}
	}},
	{name: "abort does nothing", cases: "upload-after-abort", wreck: func(_ *testing.T, b *broken) {
		b.abort = func(context.Context, backend.Upload) error { return nil }
	}},
	{name: "parts of a gone upload are accepted", cases: "upload-after-abort upload-after-complete", wreck: func(_ *testing.T, b *broken) {
		b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
			part, err := b.Mem.UploadPart(ctx, u, n, p, sum)
			if errors.Is(err, backend.NotFound) {
				return backend.Part{Number: n, Size: int64(len(p)), Tag: "t"}, nil
			}
			return part, err
		}
	}},
}

var completeMutants = []mutant{
	{name: "an upload is a file that grows under its name", cases: "invisible-until-complete old-object-until-complete",
		wreck: func(_ *testing.T, b *broken) {
			b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
				_, _ = b.Mem.Put(ctx, u.Key, p, backend.PutOptions{})
				return b.Mem.UploadPart(ctx, u, n, p, sum)
			}
		}},
	{name: "an upload is a listed temporary file", cases: "invisible-until-complete", wreck: func(_ *testing.T, b *broken) {
		b.create = func(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
			_, _ = b.Mem.Put(ctx, key+".part", nil, backend.PutOptions{})
			return b.Mem.CreateUpload(ctx, key, o)
		}
	}},
	{name: "complete is not repeatable", cases: "complete-twice", wreck: func(_ *testing.T, b *broken) {
		done := map[string]bool{}
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
			if done[u.ID] {
				return backend.Object{}, kindError("complete", u.Key, backend.NotFound)
			}
			done[u.ID] = true
			return b.Mem.CompleteUpload(ctx, u, parts, o)
		}
	}},
	{name: "complete on a gone upload takes any object", cases: "complete-twice upload-after-abort", wreck: func(_ *testing.T, b *broken) {
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
			obj, err := b.Mem.CompleteUpload(ctx, u, parts, o)
			if errors.Is(err, backend.NotFound) {
				return b.Mem.Stat(ctx, u.Key)
			}
			return obj, err
		}
	}},
	{name: "complete takes the parts that it has",
		cases: "complete-with-part-missing complete-with-wrong-tag complete-with-replaced-part complete-out-of-order",
		wreck: func(_ *testing.T, b *broken) {
			b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
				obj, err := b.Mem.CompleteUpload(ctx, u, parts, o)
				if errors.Is(err, backend.Invalid) {
					return b.Mem.Put(ctx, u.Key, make([]byte, u.Size), backend.PutOptions{})
				}
				return obj, err
			}
		}},
	{name: "complete drops the upload when it refuses", cases: "complete-with-part-missing complete-with-wrong-tag",
		wreck: func(_ *testing.T, b *broken) {
			b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
				obj, err := b.Mem.CompleteUpload(ctx, u, parts, o)
				if errors.Is(err, backend.Invalid) {
					_ = b.Mem.AbortUpload(ctx, u)
				}
				return obj, err
			}
		}},
}

var listMutants = []mutant{
	{name: "list goes folder by folder", cases: "list-order", wreck: func(_ *testing.T, b *broken) {
		b.list = func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
			return reordered(b.Mem.List(ctx, prefix), func(x, y backend.Object) int {
				return slices.Compare(strings.Split(x.Key, "/"), strings.Split(y.Key, "/"))
			})
		}
	}},
	{name: "list takes the prefix for a folder", cases: "list-prefix", wreck: func(_ *testing.T, b *broken) {
		b.list = func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
			return filtered(b.Mem.List(ctx, prefix), func(_ int, o backend.Object) int {
				if o.Key == prefix || strings.HasSuffix(prefix, "/") || strings.HasPrefix(o.Key, prefix+"/") {
					return 1
				}
				return 0
			})
		}
	}},
	{name: "list gives the first page only", cases: "list-many", wreck: func(_ *testing.T, b *broken) {
		b.list = func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
			return filtered(b.Mem.List(ctx, prefix), func(i int, _ backend.Object) int { return min(1, max(0, 1000-i)) })
		}
	}},
	{name: "list gives the last of a page again", cases: "list-many", wreck: func(_ *testing.T, b *broken) {
		b.list = func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
			return filtered(b.Mem.List(ctx, prefix), func(i int, _ backend.Object) int { return 1 + (i+1)/1000%2 })
		}
	}},
	{name: "list swallows its error", cases: "list-many canceled-before", wreck: func(_ *testing.T, b *broken) {
		b.list = func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
			return func(yield func(backend.Object, error) bool) {
				for o, err := range b.Mem.List(ctx, prefix) {
					if err != nil || !yield(o, nil) {
						return
					}
				}
			}
		}
	}},
	{name: "list leaves a goroutine when the loop breaks", cases: "list-break", wreck: func(t *testing.T, b *broken) {
		b.list = func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
			return func(yield func(backend.Object, error) bool) {
				pages := make(chan backend.Object)
				go func() {
					defer close(pages)
					for o := range b.Mem.List(ctx, prefix) {
						select {
						case pages <- o:
						case <-t.Context().Done():
							return
						}
					}
				}()
				for o := range pages {
					if !yield(o, nil) {
						return
					}
				}
			}
		}
	}},
	{name: "list counts and then pages by number", cases: "list-while-writing", wreck: func(_ *testing.T, b *broken) {
		b.list = func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
			return func(yield func(backend.Object, error) bool) {
				for i := 0; ; i++ {
					at := 0
					for o, err := range b.Mem.List(ctx, prefix) {
						if at++; at == i+1 {
							if !yield(o, err) {
								return
							}
							break
						}
					}
					if at <= i || i > 5 {
						return
					}
				}
			}
		}
	}},
}

func reordered(list iter.Seq2[backend.Object, error], compare func(x, y backend.Object) int) iter.Seq2[backend.Object, error] {
	return func(yield func(backend.Object, error) bool) {
		var all []backend.Object
		for o, err := range list {
			if err != nil {
				yield(o, err)
				return
			}
			all = append(all, o)
		}
		slices.SortStableFunc(all, compare)
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// filtered yields the object of index i as often as times says.
func filtered(list iter.Seq2[backend.Object, error], times func(i int, o backend.Object) int) iter.Seq2[backend.Object, error] {
	return func(yield func(backend.Object, error) bool) {
		i := 0
		for o, err := range list {
			for range times(i, o) {
				if !yield(o, err) {
					return
				}
			}
			i++
		}
	}
}

var otherMutants = []mutant{
	{name: "copy ignores the version", cases: "copy-version", wreck: func(_ *testing.T, b *broken) {
		b.copy = func(ctx context.Context, from backend.Location, _, key string, o backend.CopyOptions) (backend.Object, error) {
			return b.Mem.Copy(ctx, from, "", key, o)
		}
	}},
	{name: "copy makes an empty object of nothing", cases: "copy copy-foreign", wreck: func(_ *testing.T, b *broken) {
		b.copy = func(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (backend.Object, error) {
			obj, err := b.Mem.Copy(ctx, from, version, key, o)
			if err != nil {
				return b.Mem.Put(ctx, key, nil, backend.PutOptions{})
			}
			return obj, nil
		}
	}},
	{name: "delete ignores the version", cases: "delete", wreck: func(_ *testing.T, b *broken) {
		b.delete = func(ctx context.Context, obj backend.Object) error {
			return b.Mem.Delete(ctx, backend.Object{Key: obj.Key})
		}
	}},
	{name: "delete of nothing succeeds", cases: "delete missing-object", wreck: func(_ *testing.T, b *broken) {
		b.delete = func(ctx context.Context, obj backend.Object) error {
			if err := b.Mem.Delete(ctx, obj); !errors.Is(err, backend.NotFound) {
				return err
			}
			return nil
		}
	}},
	{name: "contexts are ignored", cases: "canceled-before", wreck: func(_ *testing.T, b *broken) {
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			return b.Mem.Stat(context.WithoutCancel(ctx), key)
		}
	}},
	{name: "a canceled part fails for another reason", cases: "canceled-part", wreck: func(_ *testing.T, b *broken) {
		b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
			part, err := b.Mem.UploadPart(ctx, u, n, p, sum)
			if ctx.Err() != nil {
				return part, kindError("upload part", u.Key, backend.Unavailable)
			}
			return part, err
		}
	}},
	{name: "info changes", cases: "info", wreck: func(t *testing.T, b *broken) {
		b.info = func() backend.Info {
			info := b.Mem.Info()
			_, err := fmt.Sscanf(fmt.Sprintf("%p", b), "0x%x", &info.Limits.MaxObject)
			if err != nil {
				t.Error(err)
			}
			return info
		}
	}},
	{name: "more is possible than is promised", cases: "refused-promises refused-conditions", wreck: func(_ *testing.T, b *broken) {
		b.info = func() backend.Info {
			info := b.Mem.Info()
			info.Can = backend.Capabilities{Write: true, List: true}
			return info
		}
	}},
	{name: "conditions that are not promised are ignored", cases: "refused-conditions",
		options: backendtest.MemOptions{Without: backend.Capabilities{PutIfAbsent: true, CompleteIfAbsent: true, IfVersion: true}},
		wreck:   func(_ *testing.T, b *broken) { ignoreConditions(b) }},
	{name: "limits are not kept", cases: "limits", wreck: func(_ *testing.T, b *broken) {
		b.info = func() backend.Info {
			info := b.Mem.Info()
			info.Limits = backend.Limits{MinPart: 1000, MaxPart: 10_000, MaxParts: 10, MaxPut: 50_000}
			return info
		}
	}},
}
