package wrap

import (
	"context"
	"iter"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func (r *retry) List(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
	return resumed(ctx, r.p, "list", func(ctx context.Context) iter.Seq2[backend.Object, error] {
		return r.Storage.List(ctx, prefix)
	}, func() progress[backend.Object] {
		return &furthest[backend.Object, string]{of: func(o backend.Object) string { return o.Key }}
	})
}

func (r *retry) ListParts(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
	return resumed(ctx, r.p, "list parts", func(ctx context.Context) iter.Seq2[backend.Part, error] {
		return r.Storage.ListParts(ctx, u)
	}, func() progress[backend.Part] {
		return &furthest[backend.Part, int]{of: func(p backend.Part) int { return p.Number }}
	})
}

func (r *retry) ListUploads(ctx context.Context, prefix string) iter.Seq2[backend.Upload, error] {
	return resumed(ctx, r.p, "list uploads", func(ctx context.Context) iter.Seq2[backend.Upload, error] {
		return r.Storage.ListUploads(ctx, prefix)
	}, func() progress[backend.Upload] {
		return &visited[backend.Upload]{of: func(u backend.Upload) string { return u.Key + "\x00" + u.ID }}
	})
}

func (r *retry) Browse(ctx context.Context, prefix string) iter.Seq2[backend.Entry, error] {
	return resumed(ctx, r.p, "browse", func(ctx context.Context) iter.Seq2[backend.Entry, error] {
		return r.Storage.Browse(ctx, prefix)
	}, func() progress[backend.Entry] {
		return &furthest[backend.Entry, string]{of: func(e backend.Entry) string { return e.Prefix + e.Key }} // one is empty
	})
}

func (r *retry) Versions(ctx context.Context, prefix string) iter.Seq2[backend.ObjectVersion, error] {
	return resumed(ctx, r.p, "list versions", func(ctx context.Context) iter.Seq2[backend.ObjectVersion, error] {
		return r.Storage.Versions(ctx, prefix)
	}, func() progress[backend.ObjectVersion] { return &versions{} })
}

// versions is the progress of a listing whose keys ascend and whose generations of a key are in no order that they tell.
type versions struct {
	key    string
	seen   map[string]bool // generations of key
	repeat bool
}

func (v *versions) before(item backend.ObjectVersion) bool {
	return v.repeat && (item.Key < v.key || item.Key == v.key && v.seen[item.Generation])
}

func (v *versions) again() { v.repeat = true }

func (v *versions) add(item backend.ObjectVersion) {
	if item.Key != v.key || v.seen == nil {
		v.key, v.seen = item.Key, map[string]bool{}
	}
	v.seen[item.Generation] = true
}
