package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Style says how Render writes; the zero Style is plain text.
type Style struct {
	Color bool
}

// Render writes the plan for people.
func Render(w io.Writer, p *Plan, style Style) error {
	r := &renderer{style: style}
	r.line("Plan of %s%s", p.Name, resumed(p))
	r.line("")
	for _, s := range p.Steps {
		r.step(s)
	}
	r.findings("Warnings", yellow, "!", p.Warnings)
	r.findings("Blocked", red, "x", p.Blocked)
	r.summary(p)
	_, err := io.WriteString(w, human.Printable(r.out.String()))
	return err
}

func resumed(p *Plan) string {
	if p.Resumes {
		return ": goes on with run " + p.Run + ", which was interrupted"
	}
	return ""
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
)

type renderer struct {
	style Style
	out   strings.Builder
}

func (r *renderer) line(format string, args ...any) {
	fmt.Fprintf(&r.out, format+"\n", args...)
}

func (r *renderer) paint(color, text string) string {
	if !r.style.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (r *renderer) step(s Step) {
	if s.Current != "" {
		r.line("  %s %s  %s", r.paint(faint, "="), s.ID, r.paint(faint, s.Current))
		r.line("")
		return
	}
	if s.Blocked != "" {
		r.line("  %s %s  %s", r.paint(red, "x"), s.ID, r.paint(red, "blocked"))
		r.line("")
		return
	}
	switch {
	case s.Bucket != nil:
		r.bucket(s)
	case s.Export != nil:
		r.export(s)
	case s.Transfer != nil:
		r.transfer(s)
	}
	if len(s.Needs) > 0 {
		r.detail("after", "%s", strings.Join(s.Needs, ", "))
	}
	r.line("")
}

func (r *renderer) detail(label, format string, args ...any) {
	r.line("      %-9s%s", label, fmt.Sprintf(format, args...))
}

func (r *renderer) export(s Step) {
	e := s.Export
	about := []string{}
	for _, text := range []string{e.Found.Scope, e.Found.Shape, e.Found.State} {
		if text != "" {
			about = append(about, text)
		}
	}
	if e.Found.BootGB != "" {
		about = append(about, "boot disk "+e.Found.BootGB+" GB")
	}
	r.line("  %s %s  %s", r.paint(green, "+"), s.ID, strings.Join(about, ", "))
	if e.Request.Image != "" {
		r.detail("image", "%s", e.Request.Image)
		r.detail("export", "%s; the image stays as it is", strings.Join(e.Request.Formats, ", "))
	} else {
		r.detail("instance", "%s", e.Request.Instance)
		r.detail("image", "create one custom image, export %s, remove the image", strings.Join(e.Request.Formats, ", "))
		r.power(e)
	}
	after := "removed afterwards"
	if e.KeepStaging {
		after = "kept"
	}
	r.detail("staging", "%s (%s)", e.Request.Staging, after)
	for _, to := range e.To {
		r.detail("to", "%s", to.Join(files(e.Request)))
	}
	for _, old := range e.Replaces {
		r.detail(r.paint(yellow, "replaces")+" ", "%s", old)
	}
}

// power says what the export does to the instance.
func (r *renderer) power(e *Export) {
	switch {
	case e.Found.State != "RUNNING":
	case e.Stop != "":
		r.detail(r.paint(yellow, "stops")+"   ", "the instance (%s, within %s) until its image is made, then starts it again", e.Stop, e.StopTimeout)
	default:
		r.detail("pauses", "the instance, for some minutes while its image is made")
	}
}

// files names the images of a request in one word: "web-01.{qcow2,vmdk}".
func files(q backend.ExportRequest) string {
	if len(q.Formats) == 1 {
		return q.Name + "." + q.Formats[0]
	}
	return q.Name + ".{" + strings.Join(q.Formats, ",") + "}"
}

func (r *renderer) transfer(s Step) {
	t := s.Transfer
	r.line("  %s %s", r.paint(green, "+"), s.ID)
	r.detail("from", "%s%s", t.From, filters(t))
	r.detail("to", "%s", t.To)
	if t.Found.Unknown {
		r.detail("copy", "what the steps before it leave there")
		return
	}
	text := fmt.Sprintf("%s, %s", human.Plural(t.Found.Copy, "object"), human.Bytes(t.Found.Bytes))
	if t.Found.Replace > 0 {
		text += r.paint(yellow, fmt.Sprintf(", %s of them replaced", human.Count(t.Found.Replace)))
	}
	if t.Found.Keep > 0 {
		text += fmt.Sprintf("; %s up to date", human.Count(t.Found.Keep))
	}
	r.detail("copy", "%s", text)
	if t.Delete {
		r.detail("delete", "%s", r.paint(red, human.Plural(t.Found.Delete, "object")))
	}
}

func filters(t *Transfer) string {
	var text string
	if len(t.Include) > 0 {
		text += "  include " + strings.Join(t.Include, " ")
	}
	if len(t.Exclude) > 0 {
		text += "  exclude " + strings.Join(t.Exclude, " ")
	}
	return text
}

func (r *renderer) findings(title, color, mark string, list []Finding) {
	if len(list) == 0 {
		return
	}
	r.line("%s", r.paint(color, title))
	for _, f := range list {
		r.line("  %s %s: %s", r.paint(color, mark), f.Step, f.Text)
		if f.Help != "" {
			r.line("    %s", f.Help)
		}
	}
	r.line("")
}

func (r *renderer) summary(p *Plan) {
	steps, bytes := p.Work()
	text := fmt.Sprintf("%s to do", human.Plural(int64(steps), "step"))
	switch {
	case bytes > 0 && p.exports():
		text += fmt.Sprintf(" (%s to transfer, and the images)", human.Bytes(bytes))
	case bytes > 0:
		text += fmt.Sprintf(" (%s to transfer)", human.Bytes(bytes))
	}
	current, blocked := 0, 0
	for _, s := range p.Steps {
		switch {
		case s.Current != "":
			current++
		case s.Blocked != "":
			blocked++
		}
	}
	if current > 0 {
		text += fmt.Sprintf(", %d up to date", current)
	}
	if blocked > 0 {
		text += ", " + r.paint(red, fmt.Sprintf("%d blocked", blocked))
	}
	if p.Stopped() {
		text += ", " + r.paint(red, "and nothing will be done: the plan is blocked")
	}
	r.line("%s.", text)
}

func (p *Plan) exports() bool {
	for _, s := range p.Steps {
		if s.Export != nil && s.Current == "" {
			return true
		}
	}
	return false
}
