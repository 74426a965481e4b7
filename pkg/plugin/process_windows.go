package plugin

import (
	"errors"
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func killGroup(p *os.Process) { _ = p.Kill() }

func sealProgram(*os.File, string) (*program, error) { return nil, nil } // a copy is needed

// wrongSystem knows ERROR_BAD_EXE_FORMAT and ERROR_EXE_MACHINE_TYPE_MISMATCH.
func wrongSystem(err error) bool {
	return errors.Is(err, syscall.Errno(193)) || errors.Is(err, syscall.Errno(216))
}
