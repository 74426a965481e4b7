// Command hyperexport gets virtual machines and objects out of a cloud: it reads a manifest, shows the plan, and carries
// it out.
//
// This package wires the others together and is the only one that prints, reads the environment and exits.
package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // who reads the progress may go; a write then fails like any other
	os.Exit(run(os.Args[1:], newApp()))
}

// commands is the command line. Each command is in a file of its own.
type commands struct {
	Validate   validateCmd   `cmd:"" help:"Check a manifest without contacting anything."`
	Plan       planCmd       `cmd:"" help:"Show what apply would do, and change nothing."`
	Apply      applyCmd      `cmd:"" help:"Carry out a manifest; run it again to go on after an interruption."`
	Clean      cleanCmd      `cmd:"" help:"Find and remove what an interrupted run left: images, staged objects, uploads, temporary files."`
	Auth       authCmd       `cmd:"" help:"Sign in, and try what a manifest must be allowed to do."`
	Policy     policyCmd     `cmd:"" help:"Print the IAM statements that a manifest needs in Oracle Cloud."`
	Instance   instanceCmd   `cmd:"" help:"List, show, start, stop and reset instances."`
	Ls         lsCmd         `cmd:"" help:"List objects, prefixes and buckets."`
	Stat       statCmd       `cmd:"" help:"Show what is known of an object."`
	Cp         cpCmd         `cmd:"" help:"Copy objects, everything under a prefix, and pipes."`
	Cat        catCmd        `cmd:"" help:"Write objects to stdout."`
	Rm         rmCmd         `cmd:"" help:"Delete objects."`
	Du         duCmd         `cmd:"" help:"Add up how much there is below prefixes."`
	Mb         mbCmd         `cmd:"" help:"Make buckets."`
	Restore    restoreCmd    `cmd:"" help:"Make archived objects readable."`
	Plugin     pluginCmd     `cmd:"" help:"List, describe, check, pin and install plugins."`
	Schema     schemaCmd     `cmd:"" help:"Print the JSON Schema of manifests, for editors."`
	Simulate   simulateCmd   `cmd:"" help:"Run a simulator to try things on."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print a completion script for a shell."`
}

const description = `Get virtual machines and objects out of a cloud: plan, apply, prove.

  hyperexport plan  -f manifest.yaml      show what would happen
  hyperexport apply -f manifest.yaml      do it; run it again after an interruption
  hyperexport cp FROM TO                  copy at once, without a manifest; so do ls, cat, rm and others

Exit codes: 0 done, 1 failed, 3 partial, 4 invalid manifest, 5 temporary (run again), 6 denied,
7 blocked (nothing was touched), 11 locked, 12 integrity, 13 plugin, 80 usage, 130 and 143 interrupted.`

// run carries out one command line and returns the exit code.
func run(args []string, a *app) int {
	var cli commands
	code, exited := 0, false
	parser, err := kong.New(&cli,
		kong.Name("hyperexport"), kong.Description(description), kong.UsageOnError(), kong.Writers(a.stdout, a.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(c int) { code, exited = c, true }), kong.Bind(a))
	if err != nil {
		panic(err) // the command line's own definition is wrong
	}
	kctx, err := parser.Parse(args)
	if exited { // --help
		return code
	}
	if err != nil {
		var parse *kong.ParseError
		a.json = asksJSON(args)
		if errors.As(err, &parse) && !a.json {
			parser.Stdout = a.stderr // usage that was not asked for is talk
			_ = parse.Context.PrintUsage(true)
		}
		return a.conclude(&codeError{exitUsage, err, ""})
	}
	stop := a.watchSignals()
	defer stop()
	a.parser = parser
	return a.conclude(kctx.Run(a))
}

// asksJSON reports whether a command line that cannot be read asks for a document on stdout all the same.
func asksJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "-o", "--output":
			if i+1 < len(args) && args[i+1] == "json" {
				return true
			}
		case "-ojson", "-o=json", "--output=json":
			return true
		}
	}
	return false
}

// watchSignals ends the context at the first SIGINT or SIGTERM and the process at the second.
func (a *app) watchSignals() (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for first := true; ; first = false {
			select {
			case s := <-signals:
				if !first {
					os.Exit(signalCode(s))
				}
				a.signal.Store(int32(signalCode(s)))
				if !a.serves.Load() {
					a.say("hyperexport: %s: stopping, what is done is kept; once more stops at once", s)
				}
				a.cancel()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

func signalCode(s os.Signal) int {
	if s == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupted
}

// writeString writes the product of a command.
func (a *app) writeString(s string) error {
	_, err := io.WriteString(a.stdout, s)
	return err
}
