package backendtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

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
					for o, err := range b.Mem.List(ctx, prefix) {
						if err != nil {
							return
						}
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
