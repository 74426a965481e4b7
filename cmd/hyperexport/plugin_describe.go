package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
)

type pluginDescribeCmd struct {
	backendFlags
	logFlag
	Backend string `arg:"" help:"A backend, a plugin or its path, or a location such as s3://bucket/."`
	Output  string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c *pluginDescribeCmd) Help() string {
	return `The plugin is started and configured; no request is made.

Examples:
  hyperexport plugin describe s3
  hyperexport plugin describe s3://bucket/
  hyperexport plugin describe -f manifest.yaml tape`
}

// described is the JSON document.
type described struct {
	Backend   string        `json:"backend"`
	Plugin    string        `json:"plugin"`
	Name      string        `json:"name"`
	Version   string        `json:"version,omitempty"`
	Region    string        `json:"region,omitempty"`
	Formats   []string      `json:"formats,omitempty"` // of the images that it exports machines as
	Inventory bool          `json:"inventory"`
	Location  string        `json:"location,omitempty"`
	Info      *backend.Info `json:"info,omitempty"` // of the location
}

func (c *pluginDescribeCmd) Run(a *app) error {
	a.json = c.Output == "json"
	if err := c.openLog(a); err != nil {
		return err
	}
	opened, err := c.open(a, c.Backend)
	if err != nil {
		return err
	}
	defer opened.close()
	about := opened.provider.Describe()
	d := described{Backend: opened.backend.Name, Plugin: opened.backend.Plugin, Name: about.Name, Version: about.Version, Region: about.Region}
	if compute, err := opened.provider.Compute(); err == nil {
		d.Formats = compute.Formats()
	}
	if _, err := opened.provider.Inventory(); err == nil {
		d.Inventory = true
	}
	if opened.at != (backend.Location{}) {
		s, _, err := opened.provider.Open(opened.at)
		if err != nil {
			return err
		}
		info := s.Info()
		d.Location, d.Info = opened.at.String(), &info
	}
	if a.json {
		return a.writeJSON(d)
	}
	return a.writeTable(d.rows)
}

// rows writes what is known, a line each.
func (d described) rows(w *tabwriter.Writer) {
	row := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, human.Plain(text))
		}
	}
	row("backend", d.Backend)
	row("plugin", d.Plugin)
	row("describes itself as", strings.TrimSpace(d.Name+" "+d.Version))
	row("region", d.Region)
	row("exports machines as", strings.Join(d.Formats, ", "))
	if d.Inventory {
		row("lists", "compartments and machines")
	}
	if d.Info == nil {
		return
	}
	row("location", d.Location)
	row("can", strings.Join(capabilities(d.Info.Can), ", "))
	var sums []string
	for _, sum := range d.Info.Checksums {
		sums = append(sums, string(sum))
	}
	row("verifies", strings.Join(sums, ", "))
	row("copies by itself from", strings.Join(d.Info.CopyFrom, ", "))
	limit := func(name string, n int64) {
		if n > 0 {
			row(name, human.Bytes(n))
		}
	}
	limit("least part", d.Info.Limits.MinPart)
	limit("largest part", d.Info.Limits.MaxPart)
	if n := d.Info.Limits.MaxParts; n > 0 {
		row("parts", "at most "+human.Count(int64(n)))
	}
	limit("largest put", d.Info.Limits.MaxPut)
	limit("largest object", d.Info.Limits.MaxObject)
}

// capabilities names those that are there. Their names are those of the contract.
func capabilities(can backend.Capabilities) []string {
	var names []string
	for field, value := range reflect.ValueOf(can).Fields() {
		if value.Bool() {
			names = append(names, field.Name)
		}
	}
	return names
}

// openedBackend is a backend that a command of `plugin` looks at.
type openedBackend struct {
	backend  manifests.Backend
	at       backend.Location // zero if only the backend was named
	provider backend.Provider
	opener   *opener
}

// open opens the backend that a word of the command line means: a location, a path, or a name.
func (f backendFlags) open(a *app, word string) (*openedBackend, error) {
	name, at, err := locate(word)
	if err != nil {
		return nil, err
	}
	b := &openedBackend{at: at}
	if b.backend, b.opener, err = f.find(a, name); err != nil {
		return nil, err
	}
	if b.provider, err = b.opener.open(b.backend); err != nil {
		b.opener.close()
		return nil, err
	}
	return b, nil
}

// locate tells locations from names of backends and paths of plugins.
func locate(word string) (name string, at backend.Location, err error) {
	isPlugin := strings.Contains(word, pluginPrefix) && !strings.HasSuffix(word, "/")
	if !strings.Contains(word, "://") && (isPlugin || !strings.ContainsAny(word, `/\`)) {
		return word, at, nil
	}
	if at, err = backend.ParseLocation(word); err != nil {
		return "", at, &codeError{exitInvalid, err, "write a location such as s3://bucket/prefix/, or a path"}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", at, err
	}
	at = at.Abs(dir)
	return at.Scheme, at, nil
}

// locate gives the location of a key of the container that at is in; key is the one of at.
func (b *openedBackend) locate(key string) func(string) backend.Location {
	container := b.at
	container.Path = strings.TrimSuffix(container.Path, key)
	return container.Join
}

func (b *openedBackend) close() {
	_ = b.provider.Close() // nothing is in flight any more
	b.opener.close()
}
