package sink

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
)

// The codes of a terminal that are used: colours, cursor up, erase to the end of the line, erase to the end of the screen.
const (
	reset  = "\x1b[0m"
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"

	eraseLine   = "\x1b[K"
	eraseScreen = "\x1b[J"
)

// seg is a piece of a line in one colour.
type seg struct{ text, color string }

// screen draws a region at the end of a terminal's output over and over, and lines above it that stay. Each call of draw
// gives the bytes of one write, so that a frame is never seen half drawn. The cursor rests at the end of the last row.
type screen struct {
	style
	above []string // lines to put above the region
	rows  []string // of the region as it stands
	width []int    // of the rows
	buf   bytes.Buffer
}

// stay adds a line above the region. It is not cut to the width.
func (s *screen) stay(segs ...seg) {
	s.above = append(s.above, s.paint(segs))
}

// draw replaces the region. It gives nothing when nothing has changed. No rows remove it.
func (s *screen) draw(lines [][]seg, width int) []byte {
	rows, widths := make([]string, len(lines)), make([]int, len(lines))
	for i, segs := range lines {
		segs, widths[i] = s.cut(segs, width-1)
		rows[i] = s.paint(segs)
	}
	s.buf.Reset()
	if len(s.above) == 0 && slices.Equal(rows, s.rows) {
		return nil
	}
	s.home(width)
	for _, line := range s.above {
		s.buf.WriteString(line + eraseLine + "\r\n")
	}
	for i, row := range rows {
		if i > 0 {
			s.buf.WriteString("\r\n")
		}
		s.buf.WriteString(row + eraseLine)
	}
	// Last, because terminals put a screen that is erased from its top into their history: one more copy of the region.
	s.buf.WriteString(eraseScreen)
	s.above, s.rows, s.width = s.above[:0], rows, widths
	return s.buf.Bytes()
}

// home moves the cursor to the start of the region. A terminal that has become narrower has broken its rows.
func (s *screen) home(width int) {
	if len(s.rows) == 0 {
		return
	}
	up := -1
	for _, w := range s.width {
		up += max((w+width-1)/width, 1)
	}
	s.buf.WriteByte('\r')
	if up > 0 {
		s.buf.WriteString("\x1b[" + strconv.Itoa(up) + "A")
	}
}

// style says what the terminal can show.
type style struct{ color, ascii bool }

func (st style) paint(segs []seg) string {
	var b strings.Builder
	for _, s := range segs {
		if st.color && s.color != "" && s.text != "" {
			b.WriteString(s.color + s.text + reset)
		} else {
			b.WriteString(s.text)
		}
	}
	return b.String()
}

// mark is the sign of an outcome.
func (st style) mark(outcome string) seg {
	switch {
	case outcome == "done" && st.ascii:
		return seg{"ok", green}
	case outcome == "done":
		return seg{"✓", green}
	case (outcome == "failed" || outcome == "partial") && st.ascii:
		return seg{"x", red}
	case outcome == "failed", outcome == "partial":
		return seg{"✗", red}
	}
	return seg{"-", dim}
}

func (st style) ellipsis() string {
	if st.ascii {
		return "~"
	}
	return "…"
}

// cut shortens a line to width columns and gives its width.
func (st style) cut(segs []seg, width int) ([]seg, int) {
	total := 0
	for _, s := range segs {
		total += textWidth(s.text)
	}
	if total <= width {
		return segs, total
	}
	if width <= 0 {
		return nil, 0
	}
	var out []seg
	used := 0
	for _, s := range segs {
		text, w := front(s.text, width-1-used)
		out = append(out, seg{text, s.color})
		used += w
		if len(text) < len(s.text) {
			break
		}
	}
	return append(out, seg{text: st.ellipsis()}), used + 1
}

// middle shortens text to width columns at its middle: both ends of an address tell it from others.
func (st style) middle(text string, width int) string {
	w := textWidth(text)
	if w <= width || width < 3 {
		return text
	}
	start, n := front(text, (width-1)/2)
	rest := text[len(start):]
	for skip := w - n; skip > width-1-n && rest != ""; {
		_, after, cw, _ := uniseg.FirstGraphemeClusterInString(rest, -1)
		rest, skip = after, skip-cw
	}
	return start + st.ellipsis() + rest
}

// front is the beginning of text that fits into width columns.
func front(text string, width int) (string, int) {
	used := 0
	for rest, state := text, -1; rest != ""; {
		_, after, w, next := uniseg.FirstGraphemeClusterInString(rest, state)
		if used+w > width {
			return text[:len(text)-len(rest)], used
		}
		used, rest, state = used+w, after, next
	}
	return text, used
}

func textWidth(s string) int { return uniseg.StringWidth(s) }
