package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/internal/gateway"
)

// simulator is a running simulator of OCI, as the line that it prints describes it.
type simulator struct {
	cmd    *exec.Cmd
	stderr *strings.Builder

	Endpoint   string `json:"endpoint"`
	ConfigFile string `json:"config_file"`
	Profile    string `json:"profile"`
	Namespace  string `json:"namespace"`
	Region     string `json:"region"`
	Tenancy    string `json:"tenancy"`
	Instances  []struct {
		Name       string `json:"name"`
		State      string `json:"state"`
		DiskBytes  int64  `json:"disk_bytes"`
		DiskSHA256 string `json:"disk_sha256"`
	} `json:"instances"`
}

const logName = "requests.jsonl"

// startSimulator starts the simulator and reads the line that says how to reach it.
func (d *demo) startSimulator(ctx context.Context) error {
	args := []string{"simulate", "oci", "--seed-file", seedName, "--dir", "sim", "--request-log", logName}
	d.prompt(append(args, "&"))
	s := &simulator{cmd: d.command(ctx, args...), stderr: &strings.Builder{}}
	s.cmd.Stderr = s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start the simulator: %w; make build makes the program", err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, s)
	}
	if err != nil {
		_, _ = io.Copy(io.Discard, out)
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it says nothing that stderr does not say better
		return fmt.Errorf("start the simulator: %w: %s", err, s.stderr)
	}
	d.sim = s
	for _, i := range s.Instances {
		fmt.Fprintf(d.out, "instance %-7s %-8s boot disk %d MiB, sha256 %s\n", i.Name, i.State, i.DiskBytes>>20, short(i.DiskSHA256))
	}
	config, err := filepath.Rel(d.dir, s.ConfigFile)
	if err != nil {
		config = s.ConfigFile
	}
	fmt.Fprintf(d.out, "\n$ export OCI_CLI_CONFIG_FILE=%s OCI_CLI_ENDPOINT=%s\n", config, s.Endpoint)
	return nil
}

// startGateway starts an S3 server with a bucket. versitygw is none of hyperexport's parts.
func (d *demo) startGateway(ctx context.Context) error {
	s, err := gateway.Start(ctx)
	if err != nil {
		return err
	}
	d.gateway = s
	fmt.Fprintf(d.out, "\n$ versitygw --port %s --keep-alive posix %s &\n$ export GW_ACCESS=%s GW_SECRET=...\n",
		strings.TrimPrefix(s.URL, "http://"), s.Dir, s.Access)
	return os.Mkdir(filepath.Join(s.Dir, bucket), 0o700)
}

// stop ends the simulator, which then writes its request log, and the S3 server. Stopping twice is no error.
func (d *demo) stop() error {
	err := d.stopSimulator()
	if d.gateway != nil {
		err = errors.Join(err, d.gateway.Stop())
		d.gateway = nil
	}
	return err
}

func (d *demo) stopSimulator() error {
	if d.sim == nil {
		return nil
	}
	s := d.sim
	d.sim = nil
	if err := interrupt(s.cmd.Process); err != nil {
		return fmt.Errorf("stop the simulator: %w", err)
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("stop the simulator: %w: %s", err, s.stderr)
	}
	return nil
}

// short cuts a sum to what a reader compares.
func short(sum string) string { return sum[:min(16, len(sum))] }
