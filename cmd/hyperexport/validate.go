package main

import "fmt"

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
		return a.writeJSON(map[string]any{"outcome": "valid", "name": m.Name, "exports": len(m.Exports), "transfers": len(m.Transfers)})
	}
	return a.writeString(fmt.Sprintf("%s is valid: %d exports, %d transfers\n", c.File, len(m.Exports), len(m.Transfers)))
}
