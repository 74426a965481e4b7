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
	// Archive moves an object of the container to a tier whose objects cannot be read before Restore. Without it the suite
	// does not try Restore, which with the services of clouds takes hours.
	Archive func(key string) error
	// Fresh returns a container that does not exist. Without it the suite does not try to make one.
	Fresh func() (backend.Storage, error)
	// Objects is how many objects the long listing has: 1,001 if zero, one more than a page of the usual services.
	Objects int
	// Existing is the key of an object that is there, has bytes, and does not change while the suite runs. A container that
	// cannot be written needs one, and there the suite looks beside it for keys that are not there, whatever the prefix.
	// The first and the last MiB are read, several times, and one of up to 64 MiB as a whole if the container tells its
	// checksum. Where the suite can write it has objects of its own.
	Existing string
	// Only runs the cases whose name contains it.
	Only string
	// Each is told of every case as soon as Check is through with it: how long it took, and what it found and left, joined.
	// A case that says nothing of this container is told with ErrSkipped, which is no part of Check's result. May be nil.
	Each func(name string, took time.Duration, err error)
}

// ErrSkipped is what CheckOptions.Each gets for a case about something that the container does not promise or have.
var ErrSkipped = errors.New("does not apply to this container")

// testCase is one sentence of the contract. run returns what stops it, ErrSkipped if there is nothing to look at; what it
// finds beside that it tells the run.
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
		keyCases, objectCases, existingCases, conditionCases, uploadCases, completeCases, listCases, copyCases,
		browseCases, versionCases, containerCases, lifecycleCases, contextCases, promiseCases,
	} {
		all = append(all, group...)
	}
	return all
}

// Check runs the suite on a container and returns everything that it found, joined. open is called several times and
// returns a new value of the same container each time, with the prefix of keys below which the suite may write. For a
// container that cannot be written an object must be named, CheckOptions.Existing, or nothing is run. The suite leaves
// nothing behind, also when ctx ends: what it could not remove is in the result. It repeats nothing: give it a Storage
// that does where requests may fail now and then.
func Check(ctx context.Context, open func() (backend.Storage, string, error), o CheckOptions) error {
	s, prefix, err := open()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	suite, err := newSuite(s, prefix, o, func() (backend.Storage, error) {
		s, _, err := open()
		return s, err
	})
	if err != nil {
		return err
	}
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
	s := open(t)
	suite, err := newSuite(s, "", o, func() (backend.Storage, error) { return open(t), nil })
	if err != nil {
		t.Fatal(err)
	}
	suite.watch(t.Context(), s)
	for _, c := range suite.cases() {
		if !c.applies(s.Info()) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			found, left := suite.runCase(t.Context(), c)
			if errors.Is(found, ErrSkipped) {
				t.Skip(found)
			}
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
	token  string // names this run of the suite
	root   string // what every key begins with
	reopen func() (backend.Storage, error)
	own    map[string]bool // the keys that were there at the beginning; nil if the container is shared with others
}

func newSuite(s backend.Storage, prefix string, o CheckOptions, reopen func() (backend.Storage, error)) (*suite, error) {
	if o.Objects == 0 {
		o.Objects = 1001
	}
	if readsOnly(s.Info()) {
		if o.Existing == "" {
			return nil, errNoExisting
		}
		prefix = o.Existing[:strings.LastIndexByte(o.Existing, '/')+1]
	}
	token := fmt.Sprintf("backendtest-%08x", rand.Uint32())
	return &suite{o: o, reopen: reopen, token: token, root: prefix + token + "/"}, nil
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
	err = c.run(r)
	skipped := errors.Is(err, ErrSkipped)
	if err != nil && !skipped {
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
	if skipped && len(r.errs) == 0 && left == nil {
		return ErrSkipped, nil
	}
	return errors.Join(r.errs...), left
}
