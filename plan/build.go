package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// Options are what Build needs besides the manifest.
type Options struct {
	Run      string    // id of the run; a resumed run keeps its own
	Started  time.Time // of the run: gives run.date and run.time
	Resumes  bool
	Began    func(step string) bool // whether the interrupted run has begun the export of a step; nil is never
	Backends backend.Set
	Now      func() time.Time // nil is time.Now
}

// Build makes the plan of m. It asks the backends what is there and changes nothing. What stands in the way of a step is a
// Finding in Plan.Blocked; an error means that a backend could not be asked, or that the manifest cannot be carried out.
func Build(ctx context.Context, m *manifests.Manifest, o Options) (*Plan, error) {
	if err := Supported(m); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &builder{m: m, o: o, plan: &Plan{Format: Format, Name: m.Name, Run: o.Run, Resumes: o.Resumes,
		Created: o.Now().UTC().Truncate(time.Second), Manifest: m.Digest}, members: map[string][]string{}, stuck: map[string]bool{}, busy: map[string]bool{}}
	if err := b.buckets(ctx); err != nil {
		return nil, err
	}
	for _, e := range m.Exports {
		if err := b.export(ctx, e); err != nil {
			return nil, fmt.Errorf("export.%s: %w", e.ID, err)
		}
	}
	b.checkCollisions()
	for _, t := range inOrder(m.Transfers) {
		if err := b.transfer(ctx, t); err != nil {
			return nil, fmt.Errorf("transfer.%s: %w", t.ID, err)
		}
	}
	b.checkOverlaps()
	if err := b.checkSpace(ctx); err != nil {
		return nil, err
	}
	for i := range b.plan.Steps { // what is in the way is not up to date, whatever is there
		s := &b.plan.Steps[i]
		if s.Blocked != "" || slices.ContainsFunc(b.plan.Blocked, func(f Finding) bool { return f.Step == s.ID }) {
			s.Current = ""
		}
	}
	slices.SortStableFunc(b.plan.Steps, func(x, y Step) int {
		if order := cmp.Compare(x.rank(), y.rank()); order != 0 || x.Export != nil {
			return order
		}
		return strings.Compare(x.ID, y.ID)
	})
	return b.plan, nil
}

// rank is where the kind of s stands in a plan.
func (s Step) rank() int {
	switch {
	case s.Bucket != nil:
		return 0
	case s.Export != nil:
		return 1
	}
	return 2
}

// inOrder returns the transfers so that each comes behind those that it names in after. The manifest has no cycles.
func inOrder(list []manifests.Transfer) []manifests.Transfer {
	var sorted []manifests.Transfer
	placed := map[string]bool{}
	for len(sorted) < len(list) {
		for _, t := range list {
			ready := !slices.ContainsFunc(t.After, func(need string) bool {
				return strings.HasPrefix(need, "transfer.") && !placed[need]
			})
			if id := "transfer." + t.ID; ready && !placed[id] {
				placed[id] = true
				sorted = append(sorted, t)
			}
		}
	}
	return sorted
}

// Supported refuses what the manifest's form allows and this release does not do.
func Supported(m *manifests.Manifest) error {
	var list []*manifests.Error
	for _, e := range m.Exports {
		if b, ok := m.Backend(e.Backend); ok {
			if _, own := b.Settings["encryption_key"]; own {
				list = append(list, m.ErrorAt(e.Staging.Pos, "give the exports a backend of their own, without encryption_key",
					"backend %s has encryption_key, and with it what the service stages cannot be read", e.Backend))
			}
		}
		if e.Verify == "structure" {
			list = append(list, m.ErrorAt(e.Pos, "write verify: checksum", "verify: structure is not supported by this release"))
		}
		if e.KMSKey != "" {
			list = append(list, m.ErrorAt(e.Pos, "leave it out: CreateImage and ExportImage of the service take no key, so the bucket's own is used",
				"kms_key is not supported by this release"))
		}
	}
	for _, t := range m.Transfers {
		if err := (transfer.Selection{Include: t.Include, Exclude: t.Exclude}).Validate(); err != nil {
			list = append(list, m.ErrorAt(t.Pos, "", "transfer %q: %v", t.ID, err))
		}
	}
	if len(list) > 0 {
		slices.SortStableFunc(list, func(x, y *manifests.Error) int { return cmp.Compare(x.Line, y.Line) })
		return &manifests.Errors{List: list}
	}
	return nil
}

type builder struct {
	m       *manifests.Manifest
	o       Options
	plan    *Plan
	members map[string][]string // addresses of the steps of "export.web"
	stuck   map[string]bool     // addresses of steps that are blocked
	busy    map[string]bool     // addresses of steps that have something to do
}

func (b *builder) add(parent string, s Step) {
	b.plan.Steps = append(b.plan.Steps, s)
	b.busy[s.ID], b.stuck[s.ID] = s.Current == "", s.Blocked != ""
	b.members[parent] = append(b.members[parent], s.ID)
}

// block stops the whole plan: what the manifest demands or rules out is not so.
func (b *builder) block(step, help, format string, args ...any) {
	b.plan.Blocked = append(b.plan.Blocked, Finding{Step: step, Text: fmt.Sprintf(format, args...), Help: help, Stops: true})
}

// blockStep blocks one step; the others go on.
func (b *builder) blockStep(s *Step, help, format string, args ...any) {
	f := Finding{Step: s.ID, Text: fmt.Sprintf(format, args...), Help: help}
	b.plan.Blocked = append(b.plan.Blocked, f)
	s.obstruct(f)
}

func (s *Step) obstruct(f Finding) {
	if s.Blocked == "" {
		s.Blocked = f.Text
	}
}

func (b *builder) warn(step, help, format string, args ...any) {
	b.plan.Warnings = append(b.plan.Warnings, Finding{Step: step, Text: fmt.Sprintf(format, args...), Help: help})
}

// lookupPath gives the late variables as they may stand in a location: who names an instance does not thereby choose the
// folder that it is written to.
func (b *builder) lookupPath(instance *backend.Resource) func(string) (string, bool) {
	values := b.lookup(instance)
	return func(name string) (string, bool) {
		value, ok := values(name)
		switch {
		case !strings.HasPrefix(name, "instance."):
			return value, ok
		case name != "instance.compartment": // a path, whose elements have no slashes
			value = strings.ReplaceAll(value, "/", "-")
		}
		elements := strings.Split(strings.Map(printable, value), "/")
		for i, e := range elements {
			if strings.Trim(e, ".") == "" {
				elements[i] = strings.Repeat("-", len(e))
			}
		}
		return strings.Join(elements, "/"), ok
	}
}

// printable replaces what no path should hold.
func printable(r rune) rune {
	if r == '\\' || !unicode.IsPrint(r) {
		return '-'
	}
	return r
}

// lookup gives the late variables; instance is nil outside an export.
func (b *builder) lookup(instance *backend.Resource) func(string) (string, bool) {
	return func(name string) (string, bool) {
		switch name {
		case "run.id":
			return b.o.Run, true
		case "run.date":
			return b.o.Started.UTC().Format("2006-01-02"), true
		case "run.time":
			return b.o.Started.UTC().Format("150405"), true
		}
		if id, ok := strings.CutPrefix(name, "export."); ok {
			return b.exportFormat(strings.TrimSuffix(id, ".format"))
		}
		if instance == nil {
			return "", false
		}
		switch name {
		case "instance.name":
			return instance.Name, true
		case "instance.id":
			return instance.ID, true
		case "instance.compartment":
			return instance.ScopePath, true
		case "instance.shape":
			return instance.Attributes["shape"], true
		}
		if key, ok := strings.CutPrefix(name, "instance.tags."); ok {
			value, ok := instance.Tags[key]
			return value, ok
		}
		return "", false
	}
}

func (b *builder) exportFormat(id string) (string, bool) {
	for _, e := range b.m.Exports {
		if e.ID == id {
			return strings.Join(e.Formats, "-"), true
		}
	}
	return "", false
}

// prefix expands a location that means a folder, whether or not it is written with a trailing slash.
func (b *builder) prefix(t manifests.Text, instance *backend.Resource) (backend.Location, error) {
	l, err := b.m.Location(t, b.lookupPath(instance))
	if err == nil && !l.IsPrefix() {
		l.Path += "/"
	}
	return l, err
}

func isNotFound(err error) bool { return errors.Is(err, backend.NotFound) }
