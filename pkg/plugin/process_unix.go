//go:build unix

package plugin

import (
	"os"
	"syscall"
)

// killGroup kills a process and all that it started and that did not leave its group. It may be gone already.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
