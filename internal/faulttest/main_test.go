// Package faulttest runs the real command against a simulator of OCI that fails in every way that is known of it, once or
// for ever, and demands of each failure: the right exit code and kind; a report that names the object, the part, the
// service's request id and what to do; as many requests as the policy says; nothing wrong or partial at the destination;
// and that the same command, when the fault is gone, ends well and leaves nothing behind.
package faulttest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/hyperexport/hyperexport/internal/testbin"
)

// rows is how many rows of the tables run at once: they wait for processes and clocks more than for processors.
const rows = 8

// command is the path of the command under test. TestMain sets it.
var command string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "faulttest")
	if err == nil {
		command, err = testbin.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(rows, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir) // a leftover in the folder for temporary files
	os.Exit(code)
}
