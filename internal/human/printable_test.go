package human

import "testing"

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain \u00e9 \u4e16\n\tnext":    "plain \u00e9 \u4e16\n\tnext",
		"\x1b[31mred\x1b[0m":             "\x1b[31mred\x1b[0m",
		"\x1b]0;pwned\a\x1b[2J":          "?]0;pwned??[2J",
		"back\rward\b \u202egnp.exe":     "back?ward? ?gnp.exe",
		"eight bit \u009b2J \u2028 line": "eight bit ?2J ? line",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
