package sink

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

func plain(t *testing.T, run func(s event.Sink)) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		p := NewPlain(&out, PlainOptions{Zone: time.UTC})
		advance(offBeat)
		run(p.Sink())
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return out.String()
}

func TestPlain(t *testing.T) {
	out := plain(t, func(s event.Sink) { play(s, func(string) {}) })
	golden(t, "plain.golden", out)
	if strings.ContainsFunc(out, func(r rune) bool { return r < ' ' && r != '\n' }) {
		t.Errorf("control characters in:\n%q", out)
	}
}

func TestPlainHeartbeat(t *testing.T) {
	out := plain(t, func(s event.Sink) {
		advance(2 * time.Minute) // nothing runs: nothing is said
		s.Emit("", "", event.RunStarted{Name: "n", Steps: 8, Bytes: 80 << 30})
		for i := range 7 {
			s.Emit(fmt.Sprintf("transfer.t%d", i), "", event.StepStarted{Bytes: 10 << 30})
		}
		for range 95 {
			s.Emit("transfer.t0", "x", event.Moved{Bytes: 100 << 20})
			advance(time.Second)
		}
	})
	var beats []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "progress:") {
			beats = append(beats, strings.TrimSpace(line))
		}
	}
	if len(beats) != 3 {
		t.Fatalf("%d heartbeats in 95 s:\n%s", len(beats), out)
	}
	golden(t, "heartbeat.golden", strings.Join(beats, "\n")+"\n")
}

func TestPlainHoldsBackRetriesAndFailures(t *testing.T) {
	out := plain(t, func(s event.Sink) {
		s.Emit("a", "", event.StepStarted{Bytes: -1})
		for i := range 100 { // 25 s
			s.Emit("a", "x", event.Retrying{Op: "UploadPart", Attempt: i + 1, Wait: time.Second, Err: "throttled"})
			s.Emit("a", fmt.Sprint("object-", i), event.ItemEnded{Outcome: "failed", Err: "denied"})
			advance(250 * time.Millisecond)
		}
		s.Emit("a", "", event.StepEnded{Outcome: "failed", Took: 25 * time.Second})
	})
	if n := strings.Count(out, "retry:"); n != 4 { // the first, after 10 s, after 20 s, at the end
		t.Errorf("%d lines about retries:\n%s", n, out)
	}
	if n := strings.Count(out, " failed: denied\n"); n != namedFailure {
		t.Errorf("%d objects have a line:\n%s", n, out)
	}
	for _, want := range []string{"a: retry: 40 in 10s, the last: x: UploadPart again in 1s (attempt ",
		"more objects failed\n", "a: failed after 25s, 100 objects failed, 100 retries\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestPlainSaysOnceThatAnEndpointIsAway(t *testing.T) {
	out := plain(t, func(s event.Sink) {
		for _, step := range []string{"a", "b", "c"} {
			s.Emit(step, "", event.StepStarted{Bytes: -1})
			for range 3 {
				s.Emit(step, "", event.Paused{Endpoint: "host", Reason: "refused", Limit: time.Hour})
			}
		}
		advance(time.Minute)
		for _, step := range []string{"a", "b", "c"} {
			s.Emit(step, "", event.Resumed{Endpoint: "host", After: time.Minute})
		}
	})
	if p, r := strings.Count(out, " paused: host: refused, gives up after 1h\n"), strings.Count(out, " resumed: host is back after 1m\n"); p != 1 || r != 1 {
		t.Errorf("%d pauses, %d resumes:\n%s", p, r, out)
	}
	if !strings.Contains(out, "progress: 0 steps, paused: host: refused 0:30, gives up in 59:29, running: a, b, c") {
		t.Errorf("the heartbeat says nothing of the pause:\n%s", out)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	const evil = "x\x1b]0;title\x07\r\ny\u202e\u0085\x9b31m\xff"
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				s, closer := open(&out)
				s.Emit("", "", event.RunStarted{Name: evil, Steps: 1, Bytes: -1})
				s.Emit(evil, "", event.StepStarted{Title: evil, Bytes: -1})
				s.Emit(evil, "", event.StepPhase{Phase: evil})
				advance(time.Second)
				s.Emit(evil, evil, event.Retrying{Op: evil, Err: evil})
				s.Emit(evil, evil, event.Paused{Endpoint: evil, Reason: evil})
				advance(time.Second)
				s.Emit(evil, evil, event.Resumed{Endpoint: evil})
				s.Emit(evil, evil, event.ItemEnded{Outcome: "failed", Err: evil})
				s.Emit(evil, evil, event.Warning{Text: evil})
				s.Emit(evil, "", event.StepEnded{Outcome: evil, Err: evil, Help: evil})
				s.Emit("", "", event.RunEnded{Outcome: evil})
				if err := closer(); err != nil {
					t.Fatal(err)
				}
				bad := []string{"\x1b]", "\x07", "\ny", "\xff"}
				if name != "log" { // the handler's own affair
					bad = append(bad, "\u0085", "\u202e")
				}
				for _, bad := range bad {
					if strings.Contains(out.String(), bad) {
						t.Errorf("%q came through:\n%q", bad, out.String())
					}
				}
			})
		})
	}
}
