package local

import (
	"fmt"
	"path/filepath"
	"strings"
)

// checkPlatformName refuses what Windows would take for something else: separators, streams, patterns, devices, and the
// trailing dots and spaces that it drops.
func checkPlatformName(name string) error {
	if i := strings.IndexAny(name, `\:*?"<>|`); i >= 0 {
		return fmt.Errorf("%q is reserved on Windows", name[i])
	}
	if strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return fmt.Errorf("an element ends with a dot or a space, which Windows drops")
	}
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q is the name of a device on Windows", name)
	}
	return nil
}
