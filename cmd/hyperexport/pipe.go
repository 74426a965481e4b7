package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// pipe copies stdin to an object, or an object to stdout.
func (c *cpCmd) pipe(a *app, p *places, memory, bandwidth int64) error {
	switch {
	case len(c.Paths) != 2 || c.Paths[0] == c.Paths[1]:
		return &codeError{exitUsage, errors.New("- stands for one side, and the other is one object"), "write `hyperexport cp - LOCATION` or `hyperexport cp LOCATION -`"}
	case c.DryRun:
		return &codeError{exitUsage, errors.New("--dry-run cannot tell what a pipe would copy"), ""}
	}
	shown, closeProgress := a.progress(c.Progress)
	events, closeLog := a.logged(shown)
	defer closeLog()
	engine := transfer.New(transfer.Options{Memory: memory, Buffers: p.opener.buffers(), Bandwidth: bandwidth, Events: events})
	title := strings.Join(c.Paths, " to ")
	events.Emit(copyStep, "", event.StepStarted{Title: title, Bytes: -1})
	began := a.now()
	var res transfer.Result
	var to backend.Location
	var err error
	if c.Paths[0] == "-" {
		to, res, err = c.fromStdin(a, p, engine)
	} else {
		res, err = c.toStdout(a, p, engine)
	}
	ended := event.StepEnded{Outcome: "done", Bytes: res.Moved, Took: a.now().Sub(began)}
	if err != nil {
		ended.Outcome, ended.Err = "failed", err.Error()
	}
	events.Emit(copyStep, "", ended)
	closeProgress()
	if err != nil {
		return err
	}
	if c.Paths[0] != "-" { // stdout has the bytes
		if c.Verbose || res.SHA256 != "" {
			a.say("%s  %s  %s  %s", c.Paths[0], human.Bytes(res.Moved), res.Checksum, res.SHA256)
		}
		return nil
	}
	return c.received(a, to, res)
}

// received shows the object that stdin became.
func (c *cpCmd) received(a *app, to backend.Location, res transfer.Result) error {
	doc := newDocument(a, "objects")
	line := copiedDocument{From: "-", To: to.String(), Size: res.Object.Size, Checksum: res.Checksum, SHA256: res.SHA256}
	text := "copied " + human.Bytes(res.Object.Size) + " to " + human.Plain(to.String())
	if c.Verbose || res.SHA256 != "" {
		text = strings.TrimRight(text+"  "+string(res.Checksum)+"  "+string(res.SHA256), " ")
	}
	if err := doc.item(text+"\n", line); err != nil {
		return err
	}
	return doc.end(&failures{done: 1}, "", map[string]any{"copied": 1, "bytes": res.Moved})
}

func (c *cpCmd) fromStdin(a *app, p *places, engine *transfer.Engine) (backend.Location, transfer.Result, error) {
	k := &copier{c: c, a: a, p: p}
	to, err := k.destination(c.Paths[1])
	if err != nil {
		return backend.Location{}, transfer.Result{}, err
	}
	if to.isPrefix() {
		return to.At, transfer.Result{}, &codeError{exitUsage, fmt.Errorf("%s is a prefix: what comes from stdin has no name of its own", to.word), "name the object"}
	}
	o := transfer.StreamOptions{SHA256: c.Checksum == "sha256", Step: copyStep, Item: to.At.Base()}
	if there, err := to.Storage.Stat(a.ctx, to.Key); err == nil {
		switch c.Existing {
		case "skip":
			a.say("hyperexport: %s is there already; stdin is not read", to.At)
			return to.At, transfer.Result{Object: there, Checksum: there.Checksum}, nil
		case "fail":
			return to.At, transfer.Result{}, fmt.Errorf("%s: %w", to.At, &backend.Error{Op: "copy", Kind: backend.Exists, Err: errors.New("it exists and --existing fail is set")})
		}
	}
	if can := to.Storage.Info().Can; c.Existing == "fail" || c.Existing == "skip" {
		o.If.Absent = can.PutIfAbsent && can.CompleteIfAbsent
	}
	s := spool{at: to.At}
	o.Spool = s.open
	defer s.remove()
	res, err := engine.Stream(a.ctx, a.stdin, to.Ref, o)
	return to.At, res, err
}

// spool is a file for what comes from stdin to a place that wants to know its size first: beside the destination if that is a
// file, so that there is room for it.
type spool struct {
	at   backend.Location
	file *os.File
}

func (s *spool) open() (transfer.File, error) {
	dir := os.TempDir()
	if s.at.Scheme == "file" {
		dir = nearestFolder(filepath.FromSlash(s.at.Path))
	}
	f, err := os.CreateTemp(dir, ".hyperexport-*")
	if err != nil {
		return nil, err
	}
	s.file = f
	_ = os.Remove(f.Name()) // where an open file can be removed nothing is left behind, whatever happens
	return f, nil
}

func (s *spool) remove() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

func (c *cpCmd) toStdout(a *app, p *places, engine *transfer.Engine) (transfer.Result, error) {
	t, err := p.target(c.Paths[0])
	if err != nil {
		return transfer.Result{}, err
	}
	var res transfer.Result
	count := 0
	for obj, err := range p.objects(t, false) {
		if err == nil && count == 1 {
			err = &codeError{exitUsage, fmt.Errorf("%s matches several objects, and stdout is one", c.Paths[0]), "`hyperexport cat` writes them one after the other"}
		}
		if err != nil {
			return res, err
		}
		count++
		r := t.below(obj.Key)
		res, err = engine.Read(a.ctx, r, product{a.stdout}, transfer.ReadOptions{SHA256: c.Checksum == "sha256", Step: copyStep, Item: r.At.Base()})
		if err != nil {
			return res, quietPipe(err)
		}
	}
	if count == 0 {
		return res, notThere(c.Paths[0], nil)
	}
	return res, nil
}
