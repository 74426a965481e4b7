package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

type statCmd struct {
	objectFlags
	Locations []string `arg:"" name:"location" help:"Objects and patterns."`
}

func (c *statCmd) Help() string {
	return `What is not known is left out.

Examples:
  hyperexport stat oci://axsim/archive/disk.qcow2
  hyperexport stat 's3://bucket/*.gz' -o json`
}

type statEntry struct {
	Location string `json:"location"`
	Size     int64  `json:"size"`
	objectDocument
}

func (c *statCmd) Run(a *app) error {
	p, err := c.openPlaces(a, transfer.DefaultMemory)
	if err != nil {
		return err
	}
	defer p.close()
	doc, failed := newDocument(a, "objects"), &failures{}
	for _, word := range c.Locations {
		if err := p.eachObject(word, false, failed, func(r transfer.Ref, _ backend.Object) error {
			obj, err := r.Storage.Stat(a.ctx, r.Key) // what is found by a list is not all there is to know
			if err != nil {
				return fmt.Errorf("%s: %w", r.At, err)
			}
			entry := statEntry{r.At.String(), obj.Size, describe(obj)}
			return doc.item(entry.text(doc.items == 0 && failed.done == 0), entry)
		}); err != nil {
			failed.add(a, err)
		}
	}
	return doc.end(failed, "", nil)
}

func (e statEntry) text(first bool) string {
	var text strings.Builder
	if !first {
		text.WriteString("\n")
	}
	text.WriteString(human.Plain(e.Location) + "\n")
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %s\t%s\n", name, human.Plain(value))
		}
	}
	row("size", fmt.Sprintf("%d (%s)", e.Size, human.Bytes(e.Size)))
	if !e.ModTime.IsZero() {
		row("time", e.ModTime.UTC().Format(time.RFC3339Nano))
	}
	row("version", e.Version)
	row("checksum", string(e.Checksum))
	row("tier", e.Tier)
	if e.Archived {
		row("archived", "yes: `hyperexport restore` makes it readable")
	}
	row("generation", e.Generation)
	for _, name := range slices.Sorted(maps.Keys(e.Meta)) {
		row("meta "+name, e.Meta[name])
	}
	_ = w.Flush() // a builder takes everything
	return text.String()
}

// eachObject hands every object that a word names to use: one, those that a pattern matches, or with recursive those below a
// prefix. The errors of use are told and do not stop the others; what comes back is why there are no more.
func (p *places) eachObject(word string, recursive bool, failed *failures, use func(transfer.Ref, backend.Object) error) error {
	t, err := p.meant(word, recursive)
	if err != nil {
		return err
	}
	found := false
	for obj, err := range p.objects(t, recursive) {
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		found = true
		if err := use(t.below(obj.Key), obj); err != nil {
			if p.a.ctx.Err() != nil {
				return p.a.ctx.Err()
			}
			failed.add(p.a, err)
			continue
		}
		failed.done++
	}
	if !found {
		return notThere(word, nil)
	}
	return nil
}
