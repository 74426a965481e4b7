package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomPlan makes steps that need earlier ones, in shuffled order.
func randomPlan(r *rand.Rand) *Plan {
	p := &Plan{}
	for i := range 1 + r.IntN(25) {
		s := Step{ID: fmt.Sprintf("s%02d", i), Transfer: &Transfer{}}
		for j := range i {
			if r.IntN(6) == 0 {
				s.Needs = append(s.Needs, p.Steps[j].ID)
			}
		}
		if r.IntN(8) == 0 {
			s.Current = "nothing differs"
		}
		p.Steps = append(p.Steps, s)
	}
	r.Shuffle(len(p.Steps), func(i, j int) { p.Steps[i], p.Steps[j] = p.Steps[j], p.Steps[i] })
	return p
}

// walk runs a plan as an executor would, a random number of steps at once, and returns what was started and ruled out.
func walk(t *testing.T, p *Plan, seed uint64, fails, before map[string]bool) (started, out []string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	f := NewFrontier(p, func(s Step) bool { return before[s.ID] })
	done := map[string]bool{}
	for _, s := range p.Steps {
		if s.Current != "" || before[s.ID] {
			done[s.ID] = true
		}
	}
	var running []Step
	for range 10_000 {
		for atOnce := 1 + r.IntN(4); len(running) < atOnce; {
			s, ok := f.Next()
			if !ok {
				break
			}
			for _, need := range s.Needs {
				if !done[need] {
					t.Fatalf("%s was started before %s was done", s.ID, need)
				}
			}
			if slices.Contains(started, s.ID) || done[s.ID] {
				t.Fatalf("%s was started twice", s.ID)
			}
			started = append(started, s.ID)
			running = append(running, s)
		}
		if f.Running() != len(running) {
			t.Fatalf("%d steps run, the frontier says %d", len(running), f.Running())
		}
		if len(running) == 0 {
			if f.Waiting() != 0 {
				t.Fatalf("%d steps wait and none runs", f.Waiting())
			}
			return started, out
		}
		i := r.IntN(len(running))
		s := running[i]
		running = slices.Delete(running, i, i+1)
		done[s.ID] = !fails[s.ID]
		for _, gone := range f.End(s.ID, !fails[s.ID]) {
			out = append(out, gone.ID)
		}
	}
	t.Fatal("it does not end")
	return nil, nil
}

func TestFrontier(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := randomPlan(r)
		fails, before := map[string]bool{}, map[string]bool{}
		for _, s := range p.Steps {
			fails[s.ID] = r.IntN(6) == 0
			before[s.ID] = r.IntN(6) == 0
		}
		started, out := walk(t, p, seed, fails, before)

		// What is ruled out is exactly what needs, directly or not, a step that was started and failed.
		byID := map[string]Step{}
		for _, s := range p.Steps {
			byID[s.ID] = s
		}
		var doomed func(id string) bool
		doomed = func(id string) bool {
			s := byID[id]
			if s.Current != "" || before[id] {
				return false
			}
			return slices.ContainsFunc(s.Needs, func(need string) bool {
				return doomed(need) || fails[need] && byID[need].Current == "" && !before[need]
			})
		}
		for _, s := range p.Steps {
			work := s.Current == "" && !before[s.ID]
			if want := work && doomed(s.ID); want != slices.Contains(out, s.ID) {
				t.Fatalf("seed %d: %s ruled out: %v, want %v", seed, s.ID, !want, want)
			}
			if want := work && !doomed(s.ID); want != slices.Contains(started, s.ID) {
				t.Fatalf("seed %d: %s started: %v, want %v", seed, s.ID, !want, want)
			}
		}
		againStarted, againOut := walk(t, p, seed, fails, before)
		if !slices.Equal(started, againStarted) || !slices.Equal(out, againOut) {
			t.Fatalf("seed %d: the order is not the same twice", seed)
		}
	}
}

// Steps that wait for each other, or for a step that is not there, are never started, and the frontier does not hang.
func TestFrontierOfAPlanThatCannotEnd(t *testing.T) {
	p := &Plan{Steps: []Step{{ID: "a", Needs: []string{"b"}}, {ID: "b", Needs: []string{"a"}}, {ID: "c", Needs: []string{"nowhere"}}}}
	f := NewFrontier(p, nil)
	if s, ok := f.Next(); ok || f.Running() != 0 || f.Waiting() != 3 {
		t.Errorf("%+v, %v", s, ok)
	}
}
