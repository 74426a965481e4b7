package sink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/event"
)

// TestBodiesAreAll holds the list that the tests use against the source of package event.
func TestBodiesAreAll(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "Type" {
			want = append(want, f.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	var got []string
	for _, b := range bodies {
		got = append(got, reflect.TypeOf(b).Name())
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("package event has %v\nthe tests have %v", want, got)
	}
}

// TestDocs holds docs/events.md against what JSON writes: each type has its heading, each field its row, and no others.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	var section string
	for line := range strings.Lines(string(text)) {
		if m := regexp.MustCompile("^### `(\\w+)`").FindStringSubmatch(line); m != nil {
			section = m[1]
			got[section] = nil
		} else if m := regexp.MustCompile("^\\| `(\\w+)` \\|").FindStringSubmatch(line); m != nil {
			got[section] = append(got[section], m[1])
		}
	}
	want := map[string][]string{"": {"time", "step", "item", "type"}, "dropped": fields(t, droppedFields{})}
	for _, b := range bodies {
		want[b.Type()] = fields(t, b)
		if b.Type() == (event.Moved{}).Type() {
			want[b.Type()] = fields(t, movedFields{})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("docs/events.md, %q: documented %v, written %v", name, got[name], want[name])
		}
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("docs/events.md has a type %q that is never written", name)
		}
	}
}

// fields gives the JSON names of a struct's fields, in order; a body's field may not hide one of the head's.
func fields(t *testing.T, v any) []string {
	t.Helper()
	var names []string
	for f := range reflect.TypeOf(v).Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || strings.Contains(" time step item type ", fmt.Sprintf(" %s ", name)) {
			t.Errorf("%T.%s is %q in JSON", v, f.Name, name)
		}
		names = append(names, name)
	}
	return names
}

// TestDocsExample holds the example of docs/events.md against what is written.
func TestDocsExample(t *testing.T) {
	text, err := os.ReadFile("../../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)[1]
	var h head
	if err := json.Unmarshal(example, &h); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	j := NewJSON(&out)
	j.Emit(event.Event{Time: h.Time, Step: h.Step, Item: h.Item, Body: event.ItemStarted{Bytes: 3 << 30}})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if out.String() != string(example) {
		t.Errorf("documented %swritten    %s", example, out.String())
	}
}
