package plugin

import (
	"errors"
	"os"
)

func sharedFile(int64) (*os.File, error) { return nil, errors.ErrUnsupported }

func mapShared(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

func mapInherited(uintptr, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) error { return nil }

func discardPages([]byte) {}
