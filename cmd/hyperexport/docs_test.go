package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/plan"
)

const root = "../.."

// notRun are the commands of documents that cannot run in a test, with the reason. A block with one of them is not run.
var notRun = map[string]string{
	"make ":      "builds what is tested here",
	"git clone ": "the test has the clone",
	"oci ":       "the OCI command line tools are not part of this project",
}

// example is one fenced block of a document.
type example struct {
	lang, text string
	line       int
}

var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

func examples(t *testing.T, file string) []example {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	for _, m := range fence.FindAllSubmatchIndex(text, -1) {
		all = append(all, example{lang: string(text[m[2]:m[3]]), text: string(text[m[4]:m[5]]), line: 1 + strings.Count(string(text[:m[0]]), "\n")})
	}
	return all
}

func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	return append(files, filepath.Join(root, "README.md"))
}

// TestDocuments parses the manifests of the documents, runs their command lines, and compares what they print with the
// blocks of text. Those of one document are one session of
// a shell, in a folder with the manifests that name their file in the first line, against a simulator or what beginnings
// starts.
func TestDocuments(t *testing.T) {
	scripts, used := t.TempDir(), map[string]bool{}
	for _, file := range documents(t) {
		var session, files, printed strings.Builder
		for _, e := range examples(t, file) {
			place := fmt.Sprintf("%s:%d", filepath.Base(file), e.line)
			switch e.lang {
			case "sh":
				if !cannotRun(e.text, used) {
					fmt.Fprintf(&session, "# %s\n%s", place, e.text)
				}
			case "yaml":
				name := checkManifest(t, place, e.text)
				fmt.Fprintf(&files, "-- %s --\n%s", name, e.text)
			case "text":
				printed.WriteString(e.text)
			case "json", "go":
			default:
				t.Errorf("%s: a block of %q: name it sh, yaml, text, json or go", place, e.lang)
			}
		}
		if session.Len() == 0 {
			continue
		}
		begin, ok := beginnings[filepath.Base(file)]
		if !ok {
			begin = "sim\n"
		}
		script := begin + "exec bash -eu session.sh\nmask stdout out\nmask stderr err\nprinted printed out err\n-- printed --\n" + masked(printed.String()) +
			"-- session.sh --\n" + endsAll + strings.ReplaceAll(session.String(), "127.0.0.1:8443", freeAddress(t)) + files.String()
		name := strings.TrimSuffix(filepath.Base(file), ".md") + ".txt"
		if err := os.WriteFile(filepath.Join(scripts, name), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for prefix := range notRun {
		if !used[prefix] {
			t.Errorf("no document has a command %q", prefix)
		}
	}
	testscript.Run(t, testscript.Params{Dir: scripts, Setup: setUp, Cmds: scriptCommands()})
}

// beginnings are what the sessions of some documents need instead of a simulator.
var beginnings = map[string]string{
	"README.md":  "", // brings its own
	"oci.md":     "sim\nenv OCI_METADATA_BASE_URL=$OCI_CLI_ENDPOINT/opc/v2\n",
	"s3.md":      "gateway archive\nexec sed -i s,http://127.0.0.1:7070,$GW_URL, gateway.yaml\n",
	"plugins.md": "mkdir www/images\ncp web.yaml www/images/debian.qcow2\nwebplugin www\nexec sed -i s,https://images.example.org/pub,$WEB_URL, web.yaml\nenv IMAGES_TOKEN=$WEB_TOKEN\n",
}

// endsAll lets a session that fails end what it has started: the test waits for all who hold its output.
const endsAll = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"

func cannotRun(block string, used map[string]bool) (found bool) {
	for line := range strings.Lines(block) {
		for prefix := range notRun {
			if strings.HasPrefix(strings.TrimSpace(line), prefix) {
				used[prefix], found = true, true
			}
		}
	}
	return found
}

// checkManifest holds a manifest against this release and returns the name of its file, which its first line is.
func checkManifest(t *testing.T, place, text string) string {
	t.Helper()
	name, ok := strings.CutPrefix(strings.SplitN(text, "\n", 2)[0], "# ")
	if !ok || !strings.HasSuffix(name, ".yaml") {
		t.Fatalf("%s: the first line of a manifest is a comment with the name of its file", place)
	}
	m, err := manifests.Parse(name, []byte(text), manifests.Options{Dir: "/"})
	if err == nil {
		err = plan.Supported(m)
	}
	if err != nil {
		t.Errorf("%s:\n%v", place, err)
	}
	return name
}

// freeAddress is an address where nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestManifestReference compares docs/manifest.md with the description that manifests are read by: each section has the keys
// of its mapping, in its order, with their defaults.
func TestManifestReference(t *testing.T) {
	documented := referenceSections(t)
	described := describedSections(t)
	for name, want := range described {
		if got := documented[name]; !slices.Equal(got, want) {
			t.Errorf("section %s of docs/manifest.md has the keys and defaults\n  %q\nwant\n  %q", name, got, want)
		}
	}
	for name := range documented {
		if described[name] == nil {
			t.Errorf("docs/manifest.md has a section %s, the description has not", name)
		}
	}
}

var (
	sectionForm = regexp.MustCompile("^##+ `([^`]+)`$")
	keyRow      = regexp.MustCompile("^\\| `(\\w+)` \\|([^|]*)\\|")
)

// referenceSections reads the tables of keys: "key=default" by the name of the section.
func referenceSections(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "manifest.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections, name, inTable := map[string][]string{}, "", false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if m := sectionForm.FindStringSubmatch(line); m != nil {
			name = m[1]
		} else if strings.HasPrefix(line, "#") {
			name = ""
		}
		if line == "| key | default | meaning |" {
			inTable = true
		} else if !strings.HasPrefix(line, "|") {
			inTable = false
		}
		if m := keyRow.FindStringSubmatch(line); m != nil && inTable {
			sections[name] = append(sections[name], m[1]+"="+strings.TrimSpace(m[2]))
		}
	}
	return sections
}

// node is the part of a JSON Schema that the reference is held against.
type node struct {
	Properties ordered          `json:"properties"`
	Default    any              `json:"default"`
	Required   []string         `json:"required"`
	Not        *json.RawMessage `json:"not"`  // reserved
	Then       *node            `json:"then"` // of the backends: if the plugin is oci,
	Else       *node            `json:"else"` // else if it is s3
	AnyOf      []node           `json:"anyOf"`
	Additional json.RawMessage  `json:"additionalProperties"`
	Items      *node            `json:"items"`
}

// ordered are properties in the order in which they are written.
type ordered []struct {
	key  string
	node node
}

func (o *ordered) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(strings.NewReader(string(text)))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var n node
		if err := dec.Decode(&n); err != nil {
			return err
		}
		*o = append(*o, struct {
			key  string
			node node
		}{key.(string), n})
	}
	return nil
}

func (o ordered) get(key string) node {
	for _, p := range o {
		if p.key == key {
			return p.node
		}
	}
	return node{}
}

// describedSections reads the schema: "key=default" by the name of the section.
func describedSections(t *testing.T) map[string][]string {
	t.Helper()
	var schema node
	if err := json.Unmarshal(manifests.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	sections := map[string][]string{}
	collectKeys(sections, "manifest", schema)
	backends := schema.Properties.get("backends").Properties
	for name, n := range map[string]*node{"oci": backends.get("oci").Then, "s3": backends.get("s3").Else.Then} {
		keys := []string{"plugin=" + name}
		for _, p := range n.Properties[1:] {
			keys = append(keys, p.key+"=")
		}
		sections["backends."+name] = keys
	}
	return sections
}

func collectKeys(sections map[string][]string, path string, n node) {
	for _, p := range n.Properties {
		if p.node.Not != nil {
			continue
		}
		value := ""
		switch {
		case slices.Contains(n.Required, p.key):
			value = "required"
		case p.node.Default != nil:
			value = fmt.Sprint(p.node.Default)
		}
		sections[path] = append(sections[path], p.key+"="+value)
		below := strings.TrimPrefix(path+"."+p.key, "manifest.")
		each := map[string]string{"vars": "NAME", "exports": "ID", "transfers": "ID", "buckets": "ID"}[p.key]
		var entry node
		if p.key != "backends" && json.Unmarshal(p.node.Additional, &entry) == nil && each != "" {
			collectKeys(sections, below+"."+each, entry)
		}
		if p.key != "backends" && len(p.node.Properties) > 0 {
			collectKeys(sections, below, p.node)
		}
		if p.node.Items != nil {
			collectKeys(sections, below, *p.node.Items)
		}
	}
}

// TestExitCodes holds docs/exit-codes.md against the codes of the program.
func TestExitCodes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "exit-codes.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range codeRow.FindAllSubmatch(text, -1) {
		got = append(got, string(m[1]))
	}
	var want []string
	for _, code := range []int{exitDone, exitFailed, exitChanges, exitPartial, exitInvalid, exitTemporary, exitDenied, exitBlocked,
		exitLocked, exitIntegrity, exitPlugin, exitUsage, exitInterrupted, exitTerminated} {
		want = append(want, fmt.Sprint(code))
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/exit-codes.md has %v, the program %v", got, want)
	}
}
