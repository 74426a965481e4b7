package manifests

import (
	"fmt"
	"strings"
)

// Text is a value of the manifest whose variables are resolved, except the late ones, which are known only when the plan
// is made (instance.name, run.date, ...). Expand gives the final string.
type Text struct {
	Pos   Pos
	parts []part
}

// A part is literal text or the name of a late variable. What a variable's value contains is literal, always: a value
// cannot bring in another variable.
type part struct {
	text string
	late bool
}

// Expand returns t with its late variables looked up. An unknown one is an error; lookup may be nil if t has none.
func Expand(t Text, lookup func(name string) (string, bool)) (string, error) {
	var s strings.Builder
	for _, p := range t.parts {
		text := p.text
		if p.late {
			v, ok := "", false
			if lookup != nil {
				v, ok = lookup(p.text)
			}
			if !ok {
				return "", fmt.Errorf("line %d: variable %q has no value here", t.Pos.Line, p.text)
			}
			text = v
		}
		s.WriteString(text)
	}
	return s.String(), nil
}

// IsZero reports whether the manifest has no such value.
func (t Text) IsZero() bool { return len(t.parts) == 0 }

// Late lists the names of the variables that Expand will look up.
func (t Text) Late() []string {
	var names []string
	for _, p := range t.parts {
		if p.late {
			names = append(names, p.text)
		}
	}
	return names
}

// String shows t as it is written in a manifest, with the variables that Parse could resolve replaced.
func (t Text) String() string {
	var s strings.Builder
	for _, p := range t.parts {
		if p.late {
			s.WriteString("${" + p.text + "}")
		} else {
			s.WriteString(strings.ReplaceAll(p.text, "${", "$${"))
		}
	}
	return s.String()
}

// MarshalText gives the form of String.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// scan splits s at its variables. open is the text of a "${" that is never closed, if there is one.
func scan(s string) (parts []part, open string) {
	var literal strings.Builder
	for s != "" {
		switch {
		case strings.HasPrefix(s, "$${"):
			literal.WriteString("${")
			s = s[3:]
		case strings.HasPrefix(s, "${"):
			name, rest, ok := strings.Cut(s[2:], "}")
			if !ok {
				return parts, s
			}
			if literal.Len() > 0 {
				parts = append(parts, part{text: literal.String()})
				literal.Reset()
			}
			parts = append(parts, part{text: name, late: true})
			s = rest
		default:
			literal.WriteByte(s[0])
			s = s[1:]
		}
	}
	if literal.Len() > 0 {
		parts = append(parts, part{text: literal.String()})
	}
	return parts, ""
}
