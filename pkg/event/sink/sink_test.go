package sink

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/pkg/event"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bodies holds one of each; TestBodiesAreAll keeps it complete.
var bodies = []event.Body{
	event.RunStarted{Run: "r1", Name: "nightly", Steps: 3, Bytes: 80 << 30, Resumed: true},
	event.RunEnded{Outcome: "partial", Took: 380 * time.Second},
	event.StepStarted{Title: "copy the logs", Bytes: 3 << 30},
	event.StepPhase{Phase: "creating image", Done: 30, Total: 100},
	event.StepEnded{Outcome: "failed", Bytes: 1 << 20, Took: time.Minute, Err: "denied", Help: "ask"},
	event.ItemStarted{Bytes: 1 << 30, Resume: 1 << 20},
	event.ItemEnded{Outcome: "failed", Bytes: 1 << 30, Checksum: "crc32c:00000000", Err: "corrupt"},
	event.Moved{Bytes: 1 << 20},
	event.Retrying{Op: "UploadPart", Attempt: 1, Wait: 4 * time.Second, Err: "throttled"},
	event.Paused{Endpoint: "objectstorage.eu.example.com", Reason: "no route to host", Limit: time.Hour},
	event.Resumed{Endpoint: "objectstorage.eu.example.com", After: 42 * time.Second},
	event.Warning{Text: "2 data volumes are not exported"},
}

// offBeat keeps what a test does from falling on the ticks of a sink: which comes first at one moment is not defined.
const offBeat = 50 * time.Millisecond

// advance moves the clock of the bubble and lets every goroutine catch up.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; write it anew with -update and look at the difference.\n--- got\n%s--- want\n%s", path, got, want)
	}
}

// play is a run of three steps with all that can happen on the way. It calls look where there is something to see.
func play(s event.Sink, look func(what string)) {
	const web, logs, eu = `export.web["web-01"]`, "transfer.logs", "objectstorage.eu.example.com"
	advance(offBeat)
	s.Emit("", "", event.RunStarted{Run: "r1", Name: "nightly", Steps: 3, Bytes: 4 << 30})
	s.Emit(web, "", event.StepStarted{Title: "export as qcow2", Bytes: 3 << 30})
	s.Emit(web, "", event.StepPhase{Phase: "creating image", Done: 0, Total: 100})
	s.Emit(logs, "", event.StepStarted{Title: "copy folder logs", Bytes: 1 << 30})
	for i := range 20 {
		item := fmt.Sprintf("2024/%02d.log", i)
		s.Emit(logs, item, event.ItemStarted{Bytes: 10 << 20})
		s.Emit(logs, item, event.Moved{Bytes: 10 << 20})
		s.Emit(logs, item, event.ItemEnded{Outcome: "done", Bytes: 10 << 20})
		s.Emit(web, "", event.StepPhase{Phase: "creating image", Done: int64(i * 5), Total: 100})
		advance(time.Second)
	}
	look("moving")
	s.Emit(web, "disk.qcow2", event.ItemStarted{Bytes: 3 << 30, Resume: 1 << 30})
	for range 12 {
		s.Emit(web, "disk.qcow2", event.Moved{Bytes: 60 << 20})
		advance(time.Second)
	}
	for i := range 15 {
		s.Emit(logs, "2024/20.log", event.Retrying{Op: "UploadPart", Attempt: i + 1, Wait: 4 * time.Second, Err: "throttled: 429 TooManyRequests"})
		advance(time.Second)
	}
	look("retrying")
	s.Emit(web, "", event.Paused{Endpoint: eu, Reason: "no route to host", Limit: time.Hour})
	s.Emit(logs, "", event.Paused{Endpoint: eu, Reason: "no route to host", Limit: time.Hour})
	advance(42 * time.Second)
	look("paused")
	s.Emit(web, "", event.Resumed{Endpoint: eu, After: 42 * time.Second})
	s.Emit(logs, "", event.Resumed{Endpoint: eu, After: 42 * time.Second})
	s.Emit(logs, "bad\x1b[31m\r\nname", event.ItemEnded{Outcome: "failed", Bytes: 5, Err: "read: corrupt"})
	s.Emit("", "", event.Warning{Text: "2 data volumes are not exported"})
	s.Emit(logs, "", event.StepEnded{Outcome: "failed", Bytes: 200 << 20, Took: 89 * time.Second,
		Err: "1 object failed: read: corrupt", Help: "Check the source:\n  fsck /data\n"})
	s.Emit(web, "disk.qcow2", event.Moved{Bytes: 1328 << 20})
	s.Emit(web, "disk.qcow2", event.ItemEnded{Outcome: "done", Bytes: 3 << 30})
	s.Emit(web, "", event.StepPhase{Phase: "verifying"})
	advance(3 * time.Second)
	look("failed")
	s.Emit(web, "", event.StepEnded{Outcome: "done", Bytes: 2 << 30, Took: 92 * time.Second})
	s.Emit("prune.old", "", event.StepEnded{Outcome: "not_run", Err: "needs transfer.logs"})
	s.Emit("", "", event.RunEnded{Outcome: "partial", Took: 92 * time.Second})
}

// kinds makes each sink that writes to w.
var kinds = map[string]func(w io.Writer) (event.Sink, func() error){
	"bar": func(w io.Writer) (event.Sink, func() error) {
		b := NewBar(w, BarOptions{})
		return b.Sink(), b.Close
	},
	"plain": func(w io.Writer) (event.Sink, func() error) {
		p := NewPlain(w, PlainOptions{})
		return p.Sink(), p.Close
	},
	"json": func(w io.Writer) (event.Sink, func() error) {
		j := NewJSON(w)
		return j.Sink(), j.Close
	},
	"log": func(w io.Writer) (event.Sink, func() error) {
		g := NewLog(slog.New(slog.NewJSONHandler(w, nil)))
		return g.Sink(), g.Close
	},
}

func TestManyGoroutines(t *testing.T) {
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			s, closer := open(&out)
			var wg sync.WaitGroup
			s.Emit("", "", event.RunStarted{Name: "many", Steps: 50, Bytes: 50 * 1000})
			for i := range 50 {
				wg.Go(func() {
					step := fmt.Sprintf("transfer.t-%02d", i)
					s.Emit(step, "", event.StepStarted{Bytes: 1000})
					for range 200 {
						s.Emit(step, "a", event.Moved{Bytes: 5})
					}
					for _, b := range bodies[3:] {
						s.Emit(step, "a", b)
					}
					s.Emit(step, "", event.StepEnded{Outcome: "done", Bytes: 1000})
				})
			}
			wg.Wait()
			s.Emit("", "", event.RunEnded{Outcome: "done", Took: time.Second})
			if err := closer(); err != nil {
				t.Fatal(err)
			}
			for i := range 50 {
				if step := fmt.Sprintf("transfer.t-%02d", i); !strings.Contains(out.String(), step) {
					t.Fatalf("%s: %s is missing", name, step)
				}
			}
			s.Emit("late", "", event.StepStarted{}) // after Close: dropped
			if err := closer(); err != nil {
				t.Errorf("second Close: %v", err)
			}
		})
	}
}

// blocked is a terminal after Ctrl-S: writes hang until it is released.
type blocked struct {
	release chan struct{}
	bytes.Buffer
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.release
	return b.Buffer.Write(p)
}

func TestBlockedWriterDoesNotBlockTheRun(t *testing.T) {
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &blocked{release: make(chan struct{})}
				s, closer := open(w)
				s.Emit("", "", event.RunStarted{Name: "n", Steps: 1, Bytes: -1})
				advance(time.Minute) // the goroutine hangs in its first write
				before := time.Now()
				s.Emit("a", "", event.StepStarted{Bytes: -1})
				for i := range 2 * maxQueued {
					s.Emit("a", fmt.Sprint(i), event.ItemEnded{Outcome: "failed", Err: "x"})
				}
				s.Emit("a", "", event.StepEnded{Outcome: "failed", Err: "the end of a"})
				if d := time.Since(before); d != 0 {
					t.Errorf("Emit waited for %v", d)
				}
				if err := closer(); !errors.Is(err, errBlocked) {
					t.Errorf("Close: %v", err)
				}
				if d := time.Since(before); d != closeWait {
					t.Errorf("Close took %v, want %v", d, closeWait)
				}
				close(w.release)
				synctest.Wait()
				out := w.String()
				for _, want := range []string{"the end of a", map[string]string{
					"bar": "the terminal was blocked", "plain": "events not shown: the output was blocked",
					"json": `"type":"dropped","count":16`, "log": `"msg":"dropped","count":16`,
				}[name]} {
					if !strings.Contains(out, want) {
						t.Errorf("after the release: no %q", want)
					}
				}
			})
		})
	}
}

type failing struct{ writes int }

var errDisk = errors.New("no space left on device")

func (f *failing) Write([]byte) (int, error) {
	f.writes++
	return 0, errDisk
}

func TestFailingWriter(t *testing.T) {
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &failing{}
				s, closer := open(w)
				play(s, func(string) {})
				if err := closer(); !errors.Is(err, errDisk) {
					t.Errorf("Close: %v, want %v", err, errDisk)
				}
				if name != "log" && w.writes != 1 { // a handler decides itself
					t.Errorf("%d writes after the first failed", w.writes-1)
				}
			})
		})
	}
}

func TestQueueIsBounded(t *testing.T) {
	p := &pump{open: map[source]int{}, wake: make(chan struct{}, 1), wakeAt: 1}
	for i := range 3 * maxQueued {
		p.emit(event.Event{Step: "a", Item: fmt.Sprint(i), Body: event.ItemStarted{}})
		p.emit(event.Event{Step: "a", Item: fmt.Sprint(i), Body: event.Moved{Bytes: 1}})
		p.emit(event.Event{Step: "a", Item: fmt.Sprint(i), Body: event.ItemEnded{}})
	}
	p.emit(event.Event{Step: "a", Body: event.StepEnded{}})
	b := p.take(nil)
	if len(b.events) != maxQueued+2 { // the bytes of the step, and its end
		t.Errorf("%d events are queued", len(b.events))
	}
	sum, started := int64(0), 0
	for _, e := range b.events {
		switch body := e.Body.(type) {
		case event.Moved:
			sum += body.Bytes
		case event.ItemStarted, event.ItemEnded:
			started++
		}
	}
	if sum != 3*maxQueued || started+b.dropped != 6*maxQueued {
		t.Errorf("%d bytes, %d events about objects and %d dropped", sum, started, b.dropped)
	}
}

func TestMovedIsAddedUpInOrder(t *testing.T) {
	p := &pump{open: map[source]int{}, wake: make(chan struct{}, 1), wakeAt: 1}
	for _, e := range []event.Event{
		{Step: "a", Item: "x", Body: event.Moved{Bytes: 1}},
		{Step: "a", Item: "y", Body: event.Moved{Bytes: 10}},
		{Step: "a", Item: "x", Body: event.Moved{Bytes: 2}},
		{Step: "a", Item: "x", Body: event.ItemEnded{}},
		{Step: "a", Item: "x", Body: event.Moved{Bytes: 4}},
		{Step: "a", Item: "y", Body: event.Moved{Bytes: 20}},
	} {
		p.emit(e)
	}
	var got []string
	for _, e := range p.take(nil).events {
		got = append(got, fmt.Sprintf("%s:%v", e.Item, e.Body))
	}
	if want := "x:{3} y:{30} x:{done} x:{4}"; strings.Join(got, " ") != strings.Replace(want, "{done}", "{ 0  }", 1) {
		t.Errorf("got %v", got)
	}
}

func BenchmarkMoved(b *testing.B) {
	s := NewBar(io.Discard, BarOptions{})
	defer s.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := event.Event{Time: time.Now(), Step: "transfer.logs", Item: "a/b/c", Body: event.Moved{Bytes: 1 << 20}}
		for pb.Next() {
			s.Emit(e)
		}
	})
}
