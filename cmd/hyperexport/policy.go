package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hyperexport/hyperexport/plugins/oci"
)

type policyCmd struct {
	manifestFlags
	subjectFlags
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

func (c *policyCmd) Help() string {
	return `Prints the least that IAM must allow for this manifest, each statement below a comment that says what it is for. Nothing is
contacted. A compartment by its path is meant from the root of the tenancy: attach the policy there.

Examples:
  hyperexport policy -f manifest.yaml
  hyperexport policy -f manifest.yaml --group Backup --bucket-compartment acme/storage
  hyperexport policy -f manifest.yaml --dynamic-group exporters -o json`
}

// statement is one of a policy, in JSON.
type statement struct {
	Backend   string `json:"backend"`
	Statement string `json:"statement"`
	oci.Permission
}

func (c *policyCmd) Run(a *app) error {
	a.json = c.Output == "json"
	m, err := c.load(a)
	if err != nil {
		return err
	}
	backends := ociBackends(m)
	if len(backends) == 0 {
		return &codeError{exitInvalid, errors.New("the manifest uses nothing in Oracle Cloud"), "IAM statements are for backends with plugin: oci"}
	}
	all := []statement{}
	var text strings.Builder
	for i, b := range backends {
		use, err := useOf(m, b)
		if err != nil {
			return err
		}
		if i > 0 {
			text.WriteString("\n")
		}
		fmt.Fprintf(&text, "# %s: backend %s\n", m.Name, b.Name)
		if use.Root != "" && use.NamesPaths() {
			fmt.Fprintf(&text, "# Compartments that are given by path are below %s:\n# attach their statements to that compartment, the others to the tenancy.\n", use.Root)
		}
		for _, p := range oci.Permissions(use, c.buckets()) {
			s := statement{b.Name, p.Statement(c.subject(b)), p}
			all = append(all, s)
			fmt.Fprintf(&text, "\n# %s\n%s\n", comment(p), s.Statement)
		}
	}
	if a.json {
		return a.writeJSON(map[string]any{"name": m.Name, "statements": all})
	}
	return a.writeString(text.String())
}

// comment says what a permission is for, and which steps need it.
func comment(p oci.Permission) string {
	if len(p.Steps) == 0 {
		return p.Why
	}
	return p.Why + " (" + strings.Join(p.Steps, ", ") + ")"
}
