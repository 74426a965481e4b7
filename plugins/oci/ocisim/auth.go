package ocisim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxSkew = 5 * time.Minute
	maxJSON = 8 << 20 // bytes of a body that is not object data
)

// keyring holds the public keys that may sign, by keyId.
type keyring struct {
	mu   sync.RWMutex
	keys map[string]*rsa.PublicKey
}

func newKeyring() *keyring { return &keyring{keys: map[string]*rsa.PublicKey{}} }

func (k *keyring) add(id string, key *rsa.PublicKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[id] = key
}

func (k *keyring) addPEM(id, text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return fmt.Errorf("key %s: no PEM data", id)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("key %s: %w", id, err)
	}
	pub, ok := key.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("key %s: not an RSA key", id)
	}
	k.add(id, pub)
	return nil
}

func (k *keyring) get(id string) *rsa.PublicKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys[id]
}

// signature is the content of an Authorization header.
type signature struct {
	headers []string // in the order in which they were signed, lower case
	keyID   string
	bytes   []byte
}

// parseSignature reads an Authorization header. Its parameters may come in any order.
func parseSignature(header string) (*signature, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Signature") {
		return nil, fmt.Errorf("no signature")
	}
	params, err := parseParams(rest)
	if err != nil {
		return nil, err
	}
	if v := params["version"]; v != "" && v != "1" {
		return nil, fmt.Errorf("version %q", v)
	}
	if a := params["algorithm"]; a != "rsa-sha256" {
		return nil, fmt.Errorf("algorithm %q", a)
	}
	sig := &signature{keyID: params["keyId"], headers: strings.Fields(strings.ToLower(params["headers"]))}
	if sig.keyID == "" {
		return nil, fmt.Errorf("no keyId")
	}
	if sig.bytes, err = base64.StdEncoding.DecodeString(params["signature"]); err != nil || len(sig.bytes) == 0 {
		return nil, fmt.Errorf("signature is not base64")
	}
	seen := map[string]bool{}
	for _, h := range sig.headers {
		if seen[h] {
			return nil, fmt.Errorf("header %s is signed twice", h)
		}
		seen[h] = true
	}
	return sig, nil
}

// parseParams reads name="value" pairs that commas separate.
func parseParams(text string) (map[string]string, error) {
	params := map[string]string{}
	for text = strings.TrimSpace(text); text != ""; {
		name, rest, ok := strings.Cut(text, `="`)
		value, tail, closed := strings.Cut(rest, `"`)
		name = strings.TrimSpace(name)
		if !ok || !closed || name == "" {
			return nil, fmt.Errorf("malformed signature header")
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("parameter %s is given twice", name)
		}
		params[name] = value
		tail = strings.TrimSpace(tail)
		if tail != "" && tail[0] != ',' {
			return nil, fmt.Errorf("malformed signature header")
		}
		text = strings.TrimSpace(strings.TrimPrefix(tail, ","))
	}
	return params, nil
}

// requires checks that everything that must be signed is.
func (sig *signature) requires(names ...string) error {
	for _, name := range names {
		if !slices.Contains(sig.headers, name) {
			return fmt.Errorf("%s is not signed", name)
		}
	}
	return nil
}

// signingString is the text that the client signed. Header values are taken as received, the request target verbatim.
func (sig *signature) signingString(r *http.Request) (string, error) {
	lines := make([]string, 0, len(sig.headers))
	for _, name := range sig.headers {
		var value string
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.RequestURI
		case "host":
			value = r.Host
		case "content-length":
			if r.ContentLength < 0 {
				return "", fmt.Errorf("content-length is signed but not sent")
			}
			value = strconv.FormatInt(r.ContentLength, 10)
		default:
			values := r.Header.Values(name)
			if len(values) == 0 {
				return "", fmt.Errorf("%s is signed but not sent", name)
			}
			value = strings.Join(values, ", ")
		}
		lines = append(lines, name+": "+value)
	}
	return strings.Join(lines, "\n"), nil
}

// verify checks the signature against the key and the time against now. hashed is the body's hash that was signed, if any.
func (sig *signature) verify(r *http.Request, key *rsa.PublicKey, now time.Time, needBody bool) (hashed string, err error) {
	if err := sig.requires("(request-target)", "host"); err != nil {
		return "", err
	}
	if needBody {
		if err := sig.requires("content-length", "content-type", "x-content-sha256"); err != nil {
			return "", err
		}
	}
	if err := sig.matches(r, key, now); err != nil {
		return "", err
	}
	if slices.Contains(sig.headers, "x-content-sha256") {
		hashed = r.Header.Get("x-content-sha256")
	}
	return hashed, nil
}

// matches checks the signature itself, and the date that is signed.
func (sig *signature) matches(r *http.Request, key *rsa.PublicKey, now time.Time) error {
	text, err := sig.signingString(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig.bytes); err != nil {
		return fmt.Errorf("signature does not match")
	}
	return sig.checkDate(r, now)
}

func (sig *signature) checkDate(r *http.Request, now time.Time) error {
	name := "x-date"
	if !slices.Contains(sig.headers, name) {
		name = "date"
	}
	if err := sig.requires(name); err != nil {
		return err
	}
	date, err := http.ParseTime(r.Header.Get(name))
	if err != nil {
		return fmt.Errorf("%s is not a date", name)
	}
	if skew := now.Sub(date); skew > maxSkew || skew < -maxSkew {
		return fmt.Errorf("clock skew of %v", skew.Round(time.Second))
	}
	return nil
}

// authenticate verifies the signature and, unless the body is object data, reads and verifies the body.
func (c *call) authenticate() error {
	sig, err := parseSignature(c.r.Header.Get("Authorization"))
	if err != nil {
		return errNotAuthenticated(err.Error())
	}
	key, who, err := c.s.signer(sig.keyID)
	if err != nil {
		return err
	}
	hasBody := c.r.Method == http.MethodPost || c.r.Method == http.MethodPut || c.r.Method == http.MethodPatch
	hashed, err := sig.verify(c.r, key, c.s.clock.Now(), hasBody && !c.op.data)
	if err != nil {
		return errNotAuthenticated(err.Error())
	}
	c.user, c.who = sig.keyID, who
	if err := c.delegate(sig); err != nil {
		return err
	}
	if c.op.data {
		c.signedSHA256 = hashed
		return nil
	}
	return c.readBody(hashed)
}

func (c *call) readBody(hashed string) error {
	body, err := io.ReadAll(io.LimitReader(c.r.Body, maxJSON+1))
	if err != nil {
		return fail(400, "InvalidContentLength", "The request body ended early: %v", err)
	}
	if len(body) > maxJSON {
		return fail(413, "RequestEntityTooLarge", "The request body exceeds %d bytes.", maxJSON)
	}
	c.body = body
	if hashed != "" {
		return c.checkHash(hashed)
	}
	return nil
}

// checkHash compares the body with the hash of it that was signed.
func (c *call) checkHash(hashed string) error {
	sum := sha256.Sum256(c.body)
	if base64.StdEncoding.EncodeToString(sum[:]) != hashed {
		return errNotAuthenticated("x-content-sha256 does not match the body")
	}
	return nil
}
