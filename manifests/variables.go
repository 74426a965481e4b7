package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// A scope lists the late variables that a value may name; "prefix.*" stands for any name that begins so.
type scope []string

var (
	runScope      = scope{"run.id", "run.date", "run.time", "export.*"}
	instanceScope = append(scope{"instance.name", "instance.id", "instance.compartment", "instance.shape", "instance.tags.*"}, runScope...)
)

// A variable is declared under vars. Its value is that of --var, else of the environment, else the default.
type variable struct {
	env     string
	value   *string // the default
	keyNode *yaml.Node
}

func varsForm() form[map[string]variable] {
	f := object("the variable",
		at("env", "Environment variable that gives the value.", func(v *variable) *string { return &v.env },
			matching(envRegexp, "%q is no name of an environment variable", "")),
		at("default", "Value if neither --var nor the environment gives one.",
			func(v *variable) **string { return &v.value }, pointer(plainText())),
	)
	rule := keyRule{"name of a variable", varRegexp, "use letters, digits, _ and -; begin with a letter"}
	bind := f.bind
	f.bind = func(b *binder, v value, to *variable) {
		to.keyNode = v.mark()
		switch n := follow(v.node); {
		case n.ShortTag() == "!!null": // "bucket:" declares it, as "bucket: {}" does
		case n.Kind == yaml.ScalarNode:
			to.value = &n.Value // what was meant
			b.failAt(v.node, "write {default: "+n.Value+"}", "variable %q must be a mapping, not %s", v.name, describe(n))
		default:
			bind(b, v, to)
		}
	}
	f.schema = f.schema.with(func(s *schema) { s.Type = []string{"object", "null"} })
	return mapOf("vars", rule, f)
}

// declare gives the variables their values.
func (b *binder) declare(place *yaml.Node, declared map[string]variable) {
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		v := declared[name]
		value, ok := b.o.Vars[name]
		if !ok && v.env != "" && b.o.Env != nil {
			value, ok = b.o.Env(v.env)
			ok = ok && value != ""
		}
		if !ok && v.value != nil {
			value, ok = *v.value, true
		}
		if !ok {
			hint := fmt.Sprintf("give --var %s=...", name)
			if v.env != "" {
				hint += " or set " + v.env
			}
			b.failAt(v.keyNode, hint, "variable %q has no value and no default", name)
			b.unset[name] = true
			continue
		}
		b.vars[name] = value
	}
}

// unknownVars refuses a --var that the manifest does not declare.
func (b *binder) unknownVars(root *yaml.Node) {
	declared := append(slices.Collect(maps.Keys(b.vars)), slices.Collect(maps.Keys(b.unset))...)
	slices.Sort(declared)
	place := root
	if n := follow(root); n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "vars" {
				place = n.Content[i]
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.o.Vars)) {
		if !slices.Contains(declared, name) {
			b.failAt(place, b.suggest(name, declared), "--var %s: vars declares no such variable", name)
		}
	}
}

// resolve replaces the variables of the scalar v, except the late ones in scope.
func (b *binder) resolve(v value, allowed scope) (Text, bool) {
	n := follow(v.node)
	parts, open := scan(n.Value)
	t := Text{Pos: Pos{v.node.Line, v.node.Column}}
	ok := true
	fail := func(literal, hint, format string, args ...any) {
		b.failIn(n, literal, hint, format, args...)
		ok = false
	}
	if open != "" {
		fail("${", `close it with "}"; a literal "${" is written "$${"`, "a variable that is not closed in %s", v.name)
	}
	for _, p := range parts {
		switch {
		case !p.late:
			t.add(p)
		case b.unset[p.text]:
			ok = false
		case b.isVar(p.text):
			t.add(part{text: b.vars[p.text]})
		case allowed.has(p.text, b.exports):
			t.add(p)
		default:
			hint := b.suggest(p.text, b.names(allowed))
			format := "unknown variable %q in %s"
			if instanceScope.has(p.text, b.exports) {
				format, hint = "variable %q has no value in %s", "it is known only when the plan is made"
				if strings.HasPrefix(p.text, "instance.") {
					hint = "only staging, to and tags of an export know the instance"
				}
			}
			fail("${"+p.text+"}", hint, format, p.text, v.name)
		}
	}
	return t, ok
}

func (t *Text) add(p part) {
	last := len(t.parts) - 1
	switch {
	case p.text == "":
	case last >= 0 && !p.late && !t.parts[last].late:
		t.parts[last].text += p.text
	default:
		t.parts = append(t.parts, p)
	}
}

func (b *binder) isVar(name string) bool {
	_, ok := b.vars[name]
	return ok
}

// has reports whether name may be used; exports are the ids for export.ID.format.
func (s scope) has(name string, exports []string) bool {
	if rest, ok := strings.CutPrefix(name, "export."); ok && slices.Contains(s, "export.*") {
		id, ok := strings.CutSuffix(rest, ".format")
		return ok && slices.Contains(exports, id)
	}
	if key, ok := strings.CutPrefix(name, "instance.tags."); ok {
		return key != "" && slices.Contains(s, "instance.tags.*")
	}
	return !strings.HasSuffix(name, "*") && slices.Contains(s, name)
}

// names lists what may stand in "${...}", for suggestions.
func (b *binder) names(allowed scope) []string {
	names := slices.Sorted(maps.Keys(b.vars))
	for _, name := range allowed {
		switch name {
		case "export.*":
			for _, id := range b.exports {
				names = append(names, "export."+id+".format")
			}
		case "instance.tags.*":
			names = append(names, "instance.tags.KEY")
		default:
			names = append(names, name)
		}
	}
	return names
}

// digest identifies what a manifest says: its text and the values of its variables.
func digest(src []byte, vars map[string]string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", len(src))
	h.Write(src)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(h, "%q=%q\n", name, vars[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}
