package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

const (
	firstInherited = 3               // the descriptor of the arena in a guest
	lastWords      = time.Second     // for what a dead process has printed, if another one holds its output
	noWord         = 2 * time.Second // between the end of the output of a guest that said nothing, and its own
)

// process is the operating system's side of a guest. It is what go-plugin calls a runner, because go-plugin's own has no
// process group, waits without bound, and knows only text to say what went wrong.
type process struct {
	host      *Host
	env       []string
	socketDir string
	out, log  *lineLog // standard output and error, so that a flood of one does not hide the other

	cmd     *exec.Cmd
	stdin   *os.File       // the pipe whose end tells the guest to exit
	hello   *io.PipeReader // what go-plugin reads: the one line
	answer  *io.PipeWriter
	started chan struct{} // closed when there is a process
	exited  chan struct{} // closed when it is dead
	done    chan struct{} // closed when its output has been read as well

	mu    sync.Mutex
	fault *Error // why it ended, or is to end
	ended bool
	given bool      // go-plugin gave it up, and says why
	hung  sync.Once // closes stdin
}

var _ runner.Runner = (*process)(nil)

func newProcess(h *Host) *process {
	p := &process{host: h, out: newLineLog(h.mask, h.o.Log), log: newLineLog(h.mask, h.o.Log),
		started: make(chan struct{}), exited: make(chan struct{}), done: make(chan struct{})}
	p.hello, p.answer = io.Pipe()
	return p
}

// Start starts the process and the goroutines that read what it prints.
func (p *process) Start(context.Context) error {
	if p.ending() {
		return p.failure()
	}
	inner, outer, err := pipes()
	if err != nil {
		return err
	}
	p.stdin = outer.in
	p.cmd = p.host.program.command(p.host.o.Command)
	p.cmd.Env = append(append([]string{}, p.host.o.Env...), p.env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = inner.in, inner.out, inner.err
	if a := p.host.o.Arena; a != nil && a.file != nil {
		p.cmd.ExtraFiles = []*os.File{a.file}
	}
	p.cmd.SysProcAttr = ownGroup()

	begun := make(chan error, 1)
	go p.run(begun, outer)
	err = <-begun
	inner.close()
	if err != nil {
		outer.close()
		p.end(reasonOf(err, p.cmd.Path), fmt.Errorf("it cannot be started: %w", err))
		return err
	}
	close(p.started)
	if p.ending() {
		killGroup(p.cmd.Process)
	}
	return nil
}

// run is the life of the process. All of it is one thread of the operating system: on Linux the process dies with the
// thread that started it.
func (p *process) run(begun chan<- error, outer standard) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	begun <- err
	if err != nil {
		return
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.readOutput(outer.out) })
	readers.Go(func() { p.log.read(outer.err) })
	err = p.cmd.Wait()
	killGroup(p.cmd.Process) // what it started does not outlive it

	read := make(chan struct{})
	go func() {
		defer close(read)
		readers.Wait()
	}()
	timer := time.AfterFunc(lastWords, outer.closeOutput) // a process that left the group may hold the pipes
	select {
	case <-read:
	case <-time.After(lastWords / 10):
	}
	p.note(err)
	close(p.exited)
	<-read
	timer.Stop()
	outer.closeOutput()
	p.hangUp()
	p.answer.Close() //nolint:errcheck // never fails
	close(p.done)
}

// note keeps what the process died of, if nothing else is known.
func (p *process) note(err error) {
	how := "with status 0"
	if err != nil {
		how = "with " + strings.TrimPrefix(err.Error(), "exit ")
	}
	why := fmt.Errorf("it ended %s", how)
	if tail := p.log.tail(); tail != "" {
		why = fmt.Errorf("%w, and printed last: %s", why, tail)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.fault == nil && !p.given {
		p.fault = p.host.fault(Died, why)
	}
}

// end keeps why the process is to end, unless it is known already, and kills it and all that it started.
func (p *process) end(reason Reason, why error) {
	p.mu.Lock()
	if p.fault == nil {
		p.fault = p.host.fault(reason, why)
	}
	p.ended = true
	p.mu.Unlock()
	p.answer.CloseWithError(p.failure())
	select {
	case <-p.exited:
	case <-p.started:
		killGroup(p.cmd.Process)
	default: // Start looks again
	}
}

// hangUp tells the guest to exit.
func (p *process) hangUp() {
	p.hung.Do(func() { p.stdin.Close() }) //nolint:errcheck // nothing was written
}

// failure returns why the process ended or is to end, nil while it is fine.
func (p *process) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == nil {
		return nil
	}
	return p.fault
}

func (p *process) ending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// begun reports whether there is, or was, a process.
func (p *process) begun() bool {
	select {
	case <-p.started:
		return true
	default:
		return false
	}
}

// readOutput hands the first line to go-plugin if it is one of a plugin of ours, and logs the others.
func (p *process) readOutput(out io.Reader) {
	const longest = 16 << 10
	r := bufio.NewReaderSize(out, longest)
	line, err := r.ReadSlice('\n')
	hello := string(line)
	if err != nil && hello == "" {
		p.silent()
		return
	}
	if reason, why := checkHello(hello); why != nil {
		p.end(reason, fmt.Errorf("%w: %q", why, cut(p.host.mask.line(hello), 200)))
	} else {
		go io.WriteString(p.answer, hello) //nolint:errcheck // go-plugin may have given up
	}
	p.out.read(r)
}

// silent ends a process that closed its output without a word. One that is about to end by itself has a better reason.
func (p *process) silent() {
	select {
	case <-p.exited:
	case <-time.After(noWord):
		p.end(WrongProtocol, errors.New("it is no plugin: it closed its standard output without a word"))
	}
}

// checkHello looks at the line with which a guest says how it can be reached:
// core protocol|application protocol|network|address|kind|certificate.
func checkHello(line string) (Reason, error) {
	fields := strings.Split(strings.TrimSpace(line), "|")
	core, err := strconv.Atoi(fields[0])
	if err != nil || len(fields) < 4 || !strings.HasSuffix(line, "\n") {
		return WrongProtocol, errors.New("it is no plugin: its first line is not that of one")
	}
	version, err := strconv.Atoi(fields[1])
	switch {
	case err != nil || core != 1:
		return WrongProtocol, fmt.Errorf("it speaks version %s|%s of the plugin protocol, this program speaks 1|%d", fields[0], fields[1], Version)
	case version != Version:
		return WrongProtocol, fmt.Errorf("it speaks version %d of the protocol, this program speaks version %d: "+
			"use a plugin or a program that fits", version, Version)
	case len(fields) < 6 || fields[4] != "grpc" || fields[5] == "":
		return WrongProtocol, errors.New("it offers no gRPC with a certificate")
	}
	return "", nil
}

// Wait waits until the process is dead and all that it printed was read.
func (p *process) Wait(context.Context) error {
	<-p.done
	return nil
}

// Kill kills the process. It is for go-plugin, which does so when it cannot use it.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	p.given = true
	p.mu.Unlock()
	if p.begun() {
		killGroup(p.cmd.Process)
	}
	return nil
}

// ID is the process id, "" before there is one.
func (p *process) ID() string {
	if !p.begun() {
		return ""
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

// Name is the path of the program.
func (p *process) Name() string { return p.host.o.Command[0] }

// Stdout has the line that go-plugin waits for.
func (p *process) Stdout() io.ReadCloser { return p.hello }

// Stderr is empty: the process's own is read here.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Diagnose knows nothing beyond failure.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost changes nothing.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin changes nothing.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// standard is one end of the pipes of the three standard files.
type standard struct{ in, out, err *os.File }

func pipes() (inner, outer standard, err error) {
	files := make([]*os.File, 0, 6)
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			for _, f := range files {
				f.Close() //nolint:errcheck // nothing was written
			}
			return inner, outer, err
		}
		files = append(files, r, w)
	}
	return standard{files[0], files[3], files[5]}, standard{files[1], files[2], files[4]}, nil
}

func (s standard) close() {
	s.in.Close() //nolint:errcheck // nothing was written
	s.closeOutput()
}

func (s standard) closeOutput() {
	s.out.Close() //nolint:errcheck // read
	s.err.Close() //nolint:errcheck // read
}
