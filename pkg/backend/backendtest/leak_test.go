package backendtest_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

var runBroken = flag.Bool("broken", false, "run TestStorage on an implementation that leaves goroutines and loses metadata")

// TestStorageFails runs this test binary again with an implementation on which TestStorage must fail.
func TestStorageFails(t *testing.T) {
	out, err := exec.Command(os.Args[0], "-test.run=^TestBroken$", "-broken").CombinedOutput()
	if err == nil {
		t.Errorf("TestStorage passes:\n%s", out)
	}
	for _, want := range []string{"found unexpected goroutines", "FAIL: TestBroken/metadata", "after put, metadata"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in the output:\n%s", want, out)
		}
	}
}

func TestBroken(t *testing.T) {
	if !*runBroken {
		return // it is for TestStorageFails
	}
	m := backendtest.NewMem(backendtest.MemOptions{})
	b := newBroken(m)
	b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
		o.Meta = nil
		return m.Put(ctx, key, p, o)
	}
	b.delete = func(ctx context.Context, obj backend.Object) error {
		go func() { select {} }()
		return m.Delete(ctx, obj)
	}
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return b }, backendtest.CheckOptions{Locate: m.Location, Only: "meta"})
}
