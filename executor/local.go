package executor

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/hyperexport/hyperexport/plan"
)

// localDriver runs steps in this process, a bounded number at once.
type localDriver struct {
	ctx    context.Context
	handle func(context.Context, plan.Step) Outcome
	group  errgroup.Group
	ended  chan Outcome
}

// newLocalDriver returns a driver for at most steps steps in all, of which parallel run at once.
func newLocalDriver(ctx context.Context, steps, parallel int, handle func(context.Context, plan.Step) Outcome) *localDriver {
	d := &localDriver{ctx: ctx, handle: handle, ended: make(chan Outcome, steps)}
	d.group.SetLimit(parallel)
	return d
}

func (d *localDriver) Start(s plan.Step) {
	d.group.Go(func() error {
		d.ended <- d.handle(d.ctx, s)
		return nil
	})
}

func (d *localDriver) Wait() Outcome { return <-d.ended }

// close waits for the goroutines of steps that have ended.
func (d *localDriver) close() { _ = d.group.Wait() } // they return nil
