package backendtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

var uploadMutants = []mutant{
	{name: "a part overwrites another", cases: "parts-in-any-order parts-in-parallel", wreck: func(_ *testing.T, b *broken) {
		var mu sync.Mutex
		var stored []int
		b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, sum backend.Checksum) (backend.Part, error) {
			part, err := b.Mem.UploadPart(ctx, u, n, p, sum)
			mu.Lock()
			defer mu.Unlock()
			if stored = append(stored, n); len(stored) == 4 {
				_, err = b.Mem.UploadPart(ctx, u, stored[0], make([]byte, u.PartSize), "")
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
	{name: "uploads are listed with a wrong time", cases: "list-uploads", wreck: func(_ *testing.T, b *broken) {
		b.uploads = func(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
			return func(yield func(backend.Upload, error) bool) {
				for u, err := range b.Mem.ListUploads(ctx, prefix) {
					u.Created = time.Unix(1, 0)
					if !yield(u, err) {
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
