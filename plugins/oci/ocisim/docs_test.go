package ocisim

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

const document = "../../../docs/ocisim.md"

// blocks returns the blocks of a language in the document.
func blocks(t *testing.T, lang string) []string {
	t.Helper()
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, part := range strings.Split(string(data), "```"+lang+"\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		all = append(all, text)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no block of %s", document, lang)
	}
	return all
}

// TestDocumentedCode makes sure that the document's Go is code that is compiled and run.
func TestDocumentedCode(t *testing.T) {
	data, err := os.ReadFile("docs_example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	compiled := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		compiled[strings.TrimSpace(line)] = true
	}
	for _, block := range blocks(t, "go") {
		for line := range strings.Lines(block) {
			if line = strings.TrimSpace(line); !compiled[line] {
				t.Errorf("docs_example_test.go lacks this line of %s:\n%s", document, line)
			}
		}
	}
}

// TestDocumentedSeed starts a simulator of the seed in the document, which shows every key.
func TestDocumentedSeed(t *testing.T) {
	for _, text := range blocks(t, "json") {
		seed, err := LoadSeed(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		b := newTestbed(t, Options{Seed: seed})
		if len(b.Instances()) != len(seed.Instances) {
			t.Errorf("have %d instances, want %d", len(b.Instances()), len(seed.Instances))
		}
		for _, key := range seedKeys() {
			if !strings.Contains(text, `"`+key+`":`) {
				t.Errorf("the seed in %s does not show the key %s", document, key)
			}
		}
	}
}

// TestDocumentedOperations makes sure that the document names every operation of object storage and compute.
func TestDocumentedOperations(t *testing.T) {
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| `") && len(cells) == 4 {
			for name := range strings.SplitSeq(cells[1], "`") {
				named[strings.Trim(name, ", ")] = true
			}
		}
	}
	for _, op := range append(objectStorageOperations(), computeOperations()...) {
		if !named[op.name] {
			t.Errorf("no table of %s names %s", document, op.name)
		}
	}
}

// seedKeys are the keys of a seed at all depths.
func seedKeys() []string {
	var all []string
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return
		}
		for i := range t.NumField() {
			all = append(all, t.Field(i).Tag.Get("json"))
			walk(t.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[Seed]())
	return all
}
