package wrap_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a policy that does not wait.
var quick = wrap.Policy{Attempts: 4, First: time.Nanosecond, Max: time.Nanosecond}

func collect[T any](t *testing.T, seq func(func(T, error) bool)) []T {
	t.Helper()
	var all []T
	for v, err := range seq {
		if err != nil {
			t.Fatalf("after %d values: %v", len(all), err)
		}
		all = append(all, v)
	}
	return all
}
