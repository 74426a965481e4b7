package plan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
)

// The tags put on everything that an export makes.
const (
	TagRun     = "hyperexport-run"
	TagItem    = "hyperexport-item"
	TagExpires = "hyperexport-expires" // a date: what is still there then was left behind, and anybody may remove it
)

// litterAge is how long after the beginning of its run nothing that an export made is of use any more.
const litterAge = 7 * 24 * time.Hour

const (
	shortID = 6   // characters of an instance's id that tell instances of one name apart
	mostTag = 255 // characters of the value of a tag
)

// clip shortens the value of a tag to what every provider takes.
func clip(value string) string {
	if runes := []rune(value); len(runes) > mostTag {
		return string(runes[:mostTag])
	}
	return value
}

// export adds the steps of one entry: one for each instance that it means.
func (b *builder) export(ctx context.Context, e manifests.Export) error {
	provider, err := b.o.Backends.Provider(e.Backend)
	if err != nil {
		return err
	}
	compute, err := provider.Compute()
	if err != nil {
		return err
	}
	parent := "export." + e.ID
	for _, f := range e.Formats {
		if !slices.Contains(compute.Formats(), f) {
			b.block(parent, "choose among "+strings.Join(compute.Formats(), ", "), "backend %s does not export %s", e.Backend, f)
			return nil
		}
	}
	inventory, err := provider.Inventory()
	if err != nil {
		return err
	}
	found, err := b.sources(ctx, inventory, e)
	if err != nil {
		return err
	}
	steps, err := b.exportSteps(ctx, e, parent, found)
	if err != nil {
		return err
	}
	if err := b.checkExports(ctx, compute, parent, steps); err != nil {
		return err
	}
	for _, s := range steps {
		b.add(parent, s)
	}
	return nil
}

// exportSteps makes a step of each source. Their destinations are looked at several at a time; what is found is in the
// order of the steps all the same.
func (b *builder) exportSteps(ctx context.Context, e manifests.Export, parent string, found []backend.Resource) ([]Step, error) {
	labels := labelsOf(found)
	steps, parts := make([]Step, len(found)), make([]*builder, len(found))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(looksAtOnce)
	for i, r := range found {
		id, name := parent, fileName(r.Name)
		if e.Select != nil {
			id = fmt.Sprintf("%s[%q]", parent, r.Name+labels[i])
			if tail, ok := strings.CutPrefix(labels[i], "#"); ok {
				name += "-" + fileName(tail)
			}
		}
		parts[i] = &builder{m: b.m, o: b.o, plan: &Plan{}}
		group.Go(func() (err error) {
			if steps[i], err = parts[i].exportStep(ctx, e, id, name, r); err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, part := range parts {
		b.plan.Blocked = append(b.plan.Blocked, part.plan.Blocked...)
		b.plan.Warnings = append(b.plan.Warnings, part.plan.Warnings...)
	}
	return steps, nil
}

// looksAtOnce is how many steps of an entry are looked at at the same time.
const looksAtOnce = 8

// began reports whether the interrupted run has begun the export: what stood in its way then does not now.
func (b *builder) began(s *Step) bool { return b.o.Began != nil && b.o.Began(s.ID) }

// checkExports has the provider look at what is to be exported. What it says of all of them is said once.
func (b *builder) checkExports(ctx context.Context, compute backend.Compute, parent string, steps []Step) error {
	var asked []*Step
	var requests []backend.ExportRequest
	for i := range steps {
		if s := &steps[i]; s.Current == "" && s.Blocked == "" && !b.began(s) {
			asked, requests = append(asked, s), append(requests, s.Export.Request)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	found, err := compute.CheckExports(ctx, requests)
	if err != nil {
		return err
	}
	count := map[backend.Concern]int{}
	for _, concerns := range found {
		for _, c := range concerns {
			count[c]++
		}
	}
	said := map[backend.Concern]bool{}
	for i, concerns := range found {
		for _, c := range concerns {
			f := Finding{Step: asked[i].ID, Text: c.Text, Help: c.Help}
			if len(asked) > 1 && count[c] == len(asked) {
				f.Step = parent
			}
			if c.Blocks {
				asked[i].obstruct(f)
			}
			switch {
			case f.Step == parent && said[c]:
			case c.Blocks:
				b.plan.Blocked = append(b.plan.Blocked, f)
			default:
				b.plan.Warnings = append(b.plan.Warnings, f)
			}
			said[c] = true
		}
	}
	return nil
}

// labelsOf returns what is put behind the name of each instance so that no two are the same: nothing, or the end of its id.
func labelsOf(found []backend.Resource) []string {
	labels := make([]string, len(found))
	for length := shortID; ; length += shortID {
		count := map[string]int{}
		for i, r := range found {
			count[r.Name+labels[i]]++
		}
		again := false
		for i, r := range found {
			if count[r.Name+labels[i]] > 1 && len(labels[i]) <= len(r.ID) {
				labels[i] = "#" + r.ID[max(0, len(r.ID)-length):]
				again = true
			}
		}
		if !again {
			return labels
		}
	}
}

// sources returns the instances, or the image, that an entry means, sorted by name and id.
func (b *builder) sources(ctx context.Context, inventory backend.Inventory, e manifests.Export) ([]backend.Resource, error) {
	parent := "export." + e.ID
	q := backend.Query{Type: "instance", ID: e.Instance}
	switch s := e.Select; {
	case e.Image != "":
		q = backend.Query{Type: "image", ID: e.Image}
	case s != nil:
		q = backend.Query{Type: "instance", Scope: s.Compartment, Recursive: s.Recursive, Name: s.Name, State: s.State, Tags: s.Tags}
	}
	var found []backend.Resource
	for r, err := range inventory.Resources(ctx, q) {
		if isNotFound(err) && e.Select == nil {
			return []backend.Resource{absent(q, err.Error())}, nil
		}
		if isNotFound(err) {
			b.block(parent, "check the id and the region, and that the user may read it", "%v", err)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	slices.SortFunc(found, func(x, y backend.Resource) int {
		return strings.Compare(x.Name+"\x00"+x.ID, y.Name+"\x00"+y.ID)
	})
	if e.Select == nil {
		if len(found) == 0 {
			found = append(found, absent(q, fmt.Sprintf("%s %s was not found", q.Type, q.ID)))
		}
		return found, nil
	}
	least, most := max(1, e.Select.Expect.Min), e.Select.Expect.Max
	switch {
	case len(found) == 0:
		b.block(parent, "loosen the selection, or check the compartment", "select found no instance")
	case len(found) < least || most > 0 && len(found) > most:
		b.block(parent, "loosen the selection, or correct expect", "select found %d instances, expected are %s", len(found), between(least, most))
	}
	return found, nil
}

// missingWhy is the attribute of what the inventory does not have that says so.
const missingWhy = "missing"

// absent stands for an instance or image that the inventory does not have.
func absent(q backend.Query, why string) backend.Resource {
	return backend.Resource{ID: q.ID, Type: q.Type, Name: q.ID, Attributes: map[string]string{missingWhy: why}}
}

func between(least, most int) string {
	if most == 0 {
		return fmt.Sprintf("at least %d", least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

func (b *builder) exportStep(ctx context.Context, e manifests.Export, id, name string, r backend.Resource) (Step, error) {
	if why := r.Attributes[missingWhy]; why != "" {
		step := Step{ID: id, Export: &Export{Backend: e.Backend, Request: backend.ExportRequest{Instance: e.Instance, Image: e.Image,
			Formats: e.Formats}, Found: Instance{Name: r.ID}}}
		b.blockStep(&step, "check the id and the region, and that the user may read it", "%s", why)
		return step, nil
	}
	staging, err := b.prefix(e.Staging, &r)
	if err != nil {
		return Step{}, err
	}
	if staging.Scheme != e.Backend {
		return Step{}, b.m.ErrorAt(e.Staging.Pos, "", "staging is at %s://, and backend %s writes images to its own storage only: %s://...", staging.Scheme, e.Backend, e.Backend)
	}
	x := &Export{
		Backend: e.Backend,
		Request: backend.ExportRequest{Token: Token(b.o.Run, id), Instance: r.ID, Name: name, Formats: e.Formats, Staging: staging,
			Tags: map[string]string{}},
		KeepStaging: e.KeepStaging || len(e.To) == 0,
		Timeout:     e.Timeout,
		Found:       describe(r),
	}
	if e.Image != "" {
		x.Request.Instance, x.Request.Image = "", r.ID
	}
	if e.Stop != "" && e.Stop != "never" {
		x.Stop, x.StopTimeout = e.Stop, e.StopTimeout
	}
	for key, text := range e.Tags {
		if x.Request.Tags[key], err = manifests.Expand(text, b.lookup(&r)); err != nil {
			return Step{}, err
		}
	}
	x.Request.Tags[TagRun], x.Request.Tags[TagItem] = b.o.Run, clip(id)
	x.Request.Tags[TagExpires] = b.o.Started.UTC().Add(litterAge).Format(time.DateOnly)
	for _, text := range e.To {
		to, err := b.prefix(text, &r)
		if err != nil {
			return Step{}, err
		}
		x.To = append(x.To, to)
	}
	step := Step{ID: id, Export: x}
	if err := b.lookAtDestinations(ctx, &step); err != nil {
		return step, err
	}
	return step, b.preflight(ctx, &step)
}

func describe(r backend.Resource) Instance {
	i := Instance{Name: r.Name, State: r.State, Scope: r.ScopePath, Shape: r.Attributes["shape"], BootGB: r.Attributes["boot_gb"],
		Unseen: r.Attributes["unseen"]}
	if volumes := r.Attributes["data_volumes"]; volumes != "" {
		i.Volumes = strings.Split(volumes, ",")
	}
	return i
}

// Token names the export job of a step in a run. The same run gives the same token, so a run that goes on after a crash
// finds the image it has made.
func Token(run, step string) string {
	sum := sha256.Sum256([]byte(run + "\x00" + step))
	return hex.EncodeToString(sum[:12])
}

// lookAtDestinations marks the step as current if every destination has the export, and otherwise lists what it will replace.
func (b *builder) lookAtDestinations(ctx context.Context, s *Step) error {
	e := s.Export
	missing := 0
	for _, to := range e.destinations() {
		storage, prefix, err := b.o.Backends.Open(to)
		if err != nil {
			return err
		}
		d, ok, err := Present(ctx, storage, prefix, e)
		if err != nil {
			return fmt.Errorf("look at %s: %w", to, err)
		}
		if ok {
			s.Current = fmt.Sprintf("exported %s by run %s", d.Created.Format("2006-01-02 15:04"), d.Run)
			continue
		}
		missing++
		if d.Source() != "" && d.Source() != e.Request.Source() {
			b.warn(s.ID, "put ${instance.name} or ${instance.id} into to: if both shall stay", "%s holds an export of another instance, %s, which this one replaces", to, d.Source())
		}
		for _, format := range e.Request.Formats {
			key := e.Request.Name + "." + format
			_, err := storage.Stat(ctx, prefix+key)
			if err != nil && !isNotFound(err) {
				return fmt.Errorf("look at %s: %w", to.Join(key), err)
			}
			if err == nil {
				e.Replaces = append(e.Replaces, to.Join(key))
			}
		}
	}
	if missing > 0 {
		s.Current = ""
	}
	return nil
}

// preflight blocks what cannot be exported or put where it shall go, and warns of what will not be in the image. An image
// takes long to make: what would stop the export afterwards is found here.
func (b *builder) preflight(ctx context.Context, s *Step) error {
	if s.Current != "" {
		return nil
	}
	for _, at := range append([]backend.Location{s.Export.Request.Staging}, s.Export.To...) {
		if err := b.mustExist(ctx, s, at.Join(s.Export.Request.Name)); err != nil {
			return err
		}
	}
	switch state := s.Export.Found.State; {
	case s.Export.Request.Image != "", state == "RUNNING", state == "STOPPED":
	case state == "CREATING_IMAGE", state == "STOPPING", state == "STARTING":
		b.warn(s.ID, "", "the instance is %s; the export waits until that has passed", state)
	default:
		if b.began(s) { // the image may be there
			b.warn(s.ID, "", "the instance is %s; it can be exported only if the interrupted run had made its image", state)
		} else {
			b.blockStep(s, "bring the instance into state RUNNING or STOPPED", "the instance is %s and cannot be exported", state)
		}
	}
	if what := s.Export.Found.Unseen; what != "" {
		b.warn(s.ID, "allow the user to inspect them, to see in the plan what will NOT be in the image", "its %s may not be seen", what)
	}
	if v := s.Export.Found.Volumes; len(v) > 0 {
		b.warn(s.ID, "back up data volumes separately", "%s will NOT be in the image, only the boot disk is: %s", human.Plural(int64(len(v)), "data volume"), strings.Join(v, ", "))
	}
	return nil
}

// checkCollisions blocks exports that would write the same objects.
func (b *builder) checkCollisions() {
	owner := map[backend.Location]string{}
	for _, s := range b.plan.Steps {
		if s.Export == nil || s.Export.Request.Name == "" { // what does not exist writes nothing
			continue
		}
		for _, to := range s.Export.destinations() {
			target := to.Join(s.Export.Request.Name)
			switch other, ok := owner[target]; {
			case ok && other == s.ID:
				b.block(s.ID, "name each destination once", "to: names %s twice", to)
			case ok:
				b.block(s.ID, "put ${instance.name} or ${instance.id} into to:", "it would write the same files as %s: %s.*", other, target)
			}
			owner[target] = s.ID
		}
	}
}
