//go:build !linux

package local

import (
	"context"
	"errors"
	"os"
)

const keepsHoles = false

// bootID is new in every process: without a name for the time since the machine started, only what this process wrote
// is known to be still there.
func bootID() string { return newID() }

// nextData says that everything is data.
func nextData(_ *os.File, off, end int64) (data, hole int64) { return off, end }

func punch(*os.File, int64, int64) error { return errors.ErrUnsupported }

func (f *folder) renameNew(old, new string) error { return f.linkNew(old, new) }

// cloneFile and copyRange are the kernel's ways to copy, which are used on Linux only.
func cloneFile(_, _ *os.File) error { return errors.ErrUnsupported }

func copyRange(_ context.Context, _, _ *os.File, _, _ int64) (int64, error) {
	return 0, errors.ErrUnsupported
}
