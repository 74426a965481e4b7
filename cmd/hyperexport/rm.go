package main

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

type rmCmd struct {
	objectFlags
	Locations []string `arg:"" name:"location" help:"Objects, patterns and, with -r, prefixes."`
	Recursive bool     `short:"r" help:"Delete everything below prefixes."`
	Versions  bool     `help:"Delete every version for good, also those of objects that were deleted before."`
	Uploads   bool     `help:"Abort multipart uploads that were not completed, instead of deleting objects."`
	DryRun    bool     `name:"dry-run" help:"Show what would be deleted, and change nothing."`
	Yes       bool     `help:"Do not ask, whatever their number."`
	Verbose   bool     `short:"v" help:"Show each object that is deleted."`
}

func (c *rmCmd) Help() string {
	return `More than 100 objects, and a whole bucket, are deleted only with --yes or after a question on
the terminal. An object that was replaced after it was listed stays. Buckets and folders are never deleted.

Examples:
  hyperexport rm s3://bucket/logs/a.txt
  hyperexport rm -r --dry-run oci://axsim/archive/logs/
  hyperexport rm 's3://bucket/logs/2023-*.gz' --yes
  hyperexport rm -r --uploads s3://bucket/logs/`
}

// unasked is how many objects are deleted without a question.
const unasked = 100

// remover carries out one rm.
type remover struct {
	c      *rmCmd
	a      *app
	p      *places
	engine *transfer.Engine
	doc    *document
	failed failures
	total  transfer.DeleteResult
}

// deletedDocument is one object in the JSON document.
type deletedDocument struct {
	Location   string `json:"location"`
	Size       int64  `json:"size"`
	Generation string `json:"generation,omitempty"`
	Upload     string `json:"upload,omitempty"` // id of a multipart upload
	Deleted    bool   `json:"deleted"`
}

func (c *rmCmd) Run(a *app) error {
	p, err := c.openPlaces(a, transfer.DefaultMemory)
	if err != nil {
		return err
	}
	defer p.close()
	events, closeLog := a.logged(nil)
	defer closeLog()
	d := &remover{c: c, a: a, p: p, engine: transfer.New(transfer.Options{Events: events})}
	var targets []target
	for _, word := range c.Locations {
		t, err := p.meant(word, c.Recursive)
		if err != nil {
			return err
		}
		targets = append(targets, t)
	}
	if !c.Uploads {
		if err := d.guard(targets); err != nil {
			return err
		}
	}
	d.doc = newDocument(a, "objects")
	d.doc.live = d.doc.live || c.Verbose
	for _, t := range targets {
		if a.ctx.Err() == nil {
			d.remove(t)
		}
	}
	return d.conclude()
}

// guard looks at what would go, and asks, before anything does.
func (d *remover) guard(targets []target) error {
	if d.c.Yes || d.c.DryRun {
		return nil
	}
	var count int64
	for _, t := range targets {
		if d.whole(t) {
			what := "in its bucket"
			if t.At.Scheme == "file" {
				what = "where you are, or above that"
			}
			return d.ask(fmt.Sprintf("%s means everything %s", t.word, what))
		}
		for _, err := range d.objects(t) {
			if err != nil {
				break // it is told when the objects are deleted
			}
			count++
		}
	}
	if count > unasked {
		return d.ask("it would delete " + human.Plural(count, "object"))
	}
	return nil
}

// whole reports whether a target is a bucket with everything in it.
func (d *remover) whole(t target) bool {
	if t.At.Scheme == "file" {
		return d.c.Recursive && t.pattern == "" && holdsWorkingFolder(t.At.Path)
	}
	if t.Key != "" {
		return false
	}
	return t.pattern == "" && d.c.Recursive || t.pattern != "" && strings.Trim(t.pattern, "*/") == ""
}

func (d *remover) ask(what string) error {
	if d.a.confirms(what + ". Delete?") {
		return nil
	}
	if d.a.ctx.Err() != nil {
		return d.a.ctx.Err()
	}
	return &codeError{exitBlocked, errors.New(what + "; nothing was deleted"), "look with --dry-run, and say --yes if that is what you want"}
}

// objects lists what a target means: objects, or versions of objects.
func (d *remover) objects(t target) iter.Seq2[backend.Object, error] {
	if !d.c.Versions {
		return d.p.objects(t, d.c.Recursive)
	}
	return func(yield func(backend.Object, error) bool) {
		switch {
		case !t.Storage.Info().Can.Versions:
			yield(backend.Object{}, &backend.Error{Op: "list versions", Kind: backend.Unsupported, Err: errors.New("this backend shows no versions")})
		case t.pattern != "":
			yield(backend.Object{}, &codeError{exitUsage, errors.New("--versions takes objects and prefixes, no patterns"), ""})
		case t.isPrefix() && !d.c.Recursive:
			yield(backend.Object{}, isPrefixError(t.word))
		default:
			for v, err := range t.Storage.Versions(d.a.ctx, t.Key) {
				meant := t.isPrefix() || v.Key == t.Key || d.c.Recursive && strings.HasPrefix(v.Key, t.Key+"/")
				if (err != nil || meant) && !yield(v.Object, err) {
					return
				}
			}
		}
	}
}

// remove deletes what one target means.
func (d *remover) remove(t target) {
	if d.c.Uploads {
		d.abort(t)
		return
	}
	found := false
	objects := func(yield func(backend.Object, error) bool) {
		for obj, err := range d.objects(t) {
			found = true
			if d.c.DryRun && err == nil {
				err = d.show(t, obj, false)
				d.total.Deleted++
				d.total.Bytes += obj.Size
				if err == nil {
					continue
				}
			}
			if !yield(obj, err) {
				return
			}
		}
	}
	res, err := d.engine.DeleteEach(d.a.ctx, t.Ref, objects, func(obj backend.Object) error { return d.show(t, obj, true) })
	d.total.Deleted += res.Deleted
	d.total.Bytes += res.Bytes
	d.failed.done = d.total.Deleted
	for _, e := range res.Errors {
		d.failed.add(d.a, fmt.Errorf("still there: %w", e))
	}
	d.failed.count += max(res.Failed-int64(len(res.Errors)), 0)
	switch {
	case err != nil && res.Failed == 0:
		d.failed.add(d.a, fmt.Errorf("%s: %w", t.word, err))
	case err == nil && !found:
		d.failed.add(d.a, notThere(t.word, nil))
	}
}

func (d *remover) show(t target, obj backend.Object, deleted bool) error {
	if !d.c.Verbose && !d.c.DryRun && !d.a.json {
		return nil
	}
	at := t.below(obj.Key).At.String()
	verb := "deleted"
	if !deleted {
		verb = "would delete"
	}
	text := verb + " " + human.Plain(at)
	if obj.Generation != "" {
		text += " version " + human.Plain(obj.Generation)
	}
	return quietPipe(d.doc.item(text+"\n", deletedDocument{Location: at, Size: obj.Size, Generation: obj.Generation, Deleted: deleted})) // the others go too
}

// abort ends the multipart uploads of a target.
func (d *remover) abort(t target) {
	err := func() error {
		switch {
		case t.pattern != "":
			return &codeError{exitUsage, errors.New("--uploads takes objects and prefixes, no patterns"), ""}
		case t.isPrefix() && !d.c.Recursive:
			return isPrefixError(t.word)
		case !t.Storage.Info().Can.ListUploads:
			return &backend.Error{Op: "list uploads", Kind: backend.Unsupported, Err: errors.New("this backend shows no uploads")}
		}
		for u, err := range t.Storage.ListUploads(d.a.ctx, t.Key) {
			if err != nil {
				return err
			}
			if !t.isPrefix() && u.Key != t.Key {
				continue
			}
			if !d.c.DryRun {
				if err := t.Storage.AbortUpload(d.a.ctx, u); err != nil {
					d.failed.add(d.a, fmt.Errorf("still there: %w", err))
					continue
				}
			}
			d.total.Deleted++
			d.failed.done++
			verb := map[bool]string{true: "would abort", false: "aborted"}[d.c.DryRun]
			at := t.below(u.Key).At.String()
			if err := d.doc.item(fmt.Sprintf("%s upload %s of %s\n", verb, human.Plain(u.ID), human.Plain(at)), deletedDocument{Location: at, Upload: u.ID, Deleted: !d.c.DryRun}); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		d.failed.add(d.a, fmt.Errorf("%s: %w", t.word, err))
	}
}

func (d *remover) conclude() error {
	noun := "object"
	switch {
	case d.c.Uploads:
		noun = "upload"
	case d.c.Versions:
		noun = "version"
	}
	text := "deleted " + human.Plural(d.total.Deleted, noun)
	if d.c.DryRun {
		text = human.Plural(d.total.Deleted, noun) + " would be deleted"
	}
	if !d.c.Uploads {
		text += ", " + human.Bytes(d.total.Bytes)
	}
	if d.failed.count > 0 {
		text += ", failed " + human.Plural(d.failed.count, noun)
	}
	if d.c.DryRun {
		text += "; nothing was changed"
	}
	return d.doc.end(&d.failed, text+"\n", map[string]any{"deleted": d.total.Deleted, "bytes": d.total.Bytes, "dry_run": d.c.DryRun})
}

// holdsWorkingFolder reports whether a path is the working folder, or one above it.
func holdsWorkingFolder(path string) bool {
	here, err := os.Getwd()
	if err != nil {
		return true
	}
	inside, err := filepath.Rel(filepath.Clean(filepath.FromSlash(path)), here)
	return err == nil && inside != ".." && !strings.HasPrefix(inside, ".."+string(filepath.Separator))
}
