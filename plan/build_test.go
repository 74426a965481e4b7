package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

const webExport = `
exports:
  web: {instance: i-000001, formats: [qcow2, vmdk], staging: oci://axns/s/, to: dr://b/web/}
`

// blocked plans a manifest and fails unless exactly this stands in the way.
func blocked(t *testing.T, s *scene, text string, want ...string) *Plan {
	t.Helper()
	p := s.build(text)
	findings(t, "blocked", p.Blocked, want...)
	for _, f := range p.Blocked {
		if f.Help == "" {
			t.Errorf("%q says not what to do", f.Text)
		}
		for _, step := range p.Steps {
			if step.ID == f.Step && step.Current != "" {
				t.Errorf("%s is blocked and up to date", f.Step)
			}
		}
	}
	return p
}

func TestInstancesThatBlock(t *testing.T) {
	t.Run("unknown", func(t *testing.T) {
		blocked(t, newScene(t), "exports: {web: {instance: i-9, formats: [vdi], staging: oci://a/s/}}", "export.web: instance i-9 was not found")
	})
	t.Run("unknown compartment", func(t *testing.T) {
		blocked(t, newScene(t), "exports: {web: {select: {compartment: acme/none}, formats: [vdi], staging: oci://a/s/}}",
			"export.web: find compartment acme/none: not found")
	})
	t.Run("none selected", func(t *testing.T) {
		blocked(t, newScene(t), `exports: {web: {select: {name: "x-*"}, formats: [vdi], staging: oci://a/s/}}`, "export.web: select found no instance")
	})
	for expect, text := range map[string]string{
		"{min: 3}": "at least 3", "{max: 1}": "1 to 1", "{min: 3, max: 9}": "3 to 9", "{min: 1, max: 2}": "", "{min: 2}": "", "{max: 2}": "",
	} {
		t.Run("expect "+expect, func(t *testing.T) {
			var want []string
			if text != "" {
				want = []string{"export.web: select found 2 instances, expected are " + text}
			}
			blocked(t, newScene(t), `exports: {web: {select: {name: "web-*", expect: `+expect+`}, formats: [vdi], staging: oci://a/s/}}`, want...)
		})
	}
	t.Run("format", func(t *testing.T) {
		p := blocked(t, newScene(t), "exports: {web: {instance: i-000001, formats: [oci], staging: oci://a/s/}}", "export.web: backend oci does not export oci")
		if p.Blocked[0].Help != "choose among qcow2, vmdk, vhd, vdi" {
			t.Errorf("%q", p.Blocked[0].Help)
		}
	})
	for state, outcome := range map[string]string{"RUNNING": "", "STOPPED": "", "STARTING": "warned", "STOPPING": "warned", "CREATING_IMAGE": "warned",
		"TERMINATED": "blocked", "MOVING": "blocked", "": "blocked"} {
		t.Run("state "+state, func(t *testing.T) {
			s := newScene(t)
			s.oci.resources[2].State = state
			p := s.build(webExport)
			if got := len(p.Warnings) == 1; got != (outcome == "warned") {
				t.Errorf("%+v", p.Warnings)
			}
			if got := len(p.Blocked) == 1; got != (outcome == "blocked") {
				t.Errorf("%+v", p.Blocked)
			}
			s.o.Resumes, s.o.Began = true, func(string) bool { return true } // the image may be there already
			if p = s.build(webExport); len(p.Blocked) != 0 {
				t.Errorf("a run that goes on is blocked: %+v", p.Blocked)
			}
		})
	}
}

func TestMissingContainersBlock(t *testing.T) {
	missing := []backendtest.Rule{{Op: backendtest.OpList, Err: &backend.Error{Op: "list", Key: "bucket nope", Kind: backend.NotFound}}}
	for name, text := range map[string]string{
		"export.web: list bucket nope: not found":                               "exports: {web: {instance: i-000001, formats: [vdi], staging: oci://nope/s/, to: dr://b/}}",
		"export.web: list bucket nope: not found ":                              "exports: {web: {instance: i-000001, formats: [vdi], staging: oci://a/s/, to: dr://nope/}}",
		"transfer.t: source oci://nope/x/: list bucket nope: not found":         "transfers: {t: {from: oci://nope/x/, to: dr://b/}}",
		"transfer.t: destination dr://nope/x/: list bucket nope: not found":     "transfers: {t: {from: oci://a/x/, to: dr://nope/x/}}",
		"transfer.t: list bucket nope: not found":                               "transfers: {t: {from: oci://a/one, to: dr://nope/}}",
		"transfer.t: stat absent: there is no object, or something like that: ": "",
	} {
		if text == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.rules["nope"] = missing
			s.put("oci", "a/one", "1")
			s.put("oci", "a/x/one", "1")
			blocked(t, s, text, strings.TrimSpace(name))
		})
	}
	t.Run("who may not list may write", func(t *testing.T) {
		s := newScene(t)
		s.rules["b"] = []backendtest.Rule{{Op: backendtest.OpList, Err: backend.Forbidden}}
		blocked(t, s, webExport)
	})
	t.Run("a service that cannot be asked is an error", func(t *testing.T) {
		s := newScene(t)
		s.rules["b"] = []backendtest.Rule{{Op: backendtest.OpStat, Err: backend.Unavailable}}
		_, err := Build(t.Context(), s.manifest("version: 1\nname: x\nbackends: {dr: {plugin: s3}}\n"+webExport), s.o)
		if !errors.Is(err, backend.Unavailable) || !strings.HasPrefix(err.Error(), "export.web: web-01: look at dr://b/web/: ") {
			t.Errorf("%v", err)
		}
	})
}

func TestCollisionsBlock(t *testing.T) {
	for text, want := range map[string]string{
		`
exports:
  a: {instance: i-000001, formats: [vdi], staging: oci://a/s/, to: dr://b/}
  b: {instance: i-000001, formats: [vmdk], staging: oci://a/s/, to: dr://b/}`: "export.b: it would write the same files as export.a: dr://b/web-01.*",
		`
exports:
  a: {instance: i-000001, formats: [vdi], staging: oci://a/s/}
  b: {instance: i-000001, formats: [vmdk], staging: oci://a/s/}`: "export.b: it would write the same files as export.a: oci://a/s/web-01.*",
		`
exports:
  a: {instance: i-000001, formats: [vdi], staging: oci://a/s/, to: [dr://b/x/, dr://b/x]}`: "export.a: to: names dr://b/x/ twice",
		`
exports:
  a: {select: {name: "web-*"}, formats: [vdi], staging: oci://a/s/, to: dr://b/}`: "",
		`
transfers:
  a: {from: oci://a/one, to: dr://b/x}
  b: {from: oci://a/two, to: dr://b/x}`: "transfer.b: it would write the same object as transfer.a: dr://b/x",
		`
transfers:
  a: {from: oci://a/x/, to: oci://a/x/}`: "transfer.a: it would copy oci://a/x/ onto itself",
		`
transfers:
  a: {from: oci://a/one, to: oci://a/}`: "transfer.a: it would copy oci://a/one onto itself",
		`
transfers:
  a: {from: oci://a/, to: oci://a/copy/}`: "transfer.a: the destination lies below the source, and every run would copy the copies too: oci://a/copy/",
		`
transfers:
  a: {from: oci://a/, to: oci://a/copy/, exclude: ["copy/**"]}`: "",
		`
transfers:
  a: {from: oci://a/x/, to: oci://a/, delete: true}`: "transfer.a: delete: true would remove the source, which lies below the destination: oci://a/x/",
		`
transfers:
  a: {from: oci://a/x/, to: oci://a/, delete: true, exclude: ["x/**"]}`: "",
		`
transfers:
  a: {from: oci://a/x/, to: dr://b/x/, delete: true}
  b: {from: oci://a/two, to: dr://b/x/}`: "transfer.a: delete: true would remove what transfer.b writes at dr://b/x/",
		`
transfers:
  a: {from: oci://a/x/, to: dr://b/x/, delete: true, exclude: ["two"]}
  b: {from: oci://a/two, to: dr://b/x/}`: "",
		`
transfers:
  a: {from: oci://a/x/, to: dr://b/x/, delete: true}
  b: {from: oci://a/y/, to: dr://b/}`: "transfer.a: delete: true would remove what transfer.b writes at dr://b/x/",
		`
transfers:
  a: {from: oci://a/x/, to: dr://b/x/, delete: true}
  b: {from: oci://a/y/, to: dr://b/, exclude: ["x/**"]}`: "",
		`
exports:
  w: {instance: i-000001, formats: [vdi], staging: oci://a/s/, to: dr://b/x/w/}
transfers:
  a: {from: oci://a/x/, to: dr://b/x/, delete: true}`: "transfer.a: delete: true would remove what export.w writes at dr://b/x/",
	} {
		t.Run(want, func(t *testing.T) {
			s := newScene(t)
			for _, key := range []string{"one", "two", "x/1", "y/2"} {
				s.put("oci", "a/"+key, key)
			}
			if want == "" {
				blocked(t, s, text)
			} else {
				blocked(t, s, text, want)
			}
		})
	}
}

func TestTransfersThatBlock(t *testing.T) {
	s := newScene(t)
	for i := range 4 {
		s.put("dr", fmt.Sprintf("b/x/%d", i), "x")
	}
	s.put("oci", "a/x/1", "new text")
	s.put("oci", "a/one", "1")
	s.put("dr", "b/one", "one")
	s.put("oci", "a/dir/1", "1")
	head := "transfers:\n  t: "
	blocked(t, s, head+"{from: oci://a/empty/, to: dr://b/x/, delete: true}",
		"transfer.t: there is nothing at oci://a/empty/, and delete: true would remove all 4 objects at dr://b/x/")
	blocked(t, s, head+"{from: oci://a/x/, to: dr://b/x/, delete: true, max_deletes: 2}", "transfer.t: 3 objects at dr://b/x/ would be deleted, max_deletes is 2")
	blocked(t, s, head+"{from: oci://a/x/, to: dr://b/x/, existing: fail}", "transfer.t: there are 1 object at dr://b/x/ already and existing: fail is set")
	blocked(t, s, head+"{from: oci://a/one, to: dr://b/, existing: fail}", "transfer.t: dr://b/one exists and existing: fail is set")
	blocked(t, s, head+"{from: oci://a/none, to: dr://b/}", "transfer.t: stat none: not found")
	blocked(t, s, head+"{from: oci://a/dir, to: dr://b/}", "transfer.t: oci://a/dir is no object, but there are objects under it")
	blocked(t, s, head+"{from: oci://a/one/, to: dr://b/}", "transfer.t: oci://a/one is one object, and a trailing slash means everything under it")
	p := blocked(t, s, head+"{from: oci://a/empty/, to: dr://b/new/}")
	findings(t, "warnings", p.Warnings, "transfer.t: there is nothing to transfer at oci://a/empty/")
	p = blocked(t, s, head+"{from: oci://a/x/, to: dr://b/y/}\n  u: {from: oci://a/dir/, to: dr://b/y/}")
	findings(t, "warnings", p.Warnings, "transfer.u: transfer.t writes below dr://b/y/ too; of objects with one name the last one stays")

	s.o.Resumes = true // what differs is not of the interrupted run
	blocked(t, s, head+"{from: oci://a/x/, to: dr://b/x/, existing: fail}", "transfer.t: there are 1 object at dr://b/x/ already and existing: fail is set")
	blocked(t, s, head+"{from: oci://a/one, to: dr://b/, existing: fail}", "transfer.t: dr://b/one exists and existing: fail is set")
	s.put("dr", "b/one", "1")
	s.put("dr", "b/x/1", "new text")
	for _, rule := range []string{"fail", "overwrite", "newer"} {
		p = blocked(t, s, head+"{from: oci://a/x/, to: dr://b/x/, existing: "+rule+"}\n  u: {from: oci://a/one, to: dr://b/, existing: "+rule+"}")
		for _, step := range p.Steps {
			if step.Current == "" || step.Transfer.Found.Keep != 1 {
				t.Errorf("existing: %s copies again what the interrupted run has copied: %+v", rule, step.Transfer.Found)
			}
		}
	}
	p = blocked(t, s, head+"{from: oci://a/x/, to: dr://b/x/, checksum: sha256}\n  u: {from: oci://a/one, to: dr://b/, checksum: sha256}")
	for _, step := range p.Steps {
		if step.Current != "" {
			t.Error("the list of sums may be missing after an interruption, and the step is up to date")
		}
	}
}

func TestCounts(t *testing.T) {
	s := newScene(t)
	s.put("oci", "a/x/same", "same")
	s.put("oci", "a/x/changed", "changed")
	s.put("oci", "a/x/new", "new")
	s.put("oci", "a/x/left.tmp", "out")
	s.put("dr", "b/x/same", "same")
	s.put("dr", "b/x/changed", "old")
	s.put("dr", "b/x/gone", "gone")
	s.put("dr", "b/x/kept.tmp", "excluded objects are never deleted")
	s.put("dr", "b/x/SHA256SUMS", "the list of sums neither")
	for rule, want := range map[string]Counts{
		"existing: newer":     {Copy: 2, Replace: 1, Keep: 1, Delete: 1, Bytes: 10, Largest: 7},
		"existing: overwrite": {Copy: 3, Replace: 2, Delete: 1, Bytes: 14, Largest: 7},
		"existing: skip":      {Copy: 1, Keep: 2, Delete: 1, Bytes: 3, Largest: 3},
	} {
		p := s.build(`transfers: {t: {from: oci://a/x/, to: dr://b/x/, delete: true, checksum: sha256, exclude: ["*.tmp"], ` + rule + `}}`)
		if got := p.Steps[0].Transfer.Found; got != want {
			t.Errorf("%s counts %+v, want %+v", rule, got, want)
		}
		if steps, bytes := p.Work(); steps != 1 || bytes != want.Bytes {
			t.Errorf("%d steps, %d bytes", steps, bytes)
		}
	}
}

// A bucket without a slash behind it means everything in it, or into it.
func TestWholeContainer(t *testing.T) {
	s := newScene(t)
	s.put("oci", "a/one", "1")
	p := blocked(t, s, "transfers:\n  t: {from: oci://a, to: dr://b}\n  u: {from: oci://a/one, to: dr://c}")
	if all := step(t, p, "transfer.t").Transfer; !all.Tree || all.From.String() != "oci://a/" || all.To.String() != "dr://b/" || all.Found.Copy != 1 {
		t.Errorf("%+v", all)
	}
	if one := step(t, p, "transfer.u").Transfer; one.Tree || one.To.String() != "dr://c/one" || one.Found.Copy != 1 {
		t.Errorf("%+v", one)
	}
}

// What a step before it makes is not known; what one that has nothing to do has made is.
func TestPending(t *testing.T) {
	s := newScene(t)
	s.put("oci", "a/x/1", "1")
	text := `
transfers:
  c: {from: dr://b/x/, to: dr://b/y/, after: a}
  a: {from: oci://a/x/, to: dr://b/x/}
  d: {from: oci://a/x/1, to: dr://b/z, after: [c, a]}
`
	p := s.build(text)
	if c := step(t, p, "transfer.c"); !c.Transfer.Found.Unknown || len(c.Needs) != 1 || c.Needs[0] != "transfer.a" {
		t.Errorf("%+v", c)
	}
	if d := step(t, p, "transfer.d"); !d.Transfer.Found.Unknown || strings.Join(d.Needs, " ") != "transfer.c transfer.a" {
		t.Errorf("%+v", d)
	}
	s.put("dr", "b/x/1", "1")
	p = s.build(text)
	if c := step(t, p, "transfer.c"); c.Transfer.Found != (Counts{Copy: 1, Bytes: 1, Largest: 1}) {
		t.Errorf("%+v", c.Transfer.Found)
	}
	if a := step(t, p, "transfer.a"); a.Current != "nothing differs" {
		t.Errorf("%+v", a)
	}
}

// descriptor puts an export's descriptor and its images.
func (s *scene) descriptor(at string, change func(*Descriptor)) {
	s.t.Helper()
	d := Descriptor{Format: Format, Instance: "i-000001", Name: "web-01", Run: "earlier", Created: started}
	for _, format := range []string{"qcow2", "vmdk"} {
		obj := s.put("dr", at+"web-01."+format, format)
		d.Artifacts = append(d.Artifacts, DescribedArtifact{Name: "web-01." + format, Format: format, Size: obj.Size, Checksum: obj.Checksum})
	}
	change(&d)
	text, err := json.Marshal(d)
	if err != nil {
		s.t.Fatal(err)
	}
	s.put("dr", at+"web-01"+DescriptorSuffix, string(text))
}

func TestCurrentExports(t *testing.T) {
	for name, c := range map[string]struct {
		set     func(s *scene)
		current bool
		warns   bool
	}{
		"nothing there": {func(s *scene) {}, false, false},
		"whole":         {func(s *scene) { s.descriptor("b/web/", func(*Descriptor) {}) }, true, false},
		"image missing": {func(s *scene) {
			s.descriptor("b/web/", func(d *Descriptor) { d.Artifacts[1].Name = "elsewhere.vmdk" })
		}, false, false},
		"image of another size": {func(s *scene) { s.descriptor("b/web/", func(d *Descriptor) { d.Artifacts[0].Size++ }) }, false, false},
		"format missing":        {func(s *scene) { s.descriptor("b/web/", func(d *Descriptor) { d.Artifacts = d.Artifacts[:1] }) }, false, false},
		"another instance":      {func(s *scene) { s.descriptor("b/web/", func(d *Descriptor) { d.Instance = "i-other" }) }, false, true},
		"a later format":        {func(s *scene) { s.descriptor("b/web/", func(d *Descriptor) { d.Format = 2 }) }, false, false},
		"no JSON":               {func(s *scene) { s.put("dr", "b/web/web-01.export.json", "{") }, false, false},
		"empty":                 {func(s *scene) { s.put("dr", "b/web/web-01.export.json", "") }, false, false},
		"huge":                  {func(s *scene) { s.put("dr", "b/web/web-01.export.json", strings.Repeat(" ", mostDescriptor+1)) }, false, false},
		"a name that no destination takes": {func(s *scene) {
			s.descriptor("b/web/", func(d *Descriptor) { d.Artifacts[0].Name = strings.Repeat("x", 2000) })
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			c.set(s)
			p := s.build(webExport)
			web := step(t, p, "export.web")
			if (web.Current == "exported 2026-03-01 02:03 by run earlier") != c.current || c.current != (web.Current != "") {
				t.Errorf("current is %q", web.Current)
			}
			if (len(p.Warnings) == 1) != c.warns || len(p.Blocked) != 0 {
				t.Errorf("%+v, %+v", p.Warnings, p.Blocked)
			}
		})
	}
	t.Run("at one of two destinations", func(t *testing.T) {
		s := newScene(t)
		s.descriptor("b/web/", func(*Descriptor) {})
		s.put("dr", "c/web-01.vmdk", "old")
		p := s.build(strings.Replace(webExport, "dr://b/web/", "[dr://b/web/, dr://c/]", 1))
		web := step(t, p, "export.web")
		if web.Current != "" || len(web.Export.Replaces) != 1 || web.Export.Replaces[0].String() != "dr://c/web-01.vmdk" {
			t.Errorf("%+v", web)
		}
	})
	t.Run("an instance in a bad state is no matter then", func(t *testing.T) {
		s := newScene(t)
		s.descriptor("b/web/", func(*Descriptor) {})
		s.oci.resources[2].State = "TERMINATED"
		blocked(t, s, webExport)
	})
}

func TestBackendThatCannotExport(t *testing.T) {
	s := newScene(t)
	m := s.manifest("version: 1\nname: x\nbackends: {dr: {plugin: s3}}\nexports: {web: {backend: dr, instance: i, formats: [vdi], staging: dr://a/s/}}")
	if _, err := Build(t.Context(), m, s.o); !errors.Is(err, backend.Unsupported) || !strings.HasPrefix(err.Error(), "export.web: ") {
		t.Errorf("%v", err)
	}
}

func TestPatternThatCannotBeRead(t *testing.T) {
	s := newScene(t)
	m, err := manifests.Parse("m.yaml", []byte("version: 1\nname: x\ntransfers:\n  t: {from: oci://a/x/, to: oci://b/, include: [\"[\"]}\n"), manifests.Options{Dir: "/"})
	if err == nil {
		_, err = Build(t.Context(), m, s.o)
	}
	if err == nil || !strings.Contains(err.Error(), "m.yaml:4:") {
		t.Errorf("%v", err)
	}
}
