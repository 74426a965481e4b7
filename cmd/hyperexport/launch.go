package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/plugin"
)

// What a call into a plugin may take: a part of half a gigabyte needs long on a slow line, and a service that is asked for
// no bytes has long been given up by its own backend. These are for plugins that hang although their process is alive.
const (
	slowestCall = 5 * time.Minute
	slowestPart = 30 * time.Minute
)

// startsAgain is how often a plugin that ends before it is ready is started once more. Later it is package plugin that does so.
const startsAgain = 2

// What a plugin gets of the environment of this program. Secrets are not among it: they cross by Configure.
func ownEnvironment() []string {
	return []string{
		"HOME", "USERPROFILE", "TMPDIR", "TMP", "TEMP", "SystemRoot", "LANG", "LC_*", "TZ",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "GOTRACEBACK", "GORACE",
	}
}

// proxies may hold a password, which is masked in what the plugin prints.
func proxies() []string {
	return []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
}

// launchOwn starts this program again, as one of its own plugins.
func (o *opener) launchOwn(b manifests.Backend, c plugin.Config) (backend.Provider, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program to start it as a plugin: %w", err)
	}
	options := plugin.Options{Command: []string{self, "plugin", b.Plugin}, Config: c, Env: plugin.Allow(o.a.environ(), ownEnvironment()...)}
	if runtime.GOOS == "linux" {
		options.Execute = "/proc/self/exe" // the file that runs, also when another has taken its place meanwhile
	}
	if b.Plugin != "local" {
		o.allowProxies(&options)
	}
	return o.launch(b, options)
}

// launchForeign starts a plugin that is not part of this program, if it may run.
func (o *opener) launchForeign(b manifests.Backend) (backend.Provider, error) {
	path, err := o.a.pluginPath(b.Plugin)
	if err != nil {
		return nil, err
	}
	digest, err := o.trust.digest(o.a, b.Plugin, path)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", b.Name, err)
	}
	return o.launchTrusted(b, path, digest)
}

// launchTrusted starts the program with that SHA-256 and no other.
func (o *opener) launchTrusted(b manifests.Backend, path, digest string) (backend.Provider, error) {
	c, err := o.a.settings(b)
	if err != nil {
		return nil, err
	}
	options := plugin.Options{Command: []string{path}, SHA256: digest, Config: c,
		Env: plugin.Allow(o.a.environ(), append(ownEnvironment(), "PATH")...)}
	o.allowProxies(&options)
	return o.launch(b, options)
}

func (o *opener) allowProxies(options *plugin.Options) {
	allowed := plugin.Allow(o.a.environ(), proxies()...)
	options.Env = append(options.Env, allowed...)
	for _, entry := range allowed {
		_, value, _ := strings.Cut(entry, "=")
		if u, err := url.Parse(value); err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok {
				options.Mask = append(options.Mask, password)
			}
		}
	}
}

// launch starts a plugin with the memory that all of them share.
func (o *opener) launch(b manifests.Backend, options plugin.Options) (backend.Provider, error) {
	if o.arena == nil {
		var err error
		if o.arena, err = plugin.NewArena(2 * o.memory); err != nil {
			return nil, &codeError{exitFailed, err, "lower limits.memory, or raise what this user may use"}
		}
	}
	options.Name, options.Arena = b.Plugin, o.arena
	options.Timeouts.Call, options.Timeouts.Bytes = slowestCall, slowestPart
	options.Log = func(line string) { o.a.logPlugin(b.Name, line) }
	host, err := plugin.Launch(o.a.ctx, options)
	for range startsAgain {
		if !errors.Is(err, plugin.Crashed) {
			break
		}
		options.Log(err.Error() + "; it is started again")
		host, err = plugin.Launch(o.a.ctx, options)
	}
	if err != nil {
		return nil, launchError(b, err)
	}
	return host, nil
}

// launchError gives the code of a plugin that could not be started or that refuses its configuration.
func launchError(b manifests.Backend, err error) error {
	err = fmt.Errorf("backend %s: %w", b.Name, err)
	var fault *plugin.Error
	switch {
	case errors.As(err, &fault): // exitCode and helpFor know it
		return err
	case backend.KindOf(err) == backend.Invalid:
		return &codeError{exitInvalid, err, "correct the settings of the backend; nothing was changed"}
	}
	return err
}

// logPlugin logs what a plugin printed, or what became of it.
func (a *app) logPlugin(name, line string) {
	if a.log != nil {
		a.log.Debug("plugin", "backend", name, "line", line)
	}
}

const pluginPrefix = "hyperexport-plugin-"

// pluginPath returns the file of a plugin that a manifest names. A name stands for a file of the plugin folder; the working
// directory and $PATH are never searched.
func (a *app) pluginPath(ref string) (string, error) {
	if filepath.IsAbs(ref) {
		return filepath.Clean(ref), nil
	}
	dir, err := a.pluginDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, pluginPrefix+ref+executableSuffix()), nil
}

func executableSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// pluginDir is the folder of the plugins that are installed: $HYPEREXPORT_PLUGINS, else one in the XDG data folder.
func (a *app) pluginDir() (string, error) {
	if dir := a.getenv("HYPEREXPORT_PLUGINS"); dir != "" {
		if !filepath.IsAbs(dir) {
			return "", &codeError{exitPlugin, fmt.Errorf("HYPEREXPORT_PLUGINS is %q, which is no absolute path", dir),
				"plugins are never taken from the folder one happens to be in"}
		}
		return dir, nil
	}
	if dir := a.getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "hyperexport", "plugins"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of plugins: %w; set HYPEREXPORT_PLUGINS", err)
	}
	return filepath.Join(home, ".local", "share", "hyperexport", "plugins"), nil
}

// pluginHelp says what can be done about a plugin that cannot be used.
func pluginHelp(fault *plugin.Error) string {
	own := slices.Contains(builtIn(), fault.Plugin)
	switch fault.Reason {
	case plugin.Missing:
		return "install it with `hyperexport plugin install FILE`, or correct its name or path; `hyperexport plugin list` shows those there are"
	case plugin.NotExecutable:
		return "make the file executable, or install it with `hyperexport plugin install FILE`"
	case plugin.WrongSystem:
		return "get the plugin for " + system()
	case plugin.WrongProtocol:
		return "get the release of the plugin that fits this program; `hyperexport version` shows what this one is"
	case plugin.Crashed, plugin.Hung, plugin.Died, plugin.Unstable:
		if own {
			return "run the same command again: it goes on where it stopped; --log FILE keeps what the plugin says"
		}
		return "run the same command again with --log FILE, which keeps what the plugin says, and tell its author"
	}
	return ""
}

// system is what a lock and a release call the machine's kind.
func system() string { return runtime.GOOS + "/" + runtime.GOARCH }
