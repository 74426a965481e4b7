package manifests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// promised is what any input may cost.
const promised = 500 * time.Millisecond

func entries(n int, format string) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, format, i)
	}
	return s.String()
}

// layers nests aliases: each level repeats the one before ten times.
func layers(depth int, open, closing, item string) string {
	var s strings.Builder
	s.WriteString("a0: &a0 {k: v}\n")
	for i := 1; i <= depth; i++ {
		fmt.Fprintf(&s, "a%d: &a%d %s%s%s\n", i, i, open, strings.TrimSuffix(strings.Repeat(fmt.Sprintf(item, i-1), 10), ","), closing)
	}
	return s.String()
}

func fill(unit string) string { return strings.Repeat(unit, maxSize/len(unit)) }

// Every bomb is refused for what it is, in time and without much memory.
func TestBombs(t *testing.T) {
	const head = "version: 1\nname: x\n"
	tests := []struct{ name, src, want string }{
		{"size", fill("a") + "a", "the limit is 1048576"},
		{"keys", head + "transfers:\n" + entries(4097, "  t%d: {from: x/, to: y/}\n"), "more than 4096 keys"},
		{"keys flow", "{" + entries(5000, "k%d: 1, ") + "z: 1}", "more than 4096 keys"},
		{"depth", head + "transfers: " + strings.Repeat("[", 70) + strings.Repeat("]", 70), "more than 64 levels"},
		{"depth open", fill("["), "more than 100000 values"},
		{"depth open less", strings.Repeat("[", 90_000), "not valid YAML"},
		{"depth of aliases", head + "a: &a " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\nb: " + strings.Repeat("[", 40) + "*a" + strings.Repeat("]", 40), "more than 64 levels"},
		{"aliases", head + "a: &a x\nb: [" + strings.Repeat("*a , ", 101) + "]", "more than 100 aliases"},
		{"billion laughs", layers(9, "[", "]", "*a%d ,"), "bring in more than 100000 values"},
		{"billion merges", layers(9, "{<<: [", "]}", "*a%d ,"), "bring in more than 100000 values"},
		{"wide aliases", "a: &a [" + strings.Repeat("x,", 50_000) + "x]\nb: [" + strings.Repeat("*a ,", 90) + "]", "bring in more than 100000 values"},
		{"commas", "[" + fill("a,")[8:], "more than 100000 values"},
		{"lines", fill("-\n"), "more than 100000 values"},
		{"comments", fill("# x\n"), "the manifest is empty"},
		{"blank", fill("\n"), "the manifest is empty"},
		{"documents", fill("---\n"), "more than 100000 values"},
		{"directives", fill("%YAML 1.1\n"), "more than 100000 values"},
		{"questions", fill("? "), "not valid YAML"},
		{"quote", "a: \"" + fill("x")[8:], "not valid YAML"},
		{"anchors", entries(60_000, "- &a%d x\n"), "must be a mapping"},
		{"unknown keys", head + "transfers:\n" + entries(8, "  t%d: {"+entries(4000, "k%d%%[1]d: 1, ")+"}\n"), `has no key "from"`},
		{"wrong references", head + "transfers:\n" + entries(2000, "  t%d: {from: x/, to: y/, after: u%[1]d}\n"), "there is no export or transfer"},
		{"long cycle", head + "transfers:\n" + entries(2000, "  t%d: {from: x/, to: y/, after: t%[1]d0}\n"), "there is no export or transfer"},
		{"many cycles", head + "transfers:\n" + entries(100, "  t%d: {from: x/, to: y/, after: ["+entries(100, "t%d, ")+"]}\n"), "cycle in after"},
		{"variables", head + "transfers: {a: {to: y/, from: \"" + strings.Repeat("${x}", 90_000) + "\"}}", "unknown variable"},
		{"brackets", head + fill("a: [")[:60_000], "not valid YAML"},
	}
	tests = append(tests, struct{ name, src, want string }{
		"variables apart", head + "transfers: {a: {to: y/, from: \"" + entries(60_000, "${x%d}") + "\"}}", "unknown variable",
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := spent()
			_, err := Parse("bomb.yaml", []byte(tt.src), Options{})
			text := fmt.Sprint(err)
			took := spent() - start
			runtime.ReadMemStats(&after)
			var all *Errors
			if !errors.As(err, &all) || !strings.Contains(text, tt.want) {
				t.Errorf("want %q, got %.300s", tt.want, text)
			}
			if took > slack*promised {
				t.Errorf("took %v", took)
			}
			allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%v, %d MiB allocated, %d errors", took.Round(time.Millisecond), allocated, len(all.List))
		})
	}
}

// A real manifest may be large.
func TestLargeIsFine(t *testing.T) {
	src := "version: 1\nname: x\nexports:\n" + entries(2000, "  e%d:\n    instance: ocid1.instance.oc1.phx.aaaaaaaaaaaaaaa%[1]d\n    formats: [qcow2, vmdk]\n    staging: oci://axns/hx-staging/%[1]d/\n    to: s3://bucket/${instance.name}/${run.date}/\n")
	start := spent()
	m, err := Parse("large.yaml", []byte(src), Options{})
	if err != nil || len(m.Exports) != 2000 {
		t.Fatal(err)
	}
	if took := spent() - start; took > slack*promised {
		t.Errorf("took %v", took)
	} else {
		t.Logf("%d bytes in %v", len(src), took)
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "examples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		start := spent()
		m, err := Parse("fuzz.yaml", src, Options{Env: env})
		if (m == nil) == (err == nil) {
			t.Fatalf("manifest %v, error %v", m, err)
		}
		if err == nil {
			for _, tr := range m.Transfers {
				if _, err := m.Location(tr.From, func(string) (string, bool) { return "x", true }); err != nil {
					t.Errorf("accepted, but: %v", err)
				}
			}
		} else {
			checkErrors(t, err, src)
		}
		if _, err := ParseConfig("fuzz.yaml", src, Options{}); err != nil {
			_ = err.Error()
		}
		if took := spent() - start; took > slack*promised {
			t.Errorf("took %v", took)
		}
	})
}

func checkErrors(t *testing.T, err error, src []byte) {
	t.Helper()
	var all *Errors
	if !errors.As(err, &all) || len(all.List) == 0 {
		t.Fatalf("%T %v", err, err)
	}
	_ = err.Error()
	last := Pos{}
	for _, e := range all.List {
		p := Pos{e.Line, e.Column}
		if p.Line < last.Line || p.Line == last.Line && p.Column < last.Column {
			t.Errorf("%v after %v", p, last)
		}
		if last = p; p.Line < 1 || p.Column < 1 || e.Msg == "" || p.Line > len(newSource("", src).lines) && len(src) <= maxSize {
			t.Errorf("%+v", e)
		}
		if strings.ContainsAny(e.Msg+e.Source, "\x00\x1b\n") {
			t.Errorf("unprintable: %q", e.Msg+e.Source)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src, err := os.ReadFile("examples/nightly.yaml")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Parse("nightly.yaml", src, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
