package e2e

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/internal/testbin"
)

var (
	kills    = flag.Int("kills", 30, "runs to kill; some are killed again when they go on")
	seedFlag = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the moments")
)

// TestKill kills apply at random moments, some runs twice, and lets the same command finish. Whatever it was doing, the
// next run ends well, every byte is right, every image was made once, and nothing is left.
//
// What goes over the wire again is bounded by limits.memory for each kill: whatever a process had sent or fetched in vain
// when it died was in a buffer of the pool, because a part gives its buffer back only after the journal has it, and a small
// object only after it is visible. With parts of a quarter of the memory that is at most four parts.
func TestKill(t *testing.T) {
	bin, err := testbin.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	whole := measure(t, bin)
	t.Logf("seed %d; a run that nobody kills takes %s", *seedFlag, whole.Round(time.Millisecond))
	total := &tally{phases: map[string]int{}}
	t.Run("runs", func(t *testing.T) {
		for n := range *kills {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(*seedFlag, uint64(n)))
				for !killOnce(t, bin, whole, random, total) && !t.Failed() {
				}
			})
		}
	})
	t.Log(total)
	if *kills >= 30 && len(total.phases) < 4 {
		t.Errorf("the kills hit only %d phases: %v", len(total.phases), total.phases)
	}
}

// measure times a run that nobody kills, and checks that it sends nothing twice.
func measure(t *testing.T, bin string) time.Duration {
	t.Helper()
	w := newWorld(t, bin)
	started := time.Now()
	r, err := w.apply(t.Context(), 0)
	took := time.Since(started)
	if err != nil || r.code != 0 {
		t.Fatalf("apply: exit code %d, %v\n%s%s", r.code, err, &r.stdout, &r.stderr)
	}
	if err := w.check(t.Context()); err != nil {
		t.Error(err)
	}
	if again := w.repeated(); again != (repeated{}) {
		t.Errorf("sent again without a kill: %+v", again)
	}
	return took
}

// TestCleanAfterKill kills apply at random moments and has clean remove what it left, instead of going on.
func TestCleanAfterKill(t *testing.T) {
	bin, err := testbin.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	whole := measure(t, bin)
	t.Logf("seed %d", *seedFlag)
	for n := range max(1, *kills/3) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(*seedFlag, uint64(n)<<32))
			w := newWorld(t, bin)
			r, err := w.apply(t.Context(), time.Duration(random.Int64N(int64(whole)))+1)
			if err != nil || !r.killed && r.code != 0 {
				t.Fatalf("apply: exit code %d, %v\n%s%s", r.code, err, &r.stdout, &r.stderr)
			}
			states, err := w.journals()
			if err != nil {
				t.Fatal(err)
			}
			total := &tally{phases: map[string]int{}}
			total.hit(states)
			r, err = w.command(t.Context(), 0, "clean", "-f", "manifest.yaml", "--remove")
			if err != nil || r.code != 0 {
				t.Fatalf("clean: exit code %d, %v\n%s%s", r.code, err, &r.stdout, &r.stderr)
			}
			if err := w.checkLeft(t.Context()); err != nil {
				t.Errorf("after clean, which said %s: %v\nwhat was going on: %v", &r.stdout, err, total.phases)
			}
		})
	}
}

// killOnce kills a run, every second one again when it goes on, lets it finish, and checks what it left. It reports
// false if the run ended before the moment of its death.
func killOnce(t *testing.T, bin string, whole time.Duration, random *rand.Rand, total *tally) bool {
	w := newWorld(t, bin)
	deaths := 0
	for range 1 + random.IntN(2) {
		r, err := w.apply(t.Context(), time.Duration(random.Int64N(int64(whole)))+1)
		if err != nil {
			t.Fatal(err)
		}
		if !r.killed {
			if r.code != 0 {
				t.Fatalf("apply after %d kills: exit code %d\n%s%s", deaths, r.code, &r.stdout, &r.stderr)
			}
			break
		}
		deaths++
		states, err := w.journals()
		if err != nil {
			t.Fatal(err)
		}
		total.hit(states)
	}
	if deaths == 0 {
		return false
	}
	r, err := w.apply(t.Context(), 0)
	if err != nil || r.code != 0 {
		t.Fatalf("apply after %d kills: exit code %d, %v\n%s%s", deaths, r.code, err, &r.stdout, &r.stderr)
	}
	if doc, err := r.report(); err != nil || doc.Outcome != "done" || doc.ExitCode != 0 {
		t.Errorf("report after %d kills: %+v, %v", deaths, doc, err)
	}
	if err := w.check(t.Context()); err != nil {
		t.Errorf("after %d kills: %v\nthe last run said:\n%s%s", deaths, err, &r.stdout, &r.stderr)
	}
	again := w.repeated()
	if bound := int64(deaths) * memory; again.bytes > bound {
		t.Errorf("%d kills made %d bytes go over the wire again, the buffers hold %d: %+v", deaths, again.bytes, bound, again)
	}
	if r, err := w.command(t.Context(), 0, "plan", "-f", "manifest.yaml", "--detailed-exitcode"); err != nil || r.code != 0 {
		t.Errorf("plan after the run: exit code %d, %v\n%s%s", r.code, err, &r.stdout, &r.stderr)
	}
	total.add(deaths, again)
	return true
}

// tally sums up all runs.
type tally struct {
	mu          sync.Mutex
	runs, kills int
	again       repeated
	worst       repeated // of one run, for each kill
	phases      map[string]int
}

func (s *tally) add(deaths int, r repeated) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	s.kills += deaths
	s.again.parts += r.parts
	s.again.whole += r.whole
	s.again.bytes += r.bytes
	s.worst.parts = max(s.worst.parts, (r.parts+deaths-1)/deaths)
	s.worst.whole = max(s.worst.whole, (r.whole+deaths-1)/deaths)
	s.worst.bytes = max(s.worst.bytes, r.bytes/int64(deaths))
}

func (s *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d runs went on after %d kills\n", s.runs, s.kills)
	fmt.Fprintf(&b, "sent again: %d parts and %d small objects, %d KiB; for one kill at most %d parts, %d small objects, %d KiB of %d KiB of buffers\n",
		s.again.parts, s.again.whole, s.again.bytes>>10, s.worst.parts, s.worst.whole, s.worst.bytes>>10, memory>>10)
	fmt.Fprint(&b, "what was going on when a kill came:\n")
	for _, phase := range slices.Sorted(maps.Keys(s.phases)) {
		fmt.Fprintf(&b, "  %-42s %4d %s\n", phase, s.phases[phase], strings.Repeat("#", min(60, s.phases[phase])))
	}
	return b.String()
}

// hit counts what was going on, as the journals tell. Steps run side by side, so that a kill counts several times.
func (s *tally) hit(states []journal.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(states) == 0 {
		s.phases["0 no journal yet"]++
		return
	}
	for phase := range phases(states[len(states)-1]) {
		s.phases[phase]++
	}
}

func phases(j journal.State) map[string]bool {
	found := map[string]bool{}
	open := map[string]bool{}
	for to, item := range j.Open {
		open[item.Step] = true
		direction := "5 folder: uploading parts"
		switch {
		case strings.HasPrefix(item.Step, "export."):
			direction = "3 export: copying an image in parts"
		case to.Scheme == "file":
			direction = "6 folder: downloading parts"
		}
		if item.Checkpoint.Upload.ID == "" {
			direction += ", none begun"
		}
		found[direction] = true
	}
	for id, e := range j.Export {
		delivered := 0
		for to := range j.Item {
			if strings.Contains(to.Path, "/images/"+e.Request.Name+".") {
				delivered++
			}
		}
		switch {
		case j.Done[id] != "" || open[id]:
		case e.Released:
			found["4 export: released, step not ended"] = true
		case e.Job == "":
			found["1 export: asking for the image"] = true
		case delivered == len(formats()):
			found["4 export: releasing"] = true
		case delivered > 0:
			found["3 export: between two images"] = true
		default:
			found["2 export: OCI at work"] = true
		}
	}
	if j.Done["transfer.there"] == "" && !open["transfer.there"] {
		found["5 folder: whole objects going up"] = true
	}
	if j.Done["transfer.there"] != "" && j.Done["transfer.back"] == "" && !open["transfer.back"] {
		found["6 folder: whole objects coming back"] = true
	}
	if len(found) == 0 {
		found["7 everything is done but the end"] = true
	}
	return found
}
