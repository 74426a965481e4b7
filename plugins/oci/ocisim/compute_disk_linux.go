package ocisim

import (
	"errors"
	"os"
	"syscall"
)

const (
	ficlone  = 0x40049409 // ioctl that makes a file share all blocks of another
	seekData = 3          // whence of lseek that looks for the next byte that is not in a hole
)

// reflink tells whether dst now shares src's blocks. It fails harmlessly where the file system cannot do that.
func reflink(dst, src *os.File) bool {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dst.Fd(), ficlone, src.Fd())
	return errno == 0
}

// nextData returns the first offset from off on that is not in a hole, or size.
func nextData(f *os.File, off, size int64) (int64, error) {
	at, err := f.Seek(off, seekData)
	switch {
	case err == nil:
		return at, nil
	case errors.Is(err, syscall.ENXIO):
		return size, nil
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOTSUP):
		return off, nil // the file system does not know holes
	}
	return 0, err
}
