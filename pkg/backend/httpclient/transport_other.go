//go:build !linux

package httpclient

import "syscall"

// limitUnacknowledged does nothing here: the limit on each write bounds the wait.
func limitUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }
