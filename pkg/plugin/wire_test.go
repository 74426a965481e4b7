package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// TestErrorsCross sends errors over and looks whether everything that a caller can ask them for is still there.
func TestErrorsCross(t *testing.T) {
	full := &backend.Error{Op: "upload part 7", Key: "a\xffb", Kind: backend.Throttled, RetryAfter: 7 * time.Second,
		RequestID: "req", Err: errors.New("too fast")}
	for _, c := range []struct {
		err  error
		text string
	}{
		{full, full.Error()},
		{fmt.Errorf("outer: %w", full), "op a\xffb: outer: " + strings.ToValidUTF8(full.Error(), "\uFFFD") + " (request req)"},
		{&backend.Error{Op: "stat", Kind: backend.NotFound}, "stat: not found"},
		{backend.Busy, "op: busy"},
		{errors.New("bare"), "op: bare"},
		{io.EOF, "op: EOF"},
		{context.Canceled, "op: context canceled"},
	} {
		w := detail(statusOf("op", c.err))
		if w == nil {
			t.Fatalf("%v has no detail", c.err)
		}
		got := errorFrom(w, newMasker(nil))
		if got.Error() != c.text || got.Kind != backend.KindOf(c.err) || got.RetryAfter != backend.RetryAfter(c.err) {
			t.Errorf("%v: got %q of kind %q, after %v; want %q", c.err, got, got.Kind, got.RetryAfter, c.text)
		}
	}
	if statusOf("op", nil) != nil {
		t.Error("no error became one")
	}
	long := errorFrom(wireError("op", errors.New(strings.Repeat("x", maxErrorText-3)+canary)), newMasker([]string{canary}))
	if n := len(long.Error()); strings.Contains(long.Error(), canary[:3]) || n > maxErrorText {
		t.Errorf("a long error has %d bytes and ends with %q", n, long.Error()[n-20:])
	}
}

func TestInventory(t *testing.T) {
	inMemory(t, func(t *testing.T, h *Host) {
		ctx := t.Context()
		i, err := h.Inventory()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for s, err := range i.Scopes(ctx) {
			want := backend.Scope{ID: fmt.Sprint(n), Parent: "root", Name: "n\xff", Path: fmt.Sprintf("p/%d", n)}
			if err != nil || s != want {
				t.Fatalf("%+v, %v; want %+v", s, err, want)
			}
			n++
		}
		if n != 2000 {
			t.Errorf("%d scopes", n)
		}
		for _, err := range i.Scopes(ctx) { // a caller may want only one
			if err != nil {
				t.Error(err)
			}
			break
		}
		q := backend.Query{Type: "instance", ID: "id", Scope: "s", Recursive: true, Name: "web-*", State: []string{"RUNNING"}, Tags: map[string]string{"a": "b"}}
		var got []backend.Resource
		var failed error
		for r, err := range i.Resources(ctx, q) {
			if failed = err; err == nil {
				got = append(got, r)
			}
		}
		want := backend.Resource{ID: "vm", Type: "instance", Name: "web-*", Scope: "s", ScopePath: "a/b", Region: "r", State: "RUNNING",
			Created: created, Tags: q.Tags, Attributes: map[string]string{"shape": "x"}}
		if len(got) == 1 {
			got[0].Created = got[0].Created.UTC()
		}
		if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if !errors.Is(failed, backend.Throttled) || backend.RetryAfter(failed) != 3*time.Second || !strings.Contains(failed.Error(), "request req-1") {
			t.Errorf("the end of the list: %v", failed)
		}
		series, err := i.Metrics(ctx, "vm", backend.MetricQuery{Names: []string{"cpu"}, Start: created, End: created.Add(time.Hour), Resolution: time.Minute})
		if err != nil || len(series) != 1 || series[0].Name != "cpu" || series[0].Unit != "vm" || len(series[0].Points) != 2 ||
			!series[0].Points[1].At.Equal(created.Add(time.Hour)) || series[0].Points[1].Value != 60 {
			t.Errorf("got %+v, %v", series, err)
		}
		if err := i.Act(ctx, "vm", "start"); err != nil {
			t.Error(err)
		}
		if err := i.Act(ctx, "vm", "explode"); !errors.Is(err, backend.Unsupported) || !strings.Contains(err.Error(), "wrapped: ") {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if err := i.Act(ctx, "vm", "start"); !errors.Is(err, backend.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestMask(t *testing.T) {
	pem := "-----BEGIN-----\nMIIsecretline\n-----END-----"
	m := newMasker([]string{"s3cret", "s3cret-longer", pem, "abc", ""})
	for text, want := range map[string]string{
		"a s3cret b s3cret-longer c": "a *** b *** c",
		"MIIsecretline":              "***",
		"abc stays: too short":       "abc stays: too short",
		"key=czNjcmV0":               "key=***",
		"":                           "",
	} {
		if got := m.line(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := newMasker([]string{"a b/c?"}).line("u?k=a+b%2Fc%3F&p=a%20b%2Fc%3F"); got != "u?k=***&p=***" {
		t.Errorf("in a URL: %q", got)
	}
	var lines []string
	w := &lineWriter{log: newLineLog(m, func(line string) { lines = append(lines, line) })}
	for _, piece := range []string{"one s3c", "ret\ntwo\r\n", strings.Repeat("x", maxLine), "s3cret\n", strings.Repeat("y", maxLine-3), "s3cret-longer", strings.Repeat("z", 100), "\nlast\n"} {
		if _, err := w.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) != 5 || lines[0] != "one ***" || lines[1] != "two" || lines[4] != "last" {
		t.Errorf("got %d lines: %q", len(lines), lines)
	}
	if all := strings.Join(lines, ""); strings.Contains(all, "s3") {
		t.Errorf("a part of a secret is left in %q", all[strings.Index(all, "s3")-5:])
	}
}

func TestHelloIsChecked(t *testing.T) {
	certificate := strings.Repeat("A", 100)
	if reason, err := checkHello("1|1|unix|/tmp/x|grpc|" + certificate + "\n"); err != nil {
		t.Errorf("a good line: %q, %v", reason, err)
	}
	for _, line := range []string{"", "\n", "|||||\n", "1\n", "1|1\n", "x|1|unix|/a|grpc|" + certificate + "\n", "1|x|unix|/a|grpc|" + certificate + "\n",
		"1|1|unix|/a|netrpc|" + certificate + "\n", "1|1|unix|/a|grpc\n", "1|1|unix|/tmp/x|grpc|" + certificate, "1|0|unix|/a|grpc|" + certificate + "\n"} {
		if _, err := checkHello(line); err == nil {
			t.Errorf("%q was taken for the line of a plugin", line)
		}
	}
}

func FuzzHello(f *testing.F) {
	f.Add("1|1|unix|/tmp/x|grpc|AAAA\n")
	f.Fuzz(func(t *testing.T, line string) {
		if _, err := checkHello(line); err == nil && len(slices.Collect(strings.SplitSeq(line, "|"))) < 6 {
			t.Errorf("%q was taken for the line of a plugin", line)
		}
	})
}
