package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/plan"
)

// manifestFlags are the flags of every command that reads a manifest.
type manifestFlags struct {
	File   string            `short:"f" required:"" placeholder:"FILE" help:"The manifest; - reads it from stdin."`
	Var    map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"Set a variable of the manifest; may be repeated."`
	Config string            `placeholder:"FILE" help:"Backends below those of the manifest (default: hyperexport/config.yaml in the XDG config folder)."`
}

// mostManifest bounds what is read of a manifest. The parser refuses less than this with a clear message.
const mostManifest = 2 << 20

// load reads and checks the manifest.
func (f manifestFlags) load(a *app) (*manifests.Manifest, error) {
	o := manifests.Options{Vars: f.Var, Env: a.env}
	var err error
	if o.Config, err = f.loadConfig(a); err != nil {
		return nil, err
	}
	name, src, err := f.read(a)
	if err != nil {
		return nil, &codeError{exitInvalid, fmt.Errorf("read the manifest: %w", err), "name the manifest with -f FILE, or -f - to read it from stdin"}
	}
	if o.Dir, err = f.dir(); err != nil {
		return nil, err
	}
	m, err := manifests.Parse(name, src, o)
	if err != nil {
		return nil, err
	}
	return m, plan.Supported(m)
}

// loadConfig reads the user's own backends; nil if there is no such file.
func (f manifestFlags) loadConfig(a *app) (*manifests.Config, error) {
	path, text, err := a.configFile(f.Config)
	if err != nil {
		return nil, &codeError{exitInvalid, fmt.Errorf("read the config file: %w", err), ""}
	}
	if path == "" {
		return nil, nil //nolint:nilnil // a nil Config knows the built-in backends
	}
	return manifests.ParseConfig(path, text, manifests.Options{Env: a.env, Dir: filepath.Dir(path)})
}

func (f manifestFlags) read(a *app) (name string, src []byte, err error) {
	in, name := a.stdin, "stdin"
	if f.File != "-" {
		file, err := os.Open(f.File)
		if err != nil {
			return "", nil, err
		}
		defer file.Close()
		in, name = file, f.File
	}
	src, err = io.ReadAll(io.LimitReader(in, mostManifest))
	return name, src, err
}

// dir is the folder that relative paths of the manifest are below: its own, or the working directory for stdin.
func (f manifestFlags) dir() (string, error) {
	if f.File == "-" {
		return os.Getwd()
	}
	return filepath.Abs(filepath.Dir(f.File))
}

// command gives the command line that repeats this one for another command, for messages.
func (f manifestFlags) command(verb, state string) string {
	words := append(append([]string{"hyperexport"}, strings.Fields(verb)...), "-f", f.File)
	for _, name := range slices.Sorted(maps.Keys(f.Var)) {
		words = append(words, "--var", name+"="+f.Var[name])
	}
	for _, flag := range [][2]string{{"--config", f.Config}, {"--state", state}} {
		if flag[1] != "" {
			words = append(words, flag[0], flag[1])
		}
	}
	for i := range words {
		words[i] = shellWord(words[i])
	}
	return strings.Join(words, " ")
}

// shellWord writes a word as a shell must read it.
func shellWord(s string) string {
	special := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=./:,+@%", r))
	}
	if s != "" && !strings.ContainsFunc(s, special) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
