package plugin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// guestMain is the main function of the guest of that kind.
func guestMain(kind string) {
	switch kind {
	case "mem":
		Serve(memFactory)
	default:
		fmt.Fprintf(os.Stderr, "there is no guest of kind %q\n", kind)
		os.Exit(3)
	}
}

// mischief is a storage that lies or hangs as the settings say.
func mischief(_ Config, s backend.Storage) backend.Storage { return s }

// account is a small inventory.
type account struct{}

var created = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)

func (a *account) Scopes(ctx context.Context) iter.Seq2[backend.Scope, error] {
	return func(yield func(backend.Scope, error) bool) {
		for i := range 2000 {
			if ctx.Err() != nil {
				yield(backend.Scope{}, &backend.Error{Op: "scopes", Kind: backend.KindOf(ctx.Err()), Err: ctx.Err()})
				return
			}
			if !yield(backend.Scope{ID: fmt.Sprint(i), Parent: "root", Name: "n\xff", Path: fmt.Sprintf("p/%d", i)}, nil) {
				return
			}
		}
	}
}

func (a *account) Resources(_ context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	return func(yield func(backend.Resource, error) bool) {
		r := backend.Resource{ID: "vm", Type: q.Type, Name: q.Name, Scope: q.Scope, ScopePath: "a/b", Region: "r", State: q.State[0],
			Created: created, Tags: q.Tags, Attributes: map[string]string{"shape": "x"}}
		if yield(r, nil) {
			yield(backend.Resource{}, &backend.Error{Op: "list", Key: q.ID, Kind: backend.Throttled, RetryAfter: 3 * time.Second,
				RequestID: "req-1", Err: errors.New("slow down")})
		}
	}
}

func (a *account) Metrics(_ context.Context, id string, q backend.MetricQuery) ([]backend.Series, error) {
	return []backend.Series{{Name: q.Names[0], Unit: id, Points: []backend.Point{{At: q.Start, Value: 1.5}, {At: q.End, Value: q.Resolution.Seconds()}}}}, nil
}

func (a *account) Act(_ context.Context, id, action string) error {
	if action != "start" {
		return fmt.Errorf("wrapped: %w", &backend.Error{Op: action, Key: id, Kind: backend.Unsupported})
	}
	return nil
}
