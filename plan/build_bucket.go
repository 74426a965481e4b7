package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
)

// openBuckets opens every bucket of the manifest, which makes no request, and refuses what cannot be set there.
func (b *builder) openBuckets() ([]*Bucket, error) {
	var all []*Bucket
	var list []*manifests.Error
	for _, k := range b.m.Buckets {
		refuse := func(hint, format string, args ...any) {
			list = append(list, b.m.ErrorAt(k.Location.Pos, hint, format, args...))
		}
		at, err := b.m.Location(k.Location, b.lookup(nil))
		if err != nil {
			return nil, err
		}
		storage, key, err := b.o.Backends.Open(at)
		switch {
		case err != nil:
			refuse("", "bucket %q: %v", k.ID, err)
			continue
		case !storage.Info().Can.Lifecycle:
			refuse("set them with the service's own tools", "bucket %q: the backend of %s:// cannot keep lifecycle rules", k.ID, at.Scheme)
		case key != "":
			refuse("leave out "+key+"; a rule has a prefix", "bucket %q: %s is below a bucket, and rules are of the whole bucket", k.ID, at)
		}
		rules := append([]backend.LifecycleRule{}, k.Lifecycle...)
		slices.SortFunc(rules, func(x, y backend.LifecycleRule) int { return cmp.Compare(x.Name, y.Name) })
		all = append(all, &Bucket{At: at, Rules: rules})
	}
	if len(list) > 0 {
		slices.SortStableFunc(list, func(x, y *manifests.Error) int { return cmp.Compare(x.Line, y.Line) })
		return nil, &manifests.Errors{List: list}
	}
	return all, nil
}

// buckets adds the steps of the buckets. They need nothing.
func (b *builder) buckets(ctx context.Context) error {
	all, err := b.openBuckets()
	if err != nil {
		return err
	}
	for i, k := range all {
		step := Step{ID: "bucket." + b.m.Buckets[i].ID, Bucket: k}
		storage, _, err := b.o.Backends.Open(k.At)
		if err != nil {
			return err
		}
		k.Found, err = storage.Lifecycle(ctx)
		switch {
		case errors.Is(err, backend.NotFound):
			b.blockStep(&step, "make the bucket, or correct its location", "%v", err)
		case err != nil:
			return fmt.Errorf("%s: %w", step.ID, err)
		case len(k.Changes()) == 0:
			step.Current = "nothing differs"
		}
		b.add(step.ID, step)
	}
	return nil
}
