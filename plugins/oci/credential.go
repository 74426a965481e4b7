package oci

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// credential is what a request is signed with: a key and the name that the service knows it by belong together, and a new
// token may come with a new key between any two requests.
type credential struct {
	keyID     string // tenancy/user/fingerprint, or ST$ and a token
	key       *rsa.PrivateKey
	delegated string // token of the user that an instance acts for; "" if it acts for itself
	claims    claims // of the token
}

// source gives the credential for each request. It is safe for concurrent use.
type source interface {
	// credential may ask another service for a new one. Its error is a *signInError.
	credential(ctx context.Context) (credential, error)
	// renew is told that the service does not accept a credential, and whether it has accepted it before. It reports whether
	// the next credential is another one.
	renew(ctx context.Context, refused string, worked bool) (bool, error)
	// advice says what to do when there is no other credential.
	advice(now time.Time) string
}

// signInError says why there is no credential.
type signInError struct {
	kind backend.Kind
	err  error
}

func (e *signInError) Error() string { return "sign in: " + e.err.Error() }
func (e *signInError) Unwrap() error { return e.err }

func unauthorized(format string, args ...any) *signInError {
	return &signInError{backend.Unauthorized, fmt.Errorf(format, args...)}
}

// apiKey is the source for a user with a key.
type apiKey credential

func (k apiKey) credential(context.Context) (credential, error)    { return credential(k), nil }
func (k apiKey) renew(context.Context, string, bool) (bool, error) { return false, nil }
func (k apiKey) advice(time.Time) string                           { return adviceOnKey }

const adviceOnKey = "check tenancy, user, fingerprint and key; a new key takes some minutes"

// signer signs requests in the place of the SDK's own, which reads the key and its name at two different moments.
type signer struct {
	source  source
	hashing func(*http.Request) bool
}

var _ common.HTTPRequestSigner = signer{}

// Sign adds the headers of a signature.
func (s signer) Sign(r *http.Request) error {
	ctx := r.Context() //nolint:contextcheck // the request's own
	if a, ok := ctx.(attempt); ok {
		ctx = a.Context
	}
	c, err := s.source.credential(ctx)
	if err != nil {
		return err
	}
	headers := common.DefaultGenericHeaders()
	if c.delegated != "" {
		r.Header.Set("opc-obo-token", c.delegated)
		headers = append(headers, "opc-obo-token")
	}
	return common.RequestSignerWithBodyHashingPredicate(pair(c), headers, common.DefaultBodyHeaders(), s.hashing).Sign(r)
}

// pair shows a credential to the SDK.
type pair credential

func (p pair) KeyID() (string, error)                  { return p.keyID, nil }
func (p pair) PrivateRSAKey() (*rsa.PrivateKey, error) { return p.key, nil }

// hashesBody tells which bodies are hashed: those of changes, but not the bytes of objects and parts.
func hashesBody(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPatch:
		return true
	case http.MethodPut:
		parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 6) // n, namespace, b, bucket, o or u, object
		return !(len(parts) == 6 && parts[0] == "n" && parts[2] == "b" && (parts[4] == "o" || parts[4] == "u"))
	}
	return false
}

// keyIDOf returns the name of the key that a request is signed with.
func keyIDOf(r *http.Request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), `keyId="`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// claims are what a token says that is of use here. OCI's tokens are read, never verified: the service does that.
type claims struct {
	Subject  string  `json:"sub"`
	Tenant   string  `json:"tenant"`
	Resource string  `json:"res_tenant"`
	Issued   float64 `json:"iat"`
	Expires  float64 `json:"exp"`
}

// tenancy is that of the resource, if the token is for one: the other is then that of the service which runs it.
func (c claims) tenancy() string {
	if c.Resource != "" {
		return c.Resource
	}
	return c.Tenant
}

// expires is the zero time if the token does not say.
func (c claims) expires() time.Time {
	if c.Expires == 0 {
		return time.Time{}
	}
	return time.Unix(int64(c.Expires), 0)
}

func (c claims) expired(now time.Time) bool { return c.Expires != 0 && !now.Before(c.expires()) }

var errNoJWT = errors.New("it is not a token of OCI (three parts with dots between them)")

// parseClaims reads the middle part of a token. The token is a secret: errors do not show it.
func parseClaims(token string) (claims, error) {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, errNoJWT
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(data, &c) != nil {
		return c, errNoJWT
	}
	return c, nil
}
