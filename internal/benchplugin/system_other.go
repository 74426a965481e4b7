//go:build !linux

package main

import (
	"errors"
	"time"
)

// processorTime is not known here.
func processorTime(int) (time.Duration, error) { return 0, nil }

// memoryOf is not known here.
func memoryOf(int) (int64, error) { return 0, errors.ErrUnsupported }

// fastFolder is the temporary folder.
func fastFolder() string { return "" }
