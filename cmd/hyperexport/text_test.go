package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// jsonq FILE [PATH VALUE]...: the file, or stdout or stderr of the last command, is one JSON document, and has the
// values at the paths, such as steps[0].outcome; count is the length of what is before. With !, a path must not be there.
func cmdJSONQ(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || !neg && len(args)%2 == 0 {
		ts.Fatalf("usage: jsonq file [path value]..., or ! jsonq file path...")
	}
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		ts.Fatalf("%s is no JSON: %v\n%s", args[0], err, ts.ReadFile(args[0]))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("%s has more than one JSON document", args[0])
	}
	if neg {
		for _, path := range args[1:] {
			if v, err := at(doc, path); err == nil {
				ts.Fatalf("%s is %v", path, v)
			}
		}
		return
	}
	for i := 1; i < len(args); i += 2 {
		v, err := at(doc, args[i])
		if err != nil {
			ts.Fatalf("%s: %v\n%s", args[i], err, ts.ReadFile(args[0]))
		}
		if got := fmt.Sprint(v); got != args[i+1] {
			ts.Fatalf("%s is %q, want %q", args[i], got, args[i+1])
		}
	}
}

var pathStep = regexp.MustCompile(`^\.?([\w-]+)|^\[(\d+)\]`)

// at follows a path through a JSON document.
func at(v any, path string) (any, error) {
	for path != "" {
		m := pathStep.FindStringSubmatch(path)
		if m == nil {
			return nil, fmt.Errorf("cannot read the path at %q", path)
		}
		path = path[len(m[0]):]
		object, _ := v.(map[string]any)
		list, _ := v.([]any)
		switch {
		case m[1] == "count" && object["count"] == nil:
			v = len(object) + len(list)
		case m[2] != "":
			i, err := strconv.Atoi(m[2])
			if err != nil || i >= len(list) {
				return nil, fmt.Errorf("there is no element %s", m[2])
			}
			v = list[i]
		default:
			next, ok := object[m[1]]
			if !ok {
				return nil, fmt.Errorf("there is no %s", m[1])
			}
			v = next
		}
	}
	return v, nil
}

// mask FILE OUT: copies a text with all that differs from run to run replaced by its name, for comparison with a text in
// the script.
func cmdMask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mask file out")
	}
	text := strings.ReplaceAll(ts.ReadFile(args[0]), ts.Getenv("WORK"), "$WORK")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(masked(text)), 0o600))
}

// printed WANT GOT...: each line of the masked text WANT is in one of the others, but for empty ones, command lines and dots.
func cmdPrinted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: printed want got...")
	}
	got := map[string]bool{"": true, "...": true}
	for _, name := range args[1:] {
		for line := range strings.Lines(ts.ReadFile(name)) {
			got[strings.TrimSpace(line)] = true
		}
	}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if line = strings.TrimSpace(line); !got[line] && !strings.HasPrefix(line, "$ ") {
			ts.Fatalf("nothing prints the line %q", line)
		}
	}
}

func masked(text string) string {
	for _, m := range []struct {
		find, put string
	}{
		{`\d{8}-\d{6}-[0-9a-f]{4}`, "RUN"},
		{`\d{4}-\d\d-\d\d \d\d:\d\d`, "DATE TIME"},
		{`\b\d\d:\d\d:\d\d\b`, "TIME"},
		{`\d{4}-\d\d-\d\d`, "DATE"},
		{`ocid1\.[\w.-]+`, "OCID"},
		{`crc32c:[0-9a-f]{8}`, "CRC"},
		{`sha256:[0-9a-f]{64}`, "SHA256"},
		{`hx-[0-9a-f]{24}`, "TOKEN"},
		{`\d+(\.\d)? ([KMG]i)?B/s`, "RATE"},
		{`\d+\.\d MiB|\d{3} KiB|[1-9]\d{2,} B`, "SIZE"}, // depends on the version of qemu-img
		{`\b\d+(\.\d)?(ms|s)\b|\b\d+\.\d\d s\b`, "TOOK"},
		{`request [\w/:.-]+`, "request ID"},
		{`(STEP|(?:export|transfer)\.\S+)(.*)`, ""}, // columns are as wide as what is masked
	} {
		re := regexp.MustCompile(m.find)
		if m.put == "" {
			text = re.ReplaceAllStringFunc(text, func(s string) string { return regexp.MustCompile(`  +`).ReplaceAllString(s, "  ") })
			continue
		}
		text = re.ReplaceAllString(text, m.put)
	}
	return text
}
