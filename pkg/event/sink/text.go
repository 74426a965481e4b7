package sink

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/event"
)

// clean makes text that came from outside safe for a terminal and a log: names of instances and objects may hold
// anything, also escape codes, line ends and marks that turn the direction of writing.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return '?'
		}
		return r
	}, s)
}

// cleanLines is clean for text that may have several lines.
func cleanLines(s string) []string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimRight(clean(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// address is a step's address for people; events of the run itself have none.
func address(step string) string {
	if step == "" {
		return "run"
	}
	return strings.TrimSpace(clean(step))
}

// endText says how a step ended: `2 objects 1.2 GiB in 4m 3s`, `failed after 12s, 997 objects 1.2 GiB, 3 objects failed:
// upload part 7: ...`. s is the step as it was before, or nil.
func endText(b event.StepEnded, s *step) string {
	moved, rest := "", ""
	if s != nil {
		if n := s.items["done"]; n > 0 {
			moved = human.Plural(int64(n), "object")
		}
		for _, outcome := range []string{"skipped", "deleted", "failed"} {
			if n := s.items[outcome]; n > 0 {
				rest = join(", ", rest, human.Plural(int64(n), "object")+" "+outcome)
			}
		}
		if s.retries > 0 {
			rest = join(", ", rest, human.Plural(int64(s.retries), "retry"))
		}
	}
	if b.Bytes > 0 {
		moved = join(" ", moved, human.Bytes(b.Bytes))
	}
	var text string
	switch b.Outcome {
	case "done":
		text = join(", ", join(" ", moved, "in "+human.Duration(b.Took)), rest)
	case "failed":
		text = join(", ", "failed after "+human.Duration(b.Took), moved, rest)
	default:
		text = join(", ", strings.ReplaceAll(clean(b.Outcome), "_", " "), moved, rest)
	}
	return join(": ", text, clean(b.Err))
}

// runText says how the run ended: `done: 8 steps, 80.0 GiB in 6m 20s, 217 MiB/s`.
func runText(b event.RunEnded, m *model) string {
	text := clean(b.Outcome) + ": " + human.Plural(int64(m.counts["done"]), "step") + " done"
	for _, outcome := range names(m.counts) {
		if outcome != "done" {
			text += ", " + strconv.Itoa(m.counts[outcome]) + " " + strings.ReplaceAll(clean(outcome), "_", " ")
		}
	}
	if m.moved > 0 {
		text += ", " + human.Bytes(m.moved)
	}
	text += " in " + human.Duration(b.Took)
	if m.moved > 0 && b.Took > 0 {
		text += ", " + human.Rate(float64(m.moved)/b.Took.Seconds())
	}
	return text
}

// phaseText is `exporting qcow2 40 %`.
func (s *step) phaseText() string {
	return join(" ", clean(s.phase), human.Percent(s.phaseDone, s.phaseTotal))
}

// bytesText is `1.2 of 3.4 GiB`, or nothing where no bytes are to be moved.
func (s *step) bytesText() string {
	total := s.total()
	if s.done == 0 && total <= 0 {
		return ""
	}
	return human.BytesOf(s.shown(), total)
}

// doing is what the step is at: its phase or its bytes, and both when a phase was set while objects were moving.
func (s *step) doing() string {
	moving := s.inFlight > 0 || s.phase == ""
	switch {
	case !moving:
		return s.phaseText()
	case s.phaseFresh:
		return join("  ", s.phaseText(), s.bytesText())
	case s.bytesText() != "":
		return s.bytesText()
	default:
		return clean(s.title)
	}
}

// itemsText is `1,204 objects`, when there is more than one to speak of.
func (s *step) itemsText() string {
	ended := 0
	for _, n := range s.items {
		ended += n
	}
	if ended+s.inFlight < 2 {
		return ""
	}
	return join(", ", human.Plural(int64(ended), "object"), failedText(s.items["failed"]))
}

func failedText(n int) string {
	if n == 0 {
		return ""
	}
	return human.Count(int64(n)) + " failed"
}

// pauseText is `paused: objectstorage.eu: no route to host 0:42, gives up in 59:18`. It is shortened towards width columns
// where the endpoint and the reason allow; 0 is as long as it gets.
func pauseText(p *pause, now time.Time, width int) string {
	paused := now.Sub(p.at)
	clock := " " + human.Clock(paused)
	if p.Limit > 0 {
		clock += ", gives up in " + human.Clock(p.Limit-paused)
	}
	room := width - len("paused: ") - len(clock)
	short := p.Paused
	// The first labels of a host name tell service and region.
	if labels := strings.Split(p.Endpoint, "."); len(labels) > 2 {
		short.Endpoint = labels[0] + "." + labels[1]
		short.Reason = strings.ReplaceAll(p.Reason, p.Endpoint, short.Endpoint)
	}
	reason := pauseReason(p.Paused)
	for _, shorter := range []string{pauseReason(short), clean(short.Endpoint), ""} {
		if width == 0 || textWidth(reason) <= room {
			break
		}
		reason = shorter
	}
	if reason == "" {
		return "paused" + clock
	}
	return "paused: " + reason + clock
}

func pauseReason(p event.Paused) string {
	reason, endpoint := clean(p.Reason), clean(p.Endpoint)
	if reason == "" {
		reason = "cannot be reached"
	}
	if endpoint == "" || strings.Contains(reason, endpoint) {
		return reason
	}
	return endpoint + ": " + reason
}

// retryText is `UploadPart again in 4s (attempt 2): throttled`.
func retryText(b event.Retrying) string {
	return join(" ", clean(b.Op), "again in "+human.Duration(b.Wait)) +
		" (attempt " + strconv.Itoa(b.Attempt+1) + "): " + clean(b.Err)
}

// join puts sep between the texts that are not empty.
func join(sep string, texts ...string) string {
	var full []string
	for _, t := range texts {
		if t != "" {
			full = append(full, t)
		}
	}
	return strings.Join(full, sep)
}
