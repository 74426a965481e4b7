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

// account is who signs, and where.
type account struct {
	method    string // one of the Auth constants
	profile   string // name and file of the profile; "" if none was read
	delegates bool   // an instance acts for a user
	tenancy   string // "" for a principal, whose token tells it
	user      string // "" for a session or a principal
	region    string // full name
	domain    string // of the realm; "" is the one that the SDK knows
	source    source
	close     func() // may be nil
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
	return parseKey("key file "+path, data, passphrase)
}

// parseKey reads an RSA key in PEM. Errors name where it is from and never show it.
func parseKey(from string, data []byte, passphrase string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM: it should begin with -----BEGIN PRIVATE KEY-----", from)
	}
	if block.Type == "OPENSSH PRIVATE KEY" || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, fmt.Errorf("%s is of type %q, not an RSA private key in PEM; `oci setup keys` makes one", from, clip(block.Type))
	}
	encrypted := block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
	if encrypted && passphrase == "" {
		return nil, fmt.Errorf("%s is encrypted: give its passphrase (pass_phrase in the profile)", from)
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
		return nil, fmt.Errorf("%s cannot be decrypted with the passphrase that was given", from)
	}
	return nil, fmt.Errorf("%s does not hold an RSA private key", from)
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
