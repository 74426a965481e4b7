package main

import (
	"fmt"
	"runtime"
)

// version is set when a release is built.
var version = "dev"

type versionCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c *versionCmd) Help() string {
	return `Examples:
  hyperexport version
  hyperexport version -o json`
}

func (c *versionCmd) Run(a *app) error {
	if c.Output == "json" {
		return a.writeJSON(map[string]string{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	return a.writeString(fmt.Sprintf("hyperexport %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH))
}
