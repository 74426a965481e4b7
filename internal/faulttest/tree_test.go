package faulttest

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// TestPages lets lists give short and empty pages with a token for the rest, which is what they may do, and a list that
// never gets on.
func TestPages(t *testing.T) {
	t.Parallel()
	short := func(items int) ocisim.Effect { return ocisim.Effect{ShortPage: true, PageItems: items} }
	for i, row := range []struct {
		name   string
		op     string
		effect ocisim.Effect
		times  int
		code   int
		most   int // requests
	}{
		{name: "empty page once", op: "ListObjects", effect: short(0), times: 1, most: 10},
		{name: "three empty pages", op: "ListObjects", effect: short(0), times: 3, most: 20},
		{name: "short pages", op: "ListObjects", effect: short(1), most: 40},
		{name: "empty pages", op: "ListObjects", effect: short(0), code: 5, most: 20 * attempts},
		{name: "503 once", op: "ListObjects", effect: refusal(503, "ServiceUnavailable"), times: 1, most: 10},
		{name: "503", op: "ListObjects", effect: refusal(503, "ServiceUnavailable"), code: 5, most: attempts},
		{name: "lost answer once", op: "ListObjects", effect: ocisim.Effect{LoseAnswer: true}, times: 1, most: 10},
		{name: "truncated once", op: "ListObjects", effect: ocisim.Effect{TruncateAt: 10}, times: 1, most: 10},
		{name: "truncated", op: "ListObjects", effect: ocisim.Effect{TruncateAt: 10}, code: 5, most: attempts},
		{name: "401", op: "ListObjects", effect: refusal(401, "NotAuthenticated"), code: 6, most: 1},
		{name: "403", op: "ListObjects", effect: refusal(403, "NotAllowed"), code: 6, most: 1},
		{name: "BucketNotFound once", op: "ListObjects", effect: ocisim.BucketNotFound(), times: 1, most: 10},
		{name: "BucketNotFound", op: "ListObjects", effect: ocisim.BucketNotFound(), code: 7, most: 4 * attempts},
	} {
		asJSON := i%2 == 0
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ocisim.Options{})
			tree := prepareTree(w)
			w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: row.op, Times: row.times}, Effect: row.effect})
			o := w.apply(asJSON)
			w.calm()
			if o.code != row.code {
				t.Fatalf("exit code %d, want %d\n%s%s", o.code, row.code, o.stderr, o.stdout)
			}
			if n := len(o.log); row.code != 0 && n > row.most {
				t.Errorf("%d requests, want at most %d", n, row.most)
			}
			if row.code != 0 {
				checkPlanFailed(t, o, regexp.MustCompile(`dir/|logs`))
				if o = w.apply(false); o.code != 0 {
					t.Fatalf("without the fault: exit code %d\n%s%s", o.code, o.stderr, o.stdout)
				}
			}
			tree.check(t, w, nil)
			checkLeft(t, w, false)
		})
	}
}

// TestPartsInPages lets the list of parts, by which an upload is checked before it is committed, come in short pages.
func TestPartsInPages(t *testing.T) {
	t.Parallel()
	for items, times := range map[int]int{0: 2, 1: 0} {
		t.Run(fmt.Sprintf("%d items", items), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ocisim.Options{})
			x := wayNamed("upload parts")
			content := x.prepare(w, nil)
			w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "ListMultipartUploadParts", Times: times},
				Effect: ocisim.Effect{ShortPage: true, PageItems: items}})
			o := w.apply(false)
			w.calm()
			x.check(t, o, want{tries: 1})
			x.checkDestination(t, w, content, nil, want{})
			checkLeft(t, w, false)
		})
	}
}

// checkPlanFailed demands that a run that ended with its plan says what and why.
func checkPlanFailed(t *testing.T, o outcome, object *regexp.Regexp) {
	t.Helper()
	said, helps := o.stderr, strings.Contains(o.stderr, "help: ") || o.code == 7 && strings.Contains(o.stderr, "check the location")
	if strings.HasPrefix(o.stdout, "{") {
		said, helps = o.Error, o.Help != "" && o.Kind != ""
		if len(o.Plan.Blocked) > 0 {
			said, helps = o.Plan.Blocked[0].Text, o.Plan.Blocked[0].Help != ""
		}
		helps = helps && o.ExitCode == o.code
	}
	stays := strings.Contains(said, "does not advance") // which no single request did wrong
	if !helps || !object.MatchString(said) || !stays && !namesRequest(o, said) {
		t.Errorf("the run does not say what is wrong, or what to do:\n%s%s", o.stderr, o.stdout)
	}
}

// tree is what a transfer of a folder moves, by name.
type tree map[string][]byte

const treeManifest = `version: 1
name: faults
limits: {memory: 4MiB}
retry: {attempts: %d, first: 1ms, max: 5ms}
transfers:
  data: {from: oci://%s/logs/dir/, to: ./target/}
`

func prepareTree(w *world) tree {
	content := tree{"a.bin": bytesOf(100), "b.bin": bytesOf(small), "sub/c.bin": bytesOf(large)}
	for name, bytes := range content {
		w.put("dir/"+name, bytes)
	}
	w.write("manifest.yaml", fmt.Appendf(nil, treeManifest, attempts, w.sim.Namespace()))
	return content
}

// check demands that everything is there except what is missing.
func (c tree) check(t *testing.T, w *world, missing []string) {
	t.Helper()
	for name, want := range c {
		got, err := os.ReadFile(w.path("target/" + name))
		absent := false
		for _, m := range missing {
			absent = absent || m == name
		}
		switch {
		case absent && !os.IsNotExist(err):
			t.Errorf("%s is there: %d bytes, %v", name, len(got), err)
		case !absent && (err != nil || !bytes.Equal(got, want)):
			t.Errorf("%s has %d bytes, want the right %d: %v", name, len(got), len(want), err)
		}
	}
}

// TestTrees lets single objects of a folder fail: the others arrive, and the report names those that did not.
func TestTrees(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		object string
		effect ocisim.Effect
		want
	}{
		{name: "403", object: "b.bin", effect: refusal(403, "NotAllowed"), want: want{code: 3, kind: backend.Forbidden, tries: 1}},
		{name: "503", object: "b.bin", effect: refusal(503, "ServiceUnavailable"), want: want{code: 3, kind: backend.Unavailable, tries: attempts}},
		{name: "503 of parts", object: "sub/c.bin", effect: refusal(503, "ServiceUnavailable"), want: want{code: 3, kind: backend.Unavailable, tries: attempts}},
		{name: "replaced", object: "b.bin", effect: refusal(412, "IfMatchFailed"), want: want{code: 3, kind: backend.Changed, tries: 1}},
		{name: "corrupted", object: "b.bin", effect: ocisim.Effect{CorruptByte: 7}, want: want{code: 12, kind: backend.Corrupt, tries: 1}},
		{name: "corrupted part", object: "sub/c.bin", effect: ocisim.Effect{CorruptByte: 7}, want: want{code: 12, kind: backend.Corrupt, tries: 1, noRequest: true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ocisim.Options{})
			content := prepareTree(w)
			x := way{op: "GetObject", object: regexp.MustCompile("dir/" + row.object)}
			w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "GetObject", Path: "/o/dir/" + row.object}, Effect: row.effect})
			o := w.apply(false)
			w.calm()
			for i := range o.log { // only what was struck counts
				if !o.log[i].Fault {
					o.log[i].Operation = ""
				}
			}
			x.check(t, o, row.want)
			if len(o.Steps) == 1 && (o.Steps[0].Failed != 1 || len(o.Steps[0].Errors) != 1 || o.Steps[0].Objects != int64(len(content)-1)) {
				t.Errorf("the report has %d objects, %d failed: %q", o.Steps[0].Objects, o.Steps[0].Failed, o.Steps[0].Errors)
			}
			content.check(t, w, []string{row.object})
			checkLeft(t, w, row.resumable())
			if again := w.apply(true); again.code != 0 {
				t.Fatalf("without the fault: exit code %d\n%s%s", again.code, again.stderr, again.stdout)
			}
			content.check(t, w, nil)
			checkLeft(t, w, false)
		})
	}
}

// TestLooks lets the first look at source and destination fail, before there is a plan: nothing is touched.
func TestLooks(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		op     string
		effect ocisim.Effect
		times  int
		code   int
		tries  int
	}{
		{name: "401", op: "HeadObject", effect: refusal(401, "NotAuthenticated"), code: 6, tries: 1},
		{name: "403", op: "HeadObject", effect: refusal(403, "NotAllowed"), code: 6, tries: 1},
		{name: "429", op: "HeadObject", effect: refusal(429, "TooManyRequests"), code: 5, tries: attempts},
		{name: "429 once", op: "HeadObject", effect: refusal(429, "TooManyRequests"), times: 1},
		{name: "503", op: "HeadObject", effect: refusal(503, "ServiceUnavailable"), code: 5, tries: attempts},
		{name: "503 once", op: "HeadObject", effect: refusal(503, "ServiceUnavailable"), times: 1},
		{name: "reset once", op: "HeadObject", effect: ocisim.Effect{ResetBefore: true}, times: 1},
		{name: "lost answer once", op: "HeadObject", effect: ocisim.Effect{LoseAnswer: true}, times: 1},
		{name: "wrong checksum once", op: "HeadObject", effect: ocisim.Effect{WrongChecksum: true}, times: 1},
		{name: "BucketNotFound once", effect: ocisim.BucketNotFound(), times: 1},
		{name: "BucketNotFound twice", effect: ocisim.BucketNotFound(), times: 2},
		{name: "BucketNotFound", effect: ocisim.BucketNotFound(), code: 7},
	} {
		for i, x := range []way{wayNamed("upload small"), wayNamed("download parts")} {
			asJSON := i == 0
			t.Run(x.name+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, ocisim.Options{})
				content := x.prepare(w, nil)
				w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: row.op, Times: row.times}, Effect: row.effect})
				o := w.apply(asJSON)
				w.calm()
				if o.code != row.code {
					t.Fatalf("exit code %d, want %d\n%s%s", o.code, row.code, o.stderr, o.stdout)
				}
				if row.code != 0 {
					checkPlanFailed(t, o, regexp.MustCompile(`dir/data\.bin|bucket axsim/logs`))
					if n := len(o.log); row.tries > 0 && n != row.tries {
						t.Errorf("%d requests, want %d", n, row.tries)
					}
					x.checkDestination(t, w, content, nil, want{code: row.code})
					if o = w.apply(false); o.code != 0 {
						t.Fatalf("without the fault: exit code %d\n%s%s", o.code, o.stderr, o.stdout)
					}
				}
				x.checkDestination(t, w, content, nil, want{})
				checkLeft(t, w, false)
			})
		}
	}
}
