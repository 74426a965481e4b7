//go:build unix

package local

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// nonBlock makes opening a pipe return at once.
const nonBlock = syscall.O_NONBLOCK

// tryLock locks f as a whole against every other open file of any process that asks for the same.
func tryLock(f *os.File) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return locked(err)
		}
	}
}

// locked reads the answer to the request for a lock. Where the file system has no locks, work goes on without: then two
// processes must not write the same part at the same time.
func locked(err error) (bool, error) {
	switch {
	case err == nil, errors.Is(err, errors.ErrUnsupported):
		return true, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EACCES):
		return false, nil
	}
	return false, err
}

func openDir(root *os.Root) (*os.File, error) { return root.Open(".") }

// syncDir brings the names in a directory to the disk. Some network file systems cannot do that for a directory and do it
// at once anyway.
func syncDir(dir *os.File) error {
	err := dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// setAttr sets an extended attribute. ext4 says that the disk is full when the attribute is larger than a block.
func setAttr(f *os.File, name string, value []byte) error {
	err := unix.Fsetxattr(int(f.Fd()), name, value, 0)
	if errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ERANGE) || errors.Is(err, unix.ENOSPC) && len(value) > 1024 {
		return errAttrSize
	}
	return err
}

// getAttr returns an extended attribute, nil if there is none.
func getAttr(f *os.File, name string) []byte {
	size, err := unix.Fgetxattr(int(f.Fd()), name, nil)
	if err != nil || size == 0 {
		return nil
	}
	value := make([]byte, size)
	n, err := unix.Fgetxattr(int(f.Fd()), name, value)
	if err != nil {
		return nil
	}
	return value[:n]
}

// writable reports why nothing can be written in a directory.
func writable(dir string) error { return unix.Access(dir, unix.W_OK) }
