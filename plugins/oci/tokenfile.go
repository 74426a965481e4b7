package oci

import (
	"context"
	"crypto/rsa"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// place is a file, or its content where somebody gave that instead. The content is a secret.
type place struct{ path, text string }

// placeOf takes an absolute path for a file and everything else for the content, as variables of resource principals do.
func placeOf(value string) place {
	if strings.HasPrefix(value, "/") {
		return place{path: value}
	}
	return place{text: value}
}

func (p place) given() bool { return p.path != "" || p.text != "" }

func (p place) read() (string, error) {
	if p.path == "" {
		return p.text, nil
	}
	data, err := os.ReadFile(p.path)
	return string(data), err
}

// tokenFile is the source for a token that somebody else renews: `oci session refresh`, or the service that runs a function.
// The token is read for every request. The key is read when the token has changed, and when the service does not accept it.
type tokenFile struct {
	what       string // whose token it is, for messages
	remedy     string // what to do when it has expired
	token, key place
	passphrase place
	now        func() time.Time

	mu      sync.Mutex
	current credential
}

func (f *tokenFile) credential(context.Context) (credential, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(false); err != nil {
		return credential{}, err
	}
	if c := f.current.claims; c.expired(f.now()) {
		return credential{}, unauthorized("%s expired at %s; %s", f.what, c.expires().UTC().Format(time.RFC3339), f.remedy)
	}
	return f.current, nil
}

// load reads the token, and the key if the token is another one or again is set. The caller holds f.mu.
func (f *tokenFile) load(again bool) error {
	text, err := f.token.read()
	if err != nil {
		return unauthorized("read %s: %w; %s", f.what, err, f.remedy)
	}
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text, "\"\r\n\t ") {
		return unauthorized("%s: the file %s does not hold one token; %s", f.what, f.token.path, f.remedy)
	}
	id := "ST$" + text
	if f.current.keyID == id && !again {
		return nil
	}
	passphrase, err := f.passphrase.read()
	if err != nil {
		return unauthorized("read the passphrase of the key of %s: %w", f.what, err)
	}
	key, err := f.key.privateKey(strings.TrimRight(passphrase, "\r\n"))
	if err != nil {
		return unauthorized("%w", err)
	}
	c, _ := parseClaims(text) // what cannot be read has no known end: the service decides
	f.current = credential{keyID: id, key: key, claims: c}
	return nil
}

func (f *tokenFile) renew(_ context.Context, refused string, _ bool) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var before *rsa.PrivateKey
	if f.current.keyID == refused {
		before = f.current.key
	}
	if err := f.load(true); err != nil {
		return false, err
	}
	return f.current.keyID != refused || before != nil && !f.current.key.Equal(before), nil
}

func (f *tokenFile) advice(now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.current.claims; c.Expires != 0 && !c.expired(now) {
		return fmt.Sprintf("%s is valid until %s, but is not accepted; %s", f.what, c.expires().UTC().Format(time.RFC3339), f.remedy)
	}
	return fmt.Sprintf("%s may have expired; %s", f.what, f.remedy)
}

// privateKey reads an RSA key in PEM. Errors name the file and never show what is in it.
func (p place) privateKey(passphrase string) (*rsa.PrivateKey, error) {
	if p.path != "" || p.text == "" {
		return readKey(p.path, passphrase)
	}
	return parseKey("the private key that was given as text", []byte(p.text), passphrase)
}

// provider is what the constructors of the SDK's clients ask for. They use the region; signing is up to signer.
type provider struct{ region string }

var _ common.ConfigurationProvider = provider{}

func (p provider) PrivateRSAKey() (*rsa.PrivateKey, error) { return nil, nil } //nolint:nilnil // never used
func (p provider) KeyID() (string, error)                  { return "", nil }
func (p provider) TenancyOCID() (string, error)            { return "", nil }
func (p provider) UserOCID() (string, error)               { return "", nil }
func (p provider) KeyFingerprint() (string, error)         { return "", nil }
func (p provider) Region() (string, error)                 { return p.region, nil }
func (p provider) AuthType() (common.AuthConfig, error) {
	return common.AuthConfig{AuthType: common.UserPrincipal}, nil // keeps the SDK from looking for other credentials
}
