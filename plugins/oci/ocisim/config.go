package ocisim

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// WriteConfig writes a fresh RSA key and an OCI configuration file for it below dir, with modes that OCI clients accept, and
// registers the key. The endpoint is noted in a comment of the file: OCI clients take it by other ways.
func (s *Server) WriteConfig(dir, endpoint string) (path, profile string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fmt.Errorf("write OCI configuration: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", fmt.Errorf("write OCI configuration: %w", err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	fingerprint, err := s.addUserKey(&key.PublicKey)
	if err != nil {
		return "", "", err
	}
	keyPath := filepath.Join(dir, "oci_api_key.pem")
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(keyPath, pem.EncodeToMemory(block), 0o600); err != nil {
		return "", "", fmt.Errorf("write OCI configuration: %w", err)
	}
	text := fmt.Sprintf("# endpoint of the simulator: %s\n[DEFAULT]\nuser=%s\nfingerprint=%s\ntenancy=%s\nregion=%s\nkey_file=%s\n",
		endpoint, s.User(), fingerprint, s.Tenancy(), s.Region(), keyPath)
	path = filepath.Join(dir, "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", "", fmt.Errorf("write OCI configuration: %w", err)
	}
	return path, "DEFAULT", nil
}

// addUserKey registers a key of the user and returns its fingerprint.
func (s *Server) addUserKey(key *rsa.PublicKey) (fingerprint string, err error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	sum := md5.Sum(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02x", b)
	}
	fingerprint = strings.Join(pairs, ":")
	return fingerprint, s.RegisterKey(s.Tenancy()+"/"+s.User()+"/"+fingerprint, key)
}

// RegisterKey lets requests with this keyId be signed by key. A keyId is tenancy/user/fingerprint, or ST$ and a security token.
func (s *Server) RegisterKey(keyID string, key *rsa.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Errorf("register key %s: %w", keyID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Keys[keyID] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	s.auth.add(keyID, key)
	return s.persist()
}
