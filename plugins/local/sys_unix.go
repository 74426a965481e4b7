//go:build unix

package local

import (
	"errors"
	"os"
	"syscall"
)

// nonBlock makes opening a pipe return at once.
const nonBlock = syscall.O_NONBLOCK

// tryLock locks f as a whole against every other open file of any process that asks for the same.
func tryLock(f *os.File) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		default:
			return false, err
		}
	}
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
