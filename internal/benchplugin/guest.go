package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/plugin"
	"github.com/hyperexport/hyperexport/plugins/local"
	"github.com/hyperexport/hyperexport/plugins/s3"
)

// profileSetting names the file into which a plugin writes a profile of itself.
const profileSetting = "benchmark_profile"

// guestLine is what a plugin says first, with its process id.
const guestLine = "plugin has process id %d"

// serveGuest is the main function of a plugin.
func serveGuest(kind string) error {
	plugin.Serve(func(_ context.Context, c plugin.Config) (backend.Provider, error) {
		fmt.Fprintf(os.Stderr, guestLine+"\n", os.Getpid())
		path := c.Settings[profileSetting]
		delete(c.Settings, profileSetting)
		p, err := newProvider(kind, c)
		if err != nil || path == "" {
			return p, err
		}
		return newProfiled(p, path)
	})
	return nil
}

// newProvider is the same in every process.
func newProvider(kind string, c plugin.Config) (backend.Provider, error) {
	switch kind {
	case "s3":
		config, err := s3.FromSettings(c.Settings, c.Secrets)
		if err != nil {
			return nil, err
		}
		return s3.New(config)
	case "file":
		return local.New(local.Options{}), nil
	}
	p := backendtest.NewMemProvider()
	p.Options.Discard = true
	p.Container("bucket").AddGenerated("object", objectSize, 1)
	p.Container("bucket").AddGenerated(smallKey, smallSize, 1)
	return p, nil
}

// profiled is a provider whose process is profiled until it is closed.
type profiled struct {
	backend.Provider
	file *os.File
}

func newProfiled(p backend.Provider, path string) (backend.Provider, error) {
	file, err := os.Create(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	return &profiled{p, file}, pprof.StartCPUProfile(file)
}

func (p *profiled) Close() error {
	pprof.StopCPUProfile()
	_ = p.file.Close() // a profile that is cut short shows when it is read
	return p.Provider.Close()
}
