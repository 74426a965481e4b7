package arrows

import (
	"errors"
	"go/ast"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentsNameWhatExists reads every `name` in the documents beside go.mod and in docs: one that looks like a path
// of this repository must exist, and one that looks like a symbol of one of its packages must be exported there.
// CHANGELOG.md is history and may name what is gone.
func TestDocumentsNameWhatExists(t *testing.T) {
	symbols := exported(parsed(t))
	for _, name := range documents(t) {
		for _, word := range quoted(string(read(t, name))) {
			if why := missing(word, symbols); why != "" {
				t.Errorf("%s names `%s`: %s", name, word, why)
			}
		}
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if base := filepath.Base(f); base != "CHANGELOG.md" {
				names = append(names, strings.TrimPrefix(filepath.ToSlash(f), root+"/"))
			}
		}
	}
	return names
}

var (
	codeBlock  = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	inlineCode = regexp.MustCompile("`([^`\n]+)`")
	pathForm   = regexp.MustCompile(`^\.?[\w-][\w.-]*(/[\w.-]+)*/?$`)
	symbolForm = regexp.MustCompile(`^(?:[\w-]+/)*(\w+)\.([A-Z]\w*)((?:\.[A-Z]\w*)?)(?:\(.*\))?$`)
)

// quoted returns what stands in backticks, without code blocks.
func quoted(document string) []string {
	var words []string
	for _, m := range inlineCode.FindAllStringSubmatch(codeBlock.ReplaceAllString(document, ""), -1) {
		words = append(words, m[1])
	}
	return words
}

// missing says what is wrong with a word of a document; "" if it exists or is none of ours.
func missing(word string, symbols map[string][]string) string {
	if m := symbolForm.FindStringSubmatch(word); m != nil {
		if all, ours := symbols[m[1]]; ours && !slices.Contains(all, m[2]+m[3]) {
			return "package " + m[1] + " exports no " + m[2] + m[3]
		}
		return ""
	}
	if !pathForm.MatchString(word) || !isOurs(word) {
		return ""
	}
	if _, err := os.Stat(filepath.Join(root, word)); errors.Is(err, fs.ErrNotExist) {
		return "there is no such file or directory"
	}
	return ""
}

// isOurs reports whether a word is meant as a path of this repository: Go files are, and what begins with one of its
// folders.
func isOurs(word string) bool {
	first, _, nested := strings.Cut(word, "/")
	folders := []string{".ci", "cmd", "docs", "examples", "executor", "internal", "manifests", "pkg", "plan", "plugins", "scripts"}
	return path.Ext(word) == ".go" || nested && slices.Contains(folders, first)
}

// exported returns, by package name, the exported names: "Symbol", and "Type.Member" for methods and fields.
func exported(folders map[string]*pack) map[string][]string {
	symbols := map[string][]string{}
	for _, p := range folders {
		for _, file := range p.product {
			for _, d := range file.Decls {
				symbols[file.Name.Name] = append(symbols[file.Name.Name], declared(d)...)
			}
		}
	}
	return symbols
}

func declared(d ast.Decl) []string {
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			return []string{f.Name.Name}
		}
		receiver := f.Recv.List[0].Type
		if generic, ok := receiver.(*ast.IndexExpr); ok {
			receiver = generic.X
		}
		if id := rootOf(receiver); id != nil {
			return []string{id.Name + "." + f.Name.Name}
		}
		return nil
	}
	var names []string
	for _, spec := range d.(*ast.GenDecl).Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for _, id := range spec.Names {
				names = append(names, id.Name)
			}
		case *ast.TypeSpec:
			names = append(names, spec.Name.Name)
			for _, member := range members(spec.Type) {
				names = append(names, spec.Name.Name+"."+member)
			}
		}
	}
	return names
}

// members returns the fields of a struct and the methods of an interface.
func members(t ast.Expr) []string {
	var fields *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		fields = t.Fields
	case *ast.InterfaceType:
		fields = t.Methods
	default:
		return nil
	}
	var names []string
	for _, field := range fields.List {
		for _, id := range field.Names {
			names = append(names, id.Name)
		}
		if len(field.Names) == 0 {
			if selector, ok := field.Type.(*ast.SelectorExpr); ok {
				names = append(names, selector.Sel.Name)
			} else if id := rootOf(field.Type); id != nil {
				names = append(names, id.Name)
			}
		}
	}
	return names
}

func TestMissingNamesAreSeen(t *testing.T) {
	symbols := map[string][]string{"plan": {"Plan", "Plan.Steps"}}
	for word, want := range map[string]bool{
		"plan.Plan":                      false,
		"plan.Plan.Steps":                false,
		"plan.Gone":                      true,
		"plan.Plan.Gone":                 true,
		"os.Root":                        false,
		"internal/arrows":                false,
		"internal/arrows/":               false,
		"internal/arrows/docs_test.go":   false,
		"internal/gone":                  true,
		"gone.go":                        true,
		"make test":                      false,
		"./exports/":                     false,
		"hyperexport apply -f prod.yaml": false,
		"result.json":                    false,
	} {
		if got := missing(word, symbols) != ""; got != want {
			t.Errorf("`%s`: reported missing: %v, want %v", word, got, want)
		}
	}
	if got := quoted("a `b` c\n```\nno `d`\n```\n`e`"); !slices.Equal(got, []string{"b", "e"}) {
		t.Errorf("got the words %q, want b and e", got)
	}
}
