package oci

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
)

// Of a token's life the last fifth is left unused, but never more than five minutes: clocks differ, and requests take time.
const (
	renewBefore   = 5 * time.Minute
	renewFraction = 5
	// pauseAfterFailure is how long a token that is still valid is used on when no new one could be had.
	pauseAfterFailure = 15 * time.Second
)

// federated is the source for a token that is exchanged for something else: it is asked for when the first request is
// signed, and again before it expires.
type federated struct {
	exchange func(context.Context) (credential, error)
	remedy   string
	now      func() time.Time

	gate chan struct{} // one exchange at a time; who waits for it minds its own context

	mu       sync.Mutex
	current  credential
	received time.Time
	notUntil time.Time // after a failure
}

func newFederated(exchange func(context.Context) (credential, error), now func() time.Time, remedy string) *federated {
	return &federated{exchange: exchange, now: now, remedy: remedy, gate: make(chan struct{}, 1)}
}

func (f *federated) credential(ctx context.Context) (credential, error) {
	if c, ok := f.fresh(); ok {
		return c, nil
	}
	return f.replace(ctx, "")
}

// fresh returns the current credential unless it is time for another.
func (f *federated) fresh() (credential, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, end := f.now(), f.current.claims.expires()
	if f.current.key == nil || f.current.claims.expired(now) {
		return credential{}, false
	}
	if end.IsZero() || now.Before(f.notUntil) {
		return f.current, true
	}
	return f.current, now.Before(end.Add(-min(renewBefore, end.Sub(f.received)/renewFraction)))
}

// replace gets a new credential in the place of the one with the keyID refused, or of one that is no longer fresh.
func (f *federated) replace(ctx context.Context, refused string) (credential, error) {
	select {
	case f.gate <- struct{}{}:
		defer func() { <-f.gate }()
	case <-ctx.Done():
		return credential{}, &signInError{backend.KindOf(ctx.Err()), context.Cause(ctx)}
	}
	if c, ok := f.fresh(); ok && c.keyID != refused { // another request got it meanwhile
		return c, nil
	}
	c, err := f.exchange(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if err == nil {
		f.current, f.received, f.notUntil = c, now, time.Time{}
		return c, nil
	}
	if refused == "" && f.current.key != nil && !f.current.claims.expired(now) {
		f.notUntil = now.Add(pauseAfterFailure)
		return f.current, nil
	}
	var e *signInError
	if !errors.As(err, &e) {
		e = &signInError{backend.Unauthorized, err}
	}
	return credential{}, e
}

// renew asks for another token if the refused one has worked before: one that never did will not do so anew.
func (f *federated) renew(ctx context.Context, refused string, worked bool) (bool, error) {
	f.mu.Lock()
	current := f.current.keyID
	f.mu.Unlock()
	if current != refused {
		return current != "", nil
	}
	if !worked {
		return false, nil
	}
	_, err := f.replace(ctx, refused)
	return err == nil, err
}

func (f *federated) advice(time.Time) string { return f.remedy }

// sessionKey is a key pair for one token.
type sessionKey struct {
	key    *rsa.PrivateKey
	public []byte // DER
}

func newSessionKey() (sessionKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return sessionKey{}, fmt.Errorf("make a key for the session: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return sessionKey{}, fmt.Errorf("encode the key of the session: %w", err)
	}
	return sessionKey{key, der}, nil
}

func (k sessionKey) base64() string { return base64.StdEncoding.EncodeToString(k.public) }

func (k sessionKey) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.public}))
}

// credential makes one of the token that the service gave for the key.
func (k sessionKey) credential(service, token string) (credential, error) {
	c, err := parseClaims(token)
	if err != nil {
		return credential{}, &signInError{backend.Unavailable, fmt.Errorf("%s: the answer has no token: %w", service, err)}
	}
	return credential{keyID: "ST$" + token, key: k.key, claims: c}, nil
}

// doer sends a request: an httpclient.Client, or the client of the metadata service.
type doer interface {
	Do(r *http.Request) (*http.Response, error)
}

const mostAnswer = 1 << 20 // bytes of an answer that is a token or a certificate

// ask sends a request of signing in and returns the body of the answer. The answer is a secret: errors show only the code and
// the message of a refusal. service says who is asked.
func ask(client doer, r *http.Request, service string) ([]byte, error) {
	resp, err := client.Do(r)
	if err != nil {
		e := httpclient.Failure(r.Context(), "", "", err, backend.Unavailable)
		return nil, &signInError{e.Kind, fmt.Errorf("%s at %s: %w", service, r.URL.Host, e.Err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	switch {
	case err != nil:
		return nil, &signInError{backend.Offline, fmt.Errorf("%s at %s: read the answer: %w", service, r.URL.Host, err)}
	case resp.StatusCode == http.StatusOK:
		return body, nil
	}
	answer := serviceErrorOf(resp.StatusCode, body)
	kind := answer.kind(true)
	if !kind.Temporary() {
		kind = backend.Unauthorized
	}
	return nil, &signInError{kind, fmt.Errorf("%s at %s: %w", service, r.URL.Host, answer)}
}

// serviceErrorOf reads the body of an answer that says no. One without OCI's form has no code.
func serviceErrorOf(status int, body []byte) *serviceError {
	e := &serviceError{Status: status, Code: unreadable}
	var said struct{ Code, Message string }
	if json.Unmarshal(body, &said) == nil && said.Code != "" {
		e.Code, e.Message = said.Code, said.Message
	}
	return e
}

// post makes a request with a JSON body.
func post(ctx context.Context, url string, body any) (*http.Request, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(data)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return r, nil
}
