package arrows

import (
	"errors"
	"go/ast"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGuaranteesNameTheirTests reads the tables of docs/guarantees.md: the last cell of each row names tests and, after
// them, the package that has them.
func TestGuaranteesNameTheirTests(t *testing.T) {
	tests := testsOf(t)
	rows := 0
	for line := range strings.Lines(string(read(t, "docs/guarantees.md"))) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 2 || cells[0] != "" || strings.Trim(cells[1], " -") == "" || strings.TrimSpace(cells[len(cells)-2]) == "test" {
			continue
		}
		rows++
		for _, why := range unproven(cells[len(cells)-2], tests) {
			t.Errorf("docs/guarantees.md, %q: %s", strings.TrimSpace(cells[1]), why)
		}
	}
	if rows < 10 {
		t.Errorf("docs/guarantees.md has %d rows", rows)
	}
}

// unproven says what is wrong with a cell of tests and packages.
func unproven(cell string, tests map[string][]string) (why []string) {
	var waiting []string
	named := false
	for _, word := range quoted(cell) {
		if strings.HasPrefix(word, "Test") || strings.HasPrefix(word, "Fuzz") {
			waiting, named = append(waiting, word), true
			continue
		}
		if len(waiting) == 0 {
			why = append(why, "no test stands before `"+word+"`")
		}
		for _, test := range waiting {
			if name, script, found := strings.Cut(test, "/"); !slices.Contains(tests[word], name) || found && !isScript(word, script) {
				why = append(why, "package "+word+" has no "+test)
			}
		}
		waiting = nil
	}
	if len(waiting) > 0 || !named {
		why = append(why, "name a test and then its package, as in `TestKill` in `internal/e2e`")
	}
	return why
}

// isScript reports whether a package has a script of this name.
func isScript(folder, name string) bool {
	_, err := os.Stat(filepath.Join(root, folder, "testdata", "script", name+".txt"))
	return !errors.Is(err, fs.ErrNotExist)
}

// testsOf returns the names of tests by the folder of their package.
func testsOf(t *testing.T) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	for folder, p := range parsed(t) {
		for _, file := range p.tests {
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
					names[folder] = append(names[folder], f.Name.Name)
				}
			}
		}
	}
	return names
}

func TestUnprovenGuaranteesAreSeen(t *testing.T) {
	tests := map[string][]string{"cmd/hyperexport": {"TestScripts", "TestFleet"}, "plan": {"TestToken"}}
	for cell, want := range map[string]int{
		"`TestFleet` in `cmd/hyperexport`":                        0,
		"`TestFleet`, `TestScripts` in `cmd/hyperexport`":         0,
		"`TestFleet` in `cmd/hyperexport`, `TestToken` in `plan`": 0,
		"`TestScripts/apply` in `cmd/hyperexport`":                0,
		"`TestScripts/gone` in `cmd/hyperexport`":                 1,
		"`TestFleet` in `plan`":                                   1,
		"`TestGone`, `TestFleet` in `cmd/hyperexport`":            1,
		"`TestFleet`": 1,
		"`TestFleet` in `cmd/hyperexport`, `plan`": 1,
		"it is so": 1,
		"":         1,
		"`TestFleet` in `cmd/hyperexport` and sometimes `TestGone`": 1,
	} {
		if why := unproven(cell, tests); len(why) != want {
			t.Errorf("%q: %q, want %d", cell, why, want)
		}
	}
}
