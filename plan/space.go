package plan

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
)

// checkSpace blocks the steps that their destinations have no room for, or do not let write. Steps that share a disk are added
// up in the plan's order. How large an image gets is known only when it is there: at most as large as its disk.
func (b *builder) checkSpace(ctx context.Context) error {
	c := &spaceCheck{builder: b, rooms: map[string]*room{}}
	for i := range b.plan.Steps {
		s := &b.plan.Steps[i]
		if s.Current != "" || s.Blocked != "" {
			continue
		}
		for _, to := range s.writes() {
			if err := c.check(ctx, s, to); err != nil {
				return fmt.Errorf("%s: look for space at %s: %w", s.ID, to, err)
			}
		}
	}
	return nil
}

// writes returns the prefixes that a step fills.
func (s *Step) writes() []backend.Location {
	switch {
	case s.Export != nil:
		return s.Export.To
	case s.Transfer != nil && s.Transfer.Found.Copy > 0:
		return []backend.Location{s.Transfer.To}
	}
	return nil
}

type spaceCheck struct {
	*builder
	rooms map[string]*room // by place
}

// room is what a place has left for the steps that were not looked at yet.
type room struct {
	free   int64 // bytes
	images int64 // bytes of images at most
	short  bool  // it was said that they may not fit
}

func (c *spaceCheck) check(ctx context.Context, s *Step, to backend.Location) error {
	storage, key, err := c.o.Backends.Open(to)
	if err != nil || !storage.Info().Can.Space {
		return err
	}
	space, err := storage.Space(ctx, key)
	switch backend.KindOf(err) {
	case backend.NotFound, backend.Forbidden, backend.Invalid: // that is found out elsewhere, or not to be seen
		return nil
	}
	if err != nil {
		return err
	}
	if space.ReadOnly != "" {
		c.blockStep(s, "choose another destination, or make it writable", "nothing can be written at %s: %s", to, space.ReadOnly)
		return nil
	}
	if s.Transfer != nil {
		c.checkLargest(s, to, storage.Info().Limits.MaxObject, space.Largest)
	}
	if space.Free >= 0 && s.Blocked == "" {
		c.take(s, to, space)
	}
	return nil
}

// checkLargest blocks a transfer of an object that is larger than any at its destination can be.
func (c *spaceCheck) checkLargest(s *Step, to backend.Location, limits ...int64) {
	for _, limit := range limits {
		if most := s.Transfer.Found.Largest; limit > 0 && most > limit && s.Blocked == "" {
			c.blockStep(s, "exclude it, or choose another destination", "an object of %s is larger than what %s can hold: %s", human.Bytes(most), to, human.Bytes(limit))
		}
	}
}

// take takes what the step needs from the room of a place.
func (c *spaceCheck) take(s *Step, to backend.Location, space backend.Space) {
	r := c.rooms[space.Place]
	if r == nil || space.Place == "" {
		r = &room{free: space.Free}
		c.rooms[space.Place] = r
	}
	if s.Export != nil {
		most, err := s.Export.mostBytes()
		switch {
		case r.free <= 0:
			c.blockStep(s, "make room, or choose another destination", "there is no room left at %s", to)
		case err == nil:
			if r.images += most; r.images > r.free && !r.short {
				r.short = true
				c.warn(s.ID, "make room if the disks are full of data", "the images up to this one may need as much as %s at %s, and %s are free",
					human.Bytes(r.images), to, human.Bytes(r.free))
			}
		}
		return
	}
	needs := s.Transfer.Found.Bytes
	text := fmt.Sprintf("it needs %s at %s, and %s are free", human.Bytes(needs), to, human.Bytes(max(0, r.free)))
	switch {
	case needs <= r.free:
		r.free -= needs
	case c.o.Resumes: // some of it is there already, under another name
		c.warn(s.ID, "make room if it does not fit", "%s", text)
	case c.keepsHoles(s):
		c.warn(s.ID, "make room unless the files have holes", "%s", text)
	default:
		c.blockStep(s, "make room, or choose another destination", "%s", text)
	}
}

// keepsHoles reports whether what is transferred can take less room than its size.
func (c *spaceCheck) keepsHoles(s *Step) bool {
	from, to, err := c.open(s.Transfer)
	return err == nil && from.Storage.Info().Can.Holes && to.Storage.Info().Can.Holes
}

// mostBytes is how large the images of the export can get at one destination.
func (e *Export) mostBytes() (int64, error) {
	gb, err := strconv.ParseInt(e.Found.BootGB, 10, 64)
	if err != nil || gb <= 0 {
		return 0, errors.New("the size of the disk is not known")
	}
	return gb << 30 * int64(len(e.Request.Formats)), nil
}
