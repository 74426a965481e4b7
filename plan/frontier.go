package plan

// Frontier says which steps of a plan may run now. It is pure and deterministic: no goroutine, clock or map order has a
// part in it. It is not safe for concurrent use.
type Frontier struct {
	steps   []Step
	state   map[string]stepState
	waiting int // steps neither started nor ruled out
	running int
}

type stepState int

const (
	waiting stepState = iota
	running
	done
	failed
	ruledOut
)

// NewFrontier returns the frontier of p. Steps that have nothing to do, and those for which finished is true, count as done.
func NewFrontier(p *Plan, finished func(Step) bool) *Frontier {
	f := &Frontier{steps: p.Steps, state: map[string]stepState{}}
	for _, s := range p.Steps {
		switch {
		case s.Blocked != "": // and so are those that need it
			f.state[s.ID] = ruledOut
			continue
		case s.Current != "", finished != nil && finished(s):
			f.state[s.ID] = done
			continue
		}
		f.waiting++
	}
	return f
}

// Next starts the first step in the plan's order that may run. ok is false if none may before another ends.
func (f *Frontier) Next() (s Step, ok bool) {
	for _, s := range f.steps {
		if f.state[s.ID] == waiting && f.ready(s) {
			f.state[s.ID] = running
			f.waiting--
			f.running++
			return s, true
		}
	}
	return Step{}, false
}

func (f *Frontier) ready(s Step) bool {
	for _, need := range s.Needs {
		if f.state[need] != done {
			return false
		}
	}
	return true
}

// End records how a started step ended and returns the steps that can no longer run because of it, in the plan's order.
func (f *Frontier) End(id string, ok bool) []Step {
	f.running--
	if ok {
		f.state[id] = done
		return nil
	}
	f.state[id] = failed
	var out []Step
	for again := true; again; {
		again = false
		for _, s := range f.steps {
			if f.state[s.ID] == waiting && f.hopeless(s) {
				f.state[s.ID] = ruledOut
				f.waiting--
				out = append(out, s)
				again = true
			}
		}
	}
	return out
}

func (f *Frontier) hopeless(s Step) bool {
	for _, need := range s.Needs {
		if st := f.state[need]; st == failed || st == ruledOut {
			return true
		}
	}
	return false
}

// Running returns how many steps were started and have not ended.
func (f *Frontier) Running() int { return f.running }

// Waiting returns how many steps may still start.
func (f *Frontier) Waiting() int { return f.waiting }
