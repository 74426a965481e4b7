package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/plan"
)

// session is what commands that contact backends share: the manifest, the run it belongs to, and the backends.
type session struct {
	m        *manifests.Manifest
	store    *journal.Store
	run      journal.Run
	resumes  bool // an earlier process has begun the run
	backends backend.Set
}

// runtimeMemory is what the process may use beside the transfer buffers, in bytes.
const runtimeMemory = 64 << 20

// openSession takes the lock of the manifest's runs, finds the run to continue or names a new one, and configures the
// backends. A session that only looks takes no lock, so that it can be had while a run is under way.
func (a *app) openSession(m *manifests.Manifest, state string, open func(root, name string) (*journal.Store, error)) (*session, error) {
	root, err := a.stateRoot(state)
	if err != nil {
		return nil, err
	}
	store, err := open(root, m.Name)
	if errors.Is(err, journal.ErrLocked) {
		return nil, err
	}
	if err != nil {
		return nil, &codeError{exitFailed, fmt.Errorf("open the folder for the state of runs: %w", err), "choose another one with --state or HYPEREXPORT_STATE"}
	}
	s := &session{m: m, store: store}
	if err := s.findRun(a); err != nil {
		s.close()
		return nil, err
	}
	if s.backends, err = a.openBackends(m); err != nil {
		s.close()
		return nil, err
	}
	if _, set := a.env("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(m.Limits.Memory + runtimeMemory)
	}
	return s, nil
}

func (s *session) findRun(a *app) error {
	state, unfinished, err := s.store.Unfinished()
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	s.run, s.resumes = state.Run, unfinished
	if !unfinished {
		now := a.now().UTC()
		s.run = journal.Run{ID: journal.NewRunID(now), Name: s.m.Name, Started: now}
	}
	return nil
}

func (s *session) close() {
	_ = s.backends.Close() // nothing is in flight any more
	_ = s.store.Close()
}

// plan builds the plan. Its requests are retried; talk gets the repetitions and may be nil.
func (s *session) plan(ctx context.Context, talk event.Sink) (*plan.Plan, error) {
	policy := s.policy()
	policy.Events = talk
	return plan.Build(ctx, s.m, plan.Options{Run: s.run.ID, Started: s.run.Started, Resumes: s.resumes,
		Backends: wrap.RetrySet(s.backends, policy)})
}

func (s *session) policy() wrap.Policy {
	return wrap.Policy{Attempts: s.m.Retry.Attempts, First: s.m.Retry.First, Max: s.m.Retry.Max}
}
