//go:build unix

package local

import (
	"syscall"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var errnoKinds = []errnoKind{
	{syscall.ENOENT, backend.NotFound},
	{syscall.ENOTDIR, backend.NotFound}, // an element of the path is a file: nothing can be below it
	{syscall.EEXIST, backend.Exists},
	{syscall.ENOSPC, backend.Full},
	{syscall.EDQUOT, backend.Full},
	{syscall.EACCES, backend.Forbidden},
	{syscall.EPERM, backend.Forbidden},
	{syscall.EROFS, backend.Forbidden},
	{syscall.ENAMETOOLONG, backend.Invalid},
	{syscall.EINVAL, backend.Invalid},
	{syscall.EILSEQ, backend.Invalid},
	{syscall.ELOOP, backend.Invalid},
	{syscall.EISDIR, backend.Invalid},
	{syscall.EFBIG, backend.Invalid}, // larger than the file system or the limit of the process allows
	{syscall.ENOSYS, backend.Unsupported},
	{syscall.ENOTSUP, backend.Unsupported},
	{syscall.EMFILE, backend.Busy},
	{syscall.ENFILE, backend.Busy},
	{syscall.EAGAIN, backend.Busy},
	{syscall.EINTR, backend.Busy},
	{syscall.ENOMEM, backend.Busy},
	{syscall.ENOLCK, backend.Busy},
	{syscall.EBUSY, backend.Busy},
	{syscall.ETXTBSY, backend.Busy},
	{syscall.ETIMEDOUT, backend.Timeout}, // a network file system
}
