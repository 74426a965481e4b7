package sink

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Metrics
		var out strings.Builder
		if err := m.WritePrometheus(&out); err != nil {
			t.Fatal(err)
		}
		out.WriteString("=== played\n")
		play(m.Sink(), func(what string) {
			if what == "paused" {
				out.WriteString("=== paused\n")
				if err := m.WritePrometheus(&out); err != nil {
					t.Fatal(err)
				}
			}
		})
		m.Sink().Emit("", "", event.Retrying{Op: "odd \"op\"\\\n\xff"})
		advance(time.Second)
		m.Sink().Emit("", "", event.RunEnded{Outcome: "done", Took: 1500 * time.Millisecond})
		out.WriteString("=== ended\n")
		if err := m.WritePrometheus(&out); err != nil {
			t.Fatal(err)
		}
		golden(t, "metrics.golden", out.String())
	})
}

func TestMetricsFromManyGoroutines(t *testing.T) {
	var m Metrics
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 100 {
				m.Sink().Emit("a", "x", event.Moved{Bytes: 3})
				for _, b := range bodies {
					m.Emit(event.Event{Time: time.Now(), Body: b})
				}
			}
			if err := m.WritePrometheus(&strings.Builder{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if want := int64(50 * 100 * (3 + 1<<20)); m.bytes != want {
		t.Errorf("%d bytes, want %d", m.bytes, want)
	}
	if err := m.WritePrometheus(&failing{}); !errors.Is(err, errDisk) {
		t.Errorf("error of the writer: %v", err)
	}
}
