package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

type duCmd struct {
	objectFlags
	Locations []string `arg:"" name:"location" help:"Prefixes and buckets."`
	Summarize bool     `short:"s" help:"Show only the sum of each location."`
	Depth     int      `default:"1" placeholder:"N" help:"Show prefixes down to this level."`
	Versions  bool     `help:"Count every version of the objects."`
	Bytes     bool     `short:"b" help:"Show sizes in bytes."`
}

func (c *duCmd) Help() string {
	return `Multipart uploads that were not completed are billed too; they stand in a line of their own.

Examples:
  hyperexport du oci://axsim/archive/
  hyperexport du -s s3://bucket/ s3://other/
  hyperexport du --depth 2 --versions -o json s3://bucket/logs/`
}

// usage is one line, and an item of the JSON document.
type usage struct {
	Type     string `json:"type"` // prefix, uploads or total
	Location string `json:"location"`
	Objects  int64  `json:"objects"` // or uploads, or with --versions versions
	Bytes    int64  `json:"bytes"`
}

// meterer adds up one location.
type meterer struct {
	c     *duCmd
	p     *places
	doc   *document
	t     target
	open  []usage // the prefixes that the last key is under, the outermost first
	total usage
}

func (c *duCmd) Run(a *app) error {
	p, err := c.openPlaces(a, transfer.DefaultMemory)
	if err != nil {
		return err
	}
	defer p.close()
	doc, failed := newDocument(a, "usage"), &failures{}
	for _, word := range c.Locations {
		if err := c.measure(p, doc, word); err != nil {
			failed.add(a, fmt.Errorf("%s: %w", word, err))
		} else {
			failed.done++
		}
		doc.flush()
	}
	return doc.end(failed, "", nil)
}

func (c *duCmd) measure(p *places, doc *document, word string) error {
	t, err := p.target(word)
	if err != nil {
		return err
	}
	if t.pattern != "" {
		return &codeError{exitUsage, errors.New("du takes prefixes, no patterns"), "write the prefix before the pattern"}
	}
	m := &meterer{c: c, p: p, doc: doc}
	if !t.isPrefix() {
		if obj, err := t.Storage.Stat(p.a.ctx, t.Key); err == nil {
			return m.show(usage{Type: "total", Location: t.At.String(), Objects: 1, Bytes: obj.Size})
		}
		if t, err = p.folder(t); err != nil {
			return err
		}
	}
	m.t = t
	m.total = usage{Type: "total", Location: t.At.String()}
	if err := m.objects(); err != nil {
		return err
	}
	if err := m.leave(0); err != nil {
		return err
	}
	if err := m.uploads(); err != nil {
		return err
	}
	if m.total.Objects == 0 && t.Key != "" {
		return notThere(word, nil)
	}
	return m.show(m.total)
}

func (m *meterer) objects() error {
	if !m.c.Versions {
		for obj, err := range m.t.Storage.List(m.p.a.ctx, m.t.Key) {
			if err == nil {
				err = m.add(obj)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if !m.t.Storage.Info().Can.Versions {
		return &backend.Error{Op: "list versions", Kind: backend.Unsupported, Err: errors.New("this backend shows no versions")}
	}
	for v, err := range m.t.Storage.Versions(m.p.a.ctx, m.t.Key) {
		if err == nil && !v.DeleteMarker {
			err = m.add(v.Object)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// add counts an object. Keys come in order, so that a prefix that it is not under is complete.
func (m *meterer) add(obj backend.Object) error {
	names := strings.Split(obj.Key[len(m.t.Key):], "/")
	names = names[:min(len(names)-1, m.depth())]
	same := 0
	prefix := m.t.Key
	for same < len(names) && same < len(m.open) && m.open[same].Location == prefix+names[same]+"/" {
		prefix = m.open[same].Location
		same++
	}
	if err := m.leave(same); err != nil {
		return err
	}
	for _, name := range names[same:] {
		prefix += name + "/"
		m.open = append(m.open, usage{Type: "prefix", Location: prefix})
	}
	for i := range m.open {
		m.open[i].Objects++
		m.open[i].Bytes += obj.Size
	}
	m.total.Objects++
	m.total.Bytes += obj.Size
	return nil
}

func (m *meterer) depth() int {
	if m.c.Summarize {
		return 0
	}
	return max(m.c.Depth, 0)
}

// leave shows the prefixes beyond the first n, the innermost first.
func (m *meterer) leave(n int) error {
	for len(m.open) > n {
		last := m.open[len(m.open)-1]
		m.open = m.open[:len(m.open)-1]
		last.Location = m.t.below(last.Location).At.String()
		if err := m.show(last); err != nil {
			return err
		}
	}
	return nil
}

// uploads shows what is in multipart uploads, where the backend tells.
func (m *meterer) uploads() error {
	can := m.t.Storage.Info().Can
	if !can.ListUploads {
		return nil
	}
	open := usage{Type: "uploads", Location: m.t.At.String()}
	for u, err := range m.t.Storage.ListUploads(m.p.a.ctx, m.t.Key) {
		if errors.Is(err, backend.NotFound) {
			break
		}
		if err != nil {
			return err
		}
		open.Objects++
		if !can.ListParts || u.Stray {
			continue
		}
		for part, err := range m.t.Storage.ListParts(m.p.a.ctx, u) {
			if err != nil {
				break // it was completed or aborted meanwhile
			}
			open.Bytes += part.Size
		}
	}
	if open.Objects == 0 {
		return nil
	}
	m.total.Objects += open.Objects
	m.total.Bytes += open.Bytes
	return m.show(open)
}

func (m *meterer) show(u usage) error {
	size, what := human.Bytes(u.Bytes), human.Plain(u.Location)
	if m.c.Bytes {
		size = fmt.Sprint(u.Bytes)
	}
	if u.Type == "uploads" {
		what += "  (uploads that were not completed)"
	}
	return m.doc.item(fmt.Sprintf("%12s  %10s  %s\n", size, human.Count(u.Objects), what), u)
}
