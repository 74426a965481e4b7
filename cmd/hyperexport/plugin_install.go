package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/plugin"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

type pluginInstallCmd struct {
	File    string `arg:"" help:"The program, named hyperexport-plugin-NAME."`
	SHA256  string `name:"sha256" placeholder:"HEX" help:"Refuse any other program than the one with this SHA-256, before it is started."`
	Replace bool   `help:"Replace a plugin of the same name."`
	Output  string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c *pluginInstallCmd) Help() string {
	return `The program is copied, and started once to see that it is a plugin for this program. The plugin folder is
$HYPEREXPORT_PLUGINS, or hyperexport/plugins in the XDG data folder. A manifest that uses the plugin has to be locked anew.

Examples:
  hyperexport plugin install ./hyperexport-plugin-tape
  hyperexport plugin install ./hyperexport-plugin-tape --sha256 3f0c...`
}

// installed is the JSON document.
type installed struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func (c *pluginInstallCmd) Run(a *app) error {
	a.json = c.Output == "json"
	name, err := c.name()
	if err != nil {
		return err
	}
	from, err := filepath.Abs(c.File)
	if err != nil {
		return err
	}
	sum, err := plugin.Digest(from)
	if err != nil {
		return err
	}
	if c.SHA256 != "" && !strings.EqualFold(c.SHA256, sum) {
		return &plugin.Error{Plugin: name, Path: from, Reason: plugin.WrongDigest, Err: fmt.Errorf("its SHA-256 is %s and should be %s", sum, c.SHA256)}
	}
	path, err := a.pluginPath(name)
	if err != nil {
		return err
	}
	if err := c.install(a, name, from, path, sum); err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(installed{name, path, sum})
	}
	return a.writeString(fmt.Sprintf("installed %s: %s\n  sha256 %s\nfor each manifest that uses it: hyperexport plugin lock -f MANIFEST\n", name, path, sum))
}

// name is the one in the name of the file.
func (c *pluginInstallCmd) name() (string, error) {
	name, ok := strings.CutPrefix(strings.TrimSuffix(filepath.Base(c.File), executableSuffix()), pluginPrefix)
	switch {
	case !ok || !pluginName.MatchString(name):
		return "", &codeError{exitPlugin, fmt.Errorf("%s is no name of a plugin", filepath.Base(c.File)),
			"name the file hyperexport-plugin-NAME, with small letters, digits and - in the NAME"}
	case slices.Contains(builtIn(), name), name == "file":
		return "", &codeError{exitPlugin, fmt.Errorf("%s is a plugin that is part of hyperexport", name), "give the file another name"}
	}
	return name, nil
}

// install copies the program and starts the copy, before it gets its name.
func (c *pluginInstallCmd) install(a *app, name, from, path, sum string) error {
	there, err := plugin.Digest(path)
	switch {
	case errors.Is(err, plugin.Missing):
	case err != nil:
		return err
	case there == sum:
		return nil
	case !c.Replace:
		return &codeError{exitPlugin, fmt.Errorf("another %s is installed already: %s", name, path), "replace it with --replace"}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the plugin folder: %w", err)
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	staged := path + ".new"
	if err := replaceFile(staged, 0o700, source); err != nil {
		return fmt.Errorf("copy the plugin: %w", err)
	}
	if err := a.tryPlugin(name, staged, sum); err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return os.Rename(staged, path)
}

// tryPlugin starts a program and ends it. One that is not content with having no settings is a plugin all the same.
func (a *app) tryPlugin(name, path, sum string) error {
	o := &opener{a: a, memory: transfer.DefaultMemory}
	defer o.close()
	host, err := o.launchTrusted(manifests.Backend{Name: name, Plugin: name}, path, sum)
	if err == nil {
		return host.Close()
	}
	var refusal *backend.Error
	if errors.As(err, &refusal) {
		return nil
	}
	return err
}
