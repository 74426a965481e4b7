package ocisim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// Types of principals, as Rule and tokens name them.
const (
	typeUser     = "user"
	typeInstance = "instance"
	typeResource = "resource"
	typeWorkload = "workload"

	// usePrincipal is what the tokens that sign requests are for; the others are for one exchange each.
	usePrincipal = "oci"
)

const defaultTokenLife = 20 * time.Minute

// claims are the content of a token that the simulator issues.
type claims struct {
	Issuer      string `json:"iss"`
	Audience    string `json:"aud"` // what the token is for
	Subject     string `json:"sub"`
	Type        string `json:"ptype"`
	IssuedAt    int64  `json:"iat"`
	Expires     int64  `json:"exp"`
	Number      int64  `json:"jti,string"` // the tokens of one simulator are counted
	Tenancy     string `json:"tenant"`
	ResTenant   string `json:"res_tenant"`
	Compartment string `json:"res_compartment,omitempty"`
	JWK         string `json:"jwk,omitempty"` // public key of the session: JSON within JSON, as in OCI's own tokens
}

// issuer makes and verifies tokens. It is safe for concurrent use.
type issuer struct {
	mu      sync.Mutex
	key     *rsa.PrivateKey // nil until the first token is needed
	count   int64
	revoked int64 // tokens up to this number are no longer accepted
	life    time.Duration
}

// signer returns the key that signs tokens.
func (i *issuer) signer() (*rsa.PrivateKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.key == nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("make a key for tokens: %w", err)
		}
		i.key = key
	}
	return i.key, nil
}

// issue fills in what all tokens have and signs. pub is nil for a token that signs no requests.
func (s *Server) issue(c claims, pub *rsa.PublicKey) (string, error) {
	key, err := s.tokens.signer()
	if err != nil {
		return "", err
	}
	s.tokens.mu.Lock()
	s.tokens.count++
	c.Number = s.tokens.count
	life := s.tokens.life
	s.tokens.mu.Unlock()
	now := s.clock.Now()
	c.Issuer, c.IssuedAt = "authService.oracle.com", now.Unix()
	if c.Expires == 0 {
		c.Expires = now.Add(life).Unix()
	}
	c.Tenancy, c.ResTenant = s.state.Tenancy, s.state.Tenancy
	if pub != nil {
		c.JWK = jwkOf(pub)
	}
	head := encodePart(map[string]string{"alg": "RS256", "kid": "asw", "typ": "JWT"}) + "." + encodePart(c)
	sum := sha256.Sum256([]byte(head))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return head + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

func encodePart(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// open verifies a token that must be for a purpose: signature, time, tenancy.
func (s *Server) openToken(token, purpose string) (claims, error) {
	var c claims
	head, signature, ok := cutLast(token, ".")
	_, payload, inner := strings.Cut(head, ".")
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if !ok || !inner || err != nil {
		return c, fmt.Errorf("the token is no JWT")
	}
	key, err := s.tokens.signer()
	if err != nil {
		return c, err
	}
	sum := sha256.Sum256([]byte(head))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
		return c, fmt.Errorf("the token was not issued here")
	}
	data, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(data, &c) != nil {
		return c, fmt.Errorf("the token cannot be read")
	}
	s.tokens.mu.Lock()
	revoked := c.Number <= s.tokens.revoked && purpose == usePrincipal
	s.tokens.mu.Unlock()
	switch {
	case c.Audience != purpose:
		return c, fmt.Errorf("the token is for %s", c.Audience)
	case c.Tenancy != s.state.Tenancy:
		return c, fmt.Errorf("the token is of another tenancy")
	case revoked || !s.clock.Now().Before(time.Unix(c.Expires, 0)):
		return c, fmt.Errorf("the token is expired")
	}
	return c, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// jwkOf writes a key as tokens carry it.
func jwkOf(pub *rsa.PublicKey) string {
	b64 := base64.RawURLEncoding.EncodeToString
	data, err := json.Marshal(map[string]string{
		"kid": "asw", "kty": "RSA", "alg": "RS256", "use": "sig", "n": b64(pub.N.Bytes()), "e": b64(big.NewInt(int64(pub.E)).Bytes()),
	})
	if err != nil {
		panic(err) // strings always encode
	}
	return string(data)
}

// sessionKey is the key that requests with the token must be signed with.
func (c claims) sessionKey() (*rsa.PublicKey, error) {
	var jwk struct{ N, E string }
	if err := json.Unmarshal([]byte(c.JWK), &jwk); err != nil {
		return nil, fmt.Errorf("the token has no key")
	}
	n, err := base64.RawURLEncoding.DecodeString(jwk.N)
	e, err2 := base64.RawURLEncoding.DecodeString(jwk.E)
	if err != nil || err2 != nil || len(n) == 0 || len(e) == 0 || len(e) > 4 {
		return nil, fmt.Errorf("the key of the token cannot be read")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}

// parsePublicKey reads a key in PEM, or in the base64 of PEM without its first and last line.
func parsePublicKey(text string) (*rsa.PublicKey, error) {
	var der []byte
	if block, _ := pem.Decode([]byte(text)); block != nil {
		der = block.Bytes
	} else if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
		der = raw
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("not a public key")
	}
	pub, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("not an RSA key")
	}
	return pub, nil
}

// SetTokenLife sets how long tokens that are issued from now on are valid; 20 minutes at first.
func (s *Server) SetTokenLife(d time.Duration) {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	s.tokens.life = d
}

// ExpireTokens makes the simulator refuse every token for requests that it has issued so far, as if its time had come. Those that
// are exchanged for such tokens go on.
func (s *Server) ExpireTokens() {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	s.tokens.revoked = s.tokens.count
}

// SessionToken issues a token as `oci session authenticate` gets one for the user: its keyId is ST$ and the token, and
// requests are signed with the private key of pub.
func (s *Server) SessionToken(pub *rsa.PublicKey) (string, error) {
	return s.issue(claims{Audience: usePrincipal, Subject: s.state.User, Type: typeUser}, pub)
}

// ResourceToken issues what a function, or another resource that OCI runs, finds in OCI_RESOURCE_PRINCIPAL_RPST. resource is
// its OCID, compartment that of its compartment.
func (s *Server) ResourceToken(resource, compartment string, pub *rsa.PublicKey) (string, error) {
	return s.issue(claims{Audience: usePrincipal, Subject: resource, Type: typeResource, Compartment: compartment}, pub)
}

// DelegationToken issues what lets an instance act for the user, as in Cloud Shell.
func (s *Server) DelegationToken() (string, error) {
	return s.issue(claims{Audience: useDelegation, Subject: s.state.User, Type: typeUser}, nil)
}

// ServiceAccountToken issues what a pod of an OKE cluster finds in its file system.
func (s *Server) ServiceAccountToken(namespace, account string) (string, error) {
	return s.issue(claims{Audience: useServiceAccount, Subject: "system:serviceaccount:" + namespace + ":" + account, Type: typeWorkload}, nil)
}
