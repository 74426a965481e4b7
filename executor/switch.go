package executor

import (
	"context"
	"errors"
	"fmt"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

// Actions are what Switch can do to an instance.
func Actions() []string { return []string{actStart, actStop, actSoftStop, "reset", "softreset"} }

// Switch switches an instance and waits until it is in the state that the action leads to. One that is there already is left
// alone: changed is then false. A reset is asked for once, also if its answer is lost.
func Switch(ctx context.Context, inventory backend.Inventory, retry wrap.Policy, poll Poll, instance, action string) (changed bool, err error) {
	p := power{inventory: inventory, retry: retry, poll: poll, instance: instance, state: &journal.Power{}}
	state, err := p.look(ctx)
	if err != nil {
		return false, err
	}
	want, resets := stateRunning, false
	switch action {
	case actStop, actSoftStop:
		want = stateStopped
	case actStart:
	default:
		resets = true
	}
	wrong := func(help string) error {
		return &backend.Error{Op: action, Key: instance, Kind: backend.Invalid, Err: fmt.Errorf("the instance is %s%s", state, help)}
	}
	switch {
	case resets && state == stateRunning:
		return true, p.reset(ctx, action)
	case resets && state == stateStopped:
		return false, wrong("; start it instead")
	case state == want:
		return false, nil
	case state == stateTerminated || state == "TERMINATING":
		return false, wrong("")
	}
	return true, p.become(ctx, action, want)
}

// looksAfterReset is how often an instance must be seen running after a reset that nothing was seen of.
const looksAfterReset = 3

// reset asks for a reset and waits until the instance runs again.
func (p *power) reset(ctx context.Context, action string) error {
	if err := p.inventory.Act(ctx, p.instance, action); err != nil {
		if unknown := backend.KindOf(err); unknown == backend.Offline || unknown == backend.Timeout {
			return errors.Join(err, errors.New("it is not known whether it was reset"))
		}
		return err
	}
	running := 0
	for w := p.poll.begin(); ; {
		if err := w.pause(ctx); err != nil {
			return err
		}
		state, err := p.look(ctx)
		switch {
		case err != nil:
			return err
		case state != stateRunning:
			running = looksAfterReset - 1
		default:
			running++
		}
		if state == stateRunning && running >= looksAfterReset {
			return nil
		}
	}
}
