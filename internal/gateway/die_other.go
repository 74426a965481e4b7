//go:build !linux

package gateway

import "syscall"

// dieWithUs does nothing: other systems have no such thing.
func dieWithUs() *syscall.SysProcAttr { return nil }
