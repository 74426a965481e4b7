package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/plugin"
)

// lockName is the file beside a manifest that says which programs may run as plugins.
const lockName = "hyperexport.lock"

// lockFile pins plugins by SHA-256: by name or path as manifests have it, and by system.
type lockFile struct {
	Version int                          `json:"version"`
	Plugins map[string]map[string]string `json:"plugins"`
}

// readLock reads the lock of a folder. One that is not there locks nothing.
func readLock(path string) (lockFile, error) {
	l := lockFile{Version: 1, Plugins: map[string]map[string]string{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err = d.Decode(&l); err == nil && l.Version != 1 {
			err = fmt.Errorf("version %d is not supported", l.Version)
		}
		if err == nil && d.More() {
			err = errors.New("something follows after its end")
		}
		if err == nil && l.Plugins == nil {
			err = errors.New("it has no plugins")
		}
	}
	if err != nil {
		return l, &codeError{exitPlugin, fmt.Errorf("read the lock of plugins %s: %w", path, err),
			"restore the file, or remove it and write it anew with `hyperexport plugin lock -f MANIFEST`"}
	}
	return l, nil
}

// write replaces the file in one step.
func (l lockFile) write(path string) error {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, 0o644, bytes.NewReader(append(text, '\n')))
}

// trust decides which programs that are not part of this one may run.
type trust struct {
	lockPath string // "" trusts what is named on the command line
	lock     lockFile
	remedy   string // the command line that locks
}

// newTrust reads the lock beside the manifest that f names. Who names no manifest names the plugin itself.
func (a *app) newTrust(f manifestFlags) (trust, error) {
	if f.File == "" {
		return trust{}, nil
	}
	dir, err := f.dir()
	if err != nil {
		return trust{}, err
	}
	t := trust{lockPath: filepath.Join(dir, lockName), remedy: f.command("plugin lock", "")}
	t.lock, err = readLock(t.lockPath)
	return t, err
}

// digest returns the SHA-256 of the program that may run. The error has a *plugin.Error. Where a person is at a terminal they are
// asked about one that is not locked.
func (t trust) digest(a *app, ref, path string) (string, error) {
	sum, err := plugin.Digest(path)
	var missing *plugin.Error
	if errors.As(err, &missing) {
		missing.Plugin = ref
	}
	if err != nil || t.lockPath == "" {
		return sum, err
	}
	locked := t.lock.Plugins[ref][system()]
	if strings.EqualFold(sum, locked) {
		return sum, nil
	}
	reason := plugin.Untrusted
	why := fmt.Errorf("it is not locked for %s in %s; its SHA-256 is %s", system(), t.lockPath, sum)
	if locked != "" {
		reason = plugin.WrongDigest
		why = fmt.Errorf("it is not what was locked in %s: its SHA-256 is %s and should be %s", t.lockPath, sum, locked)
	}
	fault := &plugin.Error{Plugin: ref, Path: path, Reason: reason, Err: why}
	if a.confirms(fault.Error() + "\nRun it this once?") {
		return sum, nil
	}
	if a.ctx.Err() != nil {
		return "", a.ctx.Err()
	}
	return "", &codeError{exitPlugin, fault, "if this is the program that you want to run: " + t.remedy}
}

// confirms asks a question that is answered with y or n. Without a terminal on both sides the answer is no.
func (a *app) confirms(question string) bool {
	_, hears := a.terminal(a.stderr)
	in, ok := a.stdin.(*os.File)
	if !hears || !ok || !isTerminal(in) {
		return false
	}
	fmt.Fprintf(a.stderr, "hyperexport: %s [y/N] ", question)
	answered := make(chan string, 1)
	go func() { // a read from a terminal does not end with a context; it ends with the process
		answer, _ := bufio.NewReader(in).ReadString('\n')
		answered <- strings.TrimSpace(answer)
	}()
	select {
	case answer := <-answered:
		return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
	case <-a.ctx.Done():
		return false
	}
}
