package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hyperexport/hyperexport/executor"
	"github.com/hyperexport/hyperexport/internal/human"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

type instanceCmd struct {
	List      instanceListCmd   `cmd:"" help:"List the instances of an account."`
	Get       instanceGetCmd    `cmd:"" help:"Show what is known of an instance."`
	Start     instanceSwitchCmd `cmd:"" help:"Start instances and wait until they run."`
	Stop      instanceSwitchCmd `cmd:"" help:"Switch instances off and wait until they are stopped."`
	Softstop  instanceSwitchCmd `cmd:"" help:"Let the operating system of instances shut down, and wait."`
	Reset     instanceSwitchCmd `cmd:"" help:"Switch instances off and on again."`
	Softreset instanceSwitchCmd `cmd:"" help:"Let the operating system of instances restart."`
}

// accountFlags choose the account.
type accountFlags struct {
	backendFlags
	Backend string `default:"oci" placeholder:"NAME" help:"Backend that runs the instances (oci)."`
	Output  string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// instances are those of an account. Its listings are repeated when they fail in a way that passes.
type instances struct {
	backend.Inventory
	policy wrap.Policy
	close  func()
}

func (f accountFlags) open(a *app) (*instances, error) {
	a.json = f.Output == "json"
	opened, err := f.backendFlags.open(a, f.Backend)
	if err != nil {
		return nil, err
	}
	policy := wrap.Policy{Events: a.retryTalk()}
	provider, err := wrap.RetrySet(backend.Set{f.Backend: opened.provider}, policy).Provider(f.Backend)
	var inventory backend.Inventory
	if err == nil {
		inventory, err = provider.Inventory()
	}
	if err != nil {
		opened.close()
		return nil, fmt.Errorf("backend %s: %w", f.Backend, err)
	}
	return &instances{inventory, policy, opened.close}, nil
}

type instanceListCmd struct {
	accountFlags
	Compartment string            `placeholder:"PATH" help:"A path or an OCID (default: the root of the account)."`
	Recursive   bool              `short:"r" help:"Also in the compartments below."`
	Name        string            `placeholder:"PATTERN" help:"Names that match a pattern with * and ?."`
	State       []string          `placeholder:"STATE" help:"Such as RUNNING or STOPPED; may be repeated."`
	Tag         map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"Free-form tags; may be repeated."`
}

func (c *instanceListCmd) Help() string {
	return `Examples:
  hyperexport instance list --recursive
  hyperexport instance list --compartment acme/prod --name 'web-*' --state RUNNING
  hyperexport instance list --recursive --tag env=prod -o json`
}

func (c *instanceListCmd) Run(a *app) error {
	account, err := c.open(a)
	if err != nil {
		return err
	}
	defer account.close()
	found, err := account.find(a.ctx, backend.Query{Type: "instance", Scope: c.Compartment, Recursive: c.Recursive, Name: c.Name,
		State: upper(c.State), Tags: c.Tag})
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(map[string]any{"instances": found})
	}
	return a.writeTable(func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "NAME\tSTATE\tSHAPE\tBOOT DISK\tCOMPARTMENT\tID")
		for _, r := range found {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", human.Plain(r.Name), r.State, r.Attributes["shape"], gigabytes(r), human.Plain(r.ScopePath), r.ID)
		}
	})
}

func upper(list []string) []string {
	var all []string
	for _, s := range list {
		all = append(all, strings.ToUpper(s))
	}
	return all
}

func gigabytes(r backend.Resource) string {
	if gb := r.Attributes["boot_gb"]; gb != "" {
		return gb + " GB"
	}
	return "-"
}

// find lists what matches q.
func (i *instances) find(ctx context.Context, q backend.Query) ([]backend.Resource, error) {
	found := []backend.Resource{}
	for r, err := range i.Resources(ctx, q) {
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

// one finds the instance that a word means: an id, or a name that only one instance has.
func (i *instances) one(ctx context.Context, word string) (backend.Resource, error) {
	if word == "" {
		return backend.Resource{}, &codeError{exitUsage, errors.New("an instance is named by an empty word"), "name each instance by its id or its name"}
	}
	q := backend.Query{Type: "instance", Recursive: true, Name: word}
	if strings.HasPrefix(word, "ocid1.") {
		q = backend.Query{Type: "instance", ID: word}
	} else if strings.ContainsAny(word, "*?") {
		return backend.Resource{}, &codeError{exitUsage, fmt.Errorf("%s is a pattern", word), "name each instance by its id or its name"}
	}
	found, err := i.find(ctx, q)
	switch {
	case err != nil:
		return backend.Resource{}, err
	case len(found) == 0:
		return backend.Resource{}, &codeError{exitFailed, fmt.Errorf("there is no instance %s, or it may not be seen", word), "`hyperexport instance list --recursive` shows those that may be seen"}
	case len(found) > 1:
		var ids []string
		for _, r := range found {
			ids = append(ids, fmt.Sprintf("%s (%s, %s)", r.ID, r.ScopePath, r.State))
		}
		return backend.Resource{}, &codeError{exitInvalid, fmt.Errorf("%d instances are called %s: %s", len(found), word, strings.Join(ids, ", ")), "name the one that you mean by its id"}
	}
	return found[0], nil
}

type instanceGetCmd struct {
	accountFlags
	Instance string `arg:"" help:"Its id, or its name if no other instance has it."`
}

func (c *instanceGetCmd) Help() string {
	return `Examples:
  hyperexport instance get web-01
  hyperexport instance get ocid1.instance.oc1.phx.aaaa -o json`
}

func (c *instanceGetCmd) Run(a *app) error {
	account, err := c.open(a)
	if err != nil {
		return err
	}
	defer account.close()
	r, err := account.one(a.ctx, c.Instance)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(r)
	}
	return a.writeTable(func(w *tabwriter.Writer) {
		row := func(name, value string) {
			if value != "" {
				fmt.Fprintf(w, "%s\t%s\n", name, human.Plain(value))
			}
		}
		row("name", r.Name)
		row("id", r.ID)
		row("state", r.State)
		row("compartment", r.ScopePath)
		row("region", r.Region)
		row("created", r.Created.Format(time.RFC3339))
		for _, name := range sortedKeys(r.Attributes) {
			row(strings.ReplaceAll(name, "_", " "), r.Attributes[name])
		}
		for _, name := range sortedKeys(r.Tags) {
			row("tag "+name, r.Tags[name])
		}
	})
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

type instanceSwitchCmd struct {
	accountFlags
	Instances []string      `arg:"" name:"instance" help:"Ids, or names that no other instance has."`
	Yes       bool          `help:"Do not ask before something that runs is interrupted."`
	Timeout   time.Duration `default:"20m" help:"How long to wait for each."`
	Poll      time.Duration `default:"1s" hidden:"" env:"HYPEREXPORT_POLL" help:"First pause between two looks at an instance."`
}

func (c *instanceSwitchCmd) Help() string {
	return `An instance that is in the wanted state already is left as it is. What interrupts a running instance is asked for before, and
refused without a terminal unless --yes is given.

Examples:
  hyperexport instance start web-01
  hyperexport instance softstop web-01 web-02 --yes
  hyperexport instance stop web-01 --timeout 5m
  hyperexport instance softreset web-01
  hyperexport instance reset ocid1.instance.oc1.phx.aaaa --yes -o json`
}

// switched is an instance in the JSON document.
type switched struct {
	Name    string `json:"name"`
	ID      string `json:"id"`
	Before  string `json:"before"`
	Changed bool   `json:"changed"`
	Error   string `json:"error,omitempty"`
}

func (c *instanceSwitchCmd) Run(a *app, line *kong.Context) error {
	action := line.Selected().Name
	account, err := c.open(a)
	if err != nil {
		return err
	}
	defer account.close()
	var chosen []backend.Resource
	for _, word := range c.Instances { // before the first is touched
		r, err := account.one(a.ctx, word)
		if err != nil {
			return err
		}
		chosen = append(chosen, r)
	}
	if err := c.guard(a, action, chosen); err != nil {
		return err
	}
	all := []switched{}
	var errs []error
	for _, r := range chosen {
		s := switched{Name: r.Name, ID: r.ID, Before: r.State}
		s.Changed, err = c.do(a, account, r, action)
		if err != nil {
			s.Error = err.Error()
			errs = append(errs, fmt.Errorf("%s: %w", r.Name, err))
		}
		all = append(all, s)
		if !a.json && err == nil {
			if err := a.writeString(s.text(action)); err != nil {
				return err
			}
		}
	}
	return c.conclude(a, all, errs)
}

func (s switched) text(action string) string {
	if !s.Changed {
		return fmt.Sprintf("%s is %s already\n", human.Plain(s.Name), s.Before)
	}
	return fmt.Sprintf("%s: %s done, it was %s\n", human.Plain(s.Name), action, s.Before)
}

// guard asks before anything that runs is interrupted.
func (c *instanceSwitchCmd) guard(a *app, action string, chosen []backend.Resource) error {
	var running []string
	for _, r := range chosen {
		if r.State != "STOPPED" && action != "start" {
			running = append(running, fmt.Sprintf("%s (%s, %s)", r.Name, r.State, r.ScopePath))
		}
	}
	what := fmt.Sprintf("%s interrupts %s", action, strings.Join(running, ", "))
	if len(running) == 0 || c.Yes || a.confirms(what+". Go on?") {
		return nil
	}
	if err := a.ctx.Err(); err != nil {
		return err
	}
	return &codeError{exitBlocked, errors.New(what + "; nothing was changed"), "say --yes if that is what you want"}
}

func (c *instanceSwitchCmd) do(a *app, account *instances, r backend.Resource, action string) (bool, error) {
	ctx, cancel := context.WithTimeout(a.ctx, c.Timeout)
	defer cancel()
	changed, err := executor.Switch(ctx, account.Inventory, account.policy, executor.Poll{First: c.Poll}, r.ID, action)
	if err != nil && ctx.Err() != nil && a.ctx.Err() == nil {
		err = &backend.Error{Op: action, Key: r.ID, Kind: backend.Timeout, Err: fmt.Errorf("it was asked for, and not done within %s", c.Timeout)}
	}
	return changed, err
}

func (c *instanceSwitchCmd) conclude(a *app, all []switched, errs []error) error {
	code := exitDone
	if err := errors.Join(errs...); err != nil {
		if code = a.exitCode(errs[0]); len(errs) < len(all) {
			code = exitPartial
		}
		if !a.json {
			return &codeError{code, err, helpFor(errs[0])}
		}
	}
	if a.json {
		if err := a.writeJSON(map[string]any{"outcome": map[bool]string{true: executor.Done, false: executor.Failed}[code == exitDone], "exit_code": code, "instances": all}); err != nil {
			return err
		}
	}
	if code != exitDone {
		return &codeError{code: code}
	}
	return nil
}
