package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

type simulateCmd struct {
	OCI simulateOCICmd `cmd:"" name:"oci" help:"Run a simulator of Oracle Cloud Infrastructure until it is stopped."`
}

type simulateOCICmd struct {
	Listen     string `default:"127.0.0.1:0" help:"Address and port; port 0 chooses one."`
	Dir        string `placeholder:"DIR" help:"Keep the state here, so that it survives a restart (default: a temporary folder, removed at the end)."`
	SeedFile   string `placeholder:"FILE" help:"JSON with compartments, buckets and instances to begin with (default: three of each)."`
	SkipMD5    bool   `name:"skip-md5" help:"Leave out the MD5 of objects, which is most of what storing them costs; for benchmarks."`
	RequestLog string `placeholder:"FILE" help:"Write a JSON line for each request that was served, when the simulator stops."`
}

func (c *simulateOCICmd) Help() string {
	return `When it is ready it prints one JSON line: endpoint, config_file, profile, namespace, region, tenancy, compartment, instances.
Any OCI client can use the config file; the endpoint goes where the client takes one.

Examples:
  hyperexport simulate oci
  hyperexport simulate oci --listen 127.0.0.1:8443 --dir ./sim --seed-file seed.json`
}

// simulated is the line that says how to reach the simulator.
type simulated struct {
	Endpoint    string             `json:"endpoint"`
	ConfigFile  string             `json:"config_file"`
	Profile     string             `json:"profile"`
	Namespace   string             `json:"namespace"`
	Region      string             `json:"region"`
	Tenancy     string             `json:"tenancy"`
	Compartment string             `json:"compartment"`
	Instances   []simulatedMachine `json:"instances"`
}

type simulatedMachine struct {
	ocisim.InstanceInfo
	DiskSHA256 string `json:"disk_sha256"` // of the whole virtual disk
}

func (c *simulateOCICmd) Run(a *app) error {
	a.serves.Store(true)
	dir := c.Dir
	if dir == "" {
		temporary, err := os.MkdirTemp("", "hyperexport-ocisim-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary)
		dir = temporary
	}
	options := ocisim.Options{Dir: dir, SkipMD5: c.SkipMD5}
	if c.SeedFile != "" {
		seed, err := readSeed(c.SeedFile)
		if err != nil {
			return err
		}
		options.Seed = seed
	}
	sim, err := ocisim.New(options)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return errors.Join(err, sim.Close())
	}
	line, err := c.describe(sim, dir, "http://"+listener.Addr().String())
	if err == nil {
		err = json.NewEncoder(a.stdout).Encode(line)
	}
	if err != nil {
		return errors.Join(err, listener.Close(), sim.Close())
	}
	return errors.Join(serve(a.ctx, listener, sim), c.writeLog(sim), sim.Close())
}

func readSeed(path string) (*ocisim.Seed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seed, err := ocisim.LoadSeed(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return seed, nil
}

func (c *simulateOCICmd) describe(sim *ocisim.Server, dir, endpoint string) (simulated, error) {
	s := simulated{Endpoint: endpoint, Namespace: sim.Namespace(), Region: sim.Region(), Tenancy: sim.Tenancy(), Compartment: sim.Tenancy()}
	var err error
	if s.ConfigFile, s.Profile, err = sim.WriteConfig(filepath.Join(dir, "client"), endpoint); err != nil {
		return s, err
	}
	for _, instance := range sim.Instances() {
		sum, err := sim.DiskSHA256(instance.ID)
		if err != nil {
			return s, err
		}
		s.Instances = append(s.Instances, simulatedMachine{instance, sum})
	}
	return s, nil
}

// serve answers requests until ctx ends. That is how a simulator is meant to end, so it is no error.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (c *simulateOCICmd) writeLog(sim *ocisim.Server) error {
	if c.RequestLog == "" {
		return nil
	}
	f, err := os.OpenFile(c.RequestLog, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	for _, e := range sim.Log().All() {
		line := map[string]any{"time": e.Time, "operation": e.Operation, "method": e.Method, "path": e.Path, "query": e.Query,
			"status": e.Status, "retry_token": e.RetryToken, "request_id": e.RequestID}
		if err := enc.Encode(line); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}
