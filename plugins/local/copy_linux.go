package local

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// copyStep is what the kernel is asked to copy at once, between two looks at the context.
const copyStep = 64 << 20

// cloneFile makes out share the blocks of in.
func cloneFile(out, in *os.File) error {
	return unix.IoctlFileClone(int(out.Fd()), int(in.Fd()))
}

// copyRange lets the kernel copy n bytes at off, and returns how many it did. The error is errors.ErrUnsupported if the
// kernel cannot copy between these files.
func copyRange(ctx context.Context, out, in *os.File, off, n int64) (int64, error) {
	done := int64(0)
	for done < n {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		from, to := off+done, off+done
		got, err := unix.CopyFileRange(int(in.Fd()), &from, int(out.Fd()), &to, int(min(n-done, copyStep)), 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS),
			errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPERM):
			return done, errors.ErrUnsupported
		case err != nil:
			return done, err
		case got == 0 && done == 0: // some special file systems answer so instead of refusing
			return done, errors.ErrUnsupported
		case got == 0:
			return done, because(backend.Changed, "the source became shorter while it was copied")
		}
		done += int64(got)
	}
	return done, nil
}
