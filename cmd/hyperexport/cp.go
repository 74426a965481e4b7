package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

type cpCmd struct {
	objectFlags
	copyFlags
	Paths     []string `arg:"" name:"from ... to" help:"Objects, prefixes (-r) and patterns, and then where they go; - is stdin or stdout."`
	Recursive bool     `short:"r" help:"Copy everything under prefixes."`
	Existing  string   `enum:"newer,overwrite,skip,fail" default:"overwrite" help:"What is done to objects that are there: overwrite, newer (only if not up to date), skip or fail."`
	IfAbsent  bool     `help:"The same as --existing fail."`
	Include   []string `sep:"none" placeholder:"PATTERN" help:"With -r, only objects whose name below the prefix matches; may be repeated."`
	Exclude   []string `sep:"none" placeholder:"PATTERN" help:"With -r, not those whose name matches; may be repeated."`
	DryRun    bool     `name:"dry-run" help:"Show what would be copied, and change nothing."`
	Verbose   bool     `short:"v" help:"Show each object that is copied, with its checksum."`
}

// copyFlags are the flags of how bytes are moved.
type copyFlags struct {
	Checksum  string `enum:"none,sha256" default:"none" help:"Also compute sha256 of each object and show it."`
	Memory    string `default:"256MiB" placeholder:"SIZE" help:"Memory for the buffers of all transfers together."`
	Bandwidth string `placeholder:"RATE" help:"Such as 40MiB/s, all transfers together; unlimited if left out."`
	State     string `placeholder:"DIR" help:"Folder that keeps how far copies came (default: $$HYPEREXPORT_STATE, or hyperexport in the XDG state folder)."`
	Progress  string `enum:"auto,bar,plain,json,none" default:"auto" help:"What stderr shows meanwhile: bar, plain, json or none; auto is bar on a terminal and plain elsewhere."`
}

func (c *cpCmd) Help() string {
	return `TO with a slash at its end, or a folder of this machine that exists, is where objects go under their own names; any other TO is
the name of the one object. FROM with a slash copies what is below it, a folder without one is copied with its name. What a
pattern finds keeps its name from the first element with a pattern on.

A copy that was interrupted goes on when the same command is run again. An object is there when it is whole, not before.

Examples:
  hyperexport cp disk.qcow2 oci://axsim/archive/disk.qcow2
  hyperexport cp -r ./logs/ s3://bucket/logs/ --existing newer --exclude '*.tmp'
  hyperexport cp 'oci://axsim/logs/2024-*/*.gz' ./logs/ --checksum sha256 -v
  hyperexport cp --if-absent s3://bucket/a.txt oci://axsim/archive/
  pg_dump shop | hyperexport cp - s3://bucket/shop.sql
  hyperexport cp s3://bucket/shop.sql - | psql shop`
}

// Validate refuses what cannot be meant.
func (c *cpCmd) Validate() error {
	_, _, err := c.limits()
	switch {
	case err != nil:
		return err
	case len(c.Paths) < 2:
		return errors.New("cp needs where from and where to")
	case c.IfAbsent && c.Existing != string(transfer.Overwrite) && c.Existing != string(transfer.Fail):
		return errors.New("--if-absent and --existing contradict each other")
	case len(c.Include)+len(c.Exclude) > 0 && !c.Recursive:
		return errors.New("--include and --exclude need -r")
	}
	return transfer.Selection{Include: c.Include, Exclude: c.Exclude}.Validate()
}

func (f copyFlags) limits() (memory, bandwidth int64, err error) {
	if memory, err = manifests.ParseBytes(f.Memory); err != nil {
		return 0, 0, fmt.Errorf("--memory: %w", err)
	}
	if memory < leastMemory {
		return 0, 0, fmt.Errorf("--memory must be at least %s but got %s", human.Bytes(leastMemory), f.Memory)
	}
	if f.Bandwidth != "" {
		if bandwidth, err = manifests.ParseRate(f.Bandwidth); err != nil {
			return 0, 0, fmt.Errorf("--bandwidth: %w", err)
		}
	}
	return memory, bandwidth, nil
}

// leastMemory holds a few parts of the least size that services take.
const leastMemory = 32 << 20

// copier carries out one cp.
type copier struct {
	c      *cpCmd
	a      *app
	p      *places
	engine *transfer.Engine
	events event.Sink
	state  *copyState
	doc    *document
	failed failures
	total  transfer.TreeResult
}

// copyStep is the address that events of a copy carry.
const copyStep = "cp"

func (c *cpCmd) Run(a *app) (err error) {
	memory, bandwidth, err := c.limits()
	if err != nil {
		return err
	}
	if c.IfAbsent {
		c.Existing = string(transfer.Fail)
	}
	p, err := c.openPlaces(a, memory)
	if err != nil {
		return err
	}
	defer p.close()
	if slices.Contains(c.Paths, "-") {
		return c.pipe(a, p, memory, bandwidth)
	}
	k := &copier{c: c, a: a, p: p}
	jobs, err := k.jobs()
	if err != nil {
		return err
	}
	if c.DryRun {
		return k.dryRun(jobs)
	}
	if k.state, err = openCopyState(a, c); err != nil {
		return err
	}
	shown, closeProgress := a.progress(c.Progress)
	events, closeLog := a.logged(shown)
	defer closeLog()
	k.events, k.doc = events, newDocument(a, "objects")
	k.engine = transfer.New(transfer.Options{Memory: memory, Buffers: p.opener.buffers(), Bandwidth: bandwidth, Events: events})
	besides := k.doc.above()
	k.doc.live = true
	began := a.now()
	events.Emit(copyStep, "", event.StepStarted{Title: strings.Join(c.Paths[:len(c.Paths)-1], ", ") + " to " + c.Paths[len(c.Paths)-1], Bytes: sizeOf(jobs)})
	for _, j := range jobs {
		k.run(j)
	}
	k.ended(began)
	besides()
	closeProgress()
	return k.conclude(began)
}

// run carries out one of the jobs and adds up what it did.
func (k *copier) run(j copyJob) {
	if k.a.ctx.Err() != nil {
		return
	}
	o := transfer.TreeOptions{Selection: k.selection(), SHA256: k.c.Checksum == "sha256", Resuming: k.state.resuming, Step: copyStep,
		Checkpoint: func(name string) *transfer.Checkpoint { return k.state.checkpoint(j.destination(name)) },
		Note:       func(name string, n transfer.Note) error { return k.state.note(j.destination(name), n) },
		Done:       func(d transfer.Difference, r transfer.Result) error { return k.copied(j, d, r) },
	}
	var res transfer.TreeResult
	var err error
	if j.tree {
		res, err = k.engine.CopyTree(k.a.ctx, j.from, j.to, o)
	} else {
		res, err = k.engine.CopyEach(k.a.ctx, j.pairs, o)
	}
	k.total.Copied += res.Copied
	k.total.Kept += res.Kept
	k.total.Bytes += res.Bytes
	k.total.Reused += res.Reused
	k.failed.done += res.Copied + res.Kept
	for _, e := range res.Errors {
		k.failed.add(k.a, k.explain(e))
	}
	k.failed.count += max(res.Failed-int64(len(res.Errors)), 0)
	if err != nil && res.Failed == 0 {
		k.failed.add(k.a, err)
	}
}

// explain says what can be done about an object that is there and must not be.
func (k *copier) explain(err error) error {
	if k.c.Existing == string(transfer.Fail) && errors.Is(err, backend.Exists) {
		return &codeError{exitFailed, err, "look at what is there; --existing skip leaves it, --existing overwrite replaces it"}
	}
	return err
}

func (k *copier) selection() transfer.Selection {
	return transfer.Selection{Include: k.c.Include, Exclude: k.c.Exclude, Existing: transfer.Existing(k.c.Existing)}
}

// copiedDocument is one object in the JSON document.
type copiedDocument struct {
	From       string           `json:"from"`
	To         string           `json:"to"`
	Size       int64            `json:"size"`
	Checksum   backend.Checksum `json:"checksum,omitempty"`
	SHA256     backend.Checksum `json:"sha256,omitempty"`
	ServerSide bool             `json:"server_side,omitempty"`
}

// copied writes down an object that has arrived, and shows it.
func (k *copier) copied(j copyJob, d transfer.Difference, r transfer.Result) error {
	from, to := j.source(d.Name), j.destination(d.Name)
	k.state.finished(to, r.Object)
	if !k.c.Verbose && !k.a.json && r.SHA256 == "" {
		return nil
	}
	doc := copiedDocument{From: from.String(), To: to.String(), Size: r.Object.Size, Checksum: r.Checksum, SHA256: r.SHA256, ServerSide: r.ServerSide}
	text := ""
	for _, word := range []string{human.Bytes(doc.Size), string(doc.Checksum), string(doc.SHA256)} {
		if word != "" {
			text += "  " + word
		}
	}
	return quietPipe(k.doc.item(human.Plain(doc.From)+" -> "+human.Plain(doc.To)+text+"\n", doc)) // the copy goes on
}

// ended tells the progress how it went.
func (k *copier) ended(began time.Time) {
	body := event.StepEnded{Outcome: outcomeOf(k.failed.code(k.a.ctx, k.a)), Bytes: k.total.Bytes, Took: k.a.now().Sub(began)}
	if k.failed.first != nil && k.c.Progress == "json" { // in text it is told already
		body.Err = k.failed.first.Error()
	}
	k.events.Emit(copyStep, "", body)
}

// conclude shows the sum, and what of an interrupted copy is kept.
func (k *copier) conclude(began time.Time) error {
	kept := k.state.close(k.failed.count == 0 && k.a.ctx.Err() == nil, k.total.Copied > 0)
	for _, at := range kept {
		k.a.say("hyperexport: of %s what has arrived is kept; the same command goes on with it, `hyperexport rm --uploads %s` gives it up", at, shellWord(at.String()))
	}
	text := "copied " + human.Plural(k.total.Copied, "object") + ", " + human.Bytes(k.total.Bytes)
	if k.total.Reused > 0 {
		text += " and " + human.Bytes(k.total.Reused) + " before"
	}
	if k.total.Kept > 0 {
		text += ", kept " + human.Plural(k.total.Kept, "object")
	}
	if k.failed.count > 0 {
		text += ", failed " + human.Plural(k.failed.count, "object")
	}
	text += fmt.Sprintf(" in %s\n", human.Duration(k.a.now().Sub(began)))
	return k.doc.end(&k.failed, text, map[string]any{"copied": k.total.Copied, "kept": k.total.Kept, "bytes": k.total.Bytes, "reused": k.total.Reused})
}
