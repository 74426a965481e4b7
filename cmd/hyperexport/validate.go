package main

import (
	"fmt"

	"github.com/hyperexport/hyperexport/internal/human"
)

type validateCmd struct {
	manifestFlags
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c *validateCmd) Help() string {
	return `Examples:
  hyperexport validate -f manifest.yaml
  hyperexport validate -f manifest.yaml --var bucket=acme-dr -o json`
}

func (c *validateCmd) Run(a *app) error {
	a.json = c.Output == "json"
	m, err := c.load(a)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(map[string]any{"outcome": "valid", "name": m.Name, "exports": len(m.Exports), "transfers": len(m.Transfers), "buckets": len(m.Buckets)})
	}
	name := c.File
	if name == "-" {
		name = "stdin"
	}
	text := fmt.Sprintf("%s is valid: %s, %s", name, human.Plural(int64(len(m.Exports)), "export"), human.Plural(int64(len(m.Transfers)), "transfer"))
	if n := len(m.Buckets); n > 0 {
		text += ", " + human.Plural(int64(n), "bucket")
	}
	return a.writeString(text + "\n")
}
