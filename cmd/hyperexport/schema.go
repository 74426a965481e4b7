package main

import "github.com/hyperexport/hyperexport/manifests"

type schemaCmd struct{}

func (c *schemaCmd) Help() string {
	return `Examples:
  hyperexport schema > hyperexport.schema.json

An editor with a YAML language server then completes and checks a manifest that begins with
  # yaml-language-server: $schema=./hyperexport.schema.json`
}

func (c *schemaCmd) Run(a *app) error { return a.writeString(string(manifests.Schema())) }
