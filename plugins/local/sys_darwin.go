package local

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// fileVersion tells one state of a file from every other: a replaced file has another inode, a changed one another time of
// change, which no program can set.
func fileVersion(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Sprintf("%x:%x", info.Size(), info.ModTime().UnixNano())
	}
	return fmt.Sprintf("%x:%x:%x:%x:%x", st.Dev, st.Ino, st.Size, st.Mtimespec.Nano(), st.Ctimespec.Nano())
}

// tryLockRange locks all of f, so that parts of one upload are written one after the other.
func tryLockRange(f *os.File, _, _ int64) (bool, error) { return tryLock(f) }

// freeSpace returns the bytes that this user can still write in the file system of f; ok is false if it does not tell.
func (f *folder) freeSpace() (free int64, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.dir.Fd()), &st); err != nil || st.Blocks == 0 {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}

// device names the file system of f.
func (f *folder) device() string {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.dir.Fd()), &st); err != nil {
		return ""
	}
	return fmt.Sprintf("device %x", st.Dev)
}

// largest does not know.
func (f *folder) largest() int64 { return 0 }
