package e2e

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/internal/testbin"
)

// BenchmarkStart measures how long the command takes to say what it can do: what each command pays before it begins.
func BenchmarkStart(b *testing.B) {
	bin, err := testbin.Build(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		started := time.Now()
		if out, err := exec.CommandContext(b.Context(), bin, "--help").CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
}
