package main

import (
	"errors"
	"fmt"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

type mbCmd struct {
	objectFlags
	Locations []string `arg:"" name:"location" help:"Buckets, or folders of this machine."`
	IfMissing bool     `help:"One that is there is no mistake."`
}

func (c *mbCmd) Help() string {
	return `As with mkdir(1), a bucket that is there is an error, and none with --if-missing.

Examples:
  hyperexport mb s3://bucket/
  hyperexport mb --if-missing oci://axsim/backups/`
}

// madeDocument is one bucket in the JSON document.
type madeDocument struct {
	Location string `json:"location"`
	Made     bool   `json:"made"`
}

func (c *mbCmd) Run(a *app) error {
	p, err := c.openPlaces(a, transfer.DefaultMemory)
	if err != nil {
		return err
	}
	defer p.close()
	doc, failed := newDocument(a, "buckets"), &failures{}
	for _, word := range c.Locations {
		made, at, err := c.make(p, word)
		if err != nil {
			failed.add(a, err)
			continue
		}
		failed.done++
		text := human.Plain(at) + " was made\n"
		if !made {
			text = human.Plain(at) + " exists already\n"
		}
		if err := doc.item(text, madeDocument{at, made}); err != nil {
			return err
		}
	}
	return doc.end(failed, "", nil)
}

func (c *mbCmd) make(p *places, word string) (made bool, at string, err error) {
	loc, err := p.locate(word)
	if err != nil {
		return false, "", err
	}
	if loc.Scheme == "file" {
		loc.Path = withSlash(loc.Path)
	}
	r, err := p.open(loc)
	if err != nil {
		return false, "", fmt.Errorf("%s: %w", word, err)
	}
	switch {
	case r.Key != "":
		return false, "", &codeError{exitUsage, fmt.Errorf("%s is in a bucket, not one", word), "prefixes need not be made: they are there when an object is below them"}
	case !r.Storage.Info().Can.CreateContainer:
		err = &backend.Error{Op: "make the bucket", Kind: backend.Unsupported, Err: errors.New("this backend cannot make buckets")}
	default:
		err = r.Storage.CreateContainer(p.a.ctx)
	}
	if errors.Is(err, backend.Exists) {
		if c.IfMissing {
			return false, r.At.String(), nil
		}
		return false, "", &codeError{exitFailed, fmt.Errorf("%s exists already", word), "--if-missing makes that no mistake"}
	}
	if err != nil {
		return false, "", fmt.Errorf("%s: %w", word, err)
	}
	return true, r.At.String(), nil
}
