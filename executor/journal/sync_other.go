//go:build !unix

package journal

// syncDir does nothing: the file systems of this platform keep names durable by themselves and do not sync folders.
func syncDir(string) error { return nil }
