//go:build unix

package plugin

import (
	"os"

	"golang.org/x/sys/unix"
)

func mapShared(file *os.File, size int64) ([]byte, error) {
	return unix.Mmap(int(file.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func unmap(mem []byte) error { return unix.Munmap(mem) }

// mapInherited maps the memory behind a descriptor that this process was started with, and closes the descriptor.
func mapInherited(descriptor uintptr, size int64) ([]byte, error) {
	file := os.NewFile(descriptor, "arena")
	if file == nil {
		return nil, unix.EBADF
	}
	defer file.Close()
	return mapShared(file, size)
}

// unlinkedFile returns a file that has no name any more, so that it is gone with the last process that holds it.
func unlinkedFile(size int64) (*os.File, error) {
	file, err := os.CreateTemp("", "hyperexport-arena-")
	if err != nil {
		return nil, err
	}
	err = os.Remove(file.Name())
	if err == nil {
		err = file.Truncate(size)
	}
	if err != nil {
		file.Close() //nolint:errcheck // nothing was written
		return nil, err
	}
	return file, nil
}
