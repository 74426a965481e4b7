package main

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (c *completionCmd) Help() string {
	return `Examples:
  source <(hyperexport completion bash)
  hyperexport completion zsh > "${fpath[1]}/_hyperexport"
  hyperexport completion fish > ~/.config/fish/completions/hyperexport.fish`
}

func (c *completionCmd) Run(a *app) error {
	words := map[string][]string{}
	collectWords(a.parser.Model.Node, "", words)
	var s strings.Builder
	switch c.Shell {
	case "fish":
		writeFish(&s, a.parser.Model.Node)
	case "zsh":
		s.WriteString("#compdef hyperexport\nautoload -U +X bashcompinit && bashcompinit\n")
		writeBash(&s, words)
	default:
		writeBash(&s, words)
	}
	return a.writeString(s.String())
}

// collectWords maps the path of each command, such as "simulate oci", to what may follow it.
func collectWords(n *kong.Node, path string, words map[string][]string) {
	list := []string{}
	for _, child := range shown(n) {
		list = append(list, child.Name)
		collectWords(child, strings.TrimSpace(path+" "+child.Name), words)
	}
	for _, p := range n.Positional {
		list = append(list, p.EnumSlice()...)
	}
	for _, flag := range append([]*kong.Flag{}, n.Flags...) {
		if !flag.Hidden {
			list = append(list, "--"+flag.Name)
		}
	}
	words[path] = append(list, "--help")
}

// shown are the commands below n that are for people.
func shown(n *kong.Node) []*kong.Node {
	return slices.DeleteFunc(slices.Clone(n.Children), func(child *kong.Node) bool { return child.Hidden })
}

// writeBash completes commands and flags, and file names after a flag that takes one.
func writeBash(s *strings.Builder, words map[string][]string) {
	s.WriteString(`_hyperexport() {
  local word path="" cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  case "$prev" in
    -f|--file|--config|--log|--seed-file|--request-log) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --dir|--state) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    -o|--output) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
    --progress) COMPREPLY=($(compgen -W "auto bar plain json none" -- "$cur")); return ;;
  esac
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "${path:+$path }$word" in
`)
	for path := range sortedWords(words) {
		if path != "" {
			fmt.Fprintf(s, "      %q) path=%q ;;\n", path, path)
		}
	}
	s.WriteString("    esac\n  done\n  case \"$path\" in\n")
	for path, list := range sortedWords(words) {
		fmt.Fprintf(s, "    %q) COMPREPLY=($(compgen -W %q -- \"$cur\")) ;;\n", path, strings.Join(list, " "))
	}
	s.WriteString("  esac\n}\ncomplete -F _hyperexport hyperexport\n")
}

func writeFish(s *strings.Builder, root *kong.Node) {
	for _, child := range shown(root) {
		fmt.Fprintf(s, "complete -c hyperexport -n __fish_use_subcommand -f -a %s -d %q\n", child.Name, child.Help)
		writeFishNode(s, child)
	}
}

func writeFishNode(s *strings.Builder, n *kong.Node) {
	for _, child := range shown(n) {
		fmt.Fprintf(s, "complete -c hyperexport -n '__fish_seen_subcommand_from %s' -f -a %s -d %q\n", n.Name, child.Name, child.Help)
		writeFishNode(s, child)
	}
	for _, p := range n.Positional {
		if words := p.EnumSlice(); len(words) > 0 {
			fmt.Fprintf(s, "complete -c hyperexport -n '__fish_seen_subcommand_from %s' -f -a %q\n", n.Name, strings.Join(words, " "))
		}
	}
	for _, flag := range n.Flags {
		if flag.Hidden {
			continue
		}
		fmt.Fprintf(s, "complete -c hyperexport -n '__fish_seen_subcommand_from %s' -l %s", n.Name, flag.Name)
		if flag.Short != 0 {
			fmt.Fprintf(s, " -s %c", flag.Short)
		}
		if !flag.IsBool() {
			s.WriteString(" -r")
		}
		fmt.Fprintf(s, " -d %q\n", flag.Help)
	}
}

// sortedWords yields the commands in order of their paths.
func sortedWords(words map[string][]string) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for _, path := range slices.Sorted(maps.Keys(words)) {
			if !yield(path, words[path]) {
				return
			}
		}
	}
}
