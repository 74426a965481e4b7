//go:build !linux

package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

const keepsHoles = false

// Everything is data here: holes are neither looked for nor made.

func hasHoles(fs.FileInfo) bool { return false }

func nextData(_ *os.File, off, _ int64) int64 { return off }

func nextHole(_ *os.File, _, end int64) int64 { return end }

func startWriteback(*os.File, int64, int64) {}

func punch(*os.File, int64, int64) error { return errors.ErrUnsupported }

func (f *folder) renameNew(old, new string) error { return f.linkNew(old, new) }

// cloneFile and copyRange are the kernel's ways to copy, which are used on Linux only.
func cloneFile(_, _ *os.File) error { return errors.ErrUnsupported }

func copyRange(_ context.Context, _, _ *os.File, _, _ int64) (int64, error) {
	return 0, errors.ErrUnsupported
}
