package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

type catCmd struct {
	backendFlags
	logFlag
	Locations []string `arg:"" name:"location" help:"Objects and patterns."`
	Range     string   `placeholder:"A-B" help:"Only the bytes A to B, both included, the first being 0; A- goes to the end, -N is the last N."`
	Memory    string   `default:"64MiB" placeholder:"SIZE" help:"Memory for reading ahead."`
}

func (c *catCmd) Help() string {
	return `Whole objects are compared with their checksums; if one differs, the exit code is 12 and what was written is wrong.

Examples:
  hyperexport cat s3://bucket/logs/a.txt
  hyperexport cat --range 0-99 oci://axsim/archive/disk.qcow2
  hyperexport cat 's3://bucket/logs/2024-*.gz' | zcat`
}

// Validate reads the range.
func (c *catCmd) Validate() error {
	if _, err := manifests.ParseBytes(c.Memory); err != nil {
		return fmt.Errorf("--memory: %w", err)
	}
	_, err := parseRange(c.Range)
	return err
}

// byteRange is a piece of an object.
type byteRange struct {
	off, length int64 // length 0 goes to the end
	last        bool  // off counts from the end
}

func parseRange(text string) (r byteRange, err error) {
	if text == "" {
		return r, nil
	}
	wrong := fmt.Errorf("--range must be A-B, A- or -N, in bytes, but got %q", text)
	first, last, ok := strings.Cut(text, "-")
	if !ok || first == "" && last == "" {
		return r, wrong
	}
	a, errA := strconv.ParseUint(first, 10, 62)
	b, errB := strconv.ParseUint(last, 10, 62)
	switch {
	case first == "" && errB == nil && b > 0:
		return byteRange{off: int64(b), last: true}, nil
	case last == "" && errA == nil:
		return byteRange{off: int64(a)}, nil
	case errA == nil && errB == nil && a <= b:
		return byteRange{off: int64(a), length: int64(b-a) + 1}, nil
	}
	return r, wrong
}

func (c *catCmd) Run(a *app) error {
	memory, err := manifests.ParseBytes(c.Memory)
	if err != nil {
		return err
	}
	p, err := objectFlags{backendFlags: c.backendFlags, logFlag: c.logFlag}.openPlaces(a, memory)
	if err != nil {
		return err
	}
	defer p.close()
	events, closeLog := a.logged(nil)
	defer closeLog()
	part, _ := parseRange(c.Range) // Validate has read it
	var failed failures
	var engine *transfer.Engine
	for _, word := range c.Locations {
		enough := false
		err := p.eachObject(word, false, &failed, func(r transfer.Ref, _ backend.Object) error {
			if enough {
				return nil
			}
			if engine == nil { // the memory is there once a backend is open
				engine = transfer.New(transfer.Options{Memory: memory, Buffers: p.opener.buffers(), Events: events})
			}
			err := part.write(a, engine, r)
			enough = gone(err)
			return err
		})
		if enough {
			return nil
		}
		if err != nil {
			failed.add(a, err)
		}
	}
	return failed.end(a)
}

// write writes the piece of an object to stdout.
func (p byteRange) write(a *app, engine *transfer.Engine, r transfer.Ref) error {
	obj, err := r.Storage.Stat(a.ctx, r.Key)
	if err != nil {
		return fmt.Errorf("%s: %w", r.At, err)
	}
	if err := readable(r.At, obj); err != nil {
		return err
	}
	off := p.off
	if p.last {
		off = max(obj.Size-p.off, 0)
	}
	if off > 0 && off >= obj.Size {
		return fmt.Errorf("%s: %w", r.At, &backend.Error{Op: "read", Kind: backend.Invalid, Err: errors.New("the range begins after its end, it has " + strconv.FormatInt(obj.Size, 10) + " bytes")})
	}
	_, err = engine.Read(a.ctx, r, product{a.stdout}, transfer.ReadOptions{Source: &obj, Off: off, Length: p.length, Item: r.At.Base()})
	return err
}
