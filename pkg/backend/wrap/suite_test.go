package wrap_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

func suite(t *testing.T, o backendtest.MemOptions, rules ...backendtest.Rule) {
	t.Helper()
	m := backendtest.NewMem(o)
	f := &backendtest.Faults{Storage: m, Rules: rules}
	p := quick
	p.Attempts, p.First, p.Max = 30, time.Microsecond, 50*time.Microsecond // so that calls at the same time do not hit the failing number in step
	s := wrap.Retry(f, p)
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return s }, backendtest.CheckOptions{
		Locate: m.Location, Archive: m.Archive, Objects: 101,
		Fresh: func() (backend.Storage, error) {
			return wrap.Retry(backendtest.NewMem(backendtest.MemOptions{Missing: true}), p), nil
		},
	})
	for i := range rules {
		if f.Fired(i) == 0 {
			t.Errorf("rule %d never fired", i)
		}
	}
	if t.Failed() {
		t.Log(f)
	}
}

func TestRetryKeepsTheContract(t *testing.T) { suite(t, backendtest.MemOptions{Versioned: true}) }

// Every nth call of each operation fails before its effect: who calls through Retry sees nothing of it.
func TestRetryHidesCallsThatFailed(t *testing.T) {
	for every, kinds := range map[int][]backend.Kind{4: {backend.Throttled, backend.Busy}, 3: {backend.Unavailable, backend.Offline, backend.Timeout}} {
		t.Run(fmt.Sprint("every ", every), func(t *testing.T) {
			var rules []backendtest.Rule
			for i, op := range operations {
				rules = append(rules, backendtest.Rule{Op: op, Every: every, Err: kinds[i%len(kinds)]})
			}
			// A delete of nothing whose first attempt may have worked succeeds: so only attempts that surely did not.
			rules = append(rules, backendtest.Rule{Op: backendtest.OpDelete, Every: every, Err: backend.Throttled},
				backendtest.Rule{Op: backendtest.OpCreate, Nth: 1, Err: backend.Throttled},
				backendtest.Rule{Op: backendtest.OpSetLifecycle, Every: every, Err: backend.Throttled})
			suite(t, backendtest.MemOptions{Versioned: true}, rules...)
		})
	}
}

// Every nth call of each operation has its effect and its answer is lost.
func TestRetryHidesLostAnswers(t *testing.T) {
	kinds := []backend.Kind{backend.Unavailable, backend.Timeout, backend.Offline}
	for _, every := range []int{3, 4} {
		t.Run(fmt.Sprint("every ", every), func(t *testing.T) {
			rules := []backendtest.Rule{{Op: backendtest.OpDelete, Every: every, After: true, Err: backend.Timeout}}
			for i, op := range operations {
				// Settled for the owner of a key only, which racing writers are not; a conditional copy is not settled.
				if op != backendtest.OpCreateUpload && op != backendtest.OpCopy {
					rules = append(rules, backendtest.Rule{Op: op, Every: every, After: true, Err: kinds[i%len(kinds)]})
				}
			}
			suite(t, backendtest.MemOptions{}, rules...) // a put that is repeated makes two versions
		})
	}
}

// operations are all but Delete, CreateContainer and SetLifecycle.
var operations = []string{backendtest.OpStat, backendtest.OpRead, backendtest.OpPut, backendtest.OpCreateUpload, backendtest.OpUploadPart,
	backendtest.OpListParts, backendtest.OpCompleteUpload, backendtest.OpAbortUpload, backendtest.OpList, backendtest.OpListUploads, backendtest.OpCopy,
	backendtest.OpBrowse, backendtest.OpVersions, backendtest.OpRestore, backendtest.OpLifecycle}
