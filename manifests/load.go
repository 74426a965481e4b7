package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// What a manifest may cost. A real one stays far below; a hostile one is refused before it is worked on.
const (
	maxSize    = 1 << 20 // bytes
	maxKeys    = 4096    // in one mapping
	maxDepth   = 64      // mappings and lists inside each other, aliases followed
	maxAliases = 100
	maxValues  = 100_000 // in the text, and again brought in by aliases

	maxCompared = 50_000 // names, in search of those that were meant
)

// load reads the text as YAML and returns the mapping at its root. It returns nil, with the reasons recorded, if the text
// is not one well-formed YAML document within the limits.
func (b *binder) load(what string) *yaml.Node {
	text, ok := b.readable(what)
	if !ok {
		return nil
	}
	d := yaml.NewDecoder(strings.NewReader(text))
	var doc, next yaml.Node
	if err := decode(d, &doc); errors.Is(err, io.EOF) || err == nil && isNull(&doc) {
		b.fail(Pos{1, 1}, `it begins with "version: 1"; see hyperexport schema`, "the %s is empty", what)
		return nil
	} else if err != nil {
		b.syntax(text, err)
		return nil
	}
	if err := decode(d, &next); err == nil {
		b.failAt(&next, "give each its own file", "a second document begins here; a %s is one YAML document", what)
		return nil
	} else if !errors.Is(err, io.EOF) {
		b.syntax(text, err)
		return nil
	}
	if !b.guard(&doc) {
		return nil
	}
	return doc.Content[0]
}

// isNull reports whether the document has no content, as after a lone "---".
func isNull(doc *yaml.Node) bool {
	return len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null"
}

// readable refuses what is no text, or too much of it, before the YAML parser sees it.
func (b *binder) readable(what string) (string, bool) {
	src := b.src.bytes
	if len(src) > maxSize {
		b.fail(Pos{1, 1}, "", "the %s has %d bytes; the limit is %d", what, len(src), maxSize)
		return "", false
	}
	if !utf8.Valid(src) {
		i := 0
		for r, n := utf8.DecodeRune(src); r != utf8.RuneError || n > 1; r, n = utf8.DecodeRune(src[i:]) {
			i += n
		}
		b.errs = append(b.errs, b.src.errorAt(b.src.pos(i), 1, "save the file as UTF-8", fmt.Sprintf("byte 0x%02x is not UTF-8 text", src[i])))
		return "", false
	}
	if i := bytes.IndexByte(src, 0); i >= 0 {
		b.errs = append(b.errs, b.src.errorAt(b.src.pos(i), 1, "", "a NUL byte; the "+what+" must be text"))
		return "", false
	}
	if i := tooMany(src); i >= 0 {
		b.fail(b.src.pos(i), "", "the %s has more than %d values", what, maxValues)
		return "", false
	}
	return string(bytes.TrimPrefix(src, []byte("\ufeff"))), true
}

// tooMany is the offset where src passes maxValues, or -1. It counts too much, but cheaply: each value needs a bracket, a
// comma or a line of its own.
func tooMany(src []byte) int {
	values := 0
	last := byte('\n')
	for i, c := range src {
		if c == ',' || c == '[' || c == '{' && last != '$' || last == '\n' && c != '#' && c != '\n' {
			if values++; values > maxValues {
				return i
			}
		}
		last = c
	}
	return -1
}

// decode is d.Decode for input that nobody has checked: what the parser does not expect becomes an error.
func decode(d *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	return d.Decode(n)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax records an error of the YAML parser with the best place for it.
func (b *binder) syntax(text string, err error) {
	m := yamlLine.FindStringSubmatch(err.Error())
	msg := err.Error()
	line := 1
	if m != nil {
		msg = msg[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	if n := b.firstBadLine(text); n > 0 {
		line = n
	}
	source := b.src.line(line)
	indent := source[:len(source)-len(strings.TrimLeft(source, " \t"))]
	column, width := utf8.RuneCountInString(indent)+1, max(1, utf8.RuneCountInString(strings.TrimSpace(source)))
	hint := ""
	if i := strings.IndexByte(indent, '\t'); i >= 0 {
		column, width, msg, hint = i+1, 1, "a tab in the indentation", "YAML is indented with spaces"
	} else if strings.Contains(source, "${") && strings.ContainsAny(strings.ReplaceAll(source, "${", ""), "[{") {
		hint = `inside [ ] and { } write "${...}" in quotes`
	}
	b.src.hidePasted(line)
	b.errs = append(b.errs, b.src.errorAt(Pos{line, column}, width, hint, "not valid YAML: "+msg))
}

// firstBadLine finds the line that breaks the text: everything before it is YAML, nothing that holds it is. The parser
// itself only says where the construct around the mistake begins. It returns 0 for texts too long to try.
func (b *binder) firstBadLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	if len(lines)*len(text) > 2<<20 {
		return 0
	}
	end := len(text)
	for i := len(lines) - 1; i >= 0; i-- {
		end -= len(lines[i])
		var n yaml.Node
		if err := decode(yaml.NewDecoder(strings.NewReader(text[:end])), &n); err == nil || errors.Is(err, io.EOF) {
			return i + 1
		}
	}
	return 0
}
