package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Addresses tell instances of one name apart, are the same in every plan, and no two steps share one.
func TestAddresses(t *testing.T) {
	s := newScene(t)
	s.oci.resources = []backend.Resource{
		vm("x.aaaaaa111111", "web", "RUNNING"), vm("y.bbbbbb111111", "web", "RUNNING"), vm("z.cccccc222222", "web", "RUNNING"),
		vm("w.dddddd333333", `we"b/1`, "RUNNING"), vm("v.eeeeee444444", "web#222222", "RUNNING"),
	}
	text := "exports: {all: {select: {compartment: acme, recursive: true}, formats: [vdi], staging: oci://a/s/, to: dr://b/}}"
	p := s.build(text)
	var got []string
	seen := map[string]bool{}
	for _, step := range p.Steps {
		got = append(got, step.ID+" "+step.Export.Request.Name)
		if seen[step.ID] {
			t.Errorf("%s twice", step.ID)
		}
		seen[step.ID] = true
	}
	want := []string{`export.all["we\"b/1"] we-b-1`, `export.all["web#aaaaaa111111"] web-aaaaaa111111`,
		`export.all["web#bbbbbb111111"] web-bbbbbb111111`, `export.all["web#cccccc222222"] web-cccccc222222`, `export.all["web#222222#eeeeee444444"] web-222222-eeeeee444444`}
	if !slices.Equal(got, want) || len(p.Blocked) != 0 {
		t.Errorf("%q, %+v", got, p.Blocked)
	}
	for range 20 {
		for i, step := range s.build(text).Steps {
			if step.ID != p.Steps[i].ID || step.Digest() != p.Steps[i].Digest() {
				t.Fatalf("step %d is %s, was %s", i, step.ID, p.Steps[i].ID)
			}
		}
	}
}

// A name gives a part of a path, never a place outside the one that the manifest names.
func TestNamesDoNotLeaveTheirFolder(t *testing.T) {
	for name, want := range map[string]string{
		"web 01": "file:///home/me/out/web 01/acme/prod/", "../../etc": "file:///home/me/out/..-..-etc/acme/prod/", "..": "file:///home/me/out/--/acme/prod/",
		".": "file:///home/me/out/-/acme/prod/", `a\b`: "file:///home/me/out/a-b/acme/prod/", "a\nb\x00": "file:///home/me/out/a-b-/acme/prod/", "größe": "file:///home/me/out/größe/acme/prod/",
	} {
		s := newScene(t)
		s.oci.resources[2].Name = name
		p := s.build("exports: {web: {instance: i-000001, formats: [vdi], staging: oci://a/s/, to: \"./out/${instance.name}/${instance.compartment}/\", tags: {n: \"${instance.name}\", hyperexport-run: mine}}}")
		e := p.Steps[0].Export
		if got := e.To[0].String(); got != want {
			t.Errorf("%q goes to %q, want %q", name, got, want)
		}
		if e.Request.Tags["n"] != name || e.Request.Tags[TagRun] != s.o.Run || e.Request.Tags[TagItem] != "export.web" {
			t.Errorf("tags %v", e.Request.Tags)
		}
	}
}

func TestVariables(t *testing.T) {
	s := newScene(t)
	p := s.build(`
exports:
  web:
    instance: i-000001
    formats: [qcow2, vdi]
    staging: oci://a/${run.id}/
    to: dr://b/${run.date}/${run.time}/${instance.id}/${instance.shape}/${instance.tags.owner}/${export.web.format}/$${x}/
transfers:
  t: {from: oci://a/x/, to: "dr://b/t/${run.date}"}
`)
	e := step(t, p, "export.web").Export
	if want := "dr://b/2026-03-01/020304/i-000001/VM.Standard.E4.Flex/platform/qcow2-vdi/${x}/"; e.To[0].String() != want {
		t.Errorf("%s, want %s", e.To[0], want)
	}
	if want := "oci://a/20260301-020304-abcd/"; e.Request.Staging.String() != want {
		t.Errorf("%s, want %s", e.Request.Staging, want)
	}
	if to := step(t, p, "transfer.t").Transfer.To.String(); to != "dr://b/t/2026-03-01/" {
		t.Errorf("%s", to)
	}
	_, err := Build(t.Context(), s.manifest("version: 1\nname: x\nexports: {web: {instance: i-000001, formats: [vdi], staging: \"oci://a/${instance.tags.none}/\"}}"), s.o)
	if err == nil || !strings.Contains(err.Error(), "instance.tags.none") {
		t.Errorf("a tag that the instance does not have: %v", err)
	}
}

// The digest is of what a step does, not of what happened to be there.
func TestDigest(t *testing.T) {
	s := newScene(t)
	s.put("oci", "a/x/1", "1")
	text := webExport + "transfers: {t: {from: oci://a/x/, to: dr://b/x/}}\n"
	before := s.build(text)
	s.oci.resources[2].State = "STOPPED"
	s.oci.resources[2].Attributes["data_volumes"] = "d1"
	s.put("dr", "b/web/web-01.qcow2", "old")
	s.put("oci", "a/x/2", "2")
	s.put("dr", "b/x/1", "1")
	after := s.build(text)
	for i := range before.Steps {
		if before.Steps[i].Digest() != after.Steps[i].Digest() {
			t.Errorf("%s has another digest", before.Steps[i].ID)
		}
	}
	s.put("dr", "b/x/2", "2")
	if p := s.build(text); p.Steps[1].Current == "" || p.Steps[1].Digest() != before.Steps[1].Digest() {
		t.Error("a step that is up to date has another digest")
	}
	for name, other := range map[string]string{
		"format": strings.Replace(text, "vmdk", "vdi", 1), "destination": strings.Replace(text, "dr://b/web/", "dr://b/other/", 1),
		"timeout": strings.Replace(text, "instance: i", "timeout: 1h, instance: i", 1),
	} {
		if s.build(other).Steps[0].Digest() == before.Steps[0].Digest() {
			t.Errorf("another %s has the same digest", name)
		}
	}
	if s.build(strings.Replace(text, "to: dr://b/x/", "to: dr://b/x/, exclude: [a]", 1)).Steps[1].Digest() == before.Steps[1].Digest() {
		t.Error("other rules have the same digest")
	}
}

func TestToken(t *testing.T) {
	seen := map[string]bool{}
	for _, run := range []string{"r1", "r2"} {
		for _, step := range []string{`export.web["ä"]`, "export.db", "export.d"} {
			token := Token(run, step)
			if seen[token] || token != Token(run, step) || len(token) > 36 || strings.Trim(token, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				t.Errorf("token %q", token)
			}
			seen[token] = true
		}
	}
}
