package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// binder reads one document. It records every mistake and goes on; what it could not read stays zero.
type binder struct {
	src  *source
	o    Options
	errs []*Error

	vars     map[string]string // values
	unset    map[string]bool   // declared, without a value: said once, where it is declared
	exports  []string          // ids, for export.ID.format
	schemes  []string          // backends that locations may name
	compared int               // names, for suggestions
}

// A value is one place of the document that a form reads.
type value struct {
	key  *yaml.Node // the key it stands under; nil in a list and at the root
	node *yaml.Node
	name string // what errors call it
}

// A pair is a key of a mapping and its value, aliases not followed.
type pair struct{ key, node *yaml.Node }

func (p pair) value() value { return value{key: p.key, node: p.node, name: p.key.Value} }

func (b *binder) fail(p Pos, hint, format string, args ...any) {
	b.errs = append(b.errs, b.src.errorAt(p, 0, hint, fmt.Sprintf(format, args...)))
}

// failAt records a mistake and underlines n.
func (b *binder) failAt(n *yaml.Node, hint, format string, args ...any) {
	e := b.src.errorAt(Pos{n.Line, n.Column}, 0, hint, fmt.Sprintf(format, args...))
	e.node = n
	b.errs = append(b.errs, e)
}

func (b *binder) err() error { return collect(b.errs, b.src) }

// near is the function near until it has cost enough; a file with thousands of mistakes is not helped by more.
func (b *binder) near(name string, valid []string) string {
	if b.compared += len(valid); b.compared > maxCompared {
		return ""
	}
	return near(name, valid)
}

// suggest is near, or else the list of what is valid if it is short.
func (b *binder) suggest(name string, valid []string) string {
	hint := b.near(name, valid)
	if list := strings.Join(valid, ", "); hint == "" && list != "" && len(list) <= maxLine {
		return "valid here: " + list
	}
	return hint
}

// prepare notes what values may refer to, so that the order of keys does not matter.
func (b *binder) prepare(root *yaml.Node) {
	b.vars, b.unset = map[string]string{}, map[string]bool{}
	schemes := map[string]bool{}
	for name := range builtin {
		schemes[name] = true
	}
	if b.o.Config != nil {
		for name := range b.o.Config.Backends {
			schemes[name] = true
		}
	}
	quiet := b.quietly()
	for _, p := range quiet.pairs(value{node: root}) {
		switch p.key.Value {
		case "vars":
			var declared map[string]variable
			varsForm().bind(b, p.value(), &declared)
			b.declare(p.key, declared)
		case "exports":
			for _, e := range quiet.pairs(p.value()) {
				b.exports = append(b.exports, e.key.Value)
			}
		case "backends":
			for _, e := range quiet.pairs(p.value()) {
				schemes[e.key.Value] = true
			}
		}
	}
	b.schemes = slices.Sorted(maps.Keys(schemes))
	b.unknownVars(root)
}

// pairs returns the keys of the mapping v in their order, those that "<<" merges last. It records duplicates, keys that
// are not plain text and values that are no mapping.
func (b *binder) pairs(v value) []pair {
	n := follow(v.node)
	if n.Kind != yaml.MappingNode {
		b.wrongType(v, "a mapping of keys and values")
		return nil
	}
	var list []pair
	var merged []*yaml.Node
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, node := follow(n.Content[i]), n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			merged = append(merged, node)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			b.failAt(n.Content[i], "", "a key must be text, not %s", describe(key))
			continue
		}
		if node.Kind == yaml.ScalarNode && secretKey.MatchString(key.Value) {
			b.src.hide(node)
		}
		if earlier := first[key.Value]; earlier != nil {
			b.failAt(n.Content[i], fmt.Sprintf("first given on line %d", earlier.Line), "duplicate key %q in %s", key.Value, v.name)
			continue
		}
		first[key.Value] = key
		list = append(list, pair{key, node})
	}
	for _, m := range merged {
		for _, p := range b.merge(m, v) {
			if first[p.key.Value] == nil {
				first[p.key.Value] = p.key
				list = append(list, p)
			}
		}
	}
	return list
}

// merge returns what "<<: *a" or "<<: [*a, *b]" brings in; in a list the earlier wins.
func (b *binder) merge(n *yaml.Node, into value) []pair {
	target := follow(n)
	switch target.Kind {
	case yaml.MappingNode:
		return b.pairs(value{node: n, name: into.name})
	case yaml.SequenceNode:
		var list []pair
		for _, c := range target.Content {
			if follow(c).Kind != yaml.MappingNode {
				b.failAt(c, "", "<< takes mappings, not %s", describe(follow(c)))
				continue
			}
			list = append(list, b.pairs(value{node: c, name: into.name})...)
		}
		return list
	}
	b.failAt(n, "write <<: *name", "<< takes a mapping, not %s", describe(target))
	return nil
}

func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode { // guard has refused cycles
		n = n.Alias
	}
	return n
}

func (b *binder) wrongType(v value, want string) {
	n := follow(v.node)
	if n.ShortTag() == "!!null" && v.key != nil {
		b.failAt(v.key, "give it a value or remove it", "%s is empty; it must be %s", v.name, want)
		return
	}
	hint := ""
	if strings.HasPrefix(want, "text") && n.Kind == yaml.ScalarNode {
		hint = fmt.Sprintf("put it in quotes: %q", n.Value)
	}
	b.failAt(v.node, hint, "%s must be %s, not %s", v.name, want, describe(n))
}

// describe says what n is to somebody who knows YAML by example.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "empty"
	}
	return "text"
}

// failIn records a mistake in literal, which is a piece of the scalar n; it underlines n if the piece is not found.
func (b *binder) failIn(n *yaml.Node, literal, hint, format string, args ...any) {
	if p, ok := b.find(n, literal); ok {
		b.errs = append(b.errs, b.src.errorAt(p, utf8.RuneCountInString(literal), hint, fmt.Sprintf(format, args...)))
		return
	}
	b.failAt(n, hint, format, args...)
}

func (b *binder) find(n *yaml.Node, literal string) (Pos, bool) {
	if len(b.errs) > maxShown {
		return Pos{}, false
	}
	skip := n.Column - 1
	for l := n.Line; l <= len(b.src.lines) && l <= n.Line+strings.Count(n.Value, "\n")+1; l++ {
		line := b.src.line(l)
		if len(line) > maxSource {
			break
		}
		rest := from(line, skip)
		if i := strings.Index(rest, literal); i >= 0 {
			return Pos{l, skip + utf8.RuneCountInString(rest[:i]) + 1}, true
		}
		skip = 0
	}
	return Pos{}, false
}
