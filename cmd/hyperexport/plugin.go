package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/plugin"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plugins/local"
	"github.com/hyperexport/hyperexport/plugins/s3"
)

type pluginCmd struct {
	List     pluginListCmd     `cmd:"" help:"List the plugins that there are."`
	Describe pluginDescribeCmd `cmd:"" help:"Say what a backend is and what a location of it can do."`
	Check    pluginCheckCmd    `cmd:"" help:"Prove that a backend keeps its promises, at a location of yours."`
	Lock     pluginLockCmd     `cmd:"" help:"Pin the plugins of a manifest, so that exactly these may run."`
	Install  pluginInstallCmd  `cmd:"" help:"Put a plugin into the plugin folder."`

	// What this program starts of itself.
	Local guestLocalCmd `cmd:"" hidden:""`
	S3    guestS3Cmd    `cmd:"" hidden:"" name:"s3"`
}

// guestS3Cmd and guestLocalCmd are the plugins that are part of this program. They answer the process that started them.
type (
	guestS3Cmd    struct{}
	guestLocalCmd struct{}
)

func (guestS3Cmd) Run() error    { return serveGuest(guestS3) }
func (guestLocalCmd) Run() error { return serveGuest(guestLocal) }

func serveGuest(factory plugin.Factory) error {
	signal.Reset(os.Interrupt, syscall.SIGTERM) // they end it, as they end any program
	plugin.Serve(factory)
	return nil
}

func guestS3(_ context.Context, c plugin.Config) (backend.Provider, error) {
	config, err := s3.FromSettings(c.Settings, c.Secrets)
	if err != nil {
		return nil, err
	}
	return s3.New(config)
}

func guestLocal(context.Context, plugin.Config) (backend.Provider, error) {
	return local.New(local.Options{}), nil
}

// backendFlags find a backend: that of a manifest, else the user's, else a built-in one or an installed plugin.
type backendFlags struct {
	File   string            `short:"f" placeholder:"FILE" help:"Manifest whose backends are known."`
	Var    map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"Set a variable of the manifest; may be repeated."`
	Config string            `placeholder:"FILE" help:"Backends below those of the manifest (default: hyperexport/config.yaml in the XDG config folder)."`
}

// find returns the backend called name and what opens it.
func (f backendFlags) find(a *app, name string) (manifests.Backend, *opener, error) {
	o, err := a.newOpener(manifestFlags(f), transfer.DefaultMemory)
	if err != nil {
		return manifests.Backend{}, nil, err
	}
	known, err := f.known(a)
	if err != nil {
		return manifests.Backend{}, nil, err
	}
	return named(known, name), o, nil
}

// known returns what finds a backend by its name: that of the manifest, or the user's.
func (f backendFlags) known(a *app) (func(name string) (manifests.Backend, bool), error) {
	if f.File != "" {
		m, err := manifestFlags(f).load(a)
		if err != nil {
			return nil, err
		}
		return m.Backend, nil
	}
	c, err := manifestFlags(f).loadConfig(a)
	if err != nil {
		return nil, err
	}
	return c.Backend, nil
}

// named returns a backend that is known, else the plugin of that name.
func named(known func(string) (manifests.Backend, bool), name string) manifests.Backend {
	if b, ok := known(name); ok {
		return b
	}
	b := manifests.Backend{Name: name, Plugin: name}
	if filepath.IsAbs(name) {
		b.Name = strings.TrimPrefix(filepath.Base(name), pluginPrefix)
	}
	return b
}

type pluginListCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c *pluginListCmd) Help() string {
	return `Nothing is started.

Examples:
  hyperexport plugin list
  hyperexport plugin list -o json`
}

// listedPlugin is a plugin in the JSON document.
type listedPlugin struct {
	Name    string `json:"name"`
	BuiltIn bool   `json:"built_in"`
	Path    string `json:"path,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (c *pluginListCmd) Run(a *app) error {
	a.json = c.Output == "json"
	all := []listedPlugin{}
	for _, name := range builtIn() {
		all = append(all, listedPlugin{Name: name, BuiltIn: true})
	}
	dir, installed, err := a.installedPlugins()
	if err != nil {
		return err
	}
	all = append(all, installed...)
	if a.json {
		return a.writeJSON(map[string]any{"folder": dir, "plugins": all})
	}
	return a.writeTable(func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "PLUGIN\tWHERE\tSHA-256")
		for _, p := range all {
			where := p.Path
			if p.BuiltIn {
				where = "built in"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", human.Plain(p.Name), human.Plain(where), p.SHA256+p.Error)
		}
	})
}

// installedPlugins lists the plugin folder, which need not exist.
func (a *app) installedPlugins() (dir string, all []listedPlugin, err error) {
	if dir, err = a.pluginDir(); err != nil {
		return "", nil, err
	}
	paths, err := filepath.Glob(filepath.Join(dir, pluginPrefix+"*"))
	if err != nil {
		return dir, nil, err
	}
	slices.Sort(paths)
	for _, path := range paths {
		p := listedPlugin{Name: strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), pluginPrefix), executableSuffix()), Path: path}
		if p.SHA256, err = plugin.Digest(path); err != nil {
			p.Error = err.Error()
		}
		all = append(all, p)
	}
	return dir, all, nil
}

// writeTable writes lines of columns, which fill separates with tabs, to stdout.
func (a *app) writeTable(fill func(*tabwriter.Writer)) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fill(w)
	if err := w.Flush(); err != nil {
		return err
	}
	return a.writeString(text.String())
}
