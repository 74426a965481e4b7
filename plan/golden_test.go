package plan

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Every example is parsed, planned and compared with its golden plan, as JSON and as people see it. Of an example that uses
// what this release refuses the refusal is golden, and then the plan of it without that.
func TestExamples(t *testing.T) {
	files, err := fs.Glob(manifests.Examples(), "*.yaml")
	if err != nil || len(files) < 7 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			src, err := fs.ReadFile(manifests.Examples(), file)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(file, ".yaml")
			m := parse(t, file, src)
			if err := Supported(m); err != nil {
				t.Errorf("an example that this release refuses: %v", err)
			}
			s := newScene(t)
			s.oci.namespaced = name == "buckets"
			for _, key := range []string{"logs/2026/01/a.gz", "logs/2026/02/b.gz", "logs/2026/note.txt", "backup/data/one"} {
				s.put("oci", "axns/"+key, "text of "+key)
			}
			s.put("file", "home/me/data/one", "text of one")
			s.put("file", "home/me/data/two", "text of two")
			s.put("dr", "acme-dr/logs/01/a.gz", "an older one")
			s.put("oci", "axns/archive/one", "text of one")
			s.oci.resources = append(s.oci.resources, vm("i-000003", "db-main", "RUNNING"),
				backend.Resource{ID: "ocid1.image.oc1.phx.aaaa", Type: "image", Name: "golden", Scope: "c2", ScopePath: "acme/prod", State: "AVAILABLE"})
			found := []backend.LifecycleRule{{Name: "logs-gone", Action: backend.LifecycleDelete, Days: 300, Prefix: "logs/"},
				{Name: "old", Action: backend.LifecycleInfrequentAccess, Days: 30}, {Name: "stale-uploads", Action: backend.LifecycleAbort, Days: 7}}
			if _, err := s.container("oci", "axns~backup").SetLifecycle(t.Context(), found); err != nil {
				t.Fatal(err)
			}
			s.oci.resources[0].Attributes["data_volumes"] = "data-1,data-2"
			p, err := Build(t.Context(), m, s.o)
			if err != nil {
				t.Fatal(err)
			}
			p.Manifest = "(digest)" // of the text, comments included
			encoded, err := json.MarshalIndent(p, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", append(encoded, '\n'))
			var decoded Plan
			if err := json.Unmarshal(encoded, &decoded); err != nil {
				t.Fatal(err)
			}
			var text, fromJSON bytes.Buffer
			if err := Render(&text, p, Style{}); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", text.Bytes())
			if err := Render(&fromJSON, &decoded, Style{}); err != nil || fromJSON.String() != text.String() {
				t.Errorf("the plan read back from JSON renders otherwise: %v\n%s", err, &fromJSON)
			}
			for i := range p.Steps {
				if p.Steps[i].Digest() != decoded.Steps[i].Digest() {
					t.Errorf("%s has another digest after JSON", p.Steps[i].ID)
				}
			}
		})
	}
}

func parse(t *testing.T, name string, src []byte) *manifests.Manifest {
	t.Helper()
	m, err := manifests.Parse(name, src, manifests.Options{Dir: "/home/me"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRenderGolden(t *testing.T) {
	s := newScene(t)
	s.oci.resources[0].Attributes["data_volumes"] = "data-1"
	s.oci.resources[1].State = "TERMINATED"
	s.put("dr", "b/front.qcow2", "old")
	s.put("dr", "b/logs/gone", "x")
	s.put("dr", "b/logs/same", "same")
	s.put("oci", "src/logs/same", "same")
	s.put("oci", "src/logs/changed", "new")
	s.put("dr", "b/logs/changed", "older one")
	s.put("oci", "src/one", "1")
	s.put("dr", "b/one", "1")
	p := s.build(`
exports:
  web: {instance: ocid1.instance.oc1.phx.aaaa, formats: [qcow2, vmdk], staging: oci://axns/s/, to: [dr://b/, "./out/"], timeout: 2h}
  stay: {instance: i-000001, formats: [vdi], staging: oci://axns/s/}
  gone: {instance: ocid1.instance.oc1.phx.bbbb, formats: [vdi], staging: oci://axns/s/}
transfers:
  mirror: {from: oci://src/logs/, to: dr://b/logs/, delete: true, include: ["*"], exclude: ["*.tmp"]}
  one: {from: oci://src/one, to: dr://b/}
  later: {from: ./out/, to: dr://b/out/, after: [web, mirror]}
`)
	var plain, colored bytes.Buffer
	if err := Render(&plain, p, Style{}); err != nil {
		t.Fatal(err)
	}
	if err := Render(&colored, p, Style{Color: true}); err != nil {
		t.Fatal(err)
	}
	golden(t, "render.txt", plain.Bytes())
	golden(t, "render.color.txt", colored.Bytes())
}
