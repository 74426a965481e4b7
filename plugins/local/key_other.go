//go:build !windows

package local

func checkPlatformName(string) error { return nil }
