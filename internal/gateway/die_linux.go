package gateway

import "syscall"

// dieWithUs lets the server die with the thread that starts it.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
