package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

type restoreCmd struct {
	objectFlags
	Locations []string      `arg:"" name:"location" help:"Archived objects, patterns and, with -r, prefixes."`
	For       string        `required:"" placeholder:"TIME" help:"How long they can be read at least, such as 48h or 7d."`
	Recursive bool          `short:"r" help:"Restore everything below prefixes."`
	Wait      bool          `help:"Wait until all of them can be read; that can take hours."`
	Poll      time.Duration `default:"30s" hidden:"" env:"HYPEREXPORT_RESTORE_POLL" help:"Pause between two looks at an object."`
}

func (c *restoreCmd) Help() string {
	return `Objects that can be read are left alone. Run the same command again to see which can be read by now.

Examples:
  hyperexport restore oci://axsim/archive/disk.qcow2 --for 48h --wait
  hyperexport restore -r s3://bucket/2019/ --for 7d`
}

// Validate reads the time.
func (c *restoreCmd) Validate() error {
	d, err := manifests.ParseDuration(c.For)
	if err == nil && d <= 0 {
		err = errors.New("no time is too short")
	}
	if err != nil {
		return fmt.Errorf("--for: %w", err)
	}
	return nil
}

// restoredDocument is one object in the JSON document.
type restoredDocument struct {
	Location string `json:"location"`
	State    string `json:"state"` // readable or requested
}

func (c *restoreCmd) Run(a *app) error {
	period, err := manifests.ParseDuration(c.For)
	if err != nil {
		return err
	}
	p, err := c.openPlaces(a, transfer.DefaultMemory)
	if err != nil {
		return err
	}
	defer p.close()
	doc, failed := newDocument(a, "objects"), &failures{}
	var waiting []transfer.Ref
	show := func(r transfer.Ref, state string) error {
		return doc.item(fmt.Sprintf("%-9s  %s\n", state, human.Plain(r.At.String())), restoredDocument{r.At.String(), state})
	}
	for _, word := range c.Locations {
		if err := p.eachObject(word, c.Recursive, failed, func(r transfer.Ref, _ backend.Object) error {
			archived, err := c.ask(a, r, period)
			switch {
			case err != nil:
				return err
			case archived && c.Wait:
				waiting = append(waiting, r)
				return nil
			case archived:
				return show(r, "requested")
			}
			return show(r, "readable")
		}); err != nil {
			failed.add(a, err)
		}
	}
	doc.flush()
	for _, r := range waiting {
		err := c.wait(a, r)
		if err == nil {
			err = show(r, "readable")
			doc.flush()
		}
		if err != nil {
			failed.add(a, err)
		}
		if a.ctx.Err() != nil {
			break
		}
	}
	return doc.end(failed, "", nil)
}

// ask asks for the object to be readable, unless it is.
func (c *restoreCmd) ask(a *app, r transfer.Ref, period time.Duration) (archived bool, err error) {
	obj, err := r.Storage.Stat(a.ctx, r.Key)
	if err == nil && obj.Archived {
		if !r.Storage.Info().Can.Restore {
			return false, fmt.Errorf("%s: %w", r.At, &backend.Error{Op: "restore", Kind: backend.Unsupported, Err: errors.New("this backend has no archive")})
		}
		err = r.Storage.Restore(a.ctx, obj, period)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", r.At, err)
	}
	return obj.Archived, nil
}

// wait looks at the object until it can be read.
func (c *restoreCmd) wait(a *app, r transfer.Ref) error {
	again := time.NewTicker(c.Poll)
	defer again.Stop()
	for {
		obj, err := r.Storage.Stat(a.ctx, r.Key)
		if err != nil {
			return fmt.Errorf("%s: %w", r.At, err)
		}
		if !obj.Archived {
			return nil
		}
		select {
		case <-again.C:
		case <-a.ctx.Done():
			return fmt.Errorf("%s: it is not readable yet: %w", r.At, a.ctx.Err())
		}
	}
}
