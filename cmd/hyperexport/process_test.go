package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for what must happen, in a process that a busy machine may starve.
const patience = 60 * time.Second

// exits CODE command...: runs a command, which must end with the code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := codeOf(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func codeOf(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

// started is a command that a script has begun and not waited for.
type started struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed after err is set
	err   error
}

// start NAME command...: begins a command. Its output goes to NAME.out and NAME.err.
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start name command...")
	}
	w, name := worldOf(ts), args[0]
	stdout, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	defer stdout.Close()
	stderr, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	defer stderr.Close()
	c := exec.Command(args[1], args[2:]...)
	c.Dir, c.Stdout, c.Stderr = ts.MkAbs("."), stdout, stderr
	for _, name := range w.names {
		c.Env = append(c.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(c.Start())
	s := &started{cmd: c, ended: make(chan struct{})}
	go func() {
		s.err = c.Wait()
		close(s.ended)
	}()
	w.started[name] = s
	ts.Defer(func() {
		if w.started[name] == s {
			_ = c.Process.Kill()
			<-s.ended
		}
	})
}

// signal NAME INT|TERM|KILL: sends a signal to a started command.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	if neg || len(args) != 2 || signals[args[1]] == nil {
		ts.Fatalf("usage: signal name INT|TERM|KILL")
	}
	ts.Check(startedOf(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// ends NAME [CODE]: waits until a started command has ended, with the code if one is given.
func cmdEnds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: ends name [code]")
	}
	s := startedOf(ts, args[0])
	select {
	case <-s.ended:
		delete(worldOf(ts).started, args[0])
		got := codeOf(ts, s.err)
		if len(args) == 2 && strconv.Itoa(got) != args[1] {
			text, _ := os.ReadFile(ts.MkAbs(args[0] + ".err"))
			ts.Fatalf("exit code %d, want %s; stderr:\n%s", got, args[1], text)
		}
	case <-time.After(patience):
		ts.Fatalf("%s still runs", args[0])
	}
}

func startedOf(ts *testscript.TestScript, name string) *started {
	s, ok := worldOf(ts).started[name]
	if !ok {
		ts.Fatalf("nothing was started as %q", name)
	}
	return s
}
