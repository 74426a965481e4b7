package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event/sink"
)

// The rules of all output:
//
//   - stdout is the product: a plan, a report, JSON. stderr is talk: progress, questions, errors.
//   - With -o json stdout gets exactly one document, also when the command fails.
//   - An error is one line that begins with "hyperexport: ", and one that begins with "help: " if something can be done.
//     A manifest's errors are shown as they are, each with its place.
//   - Colours, bars and cursor movements go to terminals only, and colours not if NO_COLOR is set.
//   - Nothing asks a question without a terminal.

// app is the world as a command sees it.
type app struct {
	ctx    context.Context
	cancel context.CancelFunc
	signal atomic.Int32 // exit code of the signal that ended ctx

	stdin          io.Reader
	stdout, stderr io.Writer
	talk           atomic.Pointer[sink.Bar] // stands at the bottom of stderr while it is set
	env            func(string) (string, bool)
	environ        func() []string
	log            *slog.Logger // nil without --log
	now            func() time.Time
	parser         *kong.Kong

	serves atomic.Bool // the command runs until it is stopped: a signal is how it ends

	json bool // the command writes JSON: conclude does so for its error too
}

func newApp() *app {
	ctx, cancel := context.WithCancel(context.Background())
	return &app{ctx: ctx, cancel: cancel, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.LookupEnv, environ: os.Environ, now: time.Now}
}

// getenv returns a variable of the environment, "" if it is not set.
func (a *app) getenv(name string) string {
	v, _ := a.env(name)
	return v
}

// say writes a line to stderr, above the bar if there is one.
func (a *app) say(format string, args ...any) {
	w := a.stderr
	if bar := a.talk.Load(); bar != nil {
		w = bar
	}
	fmt.Fprintln(w, human.Plain(fmt.Sprintf(format, args...)))
}

// terminal returns the terminal that w is, if it is one that understands escape codes.
func (a *app) terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) || a.getenv("TERM") == "dumb" {
		return nil, false
	}
	return f, true
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// color reports whether w shows colours.
func (a *app) color(w io.Writer) bool {
	_, ok := a.terminal(w)
	return ok && a.getenv("NO_COLOR") == ""
}

// writeJSON writes the one document of -o json.
func (a *app) writeJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// plainPaths returns a writer to w that shows files of this machine as paths instead of URLs, those below the working
// directory as the user would type them. Each write to it has whole lines.
func (a *app) plainPaths(w io.Writer) io.Writer {
	var pairs []string
	if dir, err := os.Getwd(); err == nil && filepath.Dir(dir) != dir {
		here := backend.Location{Scheme: "file", Path: filepath.ToSlash(dir) + "/"}
		pairs = append(pairs, here.String(), "./")
	}
	root := "/"
	if filepath.Separator != '/' {
		root = "" // file:///C:/data is C:/data
	}
	return pathWriter{w, strings.NewReplacer(append(pairs, "file:///", root)...)}
}

type pathWriter struct {
	w     io.Writer
	paths *strings.Replacer
}

func (p pathWriter) Write(text []byte) (int, error) {
	if _, err := p.paths.WriteString(p.w, string(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// stateRoot is the folder that keeps what runs remember: --state, else $HYPEREXPORT_STATE, else the XDG state folder.
func (a *app) stateRoot(flag string) (string, error) {
	for _, dir := range []string{flag, a.getenv("HYPEREXPORT_STATE")} {
		if dir != "" {
			return filepath.Abs(dir)
		}
	}
	if dir := a.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "hyperexport"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for the state of runs: %w; set HYPEREXPORT_STATE", err)
	}
	return filepath.Join(home, ".local", "state", "hyperexport"), nil
}

// configFile returns the user's own backends file if there is one: --config, else the XDG place.
func (a *app) configFile(flag string) (path string, text []byte, err error) {
	if flag != "" {
		text, err = os.ReadFile(flag)
		return flag, text, err
	}
	dir := a.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", nil, nil //nolint:nilerr // without a home there is no such file
		}
		dir = filepath.Join(home, ".config")
	}
	path = filepath.Join(dir, "hyperexport", "config.yaml")
	text, err = os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil, nil
	}
	return path, text, err
}
