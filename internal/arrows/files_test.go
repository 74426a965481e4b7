package arrows

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the folder of go.mod, seen from this package.
const root = "../.."

// maxLines is where a file has become two. Aim at 100 to 200.
const maxLines = 500

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func TestFilesAreShort(t *testing.T) {
	for _, name := range goFiles(t) {
		source := read(t, name)
		if lines := bytes.Count(source, []byte("\n")); lines > maxLines && !generated.Match(source) {
			t.Errorf("%s has %d lines, more than %d: split it by what it is about", name, lines, maxLines)
		}
	}
}

func TestPackageVariablesNeverChange(t *testing.T) {
	for folder, files := range parsed(t) {
		handWritten := slices.DeleteFunc(slices.Clone(files.product), func(file *ast.File) bool {
			return generated.Match(read(t, files.set.Position(file.Package).Filename))
		})
		for _, write := range globalWrites(files.set, handWritten) {
			t.Errorf("%s changes a package variable at %s: hand the value down instead", folder, write)
		}
	}
}

func TestChangesOfPackageVariablesAreSeen(t *testing.T) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "x.go", `package x
		var n, table, list = 1, map[string]int{}, []int{}
		func wrong(p *int) { n = 2; n++; table["a"] = 1; list = append(list, 1); wrong(&n); delete(table, "a") }
		func right() { n := 1; n++; table := table["a"]; table++; _ = list[0] }`, 0)
	if err != nil {
		t.Fatal(err)
	}
	if writes := globalWrites(set, []*ast.File{file}); len(writes) != 6 {
		t.Errorf("got %v, want the six of the function wrong", writes)
	}
}

// TestTestsDoNotSleep allows time.Sleep where testing/synctest makes it a step of a fake clock.
func TestTestsDoNotSleep(t *testing.T) {
	for folder, files := range parsed(t) {
		for _, file := range files.tests {
			for _, sleep := range realSleeps(file) {
				t.Errorf("%s: a test sleeps at %s: drive a clock, or poll with a deadline", folder, files.set.Position(sleep))
			}
		}
	}
}

// pack is the parsed source of one folder.
type pack struct {
	set            *token.FileSet
	product, tests []*ast.File
}

// parsed returns the source of every folder, named from the root.
func parsed(t *testing.T) map[string]*pack {
	t.Helper()
	folders := map[string]*pack{}
	for _, name := range goFiles(t) {
		folder := filepath.ToSlash(filepath.Dir(name))
		p := folders[folder]
		if p == nil {
			p = &pack{set: token.NewFileSet()}
			folders[folder] = p
		}
		file, err := parser.ParseFile(p.set, name, read(t, name), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			p.tests = append(p.tests, file)
		} else {
			p.product = append(p.product, file)
		}
	}
	return folders
}

// goFiles lists the Go files of the repository, named from the root.
func goFiles(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && path != root && (base[0] == '.' || base[0] == '_' || base == "testdata" || base == "bin" || base == "dist" && filepath.Dir(path) == root) {
			return fs.SkipDir
		}
		if !entry.IsDir() && strings.HasSuffix(base, ".go") {
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// globalWrites returns the positions where the functions of a package write to a package variable or take its address.
// The files are type-checked without their imports, which is enough to tell a package variable from a local one.
func globalWrites(set *token.FileSet, files []*ast.File) []string {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Error: func(error) {}, Importer: nothing{}}
	checked, _ := config.Check("p", set, files, info)
	var found []string
	report := func(e ast.Expr) {
		if id := rootOf(e); id != nil {
			if v, ok := info.Uses[id].(*types.Var); ok && v.Parent() == checked.Scope() {
				found = append(found, set.Position(e.Pos()).String())
			}
		}
	}
	visit := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				report(left)
			}
		case *ast.IncDecStmt:
			report(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				report(n.X)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear" || f.Name == "copy") && len(n.Args) > 0 {
				report(n.Args[0])
			}
		}
		return true
	}
	for _, file := range files {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				ast.Inspect(f, visit)
			}
		}
	}
	return found
}

// rootOf returns the variable that a place in memory belongs to: x for x, x.f, x[i] and *x.
func rootOf(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return rootOf(e.X)
	case *ast.IndexExpr:
		return rootOf(e.X)
	case *ast.StarExpr:
		return rootOf(e.X)
	case *ast.ParenExpr:
		return rootOf(e.X)
	}
	return nil
}

// nothing is an importer that finds no package.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) {
	return types.NewPackage(path, filepath.Base(path)), nil
}

// realSleeps returns the calls of time.Sleep in a file that does not use testing/synctest.
func realSleeps(file *ast.File) []token.Pos {
	for _, i := range file.Imports {
		if path, err := strconv.Unquote(i.Path.Value); err == nil && path == "testing/synctest" {
			return nil
		}
	}
	var found []token.Pos
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sleep" {
				if x, ok := f.X.(*ast.Ident); ok && x.Name == "time" {
					found = append(found, call.Pos())
				}
			}
		}
		return true
	})
	return found
}
