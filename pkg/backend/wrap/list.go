package wrap

import (
	"cmp"
	"context"
	"iter"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// resumed repeats a listing that broke off, and leaves out what it has yielded already. Anything new gives the listing its
// attempts back.
func resumed[T any](ctx context.Context, p Policy, op string, list func(context.Context) iter.Seq2[T, error], begin func() progress[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		seen := begin()
		for attempt := 1; ; attempt++ {
			err, stopped := error(nil), false
			for item, itemErr := range list(ctx) {
				if err = itemErr; err != nil {
					break
				}
				if seen.before(item) {
					continue
				}
				seen.add(item)
				attempt = 1
				if stopped = !yield(item, nil); stopped {
					break
				}
			}
			if stopped || err == nil {
				return
			}
			if backend.KindOf(err).Temporary() {
				if err = p.pause(ctx, op, attempt, err); err == nil {
					seen.again()
					continue
				}
			}
			var zero T
			yield(zero, err)
			return
		}
	}
}

// progress remembers what a listing has yielded. Before the first again nothing counts as yielded before: what a listing
// says without being interrupted passes as it is.
type progress[T any] interface {
	before(item T) bool
	add(item T)
	again()
}

// furthest is the progress of a listing in ascending order.
type furthest[T any, K cmp.Ordered] struct {
	of     func(T) K
	last   K
	any    bool
	repeat bool
}

func (f *furthest[T, K]) before(item T) bool { return f.repeat && f.any && f.of(item) <= f.last }
func (f *furthest[T, K]) add(item T)         { f.last, f.any = f.of(item), true }
func (f *furthest[T, K]) again()             { f.repeat = true }

// visited is the progress of a listing in no order. It keeps the name of every item.
type visited[T any] struct {
	of     func(T) string
	names  map[string]bool
	repeat bool
}

func (v *visited[T]) before(item T) bool { return v.repeat && v.names[v.of(item)] }
func (v *visited[T]) again()             { v.repeat = true }
func (v *visited[T]) add(item T) {
	if v.names == nil {
		v.names = map[string]bool{}
	}
	v.names[v.of(item)] = true
}
