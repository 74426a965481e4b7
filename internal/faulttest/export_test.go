package faulttest

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/internal/proof"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

const exportManifest = `version: 1
name: faults
limits: {memory: 4MiB}
retry: {attempts: %d, first: 1ms, max: 5ms}
exports:
  web: {instance: %s, formats: [qcow2], staging: oci://%s/hx-staging/, to: ./target/}
`

// exportWorld is a world with one machine and a manifest that exports it.
func exportWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, ocisim.Options{Seed: &ocisim.Seed{
		Buckets:   []ocisim.SeedBucket{{Name: bucket}, {Name: staging}},
		Instances: []ocisim.SeedInstance{{Name: "web-01", DiskBytes: 8 << 20, DataBytes: 2 << 20}},
	}})
	w.write("manifest.yaml", fmt.Appendf(nil, exportManifest, attempts, w.sim.Instances()[0].ID, w.sim.Namespace()))
	return w
}

// arrived lists the files at the destination under their final names.
func (w *world) arrived() []string {
	w.t.Helper()
	var names []string
	must(w.t, filepath.WalkDir(w.path("target"), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path == w.path("target"): // it was never made
			return nil
		case err != nil:
			return err
		case strings.HasPrefix(entry.Name(), ".hx-") && entry.IsDir():
			return fs.SkipDir
		case !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".hx-"):
			names = append(names, path)
		}
		return nil
	}))
	return names
}

// checkExported demands that the disk arrived whole and that nothing is left of making it.
func (w *world) checkExported() {
	w.t.Helper()
	want, err := w.sim.DiskSHA256(w.sim.Instances()[0].ID)
	must(w.t, err)
	images := 0
	for _, path := range w.arrived() {
		if filepath.Ext(path) != ".qcow2" {
			continue
		}
		images++
		got, err := proof.DiskSHA256(w.t.Context(), path, "qcow2", w.dir)
		must(w.t, err)
		if got != want {
			w.t.Errorf("%s holds another disk than the machine has", filepath.Base(path))
		}
	}
	if images != 1 {
		w.t.Errorf("%d images arrived: %s", images, w.arrived())
	}
	checkLeft(w.t, w, false)
}

// imagesMade counts the custom images that were ever made, and the exports of them that succeeded.
func (w *world) imagesMade() (images, exports int) {
	w.t.Helper()
	all, err := w.cloud().Images(w.t.Context())
	must(w.t, err)
	for _, i := range all {
		exports += i.Exports
	}
	return len(all), exports
}

// exportWays are the requests of an export.
func exportWays() map[string]way {
	object := regexp.MustCompile(`ocid1\.(instance|image)\.|hx-staging/|web-01`)
	return map[string]way{
		"create": {op: "CreateImage", object: object},
		"poll":   {op: "GetImage", object: object},
		"list":   {op: "ListImages", object: object},
		"work":   {op: "ListWorkRequests", object: object},
		"export": {op: "ExportImage", object: object},
		"fetch":  {op: "GetObject", object: object, part: true},
		"delete": {op: "DeleteImage", object: object},
	}
}

// TestExports lets every request of an export fail. What passes costs no second image; what does not leaves nothing.
func TestExports(t *testing.T) {
	t.Parallel()
	cut := ocisim.Effect{TruncateAt: 5000}
	busy := refusal(503, "ServiceUnavailable")
	once, temporary := want{tries: 2}, want{code: 5, kind: backend.Unavailable, tries: attempts}
	anew := func(code int, kind backend.Kind) want { return want{code: code, kind: kind, tries: 1} }
	for _, row := range []struct {
		way string
		fault
	}{
		{"create", fault{name: "503 once", effect: busy, times: 1, want: once}},
		{"create", fault{name: "503", effect: busy, want: temporary}},
		{"create", fault{name: "429 once", effect: refusal(429, "TooManyRequests"), times: 1, want: once}},
		{"create", fault{name: "lost answer once", effect: ocisim.Effect{LoseAnswer: true}, times: 1, want: want{tries: 1}}}, // found by its name
		{"create", fault{name: "reset after", effect: ocisim.Effect{ResetAfter: true}, times: 1, want: want{tries: 1}}},
		{"create", fault{name: "reset before once", effect: ocisim.Effect{ResetBefore: true}, times: 1, want: once}},
		{"create", fault{name: "reset before", effect: ocisim.Effect{ResetBefore: true}, want: want{code: 5, kind: backend.Offline, tries: attempts}}},
		{"create", fault{name: "401", effect: refusal(401, "NotAuthenticated"), want: anew(6, backend.Unauthorized)}},
		{"create", fault{name: "403", effect: refusal(403, "NotAllowed"), want: anew(6, backend.Forbidden)}},
		{"create", fault{name: "404", effect: refusal(404, "NotAuthorizedOrNotFound"), want: anew(6, backend.NotFound)}},
		{"create", fault{name: "413", effect: refusal(413, "RequestEntityTooLarge"), want: anew(1, backend.Invalid)}},
		{"create", fault{name: "quota", effect: refusal(400, "QuotaExceeded"), want: anew(1, backend.Full)}},
		{"poll", fault{name: "503 once", effect: busy, times: 1, want: want{tries: -1}}},
		{"poll", fault{name: "503", effect: busy, want: want{code: 5, kind: backend.Unavailable, tries: -1}}},
		{"poll", fault{name: "lost answer once", effect: ocisim.Effect{LoseAnswer: true}, times: 1, want: want{tries: -1}}},
		{"list", fault{name: "empty page once", effect: ocisim.Effect{ShortPage: true}, times: 1, want: want{tries: -1}}},
		{"list", fault{name: "empty pages", effect: ocisim.Effect{ShortPage: true}, // for the images to be removed
			want: want{code: 5, kind: backend.Unavailable, tries: -1, noRequest: true, done: true}}},
		{"work", fault{name: "empty page once", effect: ocisim.Effect{ShortPage: true}, times: 1, want: want{tries: -1}}},
		{"work", fault{name: "truncated once", effect: ocisim.Effect{TruncateAt: 10}, times: 1, want: want{tries: -1}}},
		{"export", fault{name: "503 once", effect: busy, times: 1, want: once}},
		{"export", fault{name: "503", effect: busy, want: temporary}},
		{"export", fault{name: "409 once", effect: refusal(409, "IncorrectState"), times: 1, want: once}},
		{"export", fault{name: "lost answer once", effect: ocisim.Effect{LoseAnswer: true}, times: 1, want: want{tries: 1}}},
		{"export", fault{name: "403", effect: refusal(403, "NotAllowed"), want: anew(6, backend.Forbidden)}},
		{"fetch", fault{name: "truncated once", effect: cut, times: 1, want: once}},
		{"fetch", fault{name: "truncated", effect: cut, want: want{code: 5, kind: backend.Offline, tries: attempts}}},
		{"fetch", fault{name: "corrupted", effect: ocisim.Effect{CorruptByte: 77}, want: want{code: 12, kind: backend.Corrupt, tries: 1, noRequest: true}}},
		{"fetch", fault{name: "412", effect: refusal(412, "IfMatchFailed"), want: anew(1, backend.Changed)}},
		{"fetch", fault{name: "429", effect: refusal(429, "TooManyRequests"), want: want{code: 5, kind: backend.Throttled, tries: attempts}}},
		{"delete", fault{name: "503 once", effect: busy, times: 1, want: once}},
		{"delete", fault{name: "503", effect: busy, want: want{code: 5, kind: backend.Unavailable, tries: attempts, done: true}}},
		{"delete", fault{name: "lost answer once", effect: ocisim.Effect{LoseAnswer: true}, times: 1, want: want{tries: 1}}},
	} {
		t.Run(row.way+"/"+row.name, func(t *testing.T) {
			t.Parallel()
			exportWays()[row.way].runExport(t, row.fault)
		})
	}
}

// keepsImage reports whether the next run goes on with the image of one that failed so.
func (f want) keepsImage() bool {
	return f.kind.Temporary() || f.kind == backend.Unauthorized || f.kind == backend.Full
}

func (x way) runExport(t *testing.T, f fault) {
	w := exportWorld(t)
	x.strike(w, f.effect, f.times)
	first := w.apply(false)
	struck := w.sim.Faults().Struck()
	w.calm()
	if struck == 0 {
		t.Fatalf("the fault did not happen\n%s%s", first.stderr, first.stdout)
	}
	if tries, free := x.tries(first); f.tries < 0 { // as often as it takes
		f.tries = most(tries)
		if first.code == 0 {
			f.tries += free
		}
	}
	x.check(t, first, f.want)
	images := 1
	if f.code != 0 {
		if names := w.arrived(); len(names) > 0 && !f.done {
			t.Errorf("after a failure there are %s", names)
		}
		checkLeft(t, w, f.keepsImage())
		if made, _ := w.imagesMade(); made > 0 && !f.keepsImage() {
			images++ // the first was removed with everything else
		}
		if again := w.apply(true); again.code != 0 {
			t.Fatalf("without the fault: exit code %d\n%s%s", again.code, again.stderr, again.stdout)
		}
	}
	w.checkExported()
	if made, exports := w.imagesMade(); made != images || exports < 1 || exports > images {
		t.Errorf("%d images were made and %d exported, want %d and at least one", made, exports, images)
	}
}

// TestFailedWork lets the service accept the work and fail at it later.
func TestFailedWork(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		op   string
		code string
		kind backend.Kind
		exit int
	}{
		{"CreateImage", "InternalServerError", backend.Invalid, 1},
		{"CreateImage", "LimitExceeded", backend.Full, 1},
		{"ExportImage", "InsufficientServicePermissions", backend.Forbidden, 6},
	} {
		t.Run(row.op+" "+row.code, func(t *testing.T) {
			t.Parallel()
			w := exportWorld(t)
			w.sim.FailWorkRequest(row.op, 1, row.code, "It did not work out.")
			o := w.apply(false)
			way{op: "CreateImage", object: regexp.MustCompile(`ocid1\.image\.`)}.check(t, o, want{code: row.exit, kind: row.kind, tries: 1, noRequest: true})
			if len(o.Steps) == 1 && (!strings.Contains(o.Steps[0].Error, "It did not work out") || !strings.Contains(o.Steps[0].Error, "work request ocid1.")) {
				t.Errorf("the error hides what the service says: %s", o.Steps[0].Error)
			}
			if names := w.arrived(); len(names) > 0 {
				t.Errorf("after a failure there are %s", names)
			}
			checkLeft(t, w, want{kind: row.kind}.keepsImage())
			if again := w.apply(true); again.code != 0 {
				t.Fatalf("without the fault: exit code %d\n%s%s", again.code, again.stderr, again.stdout)
			}
			w.checkExported()
		})
	}
}
