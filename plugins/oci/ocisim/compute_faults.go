package ocisim

import (
	"fmt"
	"slices"
)

// computeFaults are what tests make go wrong in the background work of compute. Faults of single requests are the
// FaultPlan's business.
type computeFaults struct {
	plans []*plannedFault
}

// plannedFault waits for the nth operation of its kind that begins from now on.
type plannedFault struct {
	op    string
	nth   int // 0 is every one
	seen  int
	apply func(*task)
}

// FailWorkRequest lets the nth operation op that begins from now on end with a FAILED work request that carries code and
// message. op is CreateImage, ExportImage, TerminateInstance or InstanceAction (which has no work request: the instance
// returns to where it was); nth counts from 1, and 0 is every one. It panics on another op.
func (s *Server) FailWorkRequest(op string, nth int, code, message string) {
	s.plan(op, nth, func(t *task) { t.Failure = &failure{Code: code, Message: message} })
}

// Hold lets the nth operation op that begins from now on never end, until Release. 0 is every one. What it works on stays in
// its intermediate state, and its work request IN_PROGRESS.
func (s *Server) Hold(op string, nth int) {
	s.plan(op, nth, func(t *task) { t.held = true })
}

// HoldState is like Hold, but the work request ends SUCCEEDED: only the image or instance stays in its intermediate state.
func (s *Server) HoldState(op string, nth int) {
	s.plan(op, nth, func(t *task) { t.stateHeld = true })
}

// HideWorkRequest lets answers to the nth operation op that begins from now on lack the header opc-work-request-id, as
// answers of older OCI do.
func (s *Server) HideWorkRequest(op string, nth int) {
	s.plan(op, nth, func(t *task) { t.Hidden = true })
}

// Release lets go of what Hold and HoldState hold and drops all plans for op. Work that is due ends at once.
func (s *Server) Release(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compute.plans = slices.DeleteFunc(s.compute.plans, func(p *plannedFault) bool { return p.op == op })
	for _, t := range s.tasksInOrder() {
		if t.Op == op {
			t.held, t.stateHeld = false, false
			s.settle(t)
		}
	}
	s.persistLater()
}

func (s *Server) plan(op string, nth int, apply func(*task)) {
	if !slices.Contains([]string{opCreateImage, opExportImage, opTerminateInstance, opInstanceAction}, op) {
		panic(fmt.Sprintf("ocisim: %q is no operation with background work", op))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compute.plans = append(s.compute.plans, &plannedFault{op: op, nth: nth, apply: apply})
}

// applyPlans does to a task that begins what tests have planned for it. The caller holds s.mu.
func (s *Server) applyPlans(t *task) {
	for _, p := range s.compute.plans {
		if p.op != t.Op {
			continue
		}
		p.seen++
		if p.nth == 0 || p.nth == p.seen {
			p.apply(t)
		}
	}
}
