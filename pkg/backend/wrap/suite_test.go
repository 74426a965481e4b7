package wrap_test

import (
	"fmt"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

func suite(t *testing.T, rules ...backendtest.Rule) {
	t.Helper()
	m := backendtest.NewMem(backendtest.MemOptions{})
	f := &backendtest.Faults{Storage: m, Rules: rules}
	s := wrap.Retry(f, quick)
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return s }, backendtest.CheckOptions{Locate: m.Location, Objects: 101})
	for i := range rules {
		if f.Fired(i) == 0 {
			t.Errorf("rule %d never fired", i)
		}
	}
	if t.Failed() {
		t.Log(f)
	}
}

func TestRetryKeepsTheContract(t *testing.T) { suite(t) }

// Every nth call of each operation fails, before its effect or with its answer lost: who calls through Retry sees nothing of it.
func TestRetryKeepsTheContractUnderFaults(t *testing.T) {
	ops := []string{backendtest.OpStat, backendtest.OpRead, backendtest.OpPut, backendtest.OpCreateUpload, backendtest.OpUploadPart,
		backendtest.OpListParts, backendtest.OpCompleteUpload, backendtest.OpAbortUpload, backendtest.OpList, backendtest.OpListUploads,
		backendtest.OpCopy, backendtest.OpDelete}
	for _, after := range []bool{false, true} {
		for _, every := range []int{2, 3} {
			t.Run(fmt.Sprintf("every=%d/after=%v", every, after), func(t *testing.T) {
				var rules []backendtest.Rule
				for i, op := range ops {
					kind := temporary[i%len(temporary)]
					if after {
						kind = []backend.Kind{backend.Unavailable, backend.Timeout, backend.Offline}[i%3]
					}
					rules = append(rules, backendtest.Rule{Op: op, Every: every, After: after, Err: kind})
				}
				suite(t, rules...)
			})
		}
	}
}
