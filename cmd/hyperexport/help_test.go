package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestHelp asks every command for help: it has examples, and each is a command line that the program understands. Hidden
// ones are not for people.
func TestHelp(t *testing.T) {
	parser := testParser(t)
	var visit func(n *kong.Node, path []string)
	visit = func(n *kong.Node, path []string) {
		if n.Type == kong.CommandNode && len(n.Children) == 0 && !n.Hidden {
			t.Run(strings.Join(path, " "), func(t *testing.T) { checkHelp(t, path) })
		}
		for _, child := range n.Children {
			visit(child, append(path[:len(path):len(path)], child.Name))
		}
	}
	visit(parser.Model.Node, nil)
}

func testParser(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := kong.New(&commands{}, kong.Name("hyperexport"), kong.Exit(func(int) { t.Error("the parser ends the program") }))
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

var exampleLine = regexp.MustCompile(`(?m)(?:^|[ (])hyperexport( [a-z][^>)#\n]*)`)

func checkHelp(t *testing.T, path []string) {
	var stdout, stderr bytes.Buffer
	a := newApp()
	a.stdout, a.stderr = &stdout, &stderr
	if code := run(append(path, "--help"), a); code != 0 || stderr.Len() > 0 {
		t.Fatalf("exit code %d, stderr %q", code, stderr.String())
	}
	_, examples, ok := strings.Cut(stdout.String(), "Examples:")
	examples, _, _ = strings.Cut(examples, "\nFlags:")
	lines := exampleLine.FindAllStringSubmatch(examples, -1)
	if !ok || len(lines) == 0 {
		t.Fatalf("no examples in:\n%s", stdout.String())
	}
	own := false
	for _, m := range lines {
		own = own || strings.HasPrefix(m[1], " "+strings.Join(path, " "))
		if _, err := testParser(t).Parse(strings.Fields(m[1])); err != nil {
			t.Errorf("hyperexport%s: %v", m[1], err)
		}
	}
	if !own {
		t.Errorf("no example of the command itself in:\n%s", examples)
	}
	if strings.Contains(stdout.String(), "hyperexport-poll") || strings.Contains(stdout.String(), "POLL") {
		t.Error("help shows what is for tests only")
	}
}
