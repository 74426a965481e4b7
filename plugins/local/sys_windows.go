package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// nonBlock does nothing: there are no pipes in a directory.
const nonBlock = 0

// fileVersion tells states of a file apart by size and time: Windows hands out no more with a directory entry.
func fileVersion(info fs.FileInfo) string {
	return fmt.Sprintf("%x:%x", info.Size(), info.ModTime().UnixNano())
}

// tryLock locks f against every other open file that asks for the same. The locked byte is far behind the end, because on
// Windows a lock keeps others from reading what it covers.
func tryLock(f *os.File) (bool, error) {
	far := &windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, far)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

// tryLockRange locks all of f, so that parts of one upload are written one after the other.
func tryLockRange(f *os.File, _, _ int64) (bool, error) { return tryLock(f) }

func openDir(*os.Root) (*os.File, error) { return nil, nil }

// syncDir does nothing: Windows has no such call, and NTFS keeps names in its journal.
func syncDir(*os.File) error { return nil }

// freeSpace returns the bytes that this user can still write in the file system of f; ok is false if it does not tell.
func (f *folder) freeSpace() (free int64, ok bool) {
	name, err := windows.UTF16PtrFromString(f.root.Name())
	if err != nil {
		return 0, false
	}
	var bytes uint64
	if err := windows.GetDiskFreeSpaceEx(name, &bytes, nil, nil); err != nil {
		return 0, false
	}
	return int64(bytes), true
}

func setAttr(*os.File, string, []byte) error { return errors.ErrUnsupported }

func getAttr(*os.File, string) []byte { return nil }

// device names the volume of f.
func (f *folder) device() string { return filepath.VolumeName(f.root.Name()) }

// largest does not know.
func (f *folder) largest() int64 { return 0 }

// writable does not know: it takes a write to find out.
func writable(string) error { return nil }
