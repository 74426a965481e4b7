//go:build unix && !linux

package plugin

import "os"

func sharedFile(size int64) (*os.File, error) { return unlinkedFile(size) }

// discardPages keeps the pages: there is no portable way to give back those of a file.
func discardPages([]byte) {}
