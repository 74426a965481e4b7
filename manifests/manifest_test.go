package manifests

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files")

// env is the environment of every test.
func env(name string) (string, bool) {
	v, ok := map[string]string{"FROM_ENV": "from-env", "EMPTY": "", "HOME": "/home/u"}[name]
	return v, ok
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(string(want), "\r\n", "\n"); got != want {
		t.Errorf("%s differs\n--- got\n%s\n--- want\n%s", path, got, want)
	}
}

// Each file in testdata/bad breaks rules; the .txt beside it is what the user sees.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(filepath.Base(file), src, Options{Env: env})
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret is shown:\n%v", err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func TestExamplesAreValid(t *testing.T) {
	files, err := fs.Glob(Examples(), "*.yaml")
	if err != nil || len(files) != 8 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		src, err := fs.ReadFile(Examples(), file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file, src, Options{}); err != nil {
			t.Errorf("%v", err)
		}
	}
}

func parse(t *testing.T, src string, o Options) *Manifest {
	t.Helper()
	m, err := Parse("m.yaml", []byte(src), o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return m
}

func TestComplete(t *testing.T) {
	src, err := fs.ReadFile(Examples(), "nightly.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := parse(t, string(src), Options{Vars: map[string]string{"bucket": "other"}, Dir: "/m"})
	if m.Name != "nightly-web" || m.Version != 1 || len(m.Digest) != 64 {
		t.Errorf("head: %+v", m)
	}
	if want := (Limits{Parallel: 8, Memory: 256 << 20, Bandwidth: 40 << 20, MaxPause: 12 * time.Hour}); m.Limits != want {
		t.Errorf("limits: %+v", m.Limits)
	}
	if want := (Retry{Attempts: 5, First: 2 * time.Second, Max: 30 * time.Second}); m.Retry != want {
		t.Errorf("retry: %+v", m.Retry)
	}
	if len(m.Exports) != 2 || m.Exports[0].ID != "db" || m.Exports[1].ID != "web" {
		t.Fatalf("exports: %+v", m.Exports)
	}
	web := m.Exports[1]
	if web.Select == nil || web.Select.Expect != (Expect{1, 40}) || !web.Select.Recursive || web.Verify != "checksum" || web.Timeout != 6*time.Hour {
		t.Errorf("web: %+v", web)
	}
	if db := m.Exports[0]; db.Stop != "never" || db.Timeout != 6*time.Hour || db.Select.Recursive || db.Select.Expect != (Expect{1, 4}) {
		t.Errorf("db, merged: %+v %+v", db, db.Select)
	}
	if got := web.To[0].String(); got != "dr://other/web/${instance.name}/${run.date}/" {
		t.Errorf("to: %s", got)
	}
	if got := m.Transfers[0].After; !reflect.DeepEqual(got, []string{"export.web", "export.db"}) {
		t.Errorf("after: %v", got)
	}
	if b, ok := m.Backend("dr"); !ok || b.Plugin != "s3" || b.Settings["path_style"].Value != "true" || b.Settings["secret_key"].Secret.Origin() != "file /run/secrets/dr" {
		t.Errorf("dr: %+v %v", b, ok)
	}
	if b, ok := m.Backend("tape"); !ok || b.Settings["library"].Value != "3" || b.Settings["password"].Secret == nil {
		t.Errorf("tape: %+v %v", b, ok)
	}
	if b, ok := m.Backend("file"); !ok || b.Plugin != "local" {
		t.Errorf("file: %+v %v", b, ok)
	}
}

const minimal = `version: 1
name: small
exports:
  web: {instance: ocid1.x, formats: qcow2, staging: oci://ns/b/}
`

func TestDefaults(t *testing.T) {
	m := parse(t, minimal, Options{})
	if want := (Limits{Parallel: 8, Memory: 256 << 20, MaxPause: 12 * time.Hour}); m.Limits != want {
		t.Errorf("limits: %+v", m.Limits)
	}
	if want := (Retry{5, 2 * time.Second, 30 * time.Second}); m.Retry != want {
		t.Errorf("retry: %+v", m.Retry)
	}
	e := m.Exports[0]
	if e.Backend != "oci" || e.Stop != "never" || e.Verify != "checksum" || e.KeepStaging || e.To != nil || !reflect.DeepEqual(e.Formats, []string{"qcow2"}) {
		t.Errorf("export: %+v", e)
	}
	m = parse(t, "version: 1\nname: x\ntransfers: {a: {from: x/, to: y/}}", Options{})
	if tr := m.Transfers[0]; tr.Existing != "newer" || tr.MaxDeletes != 100 || tr.Delete || tr.Checksum != "" {
		t.Errorf("transfer: %+v", tr)
	}
}

func TestVariables(t *testing.T) {
	const src = `version: 1
name: n-${a}
vars:
  a: {env: FROM_ENV, default: x}
  b: {env: EMPTY, default: y}
  c: {env: FROM_ENV, default: z}
  n: {default: 3}
limits: {parallel: "${n}"}
transfers:
  t:
    from: oci://ns/${a}/${b}/${c}/$${literal}/${run.date}/
    to: ./out/
`
	m := parse(t, src, Options{Env: env, Vars: map[string]string{"c": "${run.id}"}})
	if m.Name != "n-from-env" || m.Limits.Parallel != 3 {
		t.Errorf("name %q, parallel %d", m.Name, m.Limits.Parallel)
	}
	from := m.Transfers[0].From
	if !reflect.DeepEqual(from.Late(), []string{"run.date"}) || from.Pos != (Pos{11, 11}) {
		t.Errorf("late %v at %v", from.Late(), from.Pos)
	}
	today := func(name string) (string, bool) { return "${b}", name == "run.date" }
	got, err := Expand(from, today)
	if want := "oci://ns/from-env/y/${run.id}/${literal}/${b}/"; err != nil || got != want {
		t.Errorf("expanded %q, %v; want %q", got, err, want)
	}
	if _, err := Expand(from, nil); err == nil {
		t.Error("expanded without run.date")
	}
	other := parse(t, src, Options{Env: env})
	if m.Digest == other.Digest {
		t.Error("the digest does not tell variables apart")
	}
	if again := parse(t, src, Options{Env: env}); again.Digest != other.Digest {
		t.Error("the digest is not stable")
	}
}

func TestLocation(t *testing.T) {
	m := parse(t, "version: 1\nname: x\ntransfers: {a: {from: data/, to: 'file:///srv/x'}}", Options{Dir: "/m"})
	from, err := m.Location(m.Transfers[0].From, nil)
	if err != nil || from.Scheme != "file" || from.Path != "/m/data/" {
		t.Errorf("from: %+v, %v", from, err)
	}
	to, err := m.Location(m.Transfers[0].To, nil)
	if err != nil || to.Path != "/srv/x" {
		t.Errorf("to: %+v, %v", to, err)
	}
}

func TestUndeclaredVar(t *testing.T) {
	_, err := Parse("m.yaml", []byte(minimal+"vars:\n  bucket: {default: x}\n"), Options{Vars: map[string]string{"buckt": "hunter2"}})
	golden(t, "testdata/undeclared.txt", err.Error()+"\n")
}

func TestConfig(t *testing.T) {
	c, err := ParseConfig("config.yaml", []byte("backends:\n  dr: {plugin: s3, region: here}\n  oci: {region: there}\n"), Options{Dir: "/c"})
	if err != nil {
		t.Fatal(err)
	}
	m := parse(t, "version: 1\nname: x\nbackends: {oci: {profile: P}}\ntransfers: {a: {from: 'dr://b/', to: x/}}", Options{Config: c})
	if b, ok := m.Backend("dr"); !ok || b.Settings["region"].Value != "here" || b.Dir != "/c" {
		t.Errorf("dr: %+v", b)
	}
	if b, _ := m.Backend("oci"); b.Settings["profile"].Value != "P" || b.Settings["region"].Value != "" {
		t.Errorf("the manifest's own must win as a whole: %+v", b)
	}
	if b, ok := c.Backend("s3"); !ok || b.Plugin != "s3" {
		t.Errorf("s3: %+v", b)
	}
	if _, ok := (*Config)(nil).Backend("nope"); ok {
		t.Error("found a backend that does not exist")
	}
	_, err = ParseConfig("config.yaml", []byte("version: 1\nbackends: {dr: {}}\n"), Options{})
	golden(t, "testdata/config.txt", err.Error()+"\n")
}

func TestErrorsAreTyped(t *testing.T) {
	_, err := Parse("m.yaml", []byte("version: 1\nnam: x\n"), Options{})
	var all *Errors
	if !errors.As(err, &all) || len(all.List) != 3 {
		t.Fatalf("%v", err)
	}
	var one *Error
	if !errors.As(err, &one) || one.File != "m.yaml" || one.Line != 1 {
		t.Errorf("%+v", one)
	}
	m := parse(t, minimal, Options{})
	golden(t, "testdata/later.txt", m.ErrorAt(m.Exports[0].Pos, "look there", "no instance %q", "x").Error()+"\n")
}

func TestUnits(t *testing.T) {
	for s, want := range map[string]int64{"0B": 0, "1B": 1, "256MiB": 256 << 20, "256MB": 256e6, "1.5 GiB": 3 << 29, "2kB": 2000, "2KB": 2000, "1TiB": 1 << 40} {
		if got, err := ParseBytes(s); err != nil || got != want {
			t.Errorf("%s: %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "256", "MiB", "1mib", "-1MiB", "1e3MiB", "99999999999999TiB", "1MiB/s", "1 MiB x"} {
		if got, err := ParseBytes(s); err == nil {
			t.Errorf("%q: %d", s, got)
		}
	}
	if got, err := ParseRate("40MiB/s"); err != nil || got != 40<<20 {
		t.Errorf("rate: %d, %v", got, err)
	}
	for _, s := range []string{"0B/s", "40MiB", "40MiB/m"} {
		if got, err := ParseRate(s); err == nil {
			t.Errorf("%q: %d", s, got)
		}
	}
	for s, want := range map[string]time.Duration{"1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour, "90m": 90 * time.Minute, "2s500ms": 2500 * time.Millisecond, "0s": 0} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "5", "-1h", "1w", "999999999d", "200000d", "3000000h", "106751d2562047h"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
}
