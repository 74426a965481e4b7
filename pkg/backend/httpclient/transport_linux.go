package httpclient

import "syscall"

// limitUnacknowledged lets the kernel drop a connection whose bytes nobody has acknowledged for 15 seconds. Keep-alive
// does not see that: it is silent while data is on its way.
func limitUnacknowledged(_, _ string, c syscall.RawConn) error {
	const tcpUserTimeout = 0x12
	// An older kernel without the option is no reason not to connect.
	return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, 15_000) })
}
