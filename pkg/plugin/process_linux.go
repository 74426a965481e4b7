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

// sealProgram copies the program in file into memory that nobody can change any more, and which is executed: also when the
// plugin is started again, whatever has been written to the file meanwhile. A script cannot be executed so: its interpreter
// would open it again. It returns nil if another kind of copy is needed.
func sealProgram(file *os.File, digest string) (_ *program, err error) {
	if isScript(file) {
		return nil, nil
	}
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("hyperexport-plugin", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // a kernel that needs no word for it
		fd, err = unix.MemfdCreate("hyperexport-plugin", flags)
	}
	if err != nil { // a kernel that has none, or lets none be executed
		return nil, nil //nolint:nilerr // a file does as well
	}
	low := os.NewFile(uintptr(fd), file.Name())
	defer low.Close()
	if fd, err = unix.FcntlInt(low.Fd(), unix.F_DUPFD_CLOEXEC, beyondInherited); err != nil {
		return nil, err
	}
	p := &program{path: fmt.Sprintf("/proc/self/fd/%d", fd), file: os.NewFile(uintptr(fd), file.Name())}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if _, err := os.Stat(p.path); err != nil { // no /proc
		return nil, p.close()
	}
	if err := copyOf(low, file, digest); err != nil {
		return nil, err
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	_, err = unix.FcntlInt(low.Fd(), unix.F_ADD_SEALS, seals)
	return p, err
}

func isScript(file *os.File) bool {
	var start [2]byte
	n, err := file.ReadAt(start[:], 0)
	return err == nil && n == 2 && start == [2]byte{'#', '!'}
}

func wrongSystem(err error) bool {
	return errors.Is(err, syscall.ENOEXEC) || errors.Is(err, syscall.ELIBBAD)
}
