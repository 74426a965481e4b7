package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// secretWords are what names and help of a flag that takes a secret would speak of.
var secretWords = regexp.MustCompile(`(?i)pass(word|wd|phrase)|token|secret|credential|\bkeys?\b|private|pin\b`)

// notSecret are flags that speak of secrets and take none, by the command and the name, with the reason.
var notSecret = map[string]string{}

// TestNoFlagTakesASecret walks every flag and argument of every command, hidden ones too. What stands on a command line is
// in lists of processes and in the history of the shell.
func TestNoFlagTakesASecret(t *testing.T) {
	allowed := map[string]bool{}
	for _, v := range valuesOf(testParser(t).Model.Node, nil) {
		if v.flag && v.value.IsBool() || !secretWords.MatchString(v.value.Name+" "+v.value.Help) {
			continue
		}
		if notSecret[v.name] == "" {
			t.Errorf("%s (%q) may take a secret: have it named by env, file or exec in the manifest", v.name, v.value.Help)
		}
		allowed[v.name] = true
	}
	for name := range notSecret {
		if !allowed[name] {
			t.Errorf("%s speaks of no secret, or is gone: take it off the list", name)
		}
	}
}

// TestFlagsThatTakeSecretsAreSeen is the same walk over a command line that has what must not be.
func TestFlagsThatTakeSecretsAreSeen(t *testing.T) {
	var wrong struct {
		Apply struct {
			SMTPPassword string   `help:"For the mail."`
			Sign         string   `help:"Passphrase of the private half."`
			Verbose      bool     `help:"Show tokens."`
			Name         string   `help:"Of the run."`
			APIToken     []string `hidden:""`
			Key          string   `arg:"" optional:""`
		} `cmd:""`
	}
	parser, err := kong.New(&wrong)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, v := range valuesOf(parser.Model.Node, nil) {
		if !v.value.IsBool() && secretWords.MatchString(v.value.Name+" "+v.value.Help) {
			seen = append(seen, v.name)
		}
	}
	slices.Sort(seen)
	if want := []string{"apply --api-token", "apply --sign", "apply --smtp-password", "apply key"}; !slices.Equal(seen, want) {
		t.Errorf("seen are %q, want %q", seen, want)
	}
}

// spoken is a flag or an argument, by its command and its name.
type spoken struct {
	name  string
	value *kong.Value
	flag  bool
}

func valuesOf(n *kong.Node, path []string) (all []spoken) {
	command := strings.Join(path, " ")
	for _, f := range n.Flags {
		all = append(all, spoken{strings.TrimSpace(command + " --" + f.Name), f.Value, true})
	}
	for _, p := range n.Positional {
		all = append(all, spoken{strings.TrimSpace(command + " " + p.Name), p, false})
	}
	for _, child := range n.Children {
		all = append(all, valuesOf(child, append(path[:len(path):len(path)], child.Name))...)
	}
	return all
}

// scriptCode is a line of a script in which a command of ours must end with a code.
var scriptCode = regexp.MustCompile(`(?m)^(?:\[[^\]]*\] )?(?:exits (\d+) hyperexport |ends \w+ (\d+)$)`)

// TestEveryExitCodeIsReached finds a script for each code of docs/exit-codes.md in which a command ends with it.
func TestEveryExitCodeIsReached(t *testing.T) {
	document, err := os.ReadFile(filepath.Join(root, "docs", "exit-codes.md"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join("testdata", "script", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	reached := map[string]string{}
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range scriptCode.FindAllStringSubmatch(string(text), -1) {
			reached[m[1]+m[2]] = name
		}
	}
	documented := map[string]bool{}
	for _, m := range codeRow.FindAllSubmatch(document, -1) {
		code := string(m[1])
		documented[code] = true
		if reached[code] == "" {
			t.Errorf("docs/exit-codes.md has %s, and no script has a command that ends with it", code)
		}
	}
	for code, name := range reached {
		if !documented[code] {
			t.Errorf("a command of %s ends with %s, which docs/exit-codes.md does not have", name, code)
		}
	}
}

var codeRow = regexp.MustCompile(`(?m)^\| (\d+) \|`)
