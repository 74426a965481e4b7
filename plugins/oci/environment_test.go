package oci

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestPrecedence lays what a manifest says over an environment: what belongs together comes from one of the two.
func TestPrecedence(t *testing.T) {
	user := map[string]string{
		"OCI_CLI_TENANCY": "t", "OCI_CLI_USER": "u", "OCI_CLI_FINGERPRINT": "f", "OCI_CLI_KEY_FILE": "k", "OCI_CLI_PASSPHRASE": "p", "OCI_CLI_REGION": "r",
	}
	with := func(base map[string]string, pairs ...string) map[string]string {
		all := map[string]string{}
		for k, v := range base {
			all[k] = v
		}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = pairs[i+1]
		}
		return all
	}
	ofUser := Config{TenancyOCID: "t", UserOCID: "u", Fingerprint: "f", PrivateKeyPath: "k", Passphrase: "p", Region: "r"}
	for name, tc := range map[string]struct {
		manifest Config
		env      map[string]string
		want     Config
	}{
		"nothing":                     {Config{}, nil, Config{}},
		"environment":                 {Config{}, user, ofUser},
		"env is chosen":               {Config{Auth: "env"}, user, change(ofUser, func(c *Config) { c.Auth = "env" })},
		"env chooses a way":           {Config{Auth: "env"}, map[string]string{"OCI_CLI_AUTH": "instance_principal"}, Config{Auth: AuthInstancePrincipal}},
		"profile is chosen":           {Config{Auth: "config_file"}, with(user, "OCI_CLI_PROFILE", "P", "OCI_CLI_AUTH", "security_token"), Config{Auth: "config_file", Profile: "P", Region: "r"}},
		"region over environment":     {Config{Region: "m"}, user, change(ofUser, func(c *Config) { c.Region = "m" })},
		"key over key and passphrase": {Config{PrivateKey: "text"}, user, change(ofUser, func(c *Config) { c.PrivateKey, c.PrivateKeyPath, c.Passphrase = "text", "", "" })},
		"user over session":           {Config{UserOCID: "m"}, with(user, "OCI_CLI_SECURITY_TOKEN_FILE", "s", "OCI_CLI_AUTH", "security_token"), change(ofUser, func(c *Config) { c.UserOCID = "m" })},
		"session over user":           {Config{SecurityTokenFile: "s"}, user, change(ofUser, func(c *Config) { c.SecurityTokenFile, c.UserOCID = "s", "" })},
		"session":                     {Config{}, with(user, "OCI_CLI_AUTH", "security_token", "OCI_CLI_SECURITY_TOKEN_FILE", "s"), change(ofUser, func(c *Config) { c.Auth, c.SecurityTokenFile = AuthSessionToken, "s" })},
		"principal over user":         {Config{Auth: AuthInstancePrincipal}, user, Config{Auth: AuthInstancePrincipal, Region: "r"}},
		"delegate": {Config{}, map[string]string{"OCI_CLI_AUTH": "instance_obo_user", "OCI_CLI_DELEGATION_TOKEN_FILE": "d"},
			Config{Auth: AuthInstancePrincipal, Principal: Principal{DelegationTokenFile: "d"}}},
		"delegate of nobody": {Config{}, with(user, "OCI_CLI_DELEGATION_TOKEN_FILE", "d"), ofUser},
		"own delegate":       {Config{Auth: AuthInstancePrincipal, Principal: Principal{DelegationToken: "own"}}, map[string]string{"OCI_CLI_DELEGATION_TOKEN_FILE": "d"}, Config{Auth: AuthInstancePrincipal, Principal: Principal{DelegationToken: "own"}}},
		"other names":        {Config{}, map[string]string{"OCI_CONFIG_PATH": "c", "OCI_PROFILE": "P", "OCI_REGION": "r"}, Config{ConfigFile: "c", Profile: "P", Region: "r"}},
		"names of the tools": {Config{}, map[string]string{"OCI_CONFIG_FILE": "c", "OCI_CLI_CONFIG_FILE": "d", "OCI_REGION": "r", "OCI_CLI_REGION": "s", "OCI_CLI_ENDPOINT": "e"}, Config{ConfigFile: "d", Region: "s", Endpoint: "e"}},
	} {
		got := tc.manifest.Over(FromEnvironment(func(name string) string { return tc.env[name] }, tc.manifest.Auth))
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s:\n\tgot  %+v\n\twant %+v", name, fields(got), fields(tc.want))
		}
	}
}

func change(c Config, f func(*Config)) Config {
	f(&c)
	return c
}

// fields shows a Config with its secrets, which String leaves out.
func fields(c Config) string {
	type bare Config
	return fmt.Sprintf("%+v", bare(c))
}

func TestConfigShowsNoSecret(t *testing.T) {
	c := Config{Passphrase: "canary", PrivateKey: "canary", Principal: Principal{DelegationToken: "canary",
		Resource: ResourcePrincipal{Token: "canary", PrivateKey: "canary", Passphrase: "canary"}}}
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, &c); strings.Contains(text, "canary") {
		t.Errorf("a secret is shown: %s", text)
	}
	if text := fmt.Sprintf("%+v %#v", c.Principal, c.Principal.Resource); strings.Contains(text, "canary") {
		t.Errorf("a secret of a principal is shown: %s", text)
	}
}
