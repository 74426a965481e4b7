package plan

import (
	"fmt"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
)

func (r *renderer) bucket(s Step) {
	r.line("  %s %s  %s", r.paint(yellow, "~"), s.ID, s.Bucket.At)
	changes := s.Bucket.Changes()
	width := 0
	for _, c := range changes {
		width = max(width, len(c.Name()))
	}
	none := backend.LifecycleRule{}
	for _, c := range changes {
		mark, text := r.paint(yellow, "~"), ruleText(c.New)+" (was: "+ruleText(c.Old)+")"
		switch {
		case c.Old == none:
			mark, text = r.paint(green, "+"), ruleText(c.New)
		case c.New == none:
			mark, text = r.paint(red, "-"), ruleText(c.Old)
		}
		r.line("      %s %-*s  %s", mark, width, c.Name(), text)
	}
}

// ruleText says what a rule does: "delete logs/* after 90 days".
func ruleText(r backend.LifecycleRule) string {
	what := "all objects"
	if r.Prefix != "" {
		what = r.Prefix + "*"
	}
	if r.Previous {
		what = "former versions of " + what
	}
	text := ""
	switch r.Action {
	case backend.LifecycleAbort:
		text = "abort unfinished uploads"
	case backend.LifecycleInfrequentAccess:
		text = "move " + what + " to infrequent access"
	case backend.LifecycleOther:
		return "what somebody else made of it"
	default:
		text = r.Action + " " + what
	}
	text += fmt.Sprintf(" after %s", human.Plural(int64(r.Days), "day"))
	if r.Disabled {
		text += " (disabled)"
	}
	return text
}
