package backendtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var containerCases = []testCase{
	{"restore", func(i backend.Info) bool { return i.Can.Write && i.Can.Restore }, restore},
	{"restore-missing", func(i backend.Info) bool { return i.Can.Restore }, restoreMissing},
	{"space", func(i backend.Info) bool { return i.Can.Space }, space},
	{"create-container", func(i backend.Info) bool { return i.Can.CreateContainer }, createContainer},
	{"create-container-twice", func(i backend.Info) bool { return i.Can.CreateContainer }, createContainerTwice},
}

// restoreWithin is how long the suite waits for an object to become readable.
const restoreWithin = time.Minute

func restore(r *run) error {
	if r.o.Archive == nil {
		return ErrSkipped
	}
	key := r.key("object")
	_, p, err := r.put(key, 1000)
	if err != nil {
		return err
	}
	if err := r.o.Archive(key); err != nil {
		return fmt.Errorf("archive %q: %w", key, err)
	}
	o, err := r.s.Stat(r.ctx, key)
	if err != nil {
		return err
	}
	if !o.Archived || o.Tier == "" {
		r.errorf("an archived object is described as %+v", o)
	}
	_, err = r.s.ReadAt(r.ctx, o, make([]byte, 10), 0)
	r.fails(err, backend.Invalid, "read of an archived object")
	if err := r.s.Restore(r.ctx, o, 90*time.Minute); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := r.s.Restore(r.ctx, o, 90*time.Minute); err != nil {
		r.errorf("restore again: %w", err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(restoreWithin); o.Archived; <-tick.C {
		if o, err = r.s.Stat(r.ctx, key); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("the object is still archived")
		}
	}
	r.holds(key, p)
	if err := r.s.Restore(r.ctx, o, 2*time.Hour); err != nil {
		r.errorf("restore an object that was restored: %w", err)
	}
	return nil
}

func restoreMissing(r *run) error {
	r.fails(r.s.Restore(r.ctx, backend.Object{Key: r.key("none")}, time.Hour), backend.NotFound, "restore of an object that is not there")
	return nil
}

// space looks for room where something has just been written, and where nothing is yet.
func space(r *run) error {
	if _, _, err := r.put(r.key("object"), 100); err != nil {
		return err
	}
	here, err := r.s.Space(r.ctx, r.prefix)
	if err != nil {
		return err
	}
	deeper, err := r.s.Space(r.ctx, r.key("not/there/yet/"))
	if err != nil {
		return fmt.Errorf("below a prefix without objects: %w", err)
	}
	switch {
	case here.ReadOnly != "" || here.Free == 0:
		r.errorf("an object could be written, and the space is %+v", here)
	case here.Largest != 0 && here.Largest < 100:
		r.errorf("an object of 100 bytes could be written, and the largest is said to have %d", here.Largest)
	case here.Place != deeper.Place || here.ReadOnly != deeper.ReadOnly:
		r.errorf("the space is %+v, and below it %+v", here, deeper)
	}
	return nil
}

// createContainer makes a container that does not exist.
func createContainer(r *run) error {
	if r.o.Fresh == nil {
		return ErrSkipped
	}
	s, err := r.o.Fresh()
	if err != nil {
		return err
	}
	if s.Info().Can.List {
		_, err := collect(s.List(r.ctx, ""))
		r.fails(err, backend.NotFound, "list of a container that does not exist")
	}
	if err := s.CreateContainer(r.ctx); err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	if s.Info().Can.List {
		if all, err := collect(s.List(r.ctx, "")); err != nil || len(all) > 0 {
			r.errorf("a new container has %d objects, %v", len(all), err)
		}
	}
	r.fails(s.CreateContainer(r.ctx), backend.Exists, "create container again")
	return nil
}

// createContainerTwice makes one that is there. What is in it stays.
func createContainerTwice(r *run) error {
	var p []byte
	if r.info.Can.Write {
		var err error
		if _, p, err = r.put(r.key("object"), 100); err != nil {
			return err
		}
	}
	r.fails(r.s.CreateContainer(r.ctx), backend.Exists, "create container, which is there")
	if r.info.Can.Write {
		r.holds(r.key("object"), p)
	}
	return nil
}
