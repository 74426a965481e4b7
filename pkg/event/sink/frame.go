package sink

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/hyperexport/hyperexport/internal/human"
)

const (
	barWidth    = 30
	minBarWidth = 6
)

// layout makes the rows. It keeps the width of the bar while it can: one that goes in and out with the length of the
// numbers beside it is unrest.
type layout struct {
	style
	bar int
}

// frame gives the rows of the live region, at most maxRows: the bar and the running steps.
func (l *layout) frame(m *model, now time.Time, width, maxRows int) [][]seg {
	if m.started.IsZero() && len(m.running) == 0 {
		return nil
	}
	rows := [][]seg{l.totalRow(m, now, width-1)}
	room := maxRows - 1
	if room <= 0 {
		return rows
	}
	shown := m.running
	if len(shown) > room {
		shown = shown[:room-1]
	}
	names, doing := 0, 0
	for _, s := range shown {
		names = max(names, textWidth(address(s.addr)))
		doing = max(doing, textWidth(s.doing()))
	}
	c := columns{names: min(names, max(width*2/5, 10)), doing: min(doing, width/3), width: width - 1}
	for _, s := range shown {
		rows = append(rows, l.stepRow(m, s, now, c))
	}
	if more := len(m.running) - len(shown); more > 0 {
		rows = append(rows, []seg{{text: "  and " + human.Count(int64(more)) + " more", color: dim}})
	}
	return rows
}

// totalRow is the bar with what it stands for: ` 15% |███      |  12.4 of 80.0 GiB  210 MiB/s  5m 40s left  3/8 steps`.
// Where the bytes to move are not known it stands for the steps.
func (l *layout) totalRow(m *model, now time.Time, width int) []seg {
	done, total, _ := m.progress()
	var size, steps, clock seg
	if m.steps > 0 {
		steps.text = strconv.Itoa(len(m.ended)) + "/" + human.Plural(int64(m.steps), "step")
	}
	if done > 0 || total > 0 {
		size.text = human.BytesOf(done, total)
	}
	if left, ok := m.left(now); ok {
		clock.text = human.Duration(left) + " left"
	} else {
		clock = seg{elapsed(m.started, now), dim}
	}
	var texts []seg
	if w := m.first(); w != nil {
		room := width - len(" 100%") - segsWidth([]seg{size}) - len("  ")
		texts = []seg{size, {pauseText(w, now, max(room, 1)), yellow}}
	} else {
		texts = []seg{size, {text: rateText(m.meter.rate())}, clock, steps}
	}
	if total <= 0 {
		done, total = int64(len(m.ended)), int64(m.steps)
	}
	room := min(barWidth, width-len(" 100% ||")-segsWidth(texts))
	if room < l.bar || room >= l.bar+minBarWidth || room == barWidth {
		l.bar = room
	}
	row := []seg{{text: l.progressbar(done, total, l.bar)}}
	for _, t := range texts {
		if t.text != "" {
			row = append(row, seg{text: "  "}, t)
		}
	}
	return row
}

// segsWidth is the width of texts with a gap before each.
func segsWidth(texts []seg) int {
	w := 0
	for _, t := range texts {
		if t.text != "" {
			w += textWidth(t.text) + len("  ")
		}
	}
	return w
}

// progressbar is ` 15% |███      |`, or the per cent alone where there is no room.
func (st style) progressbar(done, total int64, width int) string {
	if total <= 0 {
		return "  -%"
	}
	theme := progressbar.Theme{Saucer: "█", SaucerHead: "█", SaucerPadding: " ", BarStart: "|", BarEnd: "|"}
	if st.ascii {
		theme.Saucer, theme.SaucerHead = "=", ">"
	}
	if width < minBarWidth {
		width, theme.BarStart, theme.BarEnd = 0, "", ""
	}
	// A new one for each frame: a bar that has reached its end cannot go back, and ours does when the total grows.
	// The rates and times are ours, too: this package knows of pauses, and of totals that are not final.
	b := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetWidth(width),
		progressbar.OptionSetTheme(theme),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetSpinnerChangeInterval(0),
	)
	if b.Set64(min(done, total)) != nil || b.RenderBlank() != nil {
		return "  -%"
	}
	return strings.TrimRight(strings.TrimPrefix(b.String(), "\r"), " ")
}

// columns are the widths of the first columns of the steps' rows, and of the whole.
type columns struct{ names, doing, width int }

// stepRow is `  export.web["web-01"]  1.2 of 3.4 GiB  80.0 MiB/s  12 retries`. What is less needed is left out where it
// does not fit.
func (l *layout) stepRow(m *model, s *step, now time.Time, c columns) []seg {
	var row []seg
	used := 0
	add := func(text, color string, column int) {
		pad := strings.Repeat(" ", max(column-textWidth(text), 0))
		row = append(row, seg{text: "  "}, seg{text: text, color: color}, seg{text: pad})
		used += len("  ") + textWidth(text) + len(pad)
	}
	optional := func(text, color string) {
		if text != "" && used+len("  ")+textWidth(text) <= c.width {
			add(text, color, 0)
		}
	}
	add(l.middle(address(s.addr), c.names), bold, c.names)
	add(s.doing(), "", c.doing)
	if w := s.pause(m); w != nil {
		add("paused "+human.Clock(now.Sub(w.at))+": "+clean(w.Reason), yellow, 0)
		return row
	}
	if s.retries > 0 && now.Sub(s.retriedAt) < s.lastRetry.Wait+time.Second {
		text := "retry " + strconv.Itoa(s.lastRetry.Attempt) + " in "
		wait := max(s.lastRetry.Wait-now.Sub(s.retriedAt), 0)
		add(text+human.Clock(wait)+": "+clean(s.lastRetry.Err), yellow, 0)
		return row
	}
	if rate := s.meter.rate(); s.inFlight > 0 || s.phase == "" && rate > 0 {
		add(rateText(rate), "", len("1023 MiB/s"))
	}
	optional(elapsed(s.started, now), dim)
	optional(s.itemsText(), "")
	if s.retries > 0 {
		optional(human.Plural(int64(s.retries), "retry"), yellow)
	}
	return row
}

// rateText is empty where the rate is not known yet.
func rateText(rate float64) string {
	if rate < 0 {
		return ""
	}
	return human.Rate(rate)
}

func (s *step) pause(m *model) *pause {
	for i := range m.pauses {
		if s.addr != "" && m.pauses[i].step == s.addr {
			return &m.pauses[i]
		}
	}
	return nil
}

func elapsed(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return human.Clock(now.Sub(since))
}
