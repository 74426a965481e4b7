package plugin

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	masked      = "***"
	leastMask   = 4       // shorter values occur in ordinary text
	maxLine     = 8 << 10 // of a log line, in bytes
	linesBurst  = 1000    // log lines of one stream at once, and then
	linesRate   = 100     // a second
	recentLines = 5       // are kept for the error of a guest that died
)

// masker replaces secret values by "***".
type masker struct {
	replace *strings.Replacer
	longest int
}

// newMasker knows each value as it is, line by line, and as it stands in URLs and headers.
func newMasker(values []string) *masker {
	forms := map[string]bool{}
	for _, v := range values {
		lines := append(strings.Split(v, "\n"), v)
		for _, line := range lines {
			line = strings.TrimSpace(line)
			for _, form := range []string{line, url.QueryEscape(line), url.PathEscape(line), base64.StdEncoding.EncodeToString([]byte(line))} {
				if len(line) >= leastMask {
					forms[form] = true
				}
			}
		}
	}
	m := &masker{}
	var pairs []string
	for form := range forms {
		pairs = append(pairs, form)
		m.longest = max(m.longest, len(form))
	}
	slices.SortFunc(pairs, func(a, b string) int { return len(b) - len(a) }) // the longest match wins
	both := make([]string, 0, 2*len(pairs))
	for _, form := range pairs {
		both = append(both, form, masked)
	}
	m.replace = strings.NewReplacer(both...)
	return m
}

func (m *masker) line(s string) string { return m.replace.Replace(s) }

// part masks text that may have been cut: its end is dropped then, as far as it may be a part of a secret.
func (m *masker) part(s string, wasCut bool) string {
	s = m.line(s)
	if wasCut {
		s = s[:max(0, len(s)-m.longest)]
	}
	return s
}

// lineLog makes lines of what a guest prints, masks them and hands them on. A guest that prints without end is not slowed
// down: lines beyond the rate are counted and dropped. It is safe for concurrent use.
type lineLog struct {
	mask *masker
	emit func(line string)

	mu      sync.Mutex
	tokens  float64
	last    time.Time
	dropped int
	recent  []string // the last lines
	panics  string   // the line with which a Go program begins to die
}

func newLineLog(mask *masker, emit func(string)) *lineLog {
	return &lineLog{mask: mask, emit: emit, tokens: linesBurst, last: time.Now()}
}

// line hands on one line.
func (l *lineLog) line(s string, wasCut bool) {
	s = cut(strings.TrimRight(l.mask.part(s, wasCut), "\r\n"), maxLine)
	dropped, pass := l.admit(s)
	if !pass || l.emit == nil {
		return
	}
	if dropped > 0 {
		l.emit(fmt.Sprintf("(lines dropped: %d)", dropped))
	}
	l.emit(s)
}

// admit remembers the line and says whether it may pass, and how many did not since the last one.
func (l *lineLog) admit(s string) (dropped int, pass bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.recent = append(l.recent, s); len(l.recent) > recentLines {
		l.recent = l.recent[1:]
	}
	if l.panics == "" && (strings.HasPrefix(s, "panic: ") || strings.HasPrefix(s, "fatal error: ")) {
		l.panics = s
	}
	now := time.Now()
	l.tokens = min(linesBurst, l.tokens+now.Sub(l.last).Seconds()*linesRate)
	l.last = now
	if l.tokens < 1 {
		l.dropped++
		return 0, false
	}
	l.tokens--
	dropped, l.dropped = l.dropped, 0
	return dropped, true
}

// tail returns the last lines in one; of a panic, whose last lines are the bottom of a stack, the first.
func (l *lineLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.panics != "" {
		return l.panics
	}
	return strings.Join(l.recent, " | ")
}

// read logs all lines of r, up to its end or an error.
func (l *lineLog) read(r io.Reader) {
	w := &lineWriter{log: l}
	_, _ = io.Copy(w, r)
	if len(w.buf) > 0 {
		w.flush()
	}
}

// lineWriter cuts a stream into lines for the log. It is for one goroutine.
type lineWriter struct {
	log *lineLog
	buf []byte
	cut bool // the rest of the line is dropped
}

// Write never fails.
func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		if room := maxLine + w.log.mask.longest - len(w.buf); len(line) > room {
			line, w.cut = line[:room], true
		}
		w.buf = append(w.buf, line...)
		if whole {
			w.flush()
		}
		p = rest
	}
	return n, nil
}

// flush ends a line that has no newline.
func (w *lineWriter) flush() {
	w.log.line(string(w.buf), w.cut)
	w.buf, w.cut = w.buf[:0], false
}
