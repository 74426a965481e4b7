package human

import (
	"regexp"
	"strings"
	"unicode"
)

// color is an escape sequence that sets or ends a colour, and does nothing else.
var color = regexp.MustCompile("\x1b\\[[0-9]{0,2}m")

// Printable makes text safe for a terminal, whatever names of objects it contains: control characters but line breaks
// and tabs, and marks that change the direction of writing, become question marks. Colours stay.
func Printable(text string) string {
	var out strings.Builder
	for text != "" {
		at := color.FindStringIndex(text)
		if at == nil {
			at = []int{len(text), len(text)}
		}
		out.WriteString(strings.Map(printable, text[:at[0]]))
		out.WriteString(text[at[0]:at[1]])
		text = text[at[1]:]
	}
	return out.String()
}

// Plain is Printable for text that has no colours of ours: an escape that sets one is somebody else's.
func Plain(text string) string { return strings.Map(printable, text) }

func printable(r rune) rune {
	switch {
	case r == '\n', r == '\t':
		return r
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
		return '?'
	}
	return r
}
