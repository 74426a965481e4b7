package plugin

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup gives a process a group of its own, and lets it die with the host.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// beyondInherited is a descriptor that no inherited one replaces in the child.
const beyondInherited = 64

// executeOpened executes the open file itself. A script cannot be: its interpreter would open it again. It returns nil if
// a copy is needed.
func executeOpened(file *os.File) (*program, error) {
	if isScript(file) {
		return nil, nil
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, beyondInherited)
	if err != nil {
		return nil, err
	}
	p := &program{path: fmt.Sprintf("/proc/self/fd/%d", fd), file: os.NewFile(uintptr(fd), file.Name())}
	if _, err := os.Stat(p.path); err != nil { // no /proc
		return nil, p.close()
	}
	return p, file.Close()
}

func isScript(file *os.File) bool {
	var start [2]byte
	n, err := file.ReadAt(start[:], 0)
	return err == nil && n == 2 && start == [2]byte{'#', '!'}
}

func wrongSystem(err error) bool {
	return errors.Is(err, syscall.ENOEXEC) || errors.Is(err, syscall.ELIBBAD)
}
