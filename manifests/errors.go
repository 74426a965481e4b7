package manifests

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Errors is everything that is wrong with a manifest, sorted by position, at least one.
type Errors struct{ List []*Error }

// Error is one mistake and its place.
type Error struct {
	File   string
	Line   int // from 1
	Column int // from 1, in characters
	Msg    string
	Hint   string // what to do about it; may be empty
	Source string // the line, with anything that may be a secret made unreadable; empty past maxShown and for huge lines
	Width  int    // characters of Source that the mistake covers, at least 1

	node *yaml.Node // what to underline; nil if Width is known
}

const (
	maxShown  = 100  // errors in a text: enough to work with, and a bomb does not flood the terminal
	maxLine   = 160  // characters of a source line in a text
	maxSource = 4096 // bytes of a line that is worth showing
)

// Error shows every mistake with its line and a caret, then their number.
func (e *Errors) Error() string {
	var s strings.Builder
	for _, one := range e.List[:min(len(e.List), maxShown)] {
		s.WriteString(one.Error())
		s.WriteByte('\n')
	}
	switch n := len(e.List); {
	case n == 1:
		s.WriteString("1 error; nothing was contacted")
	case n > maxShown:
		fmt.Fprintf(&s, "%d errors, the first %d are shown; nothing was contacted", n, maxShown)
	default:
		fmt.Fprintf(&s, "%d errors; nothing was contacted", n)
	}
	return s.String()
}

// Unwrap gives the errors one by one to errors.As.
func (e *Errors) Unwrap() []error {
	list := make([]error, len(e.List))
	for i, one := range e.List {
		list[i] = one
	}
	return list
}

// Error shows the mistake in three lines: position and message, the source line, a caret with the hint.
func (e *Error) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
	if e.Source == "" {
		if e.Hint != "" {
			s.WriteString("; " + e.Hint)
		}
		return s.String()
	}
	line, column, width := e.window()
	fmt.Fprintf(&s, "\n%5d | %s\n      | ", e.Line, string(line))
	for _, r := range line[:column] {
		if r != '\t' { // a tab is as wide below as above
			r = ' '
		}
		s.WriteRune(r)
	}
	s.WriteString(strings.Repeat("^", width))
	if e.Hint != "" {
		s.WriteString(" " + e.Hint)
	}
	return s.String()
}

// window returns the part of the source line to show, and where in it the mistake is.
func (e *Error) window() (line []rune, column, width int) {
	line = []rune(e.Source)
	column = min(e.Column-1, len(line))
	if len(line) > maxLine {
		from := max(0, min(column-maxLine/2, len(line)-maxLine))
		line = line[from : from+maxLine]
		column -= from
	}
	return line, column, max(1, min(e.Width, len(line)-column))
}

// collect sorts the mistakes, drops what was found twice, as happens to a mapping that several others merge, and adds the
// lines of the first ones.
func collect(list []*Error, src *source) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Msg, b.Msg))
	})
	list = slices.CompactFunc(list, func(a, b *Error) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Msg == b.Msg
	})
	for i, e := range list {
		if i == maxShown {
			break
		}
		src.show(e)
	}
	return &Errors{List: list}
}

// printable replaces what would upset a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError) {
			return '?'
		}
		return r
	}, s)
}
