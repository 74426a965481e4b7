package manifests

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// source is the text of a manifest, seen as lines.
type source struct {
	name   string
	bytes  []byte
	lines  []string
	hidden map[int][]span // by line: what must not be shown
}

type span struct{ from, to int } // characters of a line, from 0

// newSource divides src where YAML does, so that its line numbers are ours.
func newSource(name string, src []byte) *source {
	s := &source{name: name, bytes: src, hidden: map[int][]span{}}
	if len(src) > maxSize {
		return s // it will be refused
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	s.lines = make([]string, 0, strings.Count(text, "\n")+1)
	for from := 0; ; {
		i := strings.IndexAny(text[from:], "\r\n\u0085\u2028\u2029")
		if i < 0 {
			s.lines = append(s.lines, text[from:])
			return s
		}
		end := from + i
		s.lines = append(s.lines, text[from:end])
		_, size := utf8.DecodeRuneInString(text[end:])
		if strings.HasPrefix(text[end:], "\r\n") {
			size = 2
		}
		from = end + size
	}
}

// pos is the place of the byte at offset.
func (s *source) pos(offset int) Pos {
	before := newSource("", s.bytes[:offset]).lines
	return Pos{len(before), utf8.RuneCountInString(before[len(before)-1]) + 1}
}

func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

// errorAt is a mistake of width characters at p; 0 stands for the token that begins there.
func (s *source) errorAt(p Pos, width int, hint, msg string) *Error {
	if last := len(s.lines); p.Line > last && last > 0 { // the parser means the end
		p = Pos{last, utf8.RuneCountInString(s.line(last)) + 1}
	}
	return &Error{
		File: s.name, Line: max(p.Line, 1), Column: max(p.Column, 1), Msg: printable(msg), Hint: printable(hint), Width: width,
	}
}

// show gives e its line, when all that must be hidden is known.
func (s *source) show(e *Error) {
	line := s.line(e.Line)
	if len(line) > maxSource {
		return
	}
	if e.node != nil {
		e.Width = nodeWidth(e.node, from(line, e.Column-1))
	} else if e.Width == 0 {
		e.Width = tokenWidth(from(line, e.Column-1))
	}
	e.Source = printable(s.shown(e.Line))
}

// hide makes the scalar n unreadable in every error.
func (s *source) hide(n *yaml.Node) {
	if len(s.line(n.Line)) > maxSource {
		return // it is not shown anyway
	}
	rest := from(s.line(n.Line), n.Column-1)
	start, width := n.Column-1, nodeWidth(n, rest)
	whole := n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && !strings.Contains(n.Value, "\n") &&
		(strings.HasPrefix(rest, n.Value) || closing(rest) > 0)
	if whole {
		s.hidden[n.Line] = append(s.hidden[n.Line], span{start, start + width})
		return
	}
	s.hidden[n.Line] = append(s.hidden[n.Line], span{start, start + utf8.RuneCountInString(rest)})
	for l := n.Line + 1; l <= len(s.lines) && s.continues(n, l); l++ {
		s.hidden[l] = append(s.hidden[l], span{0, utf8.RuneCountInString(s.line(l))})
	}
}

// continues reports whether line l may still belong to the scalar n: it holds a piece of its value.
func (s *source) continues(n *yaml.Node, l int) bool {
	piece := strings.Trim(s.line(l), " \t\"'\\,]}")
	return piece == "" || strings.Contains(n.Value, piece)
}

// secretLine finds "password: x" in a line that could not be read as YAML.
var secretLine = regexp.MustCompile(`(?i)[a-z0-9_-]*(?:passw|passphrase|secret|token|credential|access_key|api_key|private_key)[a-z0-9_-]*["']?\s*:\s+([^{\s].*)`)

var (
	keyLine       = regexp.MustCompile(`^\s*(?:- )*["']?[\w./-]+["']?\s*:(?:\s|$)`)
	secretKeyLine = regexp.MustCompile(`(?i)(?:passw|passphrase|secret|token|credential|_key)[a-z0-9_-]*["']?\s*:`)
)

// hidePasted makes line l unreadable if it belongs to a key that is called like a secret: a PEM text that was pasted
// without indentation is no YAML, and still a secret.
func (s *source) hidePasted(l int) {
	for key := l; key > 0; key-- {
		if keyLine.MatchString(s.line(key)) {
			if key < l && secretKeyLine.MatchString(s.line(key)) {
				s.hidden[l] = append(s.hidden[l], span{0, utf8.RuneCountInString(s.line(l))})
			}
			return
		}
	}
}

// shown is line l as errors may show it: secrets are stars, one for a character so that columns stay.
func (s *source) shown(l int) string {
	line := s.line(l)
	spans := s.hidden[l]
	if m := secretLine.FindStringSubmatchIndex(line); m != nil && !safeValue.MatchString(line[m[2]:]) {
		spans = append(spans, span{utf8.RuneCountInString(line[:m[2]]), utf8.RuneCountInString(line)})
	}
	if len(spans) == 0 {
		return line
	}
	runes := []rune(line)
	for _, h := range spans {
		for i := max(h.from, 0); i < min(h.to, len(runes)); i++ {
			runes[i] = '*'
		}
	}
	return string(runes)
}

// safeValue is a value that only points to a secret.
var safeValue = regexp.MustCompile(`^[&*!][^\s]*\s*(\{.*)?$`)

// from returns line without its first n characters.
func from(line string, n int) string {
	for range n {
		_, size := utf8.DecodeRuneInString(line)
		line = line[size:]
	}
	return line
}

// nodeWidth is the number of characters of n on the line that goes on with text where n begins.
func nodeWidth(n *yaml.Node, text string) int {
	if n.Kind == yaml.ScalarNode && n.Style == 0 && n.Value != "" && strings.HasPrefix(text, n.Value) {
		return utf8.RuneCountInString(n.Value)
	}
	return tokenWidth(text)
}

// tokenWidth is the number of characters of the YAML token that text begins with; plain text goes to the end of the line
// or to what ends a key.
func tokenWidth(text string) int {
	end := len(text)
	switch {
	case text == "":
		return 1
	case strings.ContainsRune("[]{},|>", rune(text[0])):
		end = 1
	case strings.ContainsRune("*&!", rune(text[0])):
		if i := strings.IndexAny(text, " ,]}"); i > 0 {
			end = i
		}
	case closing(text) > 0:
		end = closing(text)
	default:
		for _, stop := range []string{": ", " #"} {
			if i := strings.Index(text[:end], stop); i > 0 {
				end = i
			}
		}
	}
	return max(1, utf8.RuneCountInString(strings.TrimRight(text[:end], " \t:")))
}

// closing is the end of the quoted text that s begins with; 0 if s begins with no quote or ends on a later line.
func closing(s string) int {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[0] == '\'' && strings.HasPrefix(s[i:], "''"):
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return 0
}
