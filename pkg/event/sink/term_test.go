package sink

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rivo/uniseg"
)

// term is as much of a terminal as the bar uses; what it does not know is an error. Lines are kept as a terminal that
// reflows keeps them: one that wrapped is one line.
type term struct {
	mu      sync.Mutex
	t       *testing.T
	width   int
	height  int
	lines   []row
	r, c    int
	writes  int
	widest  int // columns that a row of text has taken
	colours bool
}

type row struct {
	cells   []string
	wrapped bool // goes on in the next
}

func newTerm(t *testing.T, width, height int) *term {
	return &term{t: t, width: width, height: height, lines: make([]row, 1)}
}

func (m *term) size() (int, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.width, m.height
}

func (m *term) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	for rest, state := string(p), -1; rest != ""; {
		if strings.HasPrefix(rest, "\x1b[") {
			rest = m.code(rest[2:])
			state = -1
			continue
		}
		var cluster string
		var w int
		cluster, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		m.put(cluster, w)
	}
	return len(p), nil
}

func (m *term) code(s string) (rest string) {
	end := strings.IndexFunc(s, func(r rune) bool { return r >= '@' && r <= '~' })
	if end < 0 {
		m.t.Fatalf("escape code without an end: %q", s)
	}
	n := 0
	_, _ = fmt.Sscanf(s[:end], "%d", &n)
	line := &m.lines[m.r]
	switch s[end] {
	case 'A':
		m.r = max(m.r-n, m.top())
	case 'K':
		line.cells = line.cells[:min(m.c, len(line.cells))]
		line.wrapped = false
	case 'J':
		line.cells = line.cells[:min(m.c, len(line.cells))]
		line.wrapped = false
		m.lines = m.lines[:m.r+1]
	case 'm':
		m.colours = true
	default:
		m.t.Fatalf("unknown escape code %q", s[:end+1])
	}
	return s[end+1:]
}

func (m *term) top() int { return max(len(m.lines)-m.height, 0) }

func (m *term) put(cluster string, w int) {
	switch cluster {
	case "\r":
		m.c = 0
		return
	case "\n", "\r\n":
		m.c = 0
		m.down()
		return
	}
	if cluster[0] < ' ' || cluster[0] == 0x7f {
		m.t.Fatalf("control character %q", cluster)
	}
	if m.c+w > m.width {
		m.lines[m.r].wrapped = true
		m.c = 0
		m.down()
	}
	line := &m.lines[m.r]
	for len(line.cells) < m.c+w {
		line.cells = append(line.cells, " ")
	}
	line.cells[m.c] = cluster
	for i := 1; i < w; i++ {
		line.cells[m.c+i] = ""
	}
	m.c += w
	m.widest = max(m.widest, m.c)
}

func (m *term) down() {
	m.r++
	if m.r == len(m.lines) {
		m.lines = append(m.lines, row{})
	}
}

// resize breaks and joins lines as terminals that reflow do; the cursor stays with its text, which is at the end.
func (m *term) resize(width, height int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.widest = 0
	if m.r != len(m.lines)-1 {
		m.t.Fatalf("the cursor is in row %d of %d", m.r, len(m.lines))
	}
	var lines []row
	var whole []string
	for _, l := range m.lines {
		whole = append(whole, l.cells...)
		if l.wrapped {
			continue
		}
		chunks := slices.Collect(slices.Chunk(whole, width))
		if len(chunks) == 0 {
			chunks = [][]string{nil}
		}
		for i, c := range chunks {
			lines = append(lines, row{slices.Clone(c), i < len(chunks)-1})
		}
		whole = nil
	}
	m.width, m.height, m.lines = width, height, lines
	m.r = len(lines) - 1
	m.c = len(lines[m.r].cells)
}

// screen is everything that was ever on it and was not erased: what scrolled out, and what is in sight.
func (m *term) screen() string {
	var b strings.Builder
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lines {
		text := strings.Join(l.cells, "")
		if !l.wrapped {
			text = strings.TrimRight(text, " ") + "\n"
		}
		b.WriteString(text)
	}
	return b.String()
}
