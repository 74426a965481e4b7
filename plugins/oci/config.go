package oci

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// Config says which account to use. It is plain data; whoever fills it in has resolved flags, environment and manifest.
//
// Each of Region, TenancyOCID, UserOCID, Fingerprint, PrivateKeyPath and Passphrase wins over the same value of the
// profile, and the profile over the section [DEFAULT] of the file. If TenancyOCID, UserOCID, Fingerprint,
// PrivateKeyPath and Region are all set and neither Profile nor ConfigFile is, no file but the key is read.
type Config struct {
	ConfigFile string // "" is ~/.oci/config
	Profile    string // "" is DEFAULT

	Region         string // name or three-letter key: us-phoenix-1, phx
	TenancyOCID    string
	UserOCID       string
	Fingerprint    string
	PrivateKeyPath string // PEM file of an RSA key; "~/" is the home directory
	Passphrase     string // of the key; secret

	Scheme      string // what the locations that this account serves begin with; "" is oci
	Endpoint    string // scheme and host that all services are reached at, instead of OCI's own: simulators, private realms
	Compartment string // OCID: the inventory begins here instead of at the tenancy
	Connections int    // requests at the same time that the caller will make; 0 is up to 64
}

// String leaves out the passphrase.
func (c Config) String() string {
	return fmt.Sprintf("profile %q of %q, user %q, region %q, endpoint %q", c.Profile, c.ConfigFile, c.UserOCID, c.Region, c.Endpoint)
}

// GoString leaves out the passphrase.
func (c Config) GoString() string { return c.String() }

var (
	ocidPattern        = regexp.MustCompile(`^ocid1\.([a-z0-9]+)\.[A-Za-z0-9-]+\.[A-Za-z0-9-]*\.[A-Za-z0-9._-]+$`)
	fingerprintPattern = regexp.MustCompile(`^([0-9a-f]{2}:){15}[0-9a-f]{2}$`)
	regionPattern      = regexp.MustCompile(`^[a-z0-9-]+$`)
)

// resolve reads the files and checks the form of everything.
func (c Config) resolve() (*account, string, error) {
	endpoint, err := checkEndpoint(c.Endpoint)
	if err != nil {
		return nil, "", err
	}
	s, err := c.settings()
	if err != nil {
		return nil, "", err
	}
	if err := s.check(); err != nil {
		return nil, "", err
	}
	if c.Compartment != "" {
		if err := checkOCID("compartment", c.Compartment, "compartment", "tenancy"); err != nil {
			return nil, "", err
		}
	}
	key, err := readKey(s.keyFile, s.passphrase)
	if err != nil {
		return nil, "", err
	}
	if got := fingerprintOf(key); got != s.fingerprint {
		return nil, "", fmt.Errorf("key file %s has the fingerprint %s, but %s says %s: the key belongs to another profile, or the fingerprint was not updated",
			s.keyFile, got, s.source("fingerprint"), s.fingerprint)
	}
	a := &account{tenancy: s.tenancy, user: s.user, fingerprint: s.fingerprint, tokenFile: s.tokenFile, key: key,
		region: string(common.StringToRegion(s.region))}
	if a.tokenFile != "" {
		if _, err := a.KeyID(); err != nil {
			return nil, "", err
		}
	}
	return a, endpoint, nil
}

// settings are the values in force and where they come from.
type settings struct {
	tenancy, user, fingerprint, keyFile, passphrase, region, tokenFile string

	profile  string            // name of the profile and its file, for messages; "" if no file was read
	explicit map[string]string // what Config sets itself
}

// settings lays what c says over what the profile says.
func (c Config) settings() (*settings, error) {
	s := &settings{explicit: map[string]string{
		"tenancy": c.TenancyOCID, "user": c.UserOCID, "fingerprint": c.Fingerprint,
		"key_file": c.PrivateKeyPath, "pass_phrase": c.Passphrase, "region": c.Region,
	}}
	complete := c.TenancyOCID != "" && c.UserOCID != "" && c.Fingerprint != "" && c.PrivateKeyPath != "" && c.Region != ""
	values := map[string]string{}
	if !complete || c.ConfigFile != "" || c.Profile != "" {
		path, err := c.path()
		if err != nil {
			return nil, err
		}
		name := c.Profile
		if name == "" {
			name = defaultProfile
		}
		if values, err = readProfile(path, name); err != nil {
			return nil, err
		}
		s.profile = fmt.Sprintf("profile %s of %s", name, path)
	}
	get := func(name string) string {
		if v := s.explicit[name]; v != "" {
			return v
		}
		return values[name]
	}
	s.tenancy, s.user, s.fingerprint, s.region = get("tenancy"), get("user"), strings.ToLower(get("fingerprint")), get("region")
	s.passphrase = get("pass_phrase")
	if s.passphrase == "" {
		s.passphrase = values["passphrase"]
	}
	if c.UserOCID == "" { // a user given by hand signs as that user, whatever session the profile has
		s.tokenFile = values["security_token_file"]
	}
	for _, f := range []struct {
		to    *string
		value string
	}{{&s.keyFile, get("key_file")}, {&s.tokenFile, s.tokenFile}} {
		var err error
		if *f.to, err = expandHome(f.value); err != nil {
			return nil, err
		}
	}
	return s, s.refuse(values["authentication_type"])
}

// path is the configuration file to read.
func (c Config) path() (string, error) {
	if c.ConfigFile == "" {
		return expandHome("~/.oci/config")
	}
	return expandHome(c.ConfigFile)
}

// refuse reports a way to authenticate that is not supported.
func (s *settings) refuse(kind string) error {
	switch kind {
	case "", "api_key", "security_token":
		return nil
	}
	return fmt.Errorf("%s: authentication_type %s is not supported; use an API key (user, fingerprint, key_file) or a session token (security_token_file)", s.profile, kind)
}

// source says where a value comes from, for messages.
func (s *settings) source(name string) string {
	if s.explicit[name] != "" || s.profile == "" {
		return "the configuration"
	}
	return s.profile
}

// check looks at presence and form.
func (s *settings) check() error {
	for _, f := range []struct{ name, value string }{
		{"tenancy", s.tenancy}, {"user", s.user}, {"fingerprint", s.fingerprint}, {"key_file", s.keyFile}, {"region", s.region},
	} {
		if f.value == "" && (f.name != "user" || s.tokenFile == "") {
			return fmt.Errorf("%s: %s is missing", s.source(f.name), f.name)
		}
	}
	if err := checkOCID(s.source("tenancy")+": tenancy", s.tenancy, "tenancy"); err != nil {
		return err
	}
	if s.user != "" {
		if err := checkOCID(s.source("user")+": user", s.user, "user"); err != nil {
			return err
		}
	}
	if !fingerprintPattern.MatchString(s.fingerprint) {
		return fmt.Errorf("%s: fingerprint %q is not 16 pairs of hexadecimal digits with colons between them", s.source("fingerprint"), clip(s.fingerprint))
	}
	if !regionPattern.MatchString(s.region) {
		return fmt.Errorf("%s: region %q is not a region such as us-phoenix-1", s.source("region"), clip(s.region))
	}
	return nil
}

func checkOCID(what, value string, kinds ...string) error {
	m := ocidPattern.FindStringSubmatch(value)
	if m == nil {
		return fmt.Errorf("%s %q is not an OCID (ocid1.%s.oc1..)", what, clip(value), kinds[0])
	}
	for _, kind := range kinds {
		if m[1] == kind {
			return nil
		}
	}
	return fmt.Errorf("%s %q is the OCID of a %s, not of a %s", what, clip(value), m[1], strings.Join(kinds, " or a "))
}

// checkEndpoint accepts a scheme and a host. It takes off a slash at the end.
func checkEndpoint(endpoint string) (string, error) {
	if endpoint == "" {
		return "", nil
	}
	u, err := url.Parse(strings.TrimSuffix(endpoint, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(u.Host, "{}") {
		return "", fmt.Errorf("endpoint %q is not a scheme and a host such as http://127.0.0.1:8443", clip(endpoint))
	}
	return u.Scheme + "://" + u.Host, nil
}

// clip shortens a value for a message: a misplaced secret must not be shown whole.
func clip(s string) string {
	const most = 64
	if strings.Contains(s, "-----BEGIN") || strings.ContainsAny(s, "\r\n") {
		return "(text of several lines)"
	}
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// expandHome resolves "~/" and makes nothing else of the path.
func expandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(filepath.ToSlash(path), "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the home directory for %s: %w", path, err)
	}
	return filepath.Join(home, filepath.FromSlash(rest)), nil
}
