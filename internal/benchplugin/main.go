// Program benchplugin measures what the boundary between the processes of host and plugin costs: the same backend in this
// process, behind a plugin that shares memory with it, and behind one to which all bytes go in messages. It prints ratios of
// measurements that were taken in turn, beside what they are to be. The backends do real work: S3 over HTTP against a server
// that is a process of its own, files in memory, and, to see the bare boundary, objects in memory.
//
//	go run ./internal/benchplugin
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "benchplugin:", err)
		os.Exit(1)
	}
}

// run is the program, or one of the processes that it starts: "guest KIND", "server" or "transfer URL".
func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "guest":
		return serveGuest(args[1])
	case len(args) == 1 && args[0] == "server":
		return serveObjects(os.Stdin, os.Stdout)
	case len(args) == 2 && args[0] == "transfer":
		return transferTo(ctx, args[1])
	}
	flags := flag.NewFlagSet("benchplugin", flag.ContinueOnError)
	rounds := flags.Int("rounds", 25, "how often each way is measured, if the machine is not too busy")
	only := flags.String("run", "", "measure only what has a `NAME` that matches")
	profiles := flags.String("profile", "", "write processor profiles of host and plugins into this `FOLDER`; the label way tells them apart")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	b := &bench{out: os.Stdout, rounds: max(1, *rounds), only: pattern, profiles: *profiles}
	started := time.Now()
	err = b.measure(ctx)
	if err == nil {
		fmt.Printf("\nMeasured in %.0f s. Each ratio and each difference is the median of those within a round, in brackets the quartiles.\n",
			time.Since(started).Seconds())
	}
	return err
}

// measure runs everything, then ends what it has started.
func (b *bench) measure(ctx context.Context) (err error) {
	if err := b.begin(); err != nil {
		return errors.Join(err, b.end())
	}
	defer func() { err = errors.Join(err, b.end()) }()
	for _, part := range []func(context.Context) error{b.large, b.small, b.launches, b.memory} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}
