package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/plugins/oci"
)

type authCmd struct {
	Check authCheckCmd `cmd:"" help:"Sign in to Oracle Cloud and try each permission that a manifest needs, without changing anything."`
}

type authCheckCmd struct {
	File    string            `short:"f" placeholder:"FILE" help:"The manifest whose permissions are tried; - reads it from stdin."`
	Backend string            `placeholder:"NAME" help:"Only this backend; without a manifest, one of the user's own or oci."`
	Var     map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"Set a variable of the manifest; may be repeated."`
	Config  string            `placeholder:"FILE" help:"Backends below those of the manifest (default: hyperexport/config.yaml in the XDG config folder)."`
	Output  string            `short:"o" enum:"text,json" default:"text" help:"text or json."`
	subjectFlags
}

func (c *authCheckCmd) Help() string {
	return `Says who signs in and how, and tries what the manifest needs. What only a write would show is asked for on a condition that nothing
meets; an upload that is begun is aborted. Exit code 6: a permission is missing, and the statement that gives it is printed.

Examples:
  hyperexport auth check
  hyperexport auth check -f manifest.yaml
  hyperexport auth check -f manifest.yaml --backend oci --group Backup -o json`
}

// account is what was found out about one backend.
type account struct {
	Backend string `json:"backend"`
	oci.Identity
	ClockSkew   string    `json:"clock_skew,omitempty"`
	Permissions []granted `json:"permissions"`
}

// granted is a permission that was tried, granted or not.
type granted struct {
	oci.Trial
	In        string `json:"in"`
	Why       string `json:"why"`
	Statement string `json:"statement,omitempty"` // that gives it; of one that is not ok
}

func (c *authCheckCmd) Run(a *app) error {
	a.json = c.Output == "json"
	m, backends, err := c.find(a)
	if err != nil {
		return err
	}
	var all []account
	missing := 0
	for _, b := range backends {
		found, err := c.check(a, m, b)
		if err != nil {
			return fmt.Errorf("backend %s: %w", b.Name, err)
		}
		for _, p := range found.Permissions {
			if p.State == oci.Missing {
				missing++
			}
		}
		all = append(all, found)
	}
	code := exitDone
	if missing > 0 {
		code = exitDenied
	}
	if a.json {
		err = a.writeJSON(map[string]any{"outcome": map[bool]string{true: "missing", false: "ok"}[missing > 0], "exit_code": code, "accounts": all})
	} else {
		err = c.print(a, all)
	}
	if err == nil && code != exitDone {
		err = &codeError{code: code}
	}
	return err
}

// find returns the manifest, nil if there is none, and the backends to look at.
func (c *authCheckCmd) find(a *app) (*manifests.Manifest, []manifests.Backend, error) {
	flags := manifestFlags{File: c.File, Var: c.Var, Config: c.Config}
	if c.File == "" {
		config, err := flags.loadConfig(a)
		if err != nil {
			return nil, nil, err
		}
		name := c.Backend
		if name == "" {
			name = "oci"
		}
		b, ok := config.Backend(name)
		if !ok || b.Plugin != "oci" {
			return nil, nil, &codeError{exitUsage, fmt.Errorf("there is no backend %q with plugin: oci", name), "name the manifest that has it with -f FILE"}
		}
		return nil, []manifests.Backend{b}, nil
	}
	m, err := flags.load(a)
	if err != nil {
		return nil, nil, err
	}
	var chosen []manifests.Backend
	for _, b := range ociBackends(m) {
		if c.Backend == "" || c.Backend == b.Name {
			chosen = append(chosen, b)
		}
	}
	if len(chosen) == 0 {
		return nil, nil, &codeError{exitInvalid, errors.New("the manifest uses no such backend in Oracle Cloud"), "auth check is for backends with plugin: oci"}
	}
	return m, chosen, nil
}

// check signs in to one backend and tries what the manifest needs of it.
func (c *authCheckCmd) check(a *app, m *manifests.Manifest, b manifests.Backend) (account, error) {
	found := account{Backend: b.Name, Permissions: []granted{}}
	config, err := a.ociConfig(b)
	if err != nil {
		return found, err
	}
	provider, err := oci.New(config)
	if err != nil {
		return found, &codeError{exitDenied, err, ""}
	}
	defer provider.Close()
	policy := wrap.Policy{}
	if m != nil {
		policy = wrap.Policy{Attempts: m.Retry.Attempts, First: m.Retry.First, Max: m.Retry.Max}
	}
	if err := policy.Do(a.ctx, "sign in", func(ctx context.Context) (err error) {
		found.Identity, err = provider.WhoAmI(ctx)
		return err
	}); err != nil {
		return found, err
	}
	if found.Skew != 0 {
		found.ClockSkew = found.Skew.String()
	}
	if m == nil {
		return found, nil
	}
	use, err := useOf(m, b)
	if err != nil {
		return found, err
	}
	use.Region = found.Region
	for _, p := range oci.Permissions(use, c.buckets()) {
		var trials []oci.Trial
		if err := policy.Do(a.ctx, "try "+strings.Join(p.Names, ", "), func(ctx context.Context) (err error) {
			trials, err = provider.Try(ctx, p)
			return err
		}); err != nil {
			return found, err
		}
		found.Permissions = append(found.Permissions, c.judge(p, trials, b)...)
	}
	return found, nil
}

// judge puts beside each trial the statement that would give what it lacks.
func (c *authCheckCmd) judge(p oci.Permission, trials []oci.Trial, b manifests.Backend) []granted {
	var all []granted
	for _, t := range trials {
		one := granted{Trial: t, In: p.In, Why: p.Why}
		if t.State != oci.Granted {
			only := p
			if p.Service == "" {
				only.Names = []string{t.Name}
			}
			one.Statement = only.Statement(c.subject(b))
		}
		all = append(all, one)
	}
	return all
}

func (c *authCheckCmd) print(a *app, all []account) error {
	var text strings.Builder
	for i, found := range all {
		if i > 0 {
			text.WriteString("\n")
		}
		describeAccount(&text, found, a.now())
		if len(found.Permissions) == 0 {
			continue
		}
		text.WriteString("\n")
		table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		for _, p := range found.Permissions {
			fmt.Fprintf(table, "%s\t%s\t%s\n", p.State, p.Name, p.Why)
		}
		_ = table.Flush() // to memory
		for _, state := range []string{oci.Missing, oci.Unproven} {
			explain(&text, found.Permissions, state)
		}
	}
	return a.writeString(human.Plain(text.String()))
}

func describeAccount(text *strings.Builder, found account, now time.Time) {
	fmt.Fprintf(text, "backend %s\n", found.Backend)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(text, "  %-10s %s\n", name, value)
		}
	}
	line("method", found.Method)
	line("from", found.Profile)
	line("tenancy", found.Tenancy)
	line("principal", found.Principal)
	line("delegate", found.Delegate)
	line("region", found.Region)
	line("namespace", found.Namespace)
	if found.Expires != nil {
		line("token", "valid for "+found.Expires.Sub(now).Round(time.Minute).String())
	}
	skew := "agrees with that of the service"
	if found.ClockSkew != "" {
		skew = found.ClockSkew + " from that of the service; more than 5m0s is refused"
	}
	line("clock", skew)
}

// explain lists the statements that are missing, or may be, each once.
func explain(text *strings.Builder, all []granted, state string) {
	seen := map[string]bool{}
	for _, p := range all {
		if p.State != state || seen[p.Statement] {
			continue
		}
		if len(seen) == 0 {
			heading := "Missing: add to a policy"
			if state == oci.Unproven {
				heading = "Not tried: see that a policy has"
			}
			fmt.Fprintf(text, "\n%s\n", heading)
		}
		seen[p.Statement] = true
		fmt.Fprintf(text, "  # %s\n  %s\n", p.Detail, p.Statement)
	}
}
