// Package testbin builds the command for tests that run it as a process.
package testbin

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

const command = "github.com/hyperexport/hyperexport/cmd/hyperexport"

// Build builds hyperexport into dir, as a release is built, and returns its path. Without the race detector it is as fast
// and as small as what users have, also when the test itself is not.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "hyperexport")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, command)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the command: %w: %s", err, out)
	}
	return path, nil
}
