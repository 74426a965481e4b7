package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/plugin"
)

// leakyMain is a plugin that dies when it is asked for "die", and tells everything it knows: it prints its environment, its arguments and its secrets, and puts the
// secrets into its errors. Its object "spy" is what every process with the same parent has as arguments and environment.
func leakyMain() {
	plugin.Serve(func(_ context.Context, c plugin.Config) (backend.Provider, error) {
		fmt.Fprintln(os.Stderr, "leaky plugin:", os.Environ(), os.Args, c.Settings)
		secrets := slices.Sorted(maps.Values(c.Secrets))
		fmt.Fprintln(os.Stderr, "leaky secrets:", secrets)
		fmt.Println("on the other output:", secrets)
		return &leaky{secrets: secrets}, nil
	})
}

type leaky struct {
	backend.Unimplemented
	secrets []string
	spied   []byte
}

func (l *leaky) Describe() backend.Description {
	return backend.Description{Name: "leaky", Version: "1"}
}

func (l *leaky) Open(loc backend.Location) (backend.Storage, string, error) { return l, loc.Path, nil }
func (l *leaky) Close() error                                               { return nil }

func (l *leaky) Compute() (backend.Compute, error) {
	return nil, backend.Unsupported
}

func (l *leaky) Inventory() (backend.Inventory, error) {
	return nil, backend.Unsupported
}

func (l *leaky) Stat(_ context.Context, key string) (backend.Object, error) {
	switch key {
	case "die":
		fmt.Fprintln(os.Stderr, "no way to go on")
		os.Exit(3)
	case "spy":
	default:
		return backend.Object{}, &backend.Error{Op: "stat", Key: key, Kind: backend.Forbidden,
			RequestID: strings.Join(l.secrets, "-"), Err: fmt.Errorf("I have only %v", l.secrets)}
	}
	if l.spied == nil {
		l.spied = spy()
	}
	return backend.Object{Key: key, Size: int64(len(l.spied)), Version: "1", ModTime: time.Unix(1e9, 0)}, nil
}

func (l *leaky) ReadAt(_ context.Context, _ backend.Object, p []byte, off int64) (int, error) {
	n := copy(p, l.spied[min(off, int64(len(l.spied))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// spy returns the arguments and the environment of this process and its siblings.
func spy() []byte {
	var all bytes.Buffer
	parent := fmt.Sprintf("PPid:\t%d\n", os.Getppid())
	processes, err := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		status, statusErr := os.ReadFile(filepath.Join(dir, "status"))
		if statusErr != nil || !bytes.Contains(status, []byte(parent)) {
			continue
		}
		args, argsErr := os.ReadFile(filepath.Join(dir, "cmdline"))
		environ, environErr := os.ReadFile(filepath.Join(dir, "environ"))
		err = errors.Join(err, argsErr, environErr)
		fmt.Fprintf(&all, "ARGUMENTS %s\nENVIRONMENT %s\n", bytes.ReplaceAll(args, []byte{0}, []byte(" ")), bytes.ReplaceAll(environ, []byte{0}, []byte("\n")))
	}
	if err != nil {
		fmt.Fprintln(&all, "ERROR", err)
	}
	return all.Bytes()
}
