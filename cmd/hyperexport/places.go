package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// objectFlags are the flags of the commands that look at single locations, or change them.
type objectFlags struct {
	backendFlags
	logFlag
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// places opens the locations of one command line. Each backend is opened once.
type places struct {
	a      *app
	known  func(string) (manifests.Backend, bool)
	opener *opener
	set    backend.Set
	dir    string // relative paths are below it
	events event.Sink
}

// openPlaces prepares a command; memory is that of its buffers. The caller closes what it returns.
func (f objectFlags) openPlaces(a *app, memory int64) (*places, error) {
	a.json = f.Output == "json"
	if err := f.openLog(a); err != nil {
		return nil, err
	}
	known, err := f.known(a)
	if err != nil {
		return nil, err
	}
	o, err := a.newOpener(manifestFlags(f.backendFlags), memory)
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if _, set := a.env("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(memory + runtimeMemory)
	}
	return &places{a: a, known: known, opener: o, set: backend.Set{}, dir: dir, events: a.retryTalk()}, nil
}

func (p *places) close() {
	_ = p.set.Close() // nothing is in flight any more
	p.opener.close()
}

// locate reads a word of the command line. A folder of this machine gets the slash that it may lack.
func (p *places) locate(word string) (backend.Location, error) {
	if scheme, rest, ok := strings.Cut(word, "://"); ok && rest == "" && scheme != "file" {
		if _, err := backend.ParseLocation(word + "x"); err == nil {
			return backend.Location{Scheme: scheme}, nil // no container: a list of them may be asked for
		}
	}
	at, err := backend.ParseLocation(word)
	if err != nil {
		return at, &codeError{exitUsage, err, "write a location such as s3://bucket/prefix/, or a path"}
	}
	return at.Abs(p.dir), nil
}

// isFolder reports whether at is a directory of this machine.
func isFolder(at backend.Location) bool {
	info, err := os.Stat(filepath.FromSlash(at.Path))
	return at.Scheme == "file" && err == nil && info.IsDir()
}

// provider opens the backend of a scheme.
func (p *places) provider(scheme string) (backend.Provider, error) {
	if provider, ok := p.set[scheme]; ok {
		return provider, nil
	}
	provider, err := p.opener.open(named(p.known, scheme))
	if err == nil {
		p.set[scheme] = provider
	}
	return provider, err
}

// open opens a location. Requests that fail in a way that passes are repeated.
func (p *places) open(at backend.Location) (transfer.Ref, error) {
	provider, err := p.provider(at.Scheme)
	if err != nil {
		return transfer.Ref{}, err
	}
	s, key, err := provider.Open(at)
	if err != nil {
		return transfer.Ref{}, err
	}
	if key == "" && !at.IsPrefix() { // s3://bucket
		at.Path += "/"
	}
	return transfer.Ref{Storage: wrap.Retry(s, wrap.Policy{Events: p.events}), Key: key, At: at}, nil
}

// target is what a word of the command line names: an object, a prefix, or what matches a pattern below a prefix.
type target struct {
	transfer.Ref
	word    string
	pattern string // "" for none; Ref is then the prefix that it is below
}

// target opens a word. It is a pattern only if nothing of exactly that name is there.
func (p *places) target(word string) (target, error) {
	at, err := p.locate(word)
	if err != nil {
		return target{}, err
	}
	prefix, pattern, looks := transfer.SplitPattern(at.Path)
	ref, err := p.open(at)
	if err != nil && (!looks || backend.KindOf(err) != backend.Invalid) {
		return target{}, fmt.Errorf("%s: %w", word, err)
	}
	if err == nil && looks {
		looks = !p.literal(ref)
	}
	if !looks {
		return target{Ref: ref, word: word}, nil
	}
	if ref, err = p.open(backend.Location{Scheme: at.Scheme, Path: prefix}); err != nil {
		return target{}, fmt.Errorf("%s: %w", word, err)
	}
	return target{Ref: ref, word: word, pattern: pattern}, p.a.ctx.Err()
}

// literal reports whether a name that looks like a pattern is one of an object, or of a prefix with something below it. What
// cannot be asked is not there.
func (p *places) literal(r transfer.Ref) bool {
	there, err := transfer.Exists(p.a.ctx, r)
	return err == nil && there
}

// isPrefix reports whether the target means everything under it.
func (t target) isPrefix() bool {
	return t.pattern == "" && (t.Key == "" || strings.HasSuffix(t.Key, "/"))
}

// below returns the ref of a key of the target's container.
func (t target) below(key string) transfer.Ref {
	r := t.Ref
	r.At.Path = strings.TrimSuffix(r.At.Path, r.Key) + key
	r.Key = key
	return r
}

// folder opens the folder that a word without a slash means: for a file location that is another container.
func (p *places) folder(t target) (target, error) {
	if t.isPrefix() {
		return t, nil
	}
	at := t.At
	at.Path += "/"
	ref, err := p.open(at)
	return target{Ref: ref, word: t.word}, err
}

// notThere is the error of a word that names nothing.
func notThere(word string, err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = &backend.Error{Op: "find", Key: word, Kind: backend.NotFound, Err: errors.New("nothing of that name is there, as an object or as a prefix")}
	}
	return err
}

// failures are what went wrong with single objects. The first of them decides the code, but broken integrity goes first.
type failures struct {
	done  int64 // objects that went well
	count int64
	errs  []string
	first error
	wrong error // bytes that are not what they should be
}

const mostFailures = 100

// add tells of a failure on stderr and remembers it.
func (f *failures) add(a *app, err error) {
	if gone(err) { // the end of the document knows
		return
	}
	f.count++
	if f.first == nil {
		f.first = err
	}
	if f.wrong == nil && errors.Is(err, backend.Corrupt) {
		f.wrong = err
	}
	if len(f.errs) < mostFailures {
		f.errs = append(f.errs, err.Error())
		a.say("hyperexport: %v", err)
	}
}

// code gives the exit code: of a single failure its own, else partial.
func (f *failures) code(ctx context.Context, a *app) int {
	switch {
	case f.wrong != nil:
		return exitIntegrity
	case ctx.Err() != nil && a.signal.Load() != 0:
		return int(a.signal.Load())
	case f.first == nil:
		return exitDone
	case f.done == 0:
		return a.exitCode(f.first)
	}
	return exitPartial
}

// end says what can be done and gives the error that ends the command; everything else was said.
func (f *failures) end(a *app) error {
	code := f.code(a.ctx, a)
	if code == exitDone {
		return nil
	}
	first := f.first
	if f.wrong != nil {
		first = f.wrong
	}
	if help := helpFor(first); help != "" && !a.json && a.ctx.Err() == nil {
		a.say("help: %s", help)
	}
	return &codeError{code: code}
}
