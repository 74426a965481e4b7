package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const keepsHoles = true

// fileVersion tells one state of a file from every other: a replaced file has another inode, a changed one another time of
// change, which no program can set.
func fileVersion(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Sprintf("%x:%x", info.Size(), info.ModTime().UnixNano())
	}
	return fmt.Sprintf("%x:%x:%x:%x:%x", st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano())
}

// hasHoles reports whether a file takes fewer blocks than its size needs. Asking first saves whole files the search for
// the next hole, which goes through all of them on some file systems.
func hasHoles(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Blocks*512 < st.Size
}

// nextData returns the first offset in [off, end) that is not in a hole, or end. A file system that knows no holes says off.
func nextData(f *os.File, off, end int64) int64 {
	data, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return end
	case err != nil:
		return off
	}
	return min(data, end)
}

// nextHole returns the first offset in [off, end) that is in a hole, or end.
func nextHole(f *os.File, off, end int64) int64 {
	hole, err := unix.Seek(int(f.Fd()), off, unix.SEEK_HOLE)
	if err != nil || hole <= off {
		return end
	}
	return min(hole, end)
}

// punch makes a hole, which reads as zeros. It fails where the file system has none.
func punch(f *os.File, off, n int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// startWriteback asks the kernel to begin with writing a range to the disk, so that the sync at the end finds little left
// to do.
func startWriteback(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE) // what counts is the sync
}

// tryLockRange locks a range of bytes of f, open for writing, against every other open file of any process; n 0 means up
// to the end and beyond. The lock goes when f is closed, also by a kill.
func tryLockRange(f *os.File, off, n int64) (bool, error) {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: off, Len: n}
	return locked(unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock))
}

// renameNew gives old the name new in the same directory if nothing has it.
func (f *folder) renameNew(old, new string) error {
	fd := int(f.dir.Fd())
	err := unix.Renameat2(fd, old, fd, new, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return f.linkNew(old, new)
	}
	return err
}

// freeSpace returns the bytes that this user can still write in the file system of f; ok is false if it does not tell.
func (f *folder) freeSpace() (free int64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.dir.Fd()), &st); err != nil || st.Blocks == 0 {
		return 0, false
	}
	return int64(st.Bavail) * st.Bsize, true
}

// device names the file system of f.
func (f *folder) device() string {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.dir.Fd()), &st); err != nil {
		return ""
	}
	return fmt.Sprintf("device %x", st.Dev)
}

// largest is the size of the largest file of the file system, in bytes; 0 if it has no limit that matters.
func (f *folder) largest() int64 {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.dir.Fd()), &st); err == nil && st.Type == unix.MSDOS_SUPER_MAGIC {
		return 4<<30 - 1
	}
	return 0
}
