package manifests

import (
	"fmt"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
)

// A form describes one kind of value twice at once: how it is read into a T, and the schema an editor checks it with.
// Forms are built from smaller ones; describe.go has those of the manifest.
type form[T any] struct {
	schema *schema
	bind   func(b *binder, v value, to *T)
}

// A field is one key of a mapping that is read into a T.
type field[T any] struct {
	key      string
	schema   *schema
	required bool
	reserved bool // refused, and said to belong to a later version
	bind     func(b *binder, v value, to *T)
	absent   func(b *binder, to *T) // sets the default; nil leaves zero
}

// at describes a key: what it means, where its value goes, what the value looks like.
func at[T, F any](key, doc string, get func(*T) *F, f form[F]) field[T] {
	return field[T]{
		key:    key,
		schema: f.schema.with(func(s *schema) { s.Description = doc }),
		bind:   func(b *binder, v value, to *T) { f.bind(b, v, get(to)) },
	}
}

// must makes the key required.
func (f field[T]) must() field[T] {
	f.required = true
	return f
}

// or gives the key a default, written as in YAML.
func (f field[T]) or(text string) field[T] {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	f.schema = f.schema.with(func(s *schema) { s.Default = plain(n) })
	f.absent = func(b *binder, to *T) { f.bind(b, value{node: n, name: f.key}, to) }
	return f
}

// filled makes a mapping that is left out the same as an empty one: the defaults in it apply.
func (f field[T]) filled() field[T] {
	n := &yaml.Node{Kind: yaml.MappingNode}
	f.absent = func(b *binder, to *T) { f.bind(b, value{node: n, name: f.key}, to) }
	return f
}

// later reserves keys that this version does not know yet.
func later[T any](keys ...string) []field[T] {
	var fields []field[T]
	for _, key := range keys {
		fields = append(fields, field[T]{key: key, reserved: true, schema: &schema{
			Description: "Reserved for a later version.", Not: &schema{},
		}})
	}
	return fields
}

// object is a mapping with a fixed set of keys. place is what errors call it.
func object[T any](place string, fields ...field[T]) form[T] {
	known := make(map[string]field[T], len(fields))
	s := &schema{Type: "object", AdditionalProperties: never}
	var names []string
	for _, f := range fields {
		known[f.key] = f
		s.Properties = append(s.Properties, property{f.key, f.schema})
		if f.required {
			s.Required = append(s.Required, f.key)
		}
		if !f.reserved {
			names = append(names, f.key)
		}
	}
	bind := func(b *binder, v value, to *T) {
		if follow(v.node).Kind != yaml.MappingNode {
			b.wrongType(v, "a mapping of keys and values")
			return
		}
		given := map[string]bool{}
		for _, p := range b.pairs(value{key: v.key, node: v.node, name: place}) {
			f, ok := known[p.key.Value]
			given[p.key.Value] = true
			switch {
			case !ok:
				b.failAt(p.key, b.suggest(p.key.Value, names), "unknown key %q in %s", p.key.Value, place)
			case f.reserved:
				b.failAt(p.key, "remove it", "key %q is reserved for a later version and does nothing yet", p.key.Value)
			default:
				f.bind(b, p.value(), to)
			}
		}
		for _, f := range fields {
			switch {
			case given[f.key]:
			case f.required:
				b.failAt(v.mark(), "", "%s has no key %q; it is required", v.title(place), f.key)
			case f.absent != nil:
				f.absent(b, to)
			}
		}
	}
	return form[T]{schema: s, bind: bind}
}

// checked adds a rule that spans several keys.
func (f form[T]) checked(rule func(b *binder, v value, to *T)) form[T] {
	bind := f.bind
	f.bind = func(b *binder, v value, to *T) {
		bind(b, v, to)
		if follow(v.node).Kind == yaml.MappingNode {
			rule(b, v, to)
		}
	}
	return f
}

// says adds to the schema what the form checks besides.
func (f form[T]) says(change func(s *schema)) form[T] {
	f.schema = f.schema.with(change)
	return f
}

// pointer reads into a value that is nil when the key is left out.
func pointer[T any](f form[T]) form[*T] {
	return form[*T]{schema: f.schema, bind: func(b *binder, v value, to **T) {
		*to = new(T)
		f.bind(b, v, *to)
	}}
}

// mapOf is a mapping whose keys the user chooses, by rule.
func mapOf[T any](place string, rule keyRule, elem form[T]) form[map[string]T] {
	s := &schema{Type: "object", AdditionalProperties: elem.schema, PropertyNames: &schema{Pattern: rule.regexp.String()}}
	return form[map[string]T]{schema: s, bind: func(b *binder, v value, to *map[string]T) {
		pairs := b.pairs(v)
		*to = make(map[string]T, len(pairs))
		for _, p := range pairs {
			if !rule.regexp.MatchString(p.key.Value) {
				b.failAt(p.key, rule.hint, "%q is no %s", p.key.Value, rule.what)
			}
			var t T
			elem.bind(b, p.value(), &t)
			(*to)[p.key.Value] = t
		}
	}}
}

// sorted is a mapping read into a list in the order of its keys.
func sorted[T any](f form[map[string]T]) form[[]T] {
	return form[[]T]{schema: f.schema, bind: func(b *binder, v value, to *[]T) {
		var m map[string]T
		f.bind(b, v, &m)
		for _, key := range slices.Sorted(maps.Keys(m)) {
			*to = append(*to, m[key])
		}
	}}
}

const (
	repeats = true // a list may hold a value twice
	unique  = false
)

// list is a list of at least one value.
func list[T any](elem form[T], repeats bool) form[[]T] {
	s := &schema{Type: "array", Items: elem.schema, MinItems: 1, UniqueItems: !repeats}
	return form[[]T]{schema: s, bind: func(b *binder, v value, to *[]T) {
		n := follow(v.node)
		if n.Kind != yaml.SequenceNode {
			b.wrongType(v, "a list")
			return
		}
		if len(n.Content) == 0 {
			b.failAt(v.node, "give it a value or remove it", "%s is an empty list", v.name)
		}
		seen := map[string]bool{}
		for _, c := range n.Content {
			if s := follow(c); s.Kind == yaml.ScalarNode {
				if seen[s.Value] && !repeats {
					b.failAt(c, "", "%q stands twice in %s", s.Value, v.name)
					continue
				}
				seen[s.Value] = true
			}
			var t T
			elem.bind(b, value{node: c, name: v.name}, &t)
			*to = append(*to, t)
		}
	}}
}

// oneOrMore is a list without repeats, or its only value without the list around it.
func oneOrMore[T any](elem form[T]) form[[]T] { return oneOr(list(elem, unique), elem) }

func oneOr[T any](many form[[]T], elem form[T]) form[[]T] {
	s := &schema{AnyOf: []*schema{elem.schema, many.schema}}
	return form[[]T]{schema: s, bind: func(b *binder, v value, to *[]T) {
		if follow(v.node).Kind == yaml.SequenceNode {
			many.bind(b, v, to)
			return
		}
		var t T
		elem.bind(b, v, &t)
		*to = []T{t}
	}}
}

// mark is the node to underline for a mistake of v as a whole.
func (v value) mark() *yaml.Node {
	if v.key != nil {
		return v.key
	}
	return v.node
}

func (v value) pos() Pos { return Pos{v.mark().Line, v.mark().Column} }

// title is what to call v when several values share a place.
func (v value) title(place string) string {
	if v.key != nil && v.key.Value != place {
		return fmt.Sprintf("%s %q", place, v.key.Value)
	}
	return place
}
