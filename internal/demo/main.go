// Program demo does the main job of hyperexport against a simulator of Oracle Cloud and an S3 server on this machine, and
// proves that it was done: two instances become disk images, and a folder goes to S3, from there to Oracle Cloud, and back. It prints each command line
// that it runs, so that a reader can run them too, and ends with a list of facts, each measured by something else than
// hyperexport. It exits with 0 only if all of them hold.
//
//	go run ./internal/demo -bin bin/hyperexport
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hyperexport/hyperexport/internal/gateway"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	bin := flag.String("bin", "bin/hyperexport", "the program to demonstrate")
	keep := flag.Bool("keep", false, "do not remove the folder at the end")
	flag.Parse()
	if err := show(ctx, *bin, *keep); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// show runs the demonstration in a folder of its own, which it removes.
func show(ctx context.Context, bin string, keep bool) (err error) {
	started := time.Now()
	dir, err := os.MkdirTemp("", "hyperexport-demo-")
	if err != nil {
		return err
	}
	d := &demo{dir: dir, out: os.Stdout}
	defer func() {
		err = errors.Join(err, d.stop())
		if keep {
			fmt.Printf("\nEverything is in %s.\n", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if d.bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	fmt.Printf("Everything happens on this machine, in %s.\n", dir)
	if err := d.play(ctx); err != nil {
		return err
	}
	facts, err := d.prove(ctx)
	if err != nil {
		return err
	}
	failed := printFacts(os.Stdout, facts)
	if failed > 0 {
		return fmt.Errorf("%d of %d facts do not hold", failed, len(facts))
	}
	fmt.Printf("\nAll %d facts hold, after %.0f s.\n", len(facts), time.Since(started).Seconds())
	return nil
}

// demo is one demonstration.
type demo struct {
	bin     string    // absolute
	dir     string    // everything is below it
	out     io.Writer // also for what the commands say on stderr, so that it stands in its place
	sim     *simulator
	gateway *gateway.Server
	found   findings
}

// play runs the commands and stops the simulator, after asking it what is left there.
func (d *demo) play(ctx context.Context) error {
	if err := d.prepare(); err != nil {
		return err
	}
	if err := d.startSimulator(ctx); err != nil {
		return err
	}
	if err := d.startGateway(ctx); err != nil {
		return err
	}
	if err := d.writeManifest(); err != nil {
		return err
	}
	for _, args := range [][]string{{"plan", "-f", manifestName}, {"apply", "-f", manifestName}} {
		d.prompt(args)
		cmd := d.command(ctx, args...)
		cmd.Stdout, cmd.Stderr = d.out, d.out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("hyperexport %s: %w", args[0], err)
		}
	}
	if err := d.applyAgain(ctx); err != nil {
		return err
	}
	if err := d.askCloud(ctx); err != nil {
		return err
	}
	if err := d.lookAtGateway(); err != nil {
		return err
	}
	return d.stop()
}

// prompt shows a command line as one would type it.
func (d *demo) prompt(args []string) {
	fmt.Fprintf(d.out, "\n$ hyperexport %s\n", strings.Join(args, " "))
}

// command prepares hyperexport to run in the folder of the demonstration, apart from what the user has set up for it.
func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.bin, args...)
	cmd.Dir = d.dir
	cmd.Cancel = func() error { return interrupt(cmd.Process) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+d.dir, "HYPEREXPORT_STATE="+filepath.Join(d.dir, "state"))
	if d.sim != nil {
		cmd.Env = append(cmd.Env, "OCI_CLI_CONFIG_FILE="+d.sim.ConfigFile, "OCI_CLI_PROFILE="+d.sim.Profile,
			"OCI_CLI_REGION="+d.sim.Region, "OCI_CLI_ENDPOINT="+d.sim.Endpoint)
	}
	if d.gateway != nil {
		cmd.Env = append(cmd.Env, "GW_ACCESS="+d.gateway.Access, "GW_SECRET="+d.gateway.Secret)
	}
	return cmd
}

// interrupt asks a process to end, and ends it where it cannot be asked.
func interrupt(p *os.Process) error {
	if err := p.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return p.Kill()
	}
	return nil
}
