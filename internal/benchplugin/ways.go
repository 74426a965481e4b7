package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/plugin"
)

// bench is one run of the program.
type bench struct {
	out      io.Writer
	rounds   int
	only     *regexp.Regexp
	profiles string

	server *server
	arena  *plugin.Arena
	dir    string         // for files
	ends   []func() error // in reverse
}

// The ways to one backend. All but the first are compared with the first.
const (
	direct = "in process"
	shared = "shared memory"
	inline = "in messages"
)

// way is a backend that was opened in one of the ways.
type way struct {
	name    string
	storage backend.Storage
	guest   int // its process, 0 if it is this one
}

// begin starts the server and the profile of this process.
func (b *bench) begin() (err error) {
	if b.dir, err = os.MkdirTemp(fastFolder(), "hyperexport-bench-"); err != nil {
		return err
	}
	b.ends = append(b.ends, func() error { return os.RemoveAll(b.dir) })
	if b.arena, err = plugin.NewArena(2 * inFlight * partSize); err != nil {
		return err
	}
	b.ends = append(b.ends, b.arena.Close)
	if b.server, err = startServer(); err != nil {
		return err
	}
	b.ends = append(b.ends, b.server.stop)
	if b.profiles == "" {
		return nil
	}
	file, err := os.Create(filepath.Join(b.profiles, "host.pprof"))
	if err != nil {
		return err
	}
	b.ends = append(b.ends, func() error {
		pprof.StopCPUProfile()
		return file.Close()
	})
	return pprof.StartCPUProfile(file)
}

func (b *bench) end() error {
	var all error
	for i := len(b.ends) - 1; i >= 0; i-- {
		all = errors.Join(all, b.ends[i]())
	}
	b.ends = nil
	return all
}

// subject is the container of a backend, and the configuration of the backend.
func (b *bench) subject(kind string) (backend.Location, plugin.Config) {
	c := plugin.Config{Settings: map[string]string{}, Secrets: map[string]string{}}
	switch kind {
	case "s3":
		c.Settings["endpoint"], c.Settings["region"], c.Settings["path_style"] = b.server.url, "us-east-1", "path"
		c.Settings["checksums"] = "crc32c"
		c.Secrets["access_key"], c.Secrets["secret_key"] = "AKIDBENCHMARK", "of the benchmark"
		return backend.Location{Scheme: "s3", Path: "bucket/"}, c
	case "file":
		return backend.Location{Scheme: "file", Path: b.dir + "/"}, c
	}
	return backend.Location{Scheme: "mem", Path: "bucket/"}, c
}

// open opens a backend in all ways. It stays open until the end.
func (b *bench) open(ctx context.Context, kind string) ([]way, error) {
	at, config := b.subject(kind)
	provider, err := newProvider(kind, config)
	if err != nil {
		return nil, err
	}
	b.ends = append(b.ends, provider.Close)
	s, _, err := provider.Open(at)
	if err != nil {
		return nil, err
	}
	ways := []way{{name: direct, storage: s}}
	for _, name := range []string{shared, inline} {
		w := way{name: name}
		pprof.Do(ctx, pprof.Labels("way", name), func(ctx context.Context) { err = b.launch(ctx, kind, &w) })
		if err != nil {
			return nil, err
		}
		ways = append(ways, w)
	}
	return ways, nil
}

func (b *bench) launch(ctx context.Context, kind string, w *way) error {
	at, config := b.subject(kind)
	if b.profiles != "" {
		config.Settings[profileSetting] = filepath.Join(b.profiles, kind+" "+w.name+".pprof")
	}
	pid := make(chan int, 1)
	arena := b.arena
	if w.name == inline {
		arena = nil
	}
	o, err := options(kind, config, arena, pid)
	if err != nil {
		return err
	}
	var p backend.Provider
	if p, err = plugin.Launch(ctx, o); err != nil {
		return err
	}
	b.ends = append(b.ends, p.Close)
	select {
	case w.guest = <-pid:
	case <-time.After(10 * time.Second):
		return errors.New("a plugin does not tell its process id")
	}
	w.storage, _, err = p.Open(at)
	return err
}

// options are those of a plugin of this program. Its process id goes to pid, of the first process only.
func options(kind string, c plugin.Config, arena *plugin.Arena, pid chan<- int) (plugin.Options, error) {
	self, err := os.Executable()
	return plugin.Options{
		Name: kind, Command: []string{self, "guest", kind}, Config: c, Arena: arena,
		Log: func(line string) {
			var n int
			if _, err := fmt.Sscanf(line, guestLine, &n); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %s\n", kind, line)
				return
			}
			select {
			case pid <- n:
			default:
			}
		},
		Timeouts: plugin.Timeouts{Call: 30 * time.Minute}, // as the command sets it
	}, err
}
