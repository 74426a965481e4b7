package backendtest_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

var versioned = backendtest.MemOptions{Versioned: true}

var browseMutants = []mutant{
	{name: "browse gives objects first, then prefixes", cases: "browse browse-many", wreck: func(_ *testing.T, b *broken) {
		b.browse = func(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
			return edited(b.Mem.Browse(ctx, prefix), func(all []backend.Entry) []backend.Entry {
				slices.SortStableFunc(all, func(x, y backend.Entry) int { return min(len(x.Prefix), 1) - min(len(y.Prefix), 1) })
				return all
			})
		}
	}},
	{name: "browse takes the prefix for a folder", cases: "browse", wreck: func(_ *testing.T, b *broken) {
		b.browse = func(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
			if prefix != "" && !strings.HasSuffix(prefix, "/") {
				prefix += "/"
			}
			return b.Mem.Browse(ctx, prefix)
		}
	}},
	{name: "browse cleans paths", cases: "browse-odd-keys", wreck: func(_ *testing.T, b *broken) {
		b.browse = func(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
			return edited(b.Mem.Browse(ctx, prefix), func(all []backend.Entry) []backend.Entry {
				return slices.DeleteFunc(all, func(e backend.Entry) bool { return strings.HasSuffix(e.Prefix, "//") })
			})
		}
	}},
	{name: "browse gives the first page only", cases: "browse-many", wreck: func(_ *testing.T, b *broken) {
		b.browse = func(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
			return edited(b.Mem.Browse(ctx, prefix), func(all []backend.Entry) []backend.Entry { return all[:min(1000, len(all))] })
		}
	}},
}

// edited yields what edit makes of a list.
func edited[T any](list iter.Seq2[T, error], edit func([]T) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var all []T
		for v, err := range list {
			if err != nil {
				yield(v, err)
				return
			}
			all = append(all, v)
		}
		for _, v := range edit(all) {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func editedVersions(edit func([]backend.ObjectVersion) []backend.ObjectVersion) func(*testing.T, *broken) {
	return func(_ *testing.T, b *broken) {
		b.versions = func(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error] {
			return edited(b.Mem.Versions(ctx, prefix), edit)
		}
	}
}

var versionMutants = []mutant{
	{name: "versions come oldest first", cases: "versions-kept versions-deleted", options: versioned,
		wreck: editedVersions(func(all []backend.ObjectVersion) []backend.ObjectVersion {
			slices.Reverse(all)
			return all
		})},
	{name: "versions end after a page", cases: "versions",
		wreck: editedVersions(func(all []backend.ObjectVersion) []backend.ObjectVersion { return all[:min(1000, len(all))] })},
	{name: "versions leave the markers out", cases: "versions-deleted", options: versioned,
		wreck: editedVersions(func(all []backend.ObjectVersion) []backend.ObjectVersion {
			return slices.DeleteFunc(all, func(v backend.ObjectVersion) bool { return v.DeleteMarker })
		})},
	{name: "reads take the current version", cases: "versions-kept", options: versioned, wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			if now, err := b.Stat(ctx, obj.Key); err == nil && obj.Generation != "" {
				obj = now
			}
			return b.Mem.ReadAt(ctx, obj, p, off)
		}
	}},
	{name: "deletes of a version delete the object", cases: "versions-deleted", options: versioned, wreck: func(_ *testing.T, b *broken) {
		b.delete = func(ctx context.Context, obj backend.Object) error {
			return b.Mem.Delete(ctx, backend.Object{Key: obj.Key})
		}
	}},
	{name: "what is archived can be read", cases: "restore", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			n, err := b.Mem.ReadAt(ctx, obj, p, off)
			if errors.Is(err, backend.Invalid) && off == 0 {
				return len(p), nil
			}
			return n, err
		}
	}},
	{name: "restore of nothing succeeds", cases: "restore-missing", wreck: func(_ *testing.T, b *broken) {
		b.restore = func(context.Context, backend.Object, time.Duration) error { return nil }
	}},
	{name: "what is deleted among others is not compared", cases: "delete-all", wreck: func(_ *testing.T, b *broken) {
		b.deleteAll = func(ctx context.Context, objs []backend.Object) []error {
			var plain []backend.Object
			for _, o := range objs {
				plain = append(plain, backend.Object{Key: o.Key})
			}
			return b.Mem.DeleteAll(ctx, plain)
		}
	}},
	{name: "deleting many stops at the first failure", cases: "delete-all", wreck: func(_ *testing.T, b *broken) {
		b.deleteAll = func(ctx context.Context, objs []backend.Object) []error {
			errs := make([]error, len(objs))
			for i, o := range objs {
				if errs[i] = b.Mem.Delete(ctx, o); errs[i] != nil {
					break
				}
			}
			return errs
		}
	}},
	{name: "there is no space", cases: "space", wreck: func(_ *testing.T, b *broken) {
		b.space = func(context.Context, string) (backend.Space, error) { return backend.Space{}, nil }
	}},
	{name: "a container is made again and again", cases: "create-container create-container-twice", wreck: func(_ *testing.T, b *broken) {
		b.make = func(ctx context.Context) error {
			if err := b.Mem.CreateContainer(ctx); !errors.Is(err, backend.Exists) {
				return err
			}
			return nil
		}
	}},
}
