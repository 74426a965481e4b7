package backendtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// CheckOptions are the options of Check and TestStorage.
type CheckOptions struct {
	// Locate returns the location of a key of the container, as its Copy takes it. It is needed where Info.CopyFrom is
	// not empty.
	Locate func(key string) backend.Location
	// Outside reports what was written outside the container, where that can be seen; nil where it cannot.
	Outside func() error
	// Objects is how many objects the long listing has: 1,001 if zero, one more than a page of the usual services.
	Objects int
	// Only runs the cases whose name contains it.
	Only string
	// Each is told of every case as soon as Check is through with it: how long it took, and what it found and left, joined.
	// A case that says nothing of this container is told with ErrSkipped, which is no part of Check's result. May be nil.
	Each func(name string, took time.Duration, err error)
}

// ErrSkipped is what CheckOptions.Each gets for a case about something that the container does not promise.
var ErrSkipped = errors.New("does not apply to this container")

// testCase is one sentence of the contract. run returns what stops it; what it finds beside that it tells the run.
type testCase struct {
	name  string
	needs func(backend.Info) bool // nil: every container
	run   func(*run) error
}

func (c testCase) applies(info backend.Info) bool { return c.needs == nil || c.needs(info) }

// cases is the whole suite, in the order in which it runs.
func cases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{
		keyCases, objectCases, conditionCases, uploadCases, completeCases, listCases, copyCases, contextCases, promiseCases,
	} {
		all = append(all, group...)
	}
	return all
}

// Check runs the suite on a container and returns everything that it found, joined. open is called several times and
// returns a new value of the same container each time, with the prefix of keys below which the suite may write. The suite
// leaves nothing behind, also when ctx ends: what it could not remove is in the result. It repeats nothing: give it a
// Storage that does where requests may fail now and then.
func Check(ctx context.Context, open func() (backend.Storage, string, error), o CheckOptions) error {
	s, prefix, err := open()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	suite := newSuite(prefix, o, func() (backend.Storage, error) {
		s, _, err := open()
		return s, err
	})
	var errs []error
	for _, c := range suite.cases() {
		if ctx.Err() != nil {
			errs = append(errs, ctx.Err())
			break
		}
		began, err := time.Now(), ErrSkipped
		if c.applies(s.Info()) {
			err = errors.Join(suite.runCase(ctx, c))
		}
		if o.Each != nil {
			o.Each(c.name, time.Since(began), err)
		}
		if err != nil && !errors.Is(err, ErrSkipped) {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(errs...)
}

// TestStorage runs every case of the suite as a subtest, and then looks for goroutines that were left running. open is
// called several times and returns a new value of the same container each time; what it opens is closed by t.Cleanup. The
// container belongs to the suite. Connections that an HTTP client keeps for reuse are not counted as left.
func TestStorage(t *testing.T, open func(t *testing.T) backend.Storage, options ...CheckOptions) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, before,
			goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
			goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
			goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
	})
	var o CheckOptions
	if len(options) > 0 {
		o = options[0]
	}
	suite := newSuite("", o, func() (backend.Storage, error) { return open(t), nil })
	s := open(t)
	suite.watch(t.Context(), s)
	for _, c := range suite.cases() {
		if !c.applies(s.Info()) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			found, left := suite.runCase(t.Context(), c)
			if found != nil {
				t.Error(found)
			}
			if left != nil && s.Info().Can.Delete {
				t.Error(left)
			}
		})
	}
}

// suite is one run of the cases.
type suite struct {
	o      CheckOptions
	root   string // what every key begins with
	reopen func() (backend.Storage, error)
	own    map[string]bool // the keys that were there at the beginning; nil if the container is shared with others
}

func newSuite(prefix string, o CheckOptions, reopen func() (backend.Storage, error)) *suite {
	if o.Objects == 0 {
		o.Objects = 1001
	}
	return &suite{o: o, reopen: reopen, root: fmt.Sprintf("%sbackendtest-%08x/", prefix, rand.Uint32())}
}

// watch remembers what the container holds, so that the cases can see what appears beside their own keys.
func (s *suite) watch(ctx context.Context, storage backend.Storage) {
	own := map[string]bool{}
	for o, err := range storage.List(ctx, "") {
		if err != nil {
			return
		}
		own[o.Key] = true
	}
	s.own = own
}

// cases are those that the options select.
func (s *suite) cases() []testCase {
	return slices.DeleteFunc(cases(), func(c testCase) bool { return !strings.Contains(c.name, s.o.Only) })
}

// runCase runs one case below a fresh prefix and removes what it wrote. It returns what the case found and what was left.
func (s *suite) runCase(ctx context.Context, c testCase) (found, left error) {
	storage, err := s.reopen()
	if err != nil {
		return fmt.Errorf("open: %w", err), nil
	}
	ledger := newLedger(storage)
	r := &run{ctx: ctx, suite: s, s: ledger, info: storage.Info(), prefix: s.root + c.name + "/"}
	if err := c.run(r); err != nil {
		r.errs = append(r.errs, err)
	}
	tidyCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	left = ledger.tidy(tidyCtx, r.prefix)
	if err := ledger.checkGuards(); err != nil {
		r.errs = append(r.errs, err)
	}
	if s.o.Outside != nil {
		if err := s.o.Outside(); err != nil {
			r.errs = append(r.errs, fmt.Errorf("outside of the container: %w", err))
		}
	}
	return errors.Join(r.errs...), left
}
