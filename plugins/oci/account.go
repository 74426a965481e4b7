package oci

import (
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// account is who signs. It holds the one parsed key, which the SDK's own providers would parse again for every request.
type account struct {
	tenancy, user, fingerprint, region string

	tokenFile string // session token; read for every request, because it is renewed under us
	key       *rsa.PrivateKey
}

var _ common.ConfigurationProvider = (*account)(nil)

// PrivateRSAKey returns the key that signs.
func (a *account) PrivateRSAKey() (*rsa.PrivateKey, error) { return a.key, nil }

// KeyID names the key to the service: tenancy, user and fingerprint, or the session token.
func (a *account) KeyID() (string, error) {
	if a.tokenFile == "" {
		return a.tenancy + "/" + a.user + "/" + a.fingerprint, nil
	}
	token, err := os.ReadFile(a.tokenFile)
	if err != nil {
		return "", fmt.Errorf("read the session token: %w; `oci session authenticate` makes one", err)
	}
	text := strings.TrimSpace(string(token))
	if text == "" || strings.ContainsAny(text, "\"\r\n") {
		return "", fmt.Errorf("the session token file %s does not hold one token; `oci session authenticate` makes one", a.tokenFile)
	}
	return "ST$" + text, nil
}

// TenancyOCID is where the user belongs.
func (a *account) TenancyOCID() (string, error) { return a.tenancy, nil }

// UserOCID is empty for a session.
func (a *account) UserOCID() (string, error) { return a.user, nil }

// KeyFingerprint is the MD5 of the public key.
func (a *account) KeyFingerprint() (string, error) { return a.fingerprint, nil }

// Region is the full name of the region.
func (a *account) Region() (string, error) { return a.region, nil }

// AuthType keeps the SDK from looking for other credentials.
func (a *account) AuthType() (common.AuthConfig, error) {
	return common.AuthConfig{AuthType: common.UserPrincipal}, nil
}

// readKey reads an RSA key in PEM. Errors name the file and never show what is in it.
func readKey(path, passphrase string) (*rsa.PrivateKey, error) {
	if strings.Contains(path, "-----BEGIN") {
		return nil, errors.New("the private key is given as text where the path of its file belongs")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("key file %s is not PEM: it should begin with -----BEGIN PRIVATE KEY-----", path)
	}
	if block.Type == "OPENSSH PRIVATE KEY" || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, fmt.Errorf("key file %s is of type %q, not an RSA private key in PEM; `oci setup keys` makes one", path, block.Type)
	}
	encrypted := block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
	if encrypted && passphrase == "" {
		return nil, fmt.Errorf("key file %s is encrypted: give its passphrase (pass_phrase in the profile)", path)
	}
	var password []byte
	if encrypted {
		password = []byte(passphrase)
	}
	key, err := common.PrivateKeyFromBytesWithPassword(data, password)
	switch {
	case err == nil && key != nil:
		return key, nil
	case encrypted:
		return nil, fmt.Errorf("key file %s cannot be decrypted with the passphrase that was given", path)
	}
	return nil, fmt.Errorf("key file %s does not hold an RSA private key", path)
}

// fingerprintOf is the MD5 of the public key in DER, in pairs of digits, as OCI shows it.
func fingerprintOf(key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "" // an RSA key always encodes
	}
	sum := md5.Sum(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":")
}
