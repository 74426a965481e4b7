package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/plugin"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plugins/local"
	"github.com/hyperexport/hyperexport/plugins/oci"
	"github.com/hyperexport/hyperexport/plugins/s3"
)

// opener opens the backends of one command. Those that run as plugins share memory.
type opener struct {
	a      *app
	trust  trust
	memory int64         // bytes of the transfer buffers
	arena  *plugin.Arena // nil until the first plugin needs it
}

// newOpener prepares opening the backends of the manifest that f names, or those of the user if it names none.
func (a *app) newOpener(f manifestFlags, memory int64) (*opener, error) {
	t, err := a.newTrust(f)
	return &opener{a: a, trust: t, memory: memory}, err
}

// close comes after the backends are closed.
func (o *opener) close() {
	if o != nil && o.arena != nil {
		_ = o.arena.Close()
	}
}

// buffers is where transfers take their buffers from; nil is the heap.
func (o *opener) buffers() transfer.Buffers {
	if o.arena == nil {
		return nil
	}
	return o.arena
}

// openAll configures the providers that the manifest uses, by scheme.
func (o *opener) openAll(m *manifests.Manifest) (backend.Set, error) {
	set := backend.Set{}
	var accounts []*oci.Provider
	for _, scheme := range usedSchemes(m) {
		b, ok := m.Backend(scheme)
		if !ok {
			return set, fmt.Errorf("there is no backend %q", scheme)
		}
		provider, err := o.open(b)
		if err != nil {
			return set, err
		}
		set[scheme] = provider
		if account, ok := provider.(*oci.Provider); ok {
			accounts = append(accounts, account)
		}
	}
	oci.Join(accounts...)
	return set, nil
}

// open lists the providers of this program.
func (o *opener) open(b manifests.Backend) (backend.Provider, error) {
	switch {
	case b.Plugin == "local" && b.Name == "file":
		return local.New(local.Options{}), nil
	case b.Plugin == "local":
		return o.launchOwn(b, plugin.Config{})
	case b.Plugin == "s3":
		config, err := o.a.s3Config(b)
		if err != nil {
			return nil, err
		}
		return o.launchOwn(b, config)
	case b.Plugin == "oci":
		config, err := o.a.ociConfig(b)
		if err != nil {
			return nil, err
		}
		provider, err := oci.New(config)
		if err != nil {
			return nil, &codeError{exitDenied, fmt.Errorf("backend %s: %w", b.Name, err), ""}
		}
		return provider, nil
	}
	return o.launchForeign(b)
}

// builtIn are the plugins that are part of this program.
func builtIn() []string { return []string{"local", "oci", "s3"} }

// s3Config lays what the manifest says over what the AWS tools read from the environment.
func (a *app) s3Config(b manifests.Backend) (plugin.Config, error) {
	c, err := a.settings(b)
	if err != nil {
		return c, err
	}
	config, err := s3.FromSettings(c.Settings, c.Secrets)
	if err != nil {
		return c, fmt.Errorf("backend %s: %w", b.Name, err)
	}
	for _, path := range []*string{&config.CAFile, &config.CredentialsFile, &config.ConfigFile} {
		*path = below(b.Dir, *path)
	}
	config.Scheme = b.Name
	config = config.Over(s3.FromEnvironment(a.getenv))
	c.Settings, c.Secrets = config.Settings()
	return c, nil
}

// settings gives the settings of a backend, and its secrets from where they are.
func (a *app) settings(b manifests.Backend) (plugin.Config, error) {
	c := plugin.Config{Settings: map[string]string{}, Secrets: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(b.Settings)) {
		s := b.Settings[key]
		if s.Secret == nil {
			c.Settings[key] = s.Value
			continue
		}
		secret, err := s.Secret.Resolve(a.ctx, a.env, b.Dir)
		if err != nil {
			return c, &codeError{exitDenied, fmt.Errorf("backend %s: %s: %w", b.Name, key, err), ""}
		}
		c.Secrets[key] = secret
	}
	return c, nil
}

// below makes a relative path one below dir. The home folder of "~/" is known only to who opens the file.
func below(dir, path string) string {
	if path == "" || filepath.IsAbs(path) || strings.HasPrefix(path, "~") {
		return path
	}
	return filepath.Join(dir, path)
}

// ociConfig lays what the manifest says over what the OCI command line tools read from the environment.
func (a *app) ociConfig(b manifests.Backend) (oci.Config, error) {
	given, err := a.settings(b)
	if err != nil {
		return oci.Config{}, err
	}
	from := given.Settings
	path := func(key string) string { return below(b.Dir, from[key]) }
	config := oci.Config{
		Auth:              from["auth"],
		Scheme:            b.Name,
		ConfigFile:        path("config_file"),
		Profile:           from["profile"],
		Region:            from["region"],
		TenancyOCID:       from["tenancy_ocid"],
		UserOCID:          from["user_ocid"],
		Fingerprint:       from["fingerprint"],
		PrivateKeyPath:    path("private_key_path"),
		PrivateKey:        given.Secrets["private_key"],
		Passphrase:        given.Secrets["passphrase"],
		SecurityTokenFile: path("security_token_file"),
		Compartment:       from["compartment"],
		Endpoint:          from["endpoint"],
		Principal: oci.Principal{
			DelegationToken: given.Secrets["delegation_token"], DelegationTokenFile: path("delegation_token_file"),
			ServiceAccountToken: path("service_account_token_file"),
		},
		StorageTier: from["storage_tier"], KMSKey: from["kms_key"], EncryptionKey: given.Secrets["encryption_key"],
		Realm: oci.Realm{Domain: from["realm_domain"], Dedicated: from["realm_endpoints"] == "true", DualStack: from["dual_stack"] == "true"},
	}
	return config.Over(oci.FromEnvironment(a.getenv, config.Auth)), nil
}

// usedSchemes lists the schemes of all locations and the backends of all exports, each once.
func usedSchemes(m *manifests.Manifest) []string {
	seen := map[string]bool{}
	var schemes []string
	add := func(scheme string) {
		if !seen[scheme] {
			seen[scheme] = true
			schemes = append(schemes, scheme)
		}
	}
	location := func(t manifests.Text) {
		if scheme, _, ok := strings.Cut(t.String(), "://"); ok {
			add(scheme)
		} else {
			add("file")
		}
	}
	for _, e := range m.Exports {
		add(e.Backend)
		location(e.Staging)
		for _, to := range e.To {
			location(to)
		}
	}
	for _, t := range m.Transfers {
		location(t.From)
		location(t.To)
	}
	for _, k := range m.Buckets {
		location(k.Location)
	}
	return schemes
}
