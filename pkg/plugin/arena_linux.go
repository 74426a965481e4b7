package plugin

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// sharedFile returns memory without a name. Its size is sealed: a plugin that could shrink it would take the host down
// with a SIGBUS.
func sharedFile(size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("hyperexport-arena", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return unlinkedFile(size)
	}
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "hyperexport-arena")
	if err := file.Truncate(size); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// discardPages gives the memory back to the system; the pages read as zero afterwards. It is best effort.
func discardPages(mem []byte) {
	_ = unix.Madvise(mem, unix.MADV_REMOVE)
}
