package main

import (
	"errors"
	"fmt"
	"iter"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// objects lists what a target names: one object, those that a pattern matches, or with recursive those below a prefix. A
// prefix without recursive is an error that says so.
func (p *places) objects(t target, recursive bool) iter.Seq2[backend.Object, error] {
	return func(yield func(backend.Object, error) bool) {
		switch {
		case t.pattern != "":
			p.matching(t, recursive, yield)
		case !t.isPrefix():
			obj, err := t.Storage.Stat(p.a.ctx, t.Key)
			if !recursive && errors.Is(err, backend.NotFound) && p.hasBelow(t) {
				err = isPrefixError(t.word + "/")
			}
			yield(obj, err)
		case !recursive:
			yield(backend.Object{}, isPrefixError(t.word))
		default:
			t.Storage.List(p.a.ctx, t.Key)(yield)
		}
	}
}

// meant opens a word. With recursive, a name that no object has is the prefix of that name, if something is below it.
func (p *places) meant(word string, recursive bool) (target, error) {
	t, err := p.target(word)
	if err != nil || !recursive || t.pattern != "" || t.isPrefix() {
		return t, err
	}
	if _, err := t.Storage.Stat(p.a.ctx, t.Key); errors.Is(err, backend.NotFound) && p.hasBelow(t) {
		return p.folder(t)
	}
	return t, nil
}

func (p *places) hasBelow(t target) bool {
	if isFolder(t.At) {
		return true
	}
	there, err := transfer.Exists(p.a.ctx, t.below(t.Key+"/"))
	return err == nil && there
}

// matching yields the objects that a pattern matches. What is below the prefixes that it matches is meant only with recursive.
func (p *places) matching(t target, recursive bool, yield func(backend.Object, error) bool) {
	for entry, err := range transfer.Find(p.a.ctx, t.Ref, t.pattern) {
		switch {
		case err != nil || entry.Prefix == "":
			if !yield(entry.Object, err) {
				return
			}
		case recursive:
			for obj, err := range t.Storage.List(p.a.ctx, entry.Prefix) {
				if !yield(obj, err) {
					return
				}
			}
		}
	}
}

func isPrefixError(word string) error {
	return &codeError{exitUsage, fmt.Errorf("%s is a prefix, not an object", word),
		"`hyperexport ls` shows what is below it; -r means all of that, where a command has it"}
}
