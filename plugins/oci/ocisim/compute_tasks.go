package ocisim

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// task is a transition that ends later: at a time, and for those with work to do, when that is done too. It is kept in
// the state, so that a new process ends what an old one began.
type task struct {
	ID          int       `json:"id"`
	Op          string    `json:"op"`          // of the API
	Subject     string    `json:"subject"`     // OCID of the instance or image in transition
	WorkRequest string    `json:"workRequest"` // its OCID; empty if there is none
	Hidden      bool      `json:"hidden"`      // the work request is not shown in headers
	Due         time.Time `json:"due"`
	Failure     *failure  `json:"failure"` // how it will end, if planned so
	States      []string  `json:"states"`  // InstanceAction: states still to come

	InstanceID string        `json:"instanceId"` // CreateImage: the source
	Prior      string        `json:"prior"`      // state to return to
	Target     *exportTarget `json:"target"`     // ExportImage

	held, stateHeld bool
	due             bool // Due has passed
	working, worked bool // the work has begun, is done
	delivering      bool // the converted disk is on its way into the bucket
	delivered       bool
	err             error // of the work
}

// begin starts a task with what is filled in and returns it. The caller holds s.mu.
func (s *Server) begin(t *task, d time.Duration) *task {
	state := &s.state.Compute
	state.Serial++
	t.ID, t.Due = state.Serial, s.clock.Now().Add(d)
	state.Tasks[t.ID] = t
	s.applyPlans(t)
	s.arrange(t)
	return t
}

// arrange sets the task's timer and starts its work. The caller holds s.mu.
func (s *Server) arrange(t *task) {
	s.after(max(0, t.Due.Sub(s.clock.Now())), func() {
		t.due = true
		s.settle(t)
	})
	if work := s.workOf(t); work != nil && !t.working {
		t.working = true
		s.background(func(ctx context.Context) {
			err := work(ctx)
			s.mu.Lock()
			defer s.mu.Unlock()
			if ctx.Err() != nil {
				return // the next process does it again
			}
			t.worked, t.err = true, err
			s.settle(t)
			s.persistLater()
		})
	}
}

// workOf returns the work of the task that takes real time, nil if there is none. It runs without s.mu.
func (s *Server) workOf(t *task) func(context.Context) error {
	switch t.Op {
	case opCreateImage:
		return s.snapshotWork(t)
	case opExportImage:
		return s.convertWork(t)
	}
	return nil
}

// settle ends the task if nothing stands in its way. The caller holds s.mu.
func (s *Server) settle(t *task) {
	if s.state.Compute.Tasks[t.ID] != t || !t.due || t.held || t.working && !t.worked || t.delivering {
		return
	}
	if t.Failure == nil && t.err != nil {
		t.Failure = &failure{Code: "InternalError", Message: t.err.Error()}
		if errors.Is(t.err, errNoQemu) {
			t.Failure.Code = "NotImplemented"
		}
	}
	if t.Op == opExportImage && t.Failure == nil && !t.delivered {
		s.deliver(t)
		return
	}
	s.end(t)
}

// deliver moves the converted disk into its bucket, which must happen without s.mu, and ends the task. The caller holds s.mu.
func (s *Server) deliver(t *task) {
	t.delivering = true
	s.background(func(context.Context) {
		err := s.putExport(t)
		s.mu.Lock()
		defer s.mu.Unlock()
		t.delivering, t.delivered = false, true
		if s.closed {
			return // the next process does it again
		}
		if err != nil {
			t.Failure = &failure{Code: "ObjectStorageError", Message: err.Error()}
		}
		s.end(t)
		s.persistLater()
	})
}

// end finishes the work request and what the task is about. The caller holds s.mu.
func (s *Server) end(t *task) {
	s.state.Compute.WorkRequests[t.WorkRequest].finish(s.clock.Now(), t.Failure)
	if t.stateHeld {
		t.held = true
		return
	}
	state := &s.state.Compute
	switch t.Op {
	case opCreateImage:
		s.endCreateImage(t, state.Images[t.Subject])
	case opExportImage:
		state.Images[t.Subject].become(stateAvailable)
	case opTerminateInstance:
		s.endTerminate(t, state.Instances[t.Subject])
	case opInstanceAction:
		if !s.endPowerStep(t, state.Instances[t.Subject]) {
			return
		}
	case opForget:
		s.forget(t.Subject)
	}
	delete(state.Tasks, t.ID)
}

// opForget removes what was deleted some time ago. It is no operation of the API.
const opForget = "forget"

// How long deleted resources can still be read.
const (
	keepDeleted    = 10 * time.Minute
	keepTerminated = time.Hour
)

// forget removes a deleted image or a terminated instance. The caller holds s.mu.
func (s *Server) forget(id string) {
	delete(s.state.Compute.Images, id)
	delete(s.state.Compute.Instances, id)
}

func (s *Server) tasksInOrder() []*task {
	return slices.SortedFunc(maps.Values(s.state.Compute.Tasks), func(a, b *task) int { return cmp.Compare(a.ID, b.ID) })
}

// resumeCompute takes up asynchronous work that the last process left. The caller holds s.mu.
func (s *Server) resumeCompute() {
	for _, t := range s.tasksInOrder() {
		s.arrange(t)
	}
}
