package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// fail makes the error of one method. It is the only place that turns an error of the operating system into a Kind. The
// path in such an error only repeats the key, or names a temporary file: the container is named in its place.
func (s *storage) fail(op, key string, err error) error {
	var done *backend.Error
	if errors.As(err, &done) {
		return err
	}
	cause := err
	var own *problem
	var unsynced *syncError
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &own), errors.As(err, &unsynced):
	case errors.As(err, &linkErr):
		cause = fmt.Errorf("%w (in %s)", linkErr.Err, s.dir)
	case errors.As(err, &pathErr):
		cause = fmt.Errorf("%w (in %s)", pathErr.Err, s.dir)
	}
	return &backend.Error{Op: op, Key: key, Kind: kindOf(err), Err: cause}
}

// problem is a cause that we find ourselves, with its Kind.
type problem struct {
	kind backend.Kind
	text string
	err  error
}

func (p *problem) Error() string { return p.text }
func (p *problem) Unwrap() error { return p.err }

// because makes a problem; a %w in format keeps its cause.
func because(kind backend.Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &problem{kind: kind, text: err.Error(), err: errors.Unwrap(err)}
}

// syncError says that bytes may not have come to the disk. They must be written again: the kernel may have dropped them and
// would report success the second time.
type syncError struct{ err error }

func (e *syncError) Error() string {
	return "the bytes may not have come to the disk: " + e.err.Error()
}
func (e *syncError) Unwrap() error { return e.err }

// kindOf classifies. A device that fails (EIO, ESTALE, EUCLEAN) is Unknown on purpose: no other Kind is true of it, and
// Unknown is not repeated.
func kindOf(err error) backend.Kind {
	var own *problem
	if errors.As(err, &own) {
		return own.kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return backend.KindOf(err)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		for _, row := range errnoKinds {
			if row.errno == errno {
				return row.kind
			}
		}
		return backend.Unknown
	}
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	if errors.As(err, &pathErr) || errors.As(err, &linkErr) {
		return backend.Forbidden // os.Root's own refusal: the path leads out of the container
	}
	return backend.Unknown
}

type errnoKind struct {
	errno syscall.Errno
	kind  backend.Kind
}
