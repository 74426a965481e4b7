package faulttest

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// wayNamed returns one of ways.
func wayNamed(name string) way {
	for _, x := range ways() {
		if x.name == name {
			return x
		}
	}
	panic("there is no way " + name)
}

// once has f called when the nth request arrives for which is is true.
func (w *world) once(is func(*http.Request) bool, nth int, f func() error) {
	var mu sync.Mutex
	seen := 0
	w.onRequest(func(r *http.Request) {
		mu.Lock()
		struck := false
		if is(r) {
			seen++
			struck = seen == nth
		}
		mu.Unlock()
		if struck {
			if err := f(); err != nil {
				w.t.Errorf("before %s %s: %v", r.Method, r.URL, err)
			}
		}
	})
}

func isHead(r *http.Request) bool { return r.Method == http.MethodHead }
func isPut(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/o/")
}
func isBegin(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.RawQuery == "" }
func isCommit(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.Contains(r.URL.RawQuery, "uploadId=")
}
func isPart1(r *http.Request) bool { return strings.Contains(r.URL.RawQuery, "uploadPartNum=1") }

// TestChanges lets somebody else change the source or the destination in the middle of a transfer.
func TestChanges(t *testing.T) {
	t.Parallel()
	other := bytesOf(large + 1)
	source := func(w *world) func() error { return func() error { return w.tryPut(name, other[:len(other)-1]) } }
	file := func(w *world) func() error {
		return func() error { return os.WriteFile(w.path("source/data.bin"), other[:small], 0o600) }
	}
	cut := func(w *world) func() error {
		return func() error { return os.WriteFile(w.path("source/data.bin"), other[:small/2], 0o600) }
	}
	stranger := []byte("from somebody else")
	dest := func(w *world) func() error { return func() error { return w.tryPut(name, stranger) } }
	for _, row := range []struct {
		name  string
		way   string
		when  func(*http.Request) bool
		nth   int
		what  func(*world) func() error
		fresh bool
		want
	}{
		{name: "object before its only range", way: "download small", when: isRange, nth: 1, what: source, want: want{kind: backend.Changed, tries: 1}},
		{name: "object between two ranges", way: "download parts", when: isRange, nth: 2, what: source, fresh: true, want: want{kind: backend.Changed, tries: 1}},
		{name: "file before it is read", way: "upload small", when: isHead, nth: 2, what: file, want: want{kind: backend.Changed, noRequest: true}},
		{name: "file before its first part", way: "upload parts", when: isBegin, nth: 1, what: file, want: want{kind: backend.Changed, noRequest: true}},
		{name: "file after its first part", way: "upload parts", when: isPart1, nth: 1, what: file, fresh: true, want: want{kind: backend.Changed, noRequest: true}},
		{name: "file gets shorter", way: "upload parts", when: isPart1, nth: 1, what: cut, want: want{kind: backend.Changed, noRequest: true}},
		{name: "old destination", way: "upload small", when: isPut, nth: 1, what: dest, want: want{kind: backend.Changed, tries: 2}}, // one is the other's
		{name: "old destination of parts", way: "end upload", when: isCommit, nth: 1, what: dest, want: want{kind: backend.Changed, tries: 1}},
		{name: "new destination", way: "upload small", when: isPut, nth: 1, what: dest, fresh: true, want: want{kind: backend.Exists, tries: 2}},
		{name: "new destination of parts", way: "end upload", when: isCommit, nth: 1, what: dest, fresh: true, want: want{kind: backend.Exists, tries: 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ocisim.Options{})
			x := wayNamed(row.way)
			old := []byte("what was there before")
			if row.fresh {
				old = nil
			}
			content := x.prepare(w, old)
			w.once(row.when, row.nth, row.what(w))
			expected := row.want
			expected.code = 1
			first := w.apply(row.fresh)
			w.calm()
			x.check(t, first, expected)
			after := old // what the destination must show
			switch {
			case strings.Contains(row.name, "destination"):
				after = stranger
			case strings.Contains(row.name, "shorter"):
				content = other[:small/2]
			case x.up:
				content = other[:small]
			default:
				content = other[:len(other)-1]
			}
			x.checkDestination(t, w, content, after, expected)
			checkLeft(t, w, false)
			if again := w.apply(!row.fresh); again.code != 0 {
				t.Fatalf("the next run: exit code %d\n%s%s", again.code, again.stderr, again.stdout)
			}
			x.checkDestination(t, w, content, nil, want{})
			checkLeft(t, w, false)
		})
	}
}

// TestLateRepeats lets the body of a request arrive a second time, as the first attempt of one that was repeated: after the
// parts were listed and before they are committed, and after everything is over.
func TestLateRepeats(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		way      string
		before   func(*http.Request) bool // the request before which it arrives; nil is after the run
		requests int                      // with the body
		commits  int
	}{
		{way: "upload parts", before: isCommit, requests: 2, commits: 2},
		{way: "upload parts", requests: 1, commits: 1},
		{way: "upload small", requests: 1},
	} {
		when := "after the run"
		if row.before != nil {
			when = "before the end"
		}
		t.Run(row.way+" "+when, func(t *testing.T) {
			t.Parallel()
			clock := ocisim.NewManualClock(time.Now())
			w := newWorld(t, ocisim.Options{Clock: clock})
			x := wayNamed(row.way)
			content := x.prepare(w, nil)
			x.strike(w, ocisim.Effect{LateDuplicate: time.Second}, 1)
			if row.before != nil {
				w.once(row.before, 1, func() error {
					clock.Advance(time.Second)
					return nil
				})
			}
			o := w.apply(false)
			clock.Advance(time.Minute)
			w.calm()
			x.check(t, o, want{tries: row.requests})
			commits := 0
			for _, e := range o.log {
				if e.Operation == "CommitMultipartUpload" {
					commits++
				}
			}
			if commits != row.commits {
				t.Errorf("%d commits, want %d", commits, row.commits)
			}
			x.checkDestination(t, w, content, nil, want{})
			checkLeft(t, w, false)
		})
	}
}

// TestRetryAfter demands that the service is left alone for as long as it asks, also if that is longer than the policy's
// longest wait.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	const asked = time.Second
	for _, status := range []int{429, 503} {
		for _, x := range ways() {
			t.Run(x.name+" "+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, ocisim.Options{})
				content := x.prepare(w, nil)
				x.strike(w, ocisim.Effect{Status: status, RetryAfter: asked}, 1)
				o := w.apply(true)
				w.calm()
				x.check(t, o, want{tries: 2})
				var refused ocisim.Entry
				for _, e := range o.log {
					switch {
					case e.Fault:
						refused = e
					case refused.Operation == e.Operation && refused.Query == e.Query && refused.Range == e.Range:
						if waited := e.Time.Sub(refused.Time); waited < asked {
							t.Errorf("asked again after %s, the service wanted %s", waited, asked)
						}
					}
				}
				x.checkDestination(t, w, content, nil, want{})
				checkLeft(t, w, false)
			})
		}
	}
}

// TestStalls lets the body of an answer stop: for a moment, which is no fault at all, and for good, which the backend takes
// for 30 s before it asks again.
func TestStalls(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		stall time.Duration
		tries int
		long  bool
	}{
		{name: "for a moment", stall: 300 * time.Millisecond, tries: 1},
		{name: "for good", stall: time.Hour, tries: 2, long: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.long && testing.Short() {
				t.Skip("it takes the 30 s for which the backend waits")
			}
			w := newWorld(t, ocisim.Options{})
			x := wayNamed("download small")
			content := x.prepare(w, nil)
			x.strike(w, ocisim.Effect{Stall: row.stall, StallAt: 1000}, 1)
			o := w.apply(true)
			w.calm()
			x.check(t, o, want{tries: row.tries})
			x.checkDestination(t, w, content, nil, want{})
			checkLeft(t, w, false)
		})
	}
}

// TestWrongLook lets the service say a wrong checksum of the source when it is looked at, so that the bytes cannot match it.
func TestWrongLook(t *testing.T) {
	t.Parallel()
	for i, x := range []way{wayNamed("download small"), wayNamed("download parts")} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ocisim.Options{})
			old := []byte("what was there before")
			content := x.prepare(w, old)
			w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "HeadObject"}, Effect: ocisim.Effect{WrongChecksum: true}})
			o := w.apply(i == 0)
			w.calm()
			expected := want{code: 12, kind: backend.Corrupt, tries: 1, noRequest: true}
			x.check(t, o, expected)
			x.checkDestination(t, w, content, old, expected)
			checkLeft(t, w, false)
			if again := w.apply(i != 0); again.code != 0 {
				t.Fatalf("without the fault: exit code %d\n%s%s", again.code, again.stderr, again.stdout)
			}
			x.checkDestination(t, w, content, nil, want{})
			checkLeft(t, w, false)
		})
	}
}
