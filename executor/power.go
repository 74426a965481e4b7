package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

// The actions and states that providers know of an instance.
const (
	actStart    = "start"
	actStop     = "stop"
	actSoftStop = "softstop"

	stateRunning    = "RUNNING"
	stateStopped    = "STOPPED"
	stateTerminated = "TERMINATED"
)

// power stops an instance for its export and starts it again. That it is about to stop one is on disk before the provider
// hears of it: whoever finds the journal of a process that died starts the instance again.
type power struct {
	inventory backend.Inventory
	retry     wrap.Policy
	poll      Poll
	instance  string
	state     *journal.Power
	save      func() error // makes state durable
}

// stop brings a running instance to a stop, softly or not. One that is stopped already stays so.
func (p *power) stop(ctx context.Context, how string, within time.Duration) error {
	state, err := p.look(ctx)
	if err != nil {
		return err
	}
	if state == stateStopped && !p.state.Owed() {
		return nil
	}
	*p.state = journal.Power{Stopping: true}
	if err := p.save(); err != nil {
		return err
	}
	action := actStop
	if how == "soft" {
		action = actSoftStop
	}
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, within, &backend.Error{Op: action, Key: p.instance, Kind: backend.Invalid,
			Err: fmt.Errorf("the instance has not stopped within %s; raise stop_timeout, or choose stop: hard", within)})
		defer cancel()
	}
	err = p.become(ctx, action, stateStopped)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// restore starts the instance again, if it was stopped here, and waits until the provider has begun with it.
func (p *power) restore(ctx context.Context) error {
	if !p.state.Owed() {
		return nil
	}
	err := p.become(ctx, actStart, stateRunning)
	if errors.Is(err, errTerminated) { // seen so: a service that answers "not found" may only deny it
		err = nil
	}
	if err != nil {
		return fmt.Errorf("start instance %s again: %w", p.instance, err)
	}
	p.state.Restored = true
	return p.save()
}

var errTerminated = errors.New("the instance is terminated")

// looksUntilAskedAgain is how often an instance is seen where it was before it is asked again: it may have moved and come
// back between two looks.
const looksUntilAskedAgain = 4

// become asks for the action until the instance is in a state. What the instance is busy with is waited for. If it comes
// back to where it was, it is asked again.
func (p *power) become(ctx context.Context, action, want string) error {
	asked, still := false, 0 // how often it was seen where it was since it was asked
	for w := p.poll.begin(); ; {
		state, err := p.look(ctx)
		switch {
		case err != nil:
			return err
		case state == want:
			return nil
		case state == stateTerminated:
			return &backend.Error{Op: action, Key: p.instance, Kind: backend.Changed, Err: errTerminated}
		case state != stateRunning && state != stateStopped:
			still = looksUntilAskedAgain - 1 // from here it moves on, or comes back
		case !asked || still >= looksUntilAskedAgain-1:
			if asked, err = p.ask(ctx, action); err != nil {
				return err
			}
			still = 0
		default:
			still++
		}
		if err := w.pause(ctx); err != nil {
			return err
		}
	}
}

// ask asks for the action. ok is false if the instance is busy with something else, which the next look shows.
func (p *power) ask(ctx context.Context, action string) (ok bool, err error) {
	err = p.retry.Do(ctx, action, func(ctx context.Context) error {
		err := p.inventory.Act(ctx, p.instance, action)
		if ok = err == nil; errors.Is(err, backend.Busy) {
			return nil
		}
		return err
	})
	return ok, err
}

// look returns the instance's state.
func (p *power) look(ctx context.Context) (state string, err error) {
	err = p.retry.Do(ctx, "look at the instance", func(ctx context.Context) error {
		for r, err := range p.inventory.Resources(ctx, backend.Query{Type: "instance", ID: p.instance}) {
			if err != nil {
				return err
			}
			state = r.State
			return nil
		}
		return &backend.Error{Op: "look at the instance", Key: p.instance, Kind: backend.NotFound}
	})
	return state, err
}
