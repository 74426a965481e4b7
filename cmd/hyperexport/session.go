package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/hyperexport/hyperexport/executor"
	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/internal/human"
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
	began    func(step string) bool
	stale    string // id of a run that is too old to be continued; "" if there is none
	opener   *opener
	backends backend.Set
}

// runtimeMemory is what the process may use beside the transfer buffers, in bytes.
const runtimeMemory = 64 << 20

// openSession takes the lock of the manifest's runs, finds the run to continue or names a new one, and configures the
// backends. A session that only looks takes no lock, so that it can be had while a run is under way.
func (a *app) openSession(
	m *manifests.Manifest, f manifestFlags, flags stateFlags, open func(root, name string) (*journal.Store, error),
) (*session, error) {
	if err := flags.openLog(a); err != nil {
		return nil, err
	}
	root, err := a.stateRoot(flags.State)
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
	if s.opener, err = a.newOpener(f, m.Limits.Memory); err != nil {
		s.close()
		return nil, err
	}
	if s.backends, err = s.opener.openAll(m); err != nil {
		s.close()
		return nil, err
	}
	if _, set := a.env("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(m.Limits.Memory + runtimeMemory)
	}
	return s, nil
}

// staleAfter is how long a run whose locations carry its date may rest before the next apply begins a new one. It is less
// than a day, so that a nightly run which one failing step keeps from ending does not take the place of the next night's.
const staleAfter = 20 * time.Hour

func (s *session) findRun(a *app) error {
	state, unfinished, err := s.store.Unfinished()
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	now := a.now().UTC()
	if unfinished {
		active, err := s.store.Active(state.Run.ID)
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		if s.m.Dated() && now.Sub(active) > staleAfter {
			s.stale, unfinished = state.Run.ID, false
		}
	}
	s.run, s.resumes = state.Run, unfinished
	s.began = func(step string) bool {
		e, ok := state.Export[step]
		return unfinished && ok && !e.Released
	}
	if !unfinished {
		s.run = journal.Run{ID: journal.NewRunID(now), Name: s.m.Name, Started: now}
	}
	return nil
}

// giveUpStale removes what a run that is too old to be continued left, so that it costs nothing any more.
func (s *session) giveUpStale(a *app) error {
	if s.stale == "" {
		return nil
	}
	a.say("hyperexport: run %s has rested for more than %s; it is given up, and a run of today's date begins", s.stale, human.Duration(staleAfter))
	cleaner := &executor.Cleaner{Backends: s.backends, Retry: s.policy()}
	_, err := (&cleanCmd{Remove: true}).cleanRun(a, s, cleaner, s.stale)
	return err
}

func (s *session) close() {
	_ = s.backends.Close() // nothing is in flight any more
	s.opener.close()
	_ = s.store.Close()
}

// plan builds the plan. Its requests are retried; talk gets the repetitions and may be nil.
func (s *session) plan(ctx context.Context, talk event.Sink) (*plan.Plan, error) {
	policy := s.policy()
	policy.Events = talk
	return plan.Build(ctx, s.m, plan.Options{Run: s.run.ID, Started: s.run.Started, Resumes: s.resumes, Began: s.began,
		Backends: wrap.RetrySet(s.backends, policy)})
}

func (s *session) policy() wrap.Policy {
	return wrap.Policy{Attempts: s.m.Retry.Attempts, First: s.m.Retry.First, Max: s.m.Retry.Max}
}
