package sink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

func jsonLines(t *testing.T, run func(s event.Sink)) (string, []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		j := NewJSON(&out)
		advance(offBeat)
		run(j.Sink())
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, m)
	}
	return out.String(), lines
}

func TestJSON(t *testing.T) {
	out, _ := jsonLines(t, func(s event.Sink) {
		for _, b := range bodies {
			s.Emit(`export.web["web-01"]`, "disk <1> & 2.qcow2", b)
		}
		s.Emit("", "", event.ItemEnded{Outcome: "done"})
		s.Emit("", "", nil)
	})
	golden(t, "json.golden", out)
}

func TestJSONPlayed(t *testing.T) {
	out, _ := jsonLines(t, func(s event.Sink) { play(s, func(string) {}) })
	golden(t, "json-played.golden", out)
}

func TestJSONMovedAtMostOncePerSecond(t *testing.T) {
	_, lines := jsonLines(t, func(s event.Sink) {
		for range 1000 { // 10 s
			for _, step := range []string{"a", "b"} {
				for i := range 10 {
					s.Emit(step, fmt.Sprint(i), event.Moved{Bytes: 1})
				}
			}
			advance(10 * time.Millisecond)
		}
		s.Emit("a", "", event.StepEnded{Outcome: "done", Bytes: 10_000})
		s.Emit("", "", event.RunEnded{Outcome: "done"})
	})
	count, sum, last := map[any]int{}, map[any]float64{}, map[any]float64{}
	for _, l := range lines {
		if l["type"] == "moved" {
			count[l["step"]]++
			sum[l["step"]] += l["bytes"].(float64)
			last[l["step"]] = l["step_bytes"].(float64)
		}
	}
	for _, step := range []string{"a", "b"} {
		if n := count[step]; n < 9 || n > 12 {
			t.Errorf("%s: %d lines in 10 s", step, n)
		}
		if sum[step] != 10_000 || last[step] != 10_000 {
			t.Errorf("%s: %v bytes, %v in sum, want 10000", step, sum[step], last[step])
		}
	}
	if end := lines[len(lines)-1]; end["type"] != "run_ended" {
		t.Errorf("the last line is %v", end)
	}
}

func BenchmarkJSON(b *testing.B) {
	var n int
	j := NewJSON(writerFunc(func(p []byte) (int, error) { n += bytes.Count(p, []byte{'\n'}); return len(p), nil }))
	e := event.Event{Time: time.Now(), Step: "transfer.logs", Item: "a", Body: event.ItemEnded{Outcome: "done", Bytes: 5}}
	batch := batch{events: []event.Event{e}}
	b.ReportAllocs()
	for b.Loop() {
		j.line(head{e.Time, e.Step, e.Item, e.Body.Type()}, batch.events[0].Body)
		j.buf.Reset()
	}
	j.Close()
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
