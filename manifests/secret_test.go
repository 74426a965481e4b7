package manifests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestMain(m *testing.M) {
	switch os.Getenv("HX_SECRET_HELPER") { // this binary is the command that prints a secret
	case "print":
		fmt.Println("hunter2")
		os.Exit(0)
	case "fail":
		fmt.Fprintln(os.Stderr, "hunter2")
		fmt.Println("hunter2")
		os.Exit(3)
	case "hang":
		select {}
	case "flood":
		for range 100 {
			fmt.Println(strings.Repeat("hunter2 ", 200))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestSecretIsNeverShown(t *testing.T) {
	s := Secret{env: "NAME", file: "FILE", exec: []string{"CMD"}}
	js, err := json.Marshal(map[string]any{"s": s, "p": &s, "b": Backend{Settings: map[string]Setting{"k": {Secret: &s}}}})
	if err != nil {
		t.Fatal(err)
	}
	ym, err := yaml.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "p", &s)
	all := string(js) + string(ym) + log.String() + fmt.Sprintf("%v %+v %#v %s %q %x %d %v", s, s, s, s, s, s, s, &s) + s.String()
	for _, word := range []string{"NAME", "FILE", "CMD"} {
		if strings.Contains(all, word) {
			t.Errorf("%s is shown: %s", word, all)
		}
	}
	if !strings.Contains(all, "***") {
		t.Errorf("no stars: %s", all)
	}
}

func TestSecretResolve(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"s": "hunter2\n", "crlf": "hunter2\r\n", "empty": "\n", "two": "hunter2\n\n", "large": strings.Repeat("hunter2", 10_000)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"S": "hunter2", "EMPTY": "", "HOME": dir, "USERPROFILE": dir}[name]
		return v, ok
	}
	tests := []struct {
		name   string
		s      Secret
		helper string
		want   string
		err    string
	}{
		{"env", Secret{env: "S"}, "", "hunter2", ""},
		{"env unset", Secret{env: "NOPE"}, "", "", "environment variable NOPE: it is not set"},
		{"env empty", Secret{env: "EMPTY"}, "", "", "it is empty"},
		{"file", Secret{file: "s"}, "", "hunter2", ""},
		{"file home", Secret{file: "~/s"}, "", "hunter2", ""},
		{"file absolute", Secret{file: filepath.Join(dir, "crlf")}, "", "hunter2", ""},
		{"file keeps its own newline", Secret{file: "two"}, "", "hunter2\n", ""},
		{"file missing", Secret{file: "nope"}, "", "", "file nope"},
		{"file empty", Secret{file: "empty"}, "", "", "it is empty"},
		{"file large", Secret{file: "large"}, "", "", "more than 65536 bytes"},
		{"exec", Secret{exec: []string{self}}, "print", "hunter2", ""},
		{"exec fails", Secret{exec: []string{self}}, "fail", "", "exit status 3; run it by hand"},
		{"exec floods", Secret{exec: []string{self}}, "flood", "", "more than 65536 bytes"},
		{"exec missing", Secret{exec: []string{"./nope"}}, "", "", "command ./nope"},
		{"nothing", Secret{}, "", "", "nothing says where"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("HX_SECRET_HELPER", tt.helper)
			got, err := tt.s.Resolve(t.Context(), lookup, dir)
			if got != tt.want || (err == nil) != (tt.err == "") {
				t.Fatalf("%q, %v", got, err)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestSecretCommandEndsWithContext(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HX_SECRET_HELPER", "hang")
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := (Secret{exec: []string{self}}).Resolve(ctx, nil, ""); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}
