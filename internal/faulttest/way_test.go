package faulttest

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// way is one way of the bytes and the one kind of request on it that is struck.
type way struct {
	name string
	up   bool
	size int
	op   string // operation of the struck request
	only string // part of its query
	part bool   // the request is about a part, which errors must name

	object *regexp.Regexp // what errors must name; nil is the object that is copied
}

const (
	small = 100_000
	parts = 600_000        // three of them, one at a time: limits.memory has room for one
	large = 2<<20 + 50_000 // three parts of 1 MiB at once: limits.memory has room for four
	name  = "dir/data.bin"
)

func ways() []way {
	return []way{
		{name: "upload small", up: true, size: small, op: "PutObject"},
		{name: "upload parts", up: true, size: parts, op: "UploadPart", only: "&uploadPartNum=2&", part: true},
		{name: "begin upload", up: true, size: parts, op: "CreateMultipartUpload"},
		{name: "end upload", up: true, size: parts, op: "CommitMultipartUpload"},
		{name: "download small", size: small, op: "GetObject"},
		{name: "download parts", size: large, op: "GetObject", part: true},
	}
}

// transferManifest copies one object.
const transferManifest = `version: 1
name: faults
limits: {memory: %s}
retry: {attempts: %d, first: 1ms, max: 5ms}
transfers:
  data: {from: %q, to: %q}
`

// prepare makes the source, the old content of the destination if there is to be one, and the manifest. It returns the bytes
// that are to be moved.
func (x way) prepare(w *world, old []byte) (content []byte) {
	content = bytesOf(x.size)
	from, to := "oci://"+w.sim.Namespace()+"/"+bucket+"/"+name, "./target/data.bin"
	if x.up {
		from, to = "./source/data.bin", from
		if old != nil {
			w.put(name, old)
		}
		w.write("source/data.bin", content)
	} else {
		if old != nil {
			w.write("target/data.bin", old)
		}
		w.put(name, content)
	}
	memory := "256KiB"
	if x.size == large {
		memory = "4MiB"
	}
	w.write("manifest.yaml", fmt.Appendf(nil, transferManifest, memory, attempts, from, to))
	return content
}

// bytesOf gives the same bytes every time; nobody writes to them.
func bytesOf(n int) []byte {
	content, _ := made.LoadOrStore(n, sync.OnceValue(func() []byte {
		content := make([]byte, n)
		_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(content)
		return content
	}))
	return content.(func() []byte)()
}

// made keeps what bytesOf gave, by size.
var made sync.Map

// destination returns what is under the final name, nil for nothing.
func (x way) destination(w *world) []byte {
	w.t.Helper()
	if x.up {
		return w.get(name)
	}
	content, err := os.ReadFile(w.path("target/data.bin"))
	if !os.IsNotExist(err) {
		must(w.t, err)
	}
	return content
}

// strike lets the fault happen to the requests of the way, from the first on that is about the bytes themselves.
func (x way) strike(w *world, e ocisim.Effect, times int) {
	var once sync.Once
	fault := ocisim.Fault{Match: ocisim.Match{Operation: x.op, Query: x.only, Times: times}, Effect: e}
	begins, ok := map[string]func(*http.Request) bool{"GetObject": isRange, "GetImage": makesImage}[x.op]
	if !ok {
		w.sim.Faults().Add(fault)
		return
	}
	w.onRequest(func(r *http.Request) {
		if begins(r) {
			once.Do(func() { w.sim.Faults().Add(fault) })
		}
	})
}

// makesImage reports whether a request makes an image. Those that are looked at before, by the plan, are others.
func makesImage(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/images")
}

// isRange reports whether a request reads bytes of an object. One byte is what a look for a missing object asks for.
func isRange(r *http.Request) bool {
	span := r.Header.Get("Range")
	return r.Method == http.MethodGet && span != "" && span != "bytes=0-0"
}

// tries counts the requests of the way for each thing that they were about: a part, a range, the object. Reads that were cut
// off on a connection used before are counted apart: net/http takes that for a connection that had been idle for too long,
// and repeats them by itself, at once and on another connection.
func (x way) tries(o outcome) (tries map[string]int, free int) {
	tries = map[string]int{}
	for _, e := range o.log {
		switch {
		case e.Operation != x.op || !strings.Contains("&"+e.Query+"&", x.only) || x.op == "GetObject" && e.Range == "bytes=0-0":
		case e.Method == http.MethodGet && e.Status == 0 && e.Header.Get(reused) != "":
			free++
		default:
			tries[e.Query+" "+e.Range]++
		}
	}
	return tries, free
}

func most(tries map[string]int) int {
	n := 0
	for _, of := range tries {
		n = max(n, of)
	}
	return n
}

// want is how a run must end.
type want struct {
	code      int
	kind      backend.Kind
	tries     int
	noRequest bool // no answer has a request id that the error could name
	done      bool // the service may have done its work before the answer was lost
	lost      bool // the old content may be gone
}

var (
	partNumber = regexp.MustCompile(`part [1-3]\b`)
	theObject  = regexp.MustCompile(`(dir|target|source)/data\.bin`)
)

// check demands that the run ended so and said so.
func (x way) check(t *testing.T, o outcome, expected want) {
	t.Helper()
	if o.code != expected.code {
		t.Fatalf("exit code %d, want %d\n%s%s", o.code, expected.code, o.stderr, o.stdout)
	}
	tries, free := x.tries(o)
	if o.code == 0 && free > 0 {
		expected.tries -= free // the one fault struck such a read
	}
	if n := most(tries); n != expected.tries {
		t.Errorf("requests were sent %d times, want %d: %v", n, expected.tries, tries)
	}
	if expected.code != 0 {
		x.checkReport(t, o, expected)
	}
}

func (x way) checkReport(t *testing.T, o outcome, expected want) {
	t.Helper()
	if len(o.Steps) != 1 {
		t.Fatalf("the report has %d steps\n%s%s", len(o.Steps), o.stderr, o.stdout)
	}
	s := o.Steps[0]
	if o.ExitCode != expected.code || s.Kind != expected.kind || s.Help == "" {
		t.Errorf("the report has exit code %d, kind %q, help %q; want %d, %q and some help", o.ExitCode, s.Kind, s.Help, expected.code, expected.kind)
	}
	if object := cmp.Or(x.object, theObject); !object.MatchString(s.Error) {
		t.Errorf("the error does not name the object: %s", s.Error)
	}
	if x.part && !expected.noRequest && !partNumber.MatchString(s.Error) {
		t.Errorf("the error does not name the part: %s", s.Error)
	}
	if !expected.noRequest && !namesRequest(o, s.Error) {
		t.Errorf("the error does not name the request: %s", s.Error)
	}
	text := strings.ReplaceAll(s.Error, "file://"+o.dir+"/", "./") // people read paths as they would type them
	for _, out := range []string{o.stdout, o.stderr} {
		if !strings.HasPrefix(out, "{") && (!strings.Contains(out, text) || !strings.Contains(out, s.Help)) {
			t.Errorf("the text lacks the error or the help, %q, %q:\n%s", s.Error, s.Help, out)
		}
	}
}

// namesRequest reports whether text has the id of a request that was struck, unless none of them was answered.
func namesRequest(o outcome, text string) bool {
	answered := false
	for _, e := range o.log {
		if e.Fault && e.Status != 0 {
			answered = true
			if strings.Contains(text, e.RequestID) {
				return true
			}
		}
	}
	return !answered
}

// checkDestination demands that the destination shows the whole new bytes or what was there before.
func (x way) checkDestination(t *testing.T, w *world, content, old []byte, expected want) {
	t.Helper()
	got := x.destination(w)
	switch {
	case expected.code == 0 || expected.done && bytes.Equal(got, content):
		if !bytes.Equal(got, content) {
			t.Errorf("the destination has %d bytes, not the %d right ones", len(got), len(content))
		}
	case expected.lost && got == nil:
	case !bytes.Equal(got, old) || (got == nil) != (old == nil):
		t.Errorf("after a failure the destination has %d bytes, before there were %d", len(got), len(old))
	}
}

// checkLeft demands that nothing is left, or only what the next run goes on with.
func checkLeft(t testing.TB, w *world, resumable bool) {
	t.Helper()
	left := w.left()
	if len(left) > 0 && !resumable {
		slices.Sort(left)
		t.Errorf("left behind: %s", strings.Join(left, ", "))
	}
}
