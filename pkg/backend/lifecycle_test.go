package backend_test

import (
	"slices"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func TestCompareLifecycle(t *testing.T) {
	rule := func(name string, days int) backend.LifecycleRule {
		return backend.LifecycleRule{Name: name, Action: backend.LifecycleDelete, Days: days}
	}
	old := []backend.LifecycleRule{rule("same", 1), rule("gone", 1), rule("changed", 1)}
	fresh := []backend.LifecycleRule{rule("new", 1), rule("changed", 2), rule("same", 1)}
	want := []backend.LifecycleChange{{Old: rule("changed", 1), New: rule("changed", 2)}, {Old: rule("gone", 1)}, {New: rule("new", 1)}}
	if got := backend.CompareLifecycle(old, fresh); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	slices.Reverse(old)
	if got := backend.CompareLifecycle(old, []backend.LifecycleRule{old[1], old[2], old[0]}); len(got) > 0 {
		t.Errorf("the same in another order: %+v", got)
	}
	if got := backend.CompareLifecycle(nil, nil); len(got) > 0 {
		t.Errorf("nothing: %+v", got)
	}
}
