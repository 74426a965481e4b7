package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/local"
	"github.com/hyperexport/hyperexport/plugins/oci"
)

// openBackends configures the providers that the manifest uses, by scheme.
func (a *app) openBackends(m *manifests.Manifest) (backend.Set, error) {
	set := backend.Set{}
	for _, scheme := range usedSchemes(m) {
		b, ok := m.Backend(scheme)
		if !ok {
			return set, fmt.Errorf("there is no backend %q", scheme)
		}
		provider, err := a.openBackend(b)
		if err != nil {
			return set, err
		}
		set[scheme] = provider
	}
	return set, nil
}

// openBackend lists the providers of this program.
func (a *app) openBackend(b manifests.Backend) (backend.Provider, error) {
	switch b.Plugin {
	case "local":
		return local.New(local.Options{}), nil
	case "oci":
		config, err := a.ociConfig(b)
		if err != nil {
			return nil, err
		}
		provider, err := oci.New(config)
		if err != nil {
			return nil, &codeError{exitDenied, fmt.Errorf("backend %s: %w", b.Name, err), ""}
		}
		return provider, nil
	}
	return nil, &codeError{exitPlugin, fmt.Errorf("backend %s: plugin %q is not part of this release", b.Name, b.Plugin),
		"this release has the plugins oci and local"}
}

// ociConfig takes each value from the manifest or, if that is silent, from the variables that the OCI CLI reads too.
func (a *app) ociConfig(b manifests.Backend) (oci.Config, error) {
	switch auth := b.Settings["auth"].Value; auth {
	case "", "config_file", "env", "session_token": // each is a profile, or values given by hand
	default:
		return oci.Config{}, &codeError{exitInvalid, fmt.Errorf("backend %s: auth: %s is not supported by this release", b.Name, auth),
			"use a profile of the OCI configuration file, or the keys tenancy_ocid, user_ocid, fingerprint and private_key_path"}
	}
	get := func(key, variable string) string {
		if s, ok := b.Settings[key]; ok {
			return s.Value
		}
		if variable == "" {
			return ""
		}
		return a.getenv(variable)
	}
	c := oci.Config{
		Scheme:         b.Name,
		ConfigFile:     get("config_file", "OCI_CLI_CONFIG_FILE"),
		Profile:        get("profile", "OCI_CLI_PROFILE"),
		Region:         get("region", "OCI_CLI_REGION"),
		TenancyOCID:    get("tenancy_ocid", ""),
		UserOCID:       get("user_ocid", ""),
		Fingerprint:    get("fingerprint", ""),
		PrivateKeyPath: get("private_key_path", ""),
		Compartment:    get("compartment", ""),
		Endpoint:       get("endpoint", "OCI_CLI_ENDPOINT"),
	}
	for _, path := range []*string{&c.ConfigFile, &c.PrivateKeyPath} {
		if _, inManifest := b.Settings["config_file"]; path == &c.ConfigFile && !inManifest {
			continue
		}
		if *path != "" && !filepath.IsAbs(*path) && !strings.HasPrefix(*path, "~") {
			*path = filepath.Join(b.Dir, *path)
		}
	}
	if s, ok := b.Settings["passphrase"]; ok && s.Secret != nil {
		passphrase, err := s.Secret.Resolve(a.ctx, a.env, b.Dir)
		if err != nil {
			return c, &codeError{exitDenied, fmt.Errorf("backend %s: passphrase: %w", b.Name, err), ""}
		}
		c.Passphrase = passphrase
	}
	return c, nil
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
	return schemes
}
