package oci

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

const (
	tenancyOCID = "ocid1.tenancy.oc1..aaaa"
	userOCID    = "ocid1.user.oc1..aaaa"
	passphrase  = "pass=phrase with spaces"
)

// folder holds a key, its encrypted form, and configuration files.
type folder struct {
	dir, key, encrypted, print string
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	key := testKey()
	f := &folder{dir: t.TempDir(), key: writeKey(t, key), print: fingerprintOf(key)}
	f.encrypted = f.write(t, "encrypted.pem", string(pem.EncodeToMemory(encrypt(t, key, passphrase))))
	return f
}

func (f *folder) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// encrypt writes a key as `openssl rsa -aes128` does.
func encrypt(t *testing.T, key *rsa.PrivateKey, password string) *pem.Block {
	t.Helper()
	block, err := x509.EncryptPEMBlock(fixedRandom{}, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), []byte(password), x509.PEMCipherAES128) //nolint:staticcheck // the format that OpenSSL still writes
	if err != nil {
		t.Fatal(err)
	}
	return block
}

type fixedRandom struct{}

func (fixedRandom) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 7
	}
	return len(p), nil
}

// profile is the text of a complete profile.
func (f *folder) profile(name, key string, more ...string) string {
	return fmt.Sprintf("[%s]\nuser = %s\nfingerprint=%s\ntenancy=%s\nregion=us-phoenix-1\nkey_file=%s\n%s\n",
		name, userOCID, f.print, tenancyOCID, key, strings.Join(more, "\n"))
}

func TestConfigSources(t *testing.T) {
	f := newFolder(t)
	file := f.write(t, "config", "\ufeff# comment\r\n; comment\n"+f.profile("DEFAULT", f.key)+
		f.profile("LOCKED", f.encrypted, "pass_phrase="+passphrase)+
		"[EAST]\nregion = iad\n"+
		"[SESSION]\nfingerprint="+f.print+"\nkey_file="+f.key+"\nsecurity_token_file="+f.write(t, "token", "first.token\n")+"\n")
	for name, c := range map[string]struct {
		config        Config
		region, keyID string
	}{
		"default profile":       {Config{ConfigFile: file}, "us-phoenix-1", tenancyOCID + "/" + userOCID + "/" + f.print},
		"value with =":          {Config{ConfigFile: file, Profile: "LOCKED"}, "us-phoenix-1", ""},
		"profile over DEFAULT":  {Config{ConfigFile: file, Profile: "EAST"}, "us-ashburn-1", ""},
		"config over profile":   {Config{ConfigFile: file, Profile: "EAST", Region: "fra"}, "eu-frankfurt-1", ""},
		"user over profile":     {Config{ConfigFile: file, UserOCID: userOCID + "b"}, "us-phoenix-1", tenancyOCID + "/" + userOCID + "b/" + f.print},
		"passphrase of config":  {Config{ConfigFile: file, PrivateKeyPath: f.encrypted, Passphrase: passphrase}, "us-phoenix-1", ""},
		"session":               {Config{ConfigFile: file, Profile: "SESSION"}, "us-phoenix-1", "ST$first.token"},
		"no file but the key's": {Config{TenancyOCID: tenancyOCID, UserOCID: userOCID, Fingerprint: strings.ToUpper(f.print), PrivateKeyPath: f.key, Region: "xx-new-1"}, "xx-new-1", ""},
	} {
		p, err := New(c.config)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		signs, err := p.account.source.credential(t.Context())
		if p.Describe().Region != c.region || c.keyID != "" && signs.keyID != c.keyID || err != nil {
			t.Errorf("%s: region %s, key id %s, %v", name, p.Describe().Region, signs.keyID, err)
		}
		if name == "session" {
			f.write(t, "token", "second.token")
			if renewed, _ := p.account.source.credential(t.Context()); renewed.keyID != "ST$second.token" {
				t.Errorf("renewed session: %s", renewed.keyID)
			}
			continue
		}
		if again, _ := p.account.source.credential(t.Context()); again.key != signs.key {
			t.Errorf("%s: the key is parsed again", name)
		}
	}
}

// TestConfigErrors compares each message: it must say what is wrong, where, and what to do.
func TestConfigErrors(t *testing.T) {
	f := newFolder(t)
	good := f.write(t, "config", f.profile("DEFAULT", f.key)+f.profile("PROD", f.key)+f.profile("LOCKED", f.encrypted)+
		f.profile("WRONG", f.encrypted, "pass_phrase=wrong-secret")+f.profile("TEXT", f.write(t, "text.pem", "secret-text"))+
		f.profile("SSH", f.write(t, "ssh.pem", "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"))+
		f.profile("NOKEY", filepath.Join(f.dir, "none.pem"))+f.profile("METADATA", f.key, "authentication_type=oauth_token")+
		strings.Replace(f.profile("OTHERKEY", f.key), f.print, strings.Repeat("00:", 15)+"00", 1))
	raw := string(must(os.ReadFile(f.key)))
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"no file":         {Config{ConfigFile: filepath.Join(f.dir, "nofile")}, "read the OCI configuration: open DIR/nofile: no such file or directory; `oci setup config` writes one, and `hyperexport simulate oci` one for its simulator"},
		"misspelt":        {Config{ConfigFile: good, Profile: "PRDO"}, "the OCI configuration DIR/config has no profile PRDO; did you mean PROD? (it has DEFAULT, LOCKED, METADATA, NOKEY, OTHERKEY, PROD, SSH, TEXT, WRONG)"},
		"unknown":         {Config{ConfigFile: good, Profile: "staging-emea"}, "the OCI configuration DIR/config has no profile staging-emea; it has DEFAULT, LOCKED, METADATA, NOKEY, OTHERKEY, PROD, SSH, TEXT, WRONG"},
		"empty file":      {Config{ConfigFile: f.write(t, "empty", "")}, "the OCI configuration DIR/empty has no profile DEFAULT; it has none"},
		"no equals":       {Config{ConfigFile: f.write(t, "bad1", "[DEFAULT]\nsecret-text\n")}, "read the OCI configuration: DIR/bad1:2: the line is not of the form name=value"},
		"no section":      {Config{ConfigFile: f.write(t, "bad2", "user=secret-text\n")}, "read the OCI configuration: DIR/bad2:1: the line stands before the first profile; begin the file with [DEFAULT]"},
		"bad section":     {Config{ConfigFile: f.write(t, "bad3", "[DEFAULT\n")}, "read the OCI configuration: DIR/bad3:1: a profile begins with its name in brackets: [NAME]"},
		"missing value":   {Config{ConfigFile: f.write(t, "bad4", "[DEFAULT]\nuser="+userOCID+"\n")}, "profile DEFAULT of DIR/bad4: tenancy is missing"},
		"no key file":     {Config{ConfigFile: good, Profile: "NOKEY"}, "read the private key: open DIR/none.pem: no such file or directory"},
		"not PEM":         {Config{ConfigFile: good, Profile: "TEXT"}, "key file DIR/text.pem is not PEM: it should begin with -----BEGIN PRIVATE KEY-----"},
		"OpenSSH":         {Config{ConfigFile: good, Profile: "SSH"}, "key file DIR/ssh.pem is of type \"OPENSSH PRIVATE KEY\", not an RSA private key in PEM; `oci setup keys` makes one"},
		"no passphrase":   {Config{ConfigFile: good, Profile: "LOCKED"}, "key file DIR/encrypted.pem is encrypted: give its passphrase (pass_phrase in the profile)"},
		"bad passphrase":  {Config{ConfigFile: good, Profile: "WRONG"}, "key file DIR/encrypted.pem cannot be decrypted with the passphrase that was given"},
		"key as path":     {Config{ConfigFile: good, PrivateKeyPath: raw}, "the private key is given as text where the path of its file belongs"},
		"key as tenancy":  {Config{ConfigFile: good, TenancyOCID: raw}, `the configuration: tenancy "(text of several lines)" is not an OCID (ocid1.tenancy.oc1..)`},
		"user as tenancy": {Config{ConfigFile: good, TenancyOCID: userOCID}, `the configuration: tenancy "ocid1.user.oc1..aaaa" is the OCID of a user, not of a tenancy`},
		"user":            {Config{ConfigFile: good, UserOCID: "me"}, `the configuration: user "me" is not an OCID (ocid1.user.oc1..)`},
		"fingerprint":     {Config{ConfigFile: good, Fingerprint: "12:34"}, `the configuration: fingerprint "12:34" is not 16 pairs of hexadecimal digits with colons between them`},
		"other key":       {Config{ConfigFile: good, Profile: "OTHERKEY"}, "key file KEY has the fingerprint PRINT, but profile OTHERKEY of DIR/config says " + strings.Repeat("00:", 15) + "00: the key belongs to another profile, or the fingerprint was not updated"},
		"region":          {Config{ConfigFile: good, Region: "http://127.0.0.1"}, `the configuration: region "http://127.0.0.1" is not a region such as us-phoenix-1`},
		"endpoint":        {Config{ConfigFile: good, Endpoint: "127.0.0.1:80"}, `endpoint "127.0.0.1:80" is not a scheme and a host such as http://127.0.0.1:8443`},
		"endpoint path":   {Config{ConfigFile: good, Endpoint: "https://h/p"}, `endpoint "https://h/p" is not a scheme and a host such as http://127.0.0.1:8443`},
		"compartment":     {Config{ConfigFile: good, Compartment: "acme/prod"}, `compartment "acme/prod" is not an OCID (ocid1.compartment.oc1..)`},
		"principal":       {Config{ConfigFile: good, Profile: "METADATA"}, "profile METADATA of DIR/config: authentication_type oauth_token is not supported; there are api_key, session_token, instance_principal, resource_principal and oke_workload_identity"},
		"no token file":   {Config{ConfigFile: f.write(t, "bad5", f.profile("DEFAULT", f.key, "security_token_file="+filepath.Join(f.dir, "notoken")))}, "read the session token of profile DEFAULT of DIR/bad5: open DIR/notoken: no such file or directory; run `oci session authenticate`"},
	} {
		_, err := New(c.config)
		got := strings.NewReplacer(f.dir, "DIR", f.key, "KEY", f.print, "PRINT", "The system cannot find the file specified.", "no such file or directory").Replace(fmt.Sprint(err))
		if got != "configure oci: "+c.want {
			t.Errorf("%s:\n got %s\nwant configure oci: %s", name, got, c.want)
		}
		for _, secret := range []string{"secret", passphrase, strings.Split(raw, "\n")[1]} {
			if strings.Contains(strings.ReplaceAll(got, "no such", ""), secret) {
				t.Errorf("%s: the message shows a secret", name)
			}
		}
	}
}

func TestConfigDoesNotPrintThePassphrase(t *testing.T) {
	c := Config{Passphrase: passphrase}
	if text := fmt.Sprintf("%v %+v %#v %s %+v", c, c, c, c, struct{ C Config }{c}); strings.Contains(text, passphrase) {
		t.Error(text)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func FuzzParseProfiles(f *testing.F) {
	f.Add("[DEFAULT]\nuser=a=b\n# c\n")
	f.Add("[\n")
	f.Add("\ufeff[a]\r\n=\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		sections, err := parseProfiles(text)
		if err != nil && sections != nil {
			t.Error("an error with a result")
		}
		for name := range sections {
			if name == "" || name != strings.TrimSpace(name) {
				t.Errorf("profile %q", name)
			}
		}
	})
}

// TestSimulatorConfiguration uses the files that the simulator writes for any OCI client.
func TestSimulatorConfiguration(t *testing.T) {
	sim, err := ocisim.New(ocisim.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	defer sim.Close()
	path, profile, err := sim.WriteConfig(t.TempDir(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{ConfigFile: path, Profile: profile, Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s, _, err := p.Open(backend.Location{Scheme: scheme, Path: sim.Namespace() + "/archive/"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "k", []byte("x"), backend.PutOptions{}); err != nil {
		t.Error(err)
	}
}
