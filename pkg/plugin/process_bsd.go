//go:build unix && !linux

package plugin

import (
	"errors"
	"os"
	"syscall"
)

// ownGroup gives a process a group of its own. That it dies with the host is up to it: its standard input ends.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func sealProgram(*os.File, string) (*program, error) { return nil, nil } // a copy is needed

// wrongSystem knows ENOEXEC, and EBADARCH of Darwin, which is not named elsewhere.
func wrongSystem(err error) bool {
	return errors.Is(err, syscall.ENOEXEC) || errors.Is(err, syscall.Errno(86))
}
