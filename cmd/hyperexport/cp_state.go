package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// copyState remembers how far a cp came, so that the same command goes on. It is gone when the copy has ended well.
type copyState struct {
	a        *app
	dir      string // "" if nothing can be kept
	store    *journal.Store
	journal  *journal.Journal
	resuming bool
}

// openCopyState finds what an earlier process of the same command left. The state is that of the locations and of what of the
// flags decides about the bytes.
func openCopyState(a *app, c *cpCmd) (*copyState, error) {
	s := &copyState{a: a}
	root, err := a.stateRoot(c.State)
	if err != nil {
		return nil, err
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	words := append([]string{here, c.Checksum, fmt.Sprint(c.Recursive), c.Config, c.File}, c.Paths...)
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	root, name := filepath.Join(root, "cp"), hex.EncodeToString(sum[:12])
	s.store, err = journal.Lock(root, name)
	if errors.Is(err, journal.ErrLocked) {
		return nil, &codeError{exitLocked, errors.New("the same copy is under way in another process"), "wait for it to end; the lock ends with its process"}
	}
	if err != nil {
		a.say("hyperexport: an interrupted copy could not be continued: %v; --state or HYPEREXPORT_STATE names another folder", err)
		return s, nil
	}
	s.dir = filepath.Join(root, name)
	if err := s.begin(); err != nil {
		_ = s.store.Close()
		return nil, fmt.Errorf("open the state of the copy in %s: %w", s.dir, err)
	}
	return s, nil
}

func (s *copyState) begin() error {
	old, unfinished, err := s.store.Unfinished()
	if err != nil {
		return err
	}
	if !unfinished {
		now := s.a.now().UTC()
		run := journal.Run{ID: journal.NewRunID(now), Name: copyStep, Started: now}
		s.journal, err = journal.Create(s.store.Dir(run.ID), run)
		return err
	}
	active, err := s.store.Active(old.Run.ID)
	if err != nil {
		return err
	}
	s.resuming = s.a.now().Sub(active) < staleAfter
	for at, item := range old.Open {
		var sent int64
		for _, p := range item.Checkpoint.Parts {
			sent += p.Size
		}
		s.a.say("hyperexport: goes on with %s: %s of %s are there", at, human.Bytes(sent), human.Bytes(item.Checkpoint.Source.Size))
	}
	s.journal, err = journal.Open(s.store.Dir(old.Run.ID))
	return err
}

func (s *copyState) checkpoint(to backend.Location) *transfer.Checkpoint {
	if s.journal == nil {
		return nil
	}
	return s.journal.Checkpoint(to)
}

func (s *copyState) note(to backend.Location, n transfer.Note) error {
	if s.journal == nil {
		return nil
	}
	return s.journal.Write(journal.Record{Note: &journal.Note{Step: copyStep, Item: to.Base(), To: to, Note: n}}, n.Durable())
}

// finished forgets the upload of an object that has arrived.
func (s *copyState) finished(to backend.Location, obj backend.Object) {
	if s.journal != nil && s.journal.Checkpoint(to) != nil {
		_ = s.journal.Write(journal.Record{Note: &journal.Note{Step: copyStep, To: to, Done: &obj}}, false) // a later run finds the object
	}
}

// close ends the state. That of a copy which went well is removed, and that of one which did nothing. The uploads that are
// kept of others come back.
func (s *copyState) close(well, moved bool) (kept []backend.Location) {
	if s.journal == nil {
		return nil
	}
	if !well {
		for at, item := range s.journal.State().Open {
			if item.Checkpoint.Upload.ID != "" {
				kept = append(kept, at)
			}
		}
	}
	_ = s.journal.Close()
	well = well || len(kept) == 0 && !moved && len(s.journal.State().Open) == 0
	if well {
		_ = os.RemoveAll(filepath.Join(s.dir, "runs")) // what stays is read as a copy to go on with, which finds all of it done
	}
	_ = s.store.Close()
	if well {
		_ = os.RemoveAll(s.dir)
	}
	return kept
}
