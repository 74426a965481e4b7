package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/hyperexport/hyperexport/pkg/plugin"
)

type pluginLockCmd struct {
	manifestFlags
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c *pluginLockCmd) Help() string {
	return `The lock is the file hyperexport.lock beside the manifest. It holds the SHA-256 of each plugin that is not part of
hyperexport, for this system; what it says of other plugins and systems stays. Nothing is started. Keep the file with the
manifest: where nobody is at a terminal, only what is locked runs.

Examples:
  hyperexport plugin lock -f manifest.yaml`
}

// lockedPlugin is a plugin in the JSON document.
type lockedPlugin struct {
	Plugin string `json:"plugin"`
	Path   string `json:"path"`
	System string `json:"system"`
	SHA256 string `json:"sha256"`
	Before string `json:"before,omitempty"` // what was locked, if that was another program
}

func (c *pluginLockCmd) Run(a *app) error {
	a.json = c.Output == "json"
	m, err := c.load(a)
	if err != nil {
		return err
	}
	dir, err := c.dir()
	if err != nil {
		return err
	}
	var refs []string
	for _, scheme := range usedSchemes(m) {
		if b, _ := m.Backend(scheme); !slices.Contains(builtIn(), b.Plugin) {
			refs = append(refs, b.Plugin)
		}
	}
	slices.Sort(refs)
	path := filepath.Join(dir, lockName)
	locked, err := a.lock(path, slices.Compact(refs))
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(map[string]any{"file": path, "plugins": locked})
	}
	return a.writeString(c.text(path, locked))
}

func (c *pluginLockCmd) text(path string, locked []lockedPlugin) string {
	if len(locked) == 0 {
		return "the manifest uses no plugin but those that are part of hyperexport; there is nothing to lock\n"
	}
	text := ""
	for _, p := range locked {
		text += fmt.Sprintf("locked %s for %s: %s\n  sha256 %s\n", p.Plugin, p.System, p.Path, p.SHA256)
		if p.Before != "" {
			text += fmt.Sprintf("  before %s\n", p.Before)
		}
	}
	return text + "written: " + path + "\n"
}

// lock pins the programs that refs stand for on this system.
func (a *app) lock(path string, refs []string) ([]lockedPlugin, error) {
	locked := []lockedPlugin{}
	if len(refs) == 0 {
		return locked, nil
	}
	l, err := readLock(path)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		p := lockedPlugin{Plugin: ref, System: system()}
		if p.Path, err = a.pluginPath(ref); err != nil {
			return nil, err
		}
		if p.SHA256, err = plugin.Digest(p.Path); err != nil {
			return nil, err
		}
		if before := l.Plugins[ref][p.System]; before != p.SHA256 {
			p.Before = before
		}
		if l.Plugins[ref] == nil {
			l.Plugins[ref] = map[string]string{}
		}
		l.Plugins[ref][p.System] = p.SHA256
		locked = append(locked, p)
	}
	return locked, l.write(path)
}
