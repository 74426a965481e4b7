package arrows

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hyperexport/hyperexport"

// place says where a package stands. It may import packages of lower levels, and those in its own folder.
type place struct {
	level  int
	stdlib bool     // imports the standard library only
	ours   []string // if not nil, all of our packages that it may import, beside those in its own folder
	usedBy []string // if not nil, the only folders beside internal whose packages may import it; tests are free
}

// places has every package; "*" stands for one element, a trailing "/..." for everything below.
var places = map[string]place{
	"pkg/backend": {level: 0, stdlib: true},
	"pkg/event":   {level: 0, stdlib: true},
	"pkg/netmon":  {level: 0, stdlib: true},

	"internal/human": {level: 0, stdlib: true},

	"manifests":               {level: 1},
	"pkg/transfer":            {level: 1},
	"pkg/backend/wrap":        {level: 1},
	"pkg/backend/backendtest": {level: 1, ours: []string{"pkg/backend"}, usedBy: []string{"cmd"}},
	"pkg/backend/httpclient":  {level: 1, ours: []string{"pkg/backend"}, usedBy: []string{"plugins", "examples"}},
	"pkg/event/sink":          {level: 1},
	"pkg/plugin":              {level: 1},
	"pkg/plugin/proto/*":      {level: 1, ours: []string{}, usedBy: []string{"pkg/plugin"}},
	"plugins/oci/ocisim":      {level: 1, stdlib: true, usedBy: []string{"cmd"}},

	"plan":      {level: 2},
	"plugins/*": {level: 2, ours: []string{"pkg/backend", "pkg/backend/httpclient"}},

	// What authors begin their own with: it needs no more than they have.
	"examples/*": {level: 2, ours: []string{"pkg/backend", "pkg/backend/httpclient", "pkg/plugin"}},

	"executor":         {level: 3},
	"executor/journal": {level: 3},
	"pkg/api":          {level: 3},

	"cmd/hyperexport/...": {level: 4, usedBy: []string{"cmd"}},

	// Programs and helpers of this repository, unless they stand above. No package of the product imports them.
	"internal/...": {level: 5, usedBy: []string{"internal"}},
}

// owners lists the large dependencies and the only folders that may know them.
var owners = map[string][]string{
	"github.com/alecthomas/kong":     {"cmd"},
	"github.com/hashicorp/go-hclog":  {"pkg/plugin"},
	"github.com/hashicorp/go-plugin": {"pkg/plugin"},
	"github.com/minio/minio-go":      {"plugins/s3"},
	"github.com/oracle/oci-go-sdk":   {"plugins/oci"},
	"github.com/schollz/progressbar": {"pkg/event/sink"},
	"google.golang.org/grpc":         {"pkg/plugin"},
	"google.golang.org/protobuf":     {"pkg/plugin"},
	"gopkg.in/yaml.v3":               {"manifests"},
}

// listed is what go list says of a package.
type listed struct {
	ImportPath                         string
	Standard                           bool
	Imports, TestImports, XTestImports []string
}

func TestArrows(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, fault := range faults(list(t, goos)) {
			t.Errorf("%s (GOOS=%s)", fault, goos)
		}
	}
}

// list returns all packages of the module and all that they need, as they are built for goos.
func list(t *testing.T, goos string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("read the answer of go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// faults returns a sentence for each import that points the wrong way.
func faults(packages []listed) []string {
	byPath := map[string]listed{}
	for _, p := range packages {
		byPath[p.ImportPath] = p
	}
	var found []string
	for _, p := range packages {
		name, mine := ours(p.ImportPath)
		if !mine {
			continue
		}
		at, ok := placeOf(name)
		if !ok {
			found = append(found, fmt.Sprintf("%s has no place: give it a level in the table of internal/arrows", name))
			continue
		}
		for _, imported := range p.Imports {
			if why := refuse(name, at, imported, byPath); why != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", name, strings.TrimPrefix(imported, module+"/"), why))
			}
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if other, mine := ours(imported); mine && within(other, []string{"cmd"}) && !within(name, []string{"cmd"}) {
				found = append(found, fmt.Sprintf("a test of %s imports %s: nothing imports the command", name, other))
			}
		}
	}
	return found
}

// refuse says why the package name, standing at the given place, may not import imported; "" if it may.
func refuse(name string, at place, imported string, byPath map[string]listed) string {
	other, mine := ours(imported)
	if !mine {
		return refuseForeign(name, at, imported, byPath)
	}
	to, ok := placeOf(other)
	switch {
	case !ok:
		return "" // reported on its own
	case at.stdlib:
		return "it imports the standard library only"
	case to.usedBy != nil && !within(name, to.usedBy) && !within(name, []string{"internal"}):
		return "that is for " + strings.Join(append([]string{"tests", "internal"}, to.usedBy...), " and ") + " only"
	case strings.HasPrefix(other, name+"/"), siblings(name, other):
		return ""
	case at.ours != nil && !slices.Contains(at.ours, other):
		return fmt.Sprintf("of ours it imports %v only", at.ours)
	case to.level >= at.level:
		return fmt.Sprintf("level %d imports lower levels only, and that stands on level %d", at.level, to.level)
	}
	return ""
}

func refuseForeign(name string, at place, imported string, byPath map[string]listed) string {
	if at.stdlib && !byPath[imported].Standard {
		return "it imports the standard library only"
	}
	for dependency, folders := range owners {
		if imported != dependency && !strings.HasPrefix(imported, dependency+"/") {
			continue
		}
		if !within(name, folders) && !within(name, []string{"internal"}) {
			return fmt.Sprintf("only %v may know it", folders)
		}
	}
	return ""
}

// siblings reports whether both packages are parts of one: of the command, of internal, or inner packages of a third.
func siblings(name, other string) bool {
	for _, whole := range []string{"cmd", "internal"} {
		if within(name, []string{whole}) && within(other, []string{whole}) {
			return true
		}
	}
	outer, _, nested := strings.Cut(name, "/internal/")
	return nested && within(other, []string{outer + "/internal"})
}

// placeOf finds the place of a package, named without the module. X/internal/Y stands where X stands.
func placeOf(name string) (place, bool) {
	if outer, _, nested := strings.Cut(name, "/internal/"); nested {
		name = outer
	}
	if p, ok := places[name]; ok {
		return p, true
	}
	for pattern, p := range places {
		if folder, all := strings.CutSuffix(pattern, "/..."); all && within(name, []string{folder}) {
			return p, true
		}
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return p, true
		}
	}
	return place{}, false
}

// ours cuts the module from an import path; ok is false for packages of others.
func ours(importPath string) (name string, ok bool) {
	return strings.CutPrefix(importPath, module+"/")
}

// within reports whether the package name is one of the folders or lies in one.
func within(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return name == folder || strings.HasPrefix(name, folder+"/")
	})
}

func TestArrowsSeeWrongImports(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"pkg/backend", "pkg/event", "standard library only"},
		{"pkg/event", "golang.org/x/sync/errgroup", "standard library only"},
		{"plugins/oci/ocisim", "pkg/backend", "standard library only"},
		{"plugins/local", "pkg/event", "[pkg/backend pkg/backend/httpclient] only"},
		{"plugins/local", "plugins/s3", "[pkg/backend pkg/backend/httpclient] only"},
		{"examples/hyperexport-plugin-http", "plugins/s3", "[pkg/backend pkg/backend/httpclient pkg/plugin] only"},
		{"plugins/oci", "plugins/oci/ocisim", "tests and internal and cmd only"},
		{"pkg/backend/httpclient", "pkg/event", "[pkg/backend] only"},
		{"executor", "pkg/backend/httpclient", "tests and internal and plugins and examples only"},
		{"plan", "plugins/s3", "lower levels only"},
		{"pkg/transfer", "pkg/backend/wrap", "lower levels only"},
		{"manifests", "plan", "lower levels only"},
		{"executor/journal", "executor", "lower levels only"},
		{"executor", "cmd/hyperexport", "tests and internal and cmd only"},
		{"executor", "internal/dist", "tests and internal and internal only"},
		{"executor", "pkg/plugin/proto/v1", "pkg/plugin only"},
		{"executor", "pkg/backend/backendtest", "tests and internal and cmd only"},
		{"plan", "github.com/oracle/oci-go-sdk/v65/core", "only [plugins/oci]"},
		{"pkg/strange", "fmt", "has no place"},
	} {
		if got := faultsOf(c.from, c.to); len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s imports %s: got %q, want one fault with %q", c.from, c.to, got, c.want)
		}
	}
	for _, c := range []struct{ from, to string }{
		{"pkg/backend", "fmt"},
		{"plugins/local", "pkg/backend"},
		{"plugins/s3", "pkg/backend/httpclient"},
		{"examples/hyperexport-plugin-http", "pkg/backend/httpclient"},
		{"plugins/oci", "plugins/oci/internal/sign"},
		{"plugins/oci/internal/sign", "plugins/oci/internal/config"},
		{"plugins/oci", "github.com/oracle/oci-go-sdk/v65/core"},
		{"executor", "executor/journal"},
		{"executor/journal", "plan"},
		{"pkg/plugin", "pkg/plugin/proto/v1"},
		{"examples/hyperexport-plugin-http", "pkg/plugin"},
		{"pkg/event/sink", "internal/human"},
		{"cmd/hyperexport", "executor"},
		{"cmd/hyperexport", "cmd/hyperexport/wiring"},
		{"cmd/hyperexport", "plugins/oci/ocisim"},
		{"internal/demo", "plugins/oci/ocisim"},
		{"internal/demo", "internal/proof"},
	} {
		if got := faultsOf(c.from, c.to); len(got) != 0 {
			t.Errorf("%s imports %s: got %q, want no fault", c.from, c.to, got)
		}
	}
}

func faultsOf(from, to string) []string {
	if _, ok := placeOf(to); ok {
		to = module + "/" + to
	}
	return faults([]listed{{ImportPath: "fmt", Standard: true}, {ImportPath: module + "/" + from, Imports: []string{to}}})
}
