package oci

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Config says which account to use. It is plain data; whoever fills it in has resolved flags, environment and manifest, see
// FromEnvironment and Over.
//
// Each of Region, TenancyOCID, UserOCID, Fingerprint, PrivateKeyPath or PrivateKey, Passphrase and SecurityTokenFile wins over
// the same value of the profile, and the profile over the section [DEFAULT] of the file. If all that the way to sign in needs
// is set and neither Profile nor ConfigFile is, no configuration file is read.
type Config struct {
	// Auth is one of the Auth constants. AuthEnvironment stands for a user whose values are all set; "" and AuthConfigFile find
	// out from what is set and from the profile.
	Auth       string
	ConfigFile string // "" is ~/.oci/config
	Profile    string // "" is DEFAULT

	Region            string // name or three-letter key: us-phoenix-1, phx
	TenancyOCID       string
	UserOCID          string
	Fingerprint       string
	PrivateKeyPath    string // PEM file of an RSA key; "~/" is the home directory
	PrivateKey        string // instead of the file its content; secret
	Passphrase        string // of the key; secret
	SecurityTokenFile string // token of a session instead of a user

	Principal Principal // for the ways to sign in that need no user
	Realm     Realm

	Scheme      string // what the locations that this account serves begin with; "" is oci
	Endpoint    string // scheme and host that all services are reached at, instead of OCI's own: simulators, private realms
	Compartment string // OCID: the inventory begins here instead of at the tenancy
	Connections int    // requests at the same time that the caller will make; 0 is up to 64

	StorageTier   string // of the objects that are written: standard, infrequent_access or archive; "" is that of the bucket
	KMSKey        string // OCID of the key of the Vault service that they are encrypted with; "" is that of the bucket
	EncryptionKey string // your own in its place, base64 of 32 bytes; secret, and needed to read the objects again
}

// String leaves out all secrets.
func (c Config) String() string {
	return fmt.Sprintf("auth %q, profile %q of %q, user %q, region %q, endpoint %q", c.Auth, c.Profile, c.ConfigFile, c.UserOCID, c.Region, c.Endpoint)
}

// GoString leaves out all secrets.
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
	if c.Compartment != "" {
		if err := checkOCID("compartment", c.Compartment, "compartment", "tenancy"); err != nil {
			return nil, "", err
		}
	}
	method, err := c.method(s)
	if err != nil {
		return nil, "", err
	}
	var a *account
	if isPrincipal(method) {
		a, err = c.signInAs(method, s, endpoint)
	} else {
		a, err = c.signInWith(method, s, endpoint)
	}
	return a, endpoint, err
}

// method is the way to sign in: the one that was chosen, else the one that follows from what there is.
func (c Config) method(s *settings) (string, error) {
	chosen := c.Auth
	switch chosen {
	case "", AuthConfigFile, AuthEnvironment:
		chosen = ""
		if c.UserOCID == "" && c.SecurityTokenFile == "" { // somebody given by hand signs in so, whatever the profile does
			chosen = methodOf(s.kind)
		}
	}
	switch {
	case chosen == "" && s.tokenFile != "":
		return AuthSessionToken, nil
	case chosen == "":
		return AuthAPIKey, nil
	case chosen == AuthAPIKey, chosen == AuthSessionToken, isPrincipal(chosen):
		return chosen, nil
	}
	from := "auth"
	if c.Auth == "" || c.Auth == AuthConfigFile {
		from = s.profile + ": authentication_type"
	}
	return "", fmt.Errorf("%s %s is not supported; there are %s, %s, %s, %s and %s", from, clip(chosen),
		AuthAPIKey, AuthSessionToken, AuthInstancePrincipal, AuthResourcePrincipal, AuthWorkloadIdentity)
}

// signInWith returns the account of a user, with a key or in a session.
func (c Config) signInWith(method string, s *settings, endpoint string) (*account, error) {
	if d := c.Principal; d.DelegationToken != "" || d.DelegationTokenFile != "" {
		return nil, fmt.Errorf("a delegation token goes with auth %s only, not with %s", AuthInstancePrincipal, method)
	}
	if method == AuthAPIKey {
		s.tokenFile = ""
	}
	if err := s.check(method); err != nil {
		return nil, err
	}
	key, err := s.key.privateKey(s.passphrase)
	if err != nil {
		return nil, err
	}
	if got := fingerprintOf(key); s.fingerprint != "" && got != s.fingerprint {
		return nil, fmt.Errorf("%s has the fingerprint %s, but %s says %s: the key belongs to another profile, or the fingerprint was not updated",
			s.keyName(), got, s.source("fingerprint"), s.fingerprint)
	}
	a := &account{method: method, profile: s.profile, tenancy: s.tenancy, user: s.user, region: s.region, domain: c.Realm.Domain}
	if err := a.normalize(endpoint); err != nil {
		return nil, err
	}
	if method == AuthAPIKey {
		a.source = apiKey{keyID: s.tenancy + "/" + s.user + "/" + s.fingerprint, key: key}
		return a, nil
	}
	what, command := "the session token", "`oci session authenticate`"
	if s.profile != "" {
		what += " of " + s.profile
	}
	f := &tokenFile{what: what, remedy: "run " + command, token: place{path: s.tokenFile}, key: s.key, passphrase: place{text: s.passphrase}, now: time.Now}
	a.source = f
	_, err = f.credential(context.Background())
	return a, err
}

// settings are the values in force and where they come from.
type settings struct {
	tenancy, user, fingerprint, passphrase, region, tokenFile string

	key            place
	kind           string // authentication_type of the profile
	delegationFile string

	profile  string            // name of the profile and its file, for messages; "" if no file was read
	explicit map[string]string // what Config sets itself
}

// settings lays what c says over what the profile says.
func (c Config) settings() (*settings, error) {
	s := &settings{explicit: map[string]string{
		"tenancy": c.TenancyOCID, "user": c.UserOCID, "fingerprint": c.Fingerprint, "key_file": c.PrivateKeyPath + c.PrivateKey,
		"pass_phrase": c.Passphrase, "region": c.Region, "security_token_file": c.SecurityTokenFile,
	}}
	values, err := c.profileValues(s)
	if err != nil {
		return nil, err
	}
	get := func(name string) string {
		if v := s.explicit[name]; v != "" {
			return v
		}
		return values[name]
	}
	s.tenancy, s.user, s.fingerprint, s.region = get("tenancy"), get("user"), strings.ToLower(get("fingerprint")), get("region")
	s.passphrase, s.kind, s.delegationFile = get("pass_phrase"), values["authentication_type"], values["delegation_token_file"]
	if s.passphrase == "" {
		s.passphrase = values["passphrase"]
	}
	s.tokenFile = c.SecurityTokenFile
	if s.tokenFile == "" && c.UserOCID == "" { // a user given by hand signs as that user, whatever session the profile has
		s.tokenFile = values["security_token_file"]
	}
	s.key = place{path: c.PrivateKeyPath, text: c.PrivateKey}
	if !s.key.given() {
		s.key = place{path: values["key_file"], text: values["key_content"]}
	}
	for _, path := range []*string{&s.key.path, &s.tokenFile, &s.delegationFile} {
		if *path, err = expandHome(*path); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// profileValues reads the profile, unless all that is needed is there and no profile was asked for.
func (c Config) profileValues(s *settings) (map[string]string, error) {
	key := c.PrivateKeyPath != "" || c.PrivateKey != ""
	complete := c.TenancyOCID != "" && key && c.Region != "" && (c.UserOCID != "" && c.Fingerprint != "" || c.SecurityTokenFile != "")
	if c.ConfigFile == "" && c.Profile == "" && (complete || isPrincipal(c.Auth) || c.Auth == AuthEnvironment) {
		return nil, nil //nolint:nilnil // no values
	}
	path, err := c.path()
	if err != nil {
		return nil, err
	}
	name := c.Profile
	if name == "" {
		name = defaultProfile
	}
	values, err := readProfile(path, name)
	if err == nil {
		s.profile = fmt.Sprintf("profile %s of %s", name, path)
	}
	return values, err
}

// path is the configuration file to read.
func (c Config) path() (string, error) {
	if c.ConfigFile == "" {
		return expandHome("~/.oci/config")
	}
	return expandHome(c.ConfigFile)
}

// keyName names the key in messages.
func (s *settings) keyName() string {
	if s.key.path == "" {
		return "the private key that was given as text"
	}
	return "key file " + s.key.path
}

// source says where a value comes from, for messages.
func (s *settings) source(name string) string {
	if s.explicit[name] != "" || s.profile == "" {
		return "the configuration"
	}
	return s.profile
}

// variable is what the OCI command line tools call a value in the environment.
func variable(name string) string {
	return "OCI_CLI_" + strings.ToUpper(name)
}

// check looks at presence and form.
func (s *settings) check(method string) error {
	needed := []string{"tenancy", "user", "fingerprint", "key_file", "region"}
	if method == AuthSessionToken {
		needed = []string{"tenancy", "security_token_file", "key_file", "region"}
	}
	values := map[string]string{
		"tenancy": s.tenancy, "user": s.user, "fingerprint": s.fingerprint, "key_file": s.key.path + s.key.text, "region": s.region,
		"security_token_file": s.tokenFile,
	}
	for _, name := range needed {
		if values[name] == "" {
			if s.profile == "" {
				return fmt.Errorf("%s: %s is missing (%s in the environment)", s.source(name), name, variable(name))
			}
			return fmt.Errorf("%s: %s is missing", s.source(name), name)
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
	if s.fingerprint != "" && !fingerprintPattern.MatchString(s.fingerprint) {
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
