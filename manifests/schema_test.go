package manifests

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// beyondSchema are the files of testdata/bad that a JSON Schema must accept, because what is wrong with them spans entries
// or cannot be seen in the data. All others it must refuse.
var beyondSchema = map[string]string{
	"after-both":              "references between entries",
	"after-unknown":           "references between entries",
	"bucket-late":             "variables",
	"bucket-rule-twice":       "one value compared with another",
	"bucket-twice":            "one value compared with another",
	"backend-unknown":         "references between entries",
	"cycle":                   "cycles",
	"cycle-self":              "cycles",
	"duplicate-key":           "duplicates: the data holds one of them",
	"duplicate-secret":        "duplicates: the data holds one of them",
	"expect-min-max":          "one value compared with another",
	"key-list":                "YAML's own",
	"merge-scalar":            "YAML's own",
	"variable-in-vars":        "variables",
	"location-empty":          "the syntax of locations",
	"location-scheme":         "references between entries",
	"location-slash":          "the syntax of locations",
	"name-variable":           "variables",
	"out-of-range":            "numbers with units",
	"rate-zero":               "numbers with units",
	"retry-first-max":         "one value compared with another",
	"scheme-late":             "variables",
	"type-tag":                "YAML's own",
	"variable-export":         "variables",
	"variable-late":           "variables",
	"variable-no-value":       "variables",
	"variable-number":         "variables",
	"variable-reserved-scope": "variables",
	"variable-open":           "variables",
	"variable-unknown":        "variables",
	"variable-in-long-text":   "variables",
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("manifest.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is what an editor's schema check sees: merged, aliases followed, dates as text. Not YAML at all is ok == false.
func asJSON(src []byte) (v any, ok bool) {
	b := &binder{src: newSource("", src)}
	root := b.load("")
	if root == nil {
		var n yaml.Node
		if yaml.Unmarshal(src, &n) != nil || len(n.Content) == 0 || len(b.errs) > 0 && !strings.Contains(b.errs[0].Msg, "type tag") {
			return nil, false
		}
		root = n.Content[0]
	}
	return b.json(root), true
}

func (b *binder) json(n *yaml.Node) any {
	n = follow(n)
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for _, p := range b.pairs(value{node: n}) {
			m[p.key.Value] = b.json(p.node)
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, b.json(c))
		}
		return list
	}
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool", "!!null":
		text, err := json.Marshal(plain(n))
		if err != nil { // .nan and .inf
			return n.Value
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return n.Value
		}
		return v
	}
	return n.Value
}

// The binder and the schema come from one description; here they judge the same files.
func TestSchemaAgrees(t *testing.T) {
	s := compile(t)
	bad, _ := filepath.Glob("testdata/bad/*.yaml")
	good, _ := filepath.Glob("testdata/good/*.yaml")
	examples, _ := filepath.Glob("examples/*.yaml")
	if len(bad) == 0 || len(good) == 0 || len(examples) == 0 {
		t.Fatal("no files")
	}
	seen := map[string]bool{}
	for _, file := range append(append(bad, good...), examples...) {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, parseErr := Parse(file, src, Options{Env: env})
		v, ok := asJSON(src)
		if !ok {
			if parseErr == nil {
				t.Errorf("%s: accepted, but it is not YAML", file)
			}
			continue
		}
		schemaErr := s.Validate(v)
		_, beyond := beyondSchema[name]
		seen[name] = true
		switch {
		case beyond && (parseErr == nil || schemaErr != nil):
			t.Errorf("%s is listed as beyond the schema; binder: %v; schema: %v", file, parseErr, schemaErr)
		case !beyond && (parseErr == nil) != (schemaErr == nil):
			t.Errorf("%s: binder: %v; schema: %v", file, parseErr, schemaErr)
		}
	}
	for name := range beyondSchema {
		if !seen[name] {
			t.Errorf("no file %s.yaml", name)
		}
	}
}

// Each key of the examples, one at a time, is given a value of another type: binder and schema must both refuse it, or
// both accept it.
func TestSchemaAgreesOnMutations(t *testing.T) {
	s := compile(t)
	files, err := fs.Glob(Examples(), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	wrong := []string{"null", "7", "true", "text", "''", "[]", "{}", "[a, a]", "{a: b}", "{env: X}"}
	count := 0
	for _, file := range files {
		src, err := fs.ReadFile(Examples(), file)
		if err != nil {
			t.Fatal(err)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(src, &doc); err != nil {
			t.Fatal(err)
		}
		for i, n := range scalarsAndMore(doc.Content[0], nil) {
			was := *n
			for j, w := range wrong {
				if raceEnabled && (i+j)%3 != 0 {
					continue // the detector has nothing to find here, only to slow down
				}
				var v yaml.Node
				if err := yaml.Unmarshal([]byte(w), &v); err != nil {
					t.Fatal(err)
				}
				*n = *v.Content[0]
				n.Anchor = was.Anchor
				mutated, err := yaml.Marshal(&doc)
				*n = was
				if err != nil {
					continue // an alias to what is no longer there
				}
				count++
				_, parseErr := Parse(file, mutated, Options{Env: env})
				v2, ok := asJSON(mutated)
				if !ok {
					continue
				}
				if schemaErr := s.Validate(v2); (parseErr == nil) != (schemaErr == nil) && !onlyBeyond(parseErr) {
					t.Errorf("%s:%d with %s\nbinder: %v\nschema: %v", file, was.Line, w, parseErr, schemaErr)
				}
			}
		}
	}
	t.Logf("%d mutations", count)
	if count < 400 {
		t.Errorf("only %d mutations", count)
	}
}

// onlyBeyond reports whether all errors are of rules that a schema cannot express.
func onlyBeyond(err error) bool {
	all, ok := err.(*Errors)
	if !ok {
		return false
	}
	for _, e := range all.List {
		beyond := false
		for _, part := range []string{"there is no", "unknown variable", "has no value", "is more than max", "is longer than max", "cycle in", "a rate of 0", "<< takes"} {
			beyond = beyond || strings.Contains(e.Msg, part)
		}
		if !beyond {
			return false
		}
	}
	return true
}

func scalarsAndMore(n *yaml.Node, list []*yaml.Node) []*yaml.Node {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 || c.Kind == yaml.AliasNode {
			continue
		}
		list = scalarsAndMore(c, append(list, c))
	}
	return list
}

func TestSchemaIsFresh(t *testing.T) {
	golden(t, "hyperexport.schema.json", string(Schema()))
}
