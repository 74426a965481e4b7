package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// keys sign a request. All are secret but the first.
type keys struct {
	access, secret, token string
	expires               time.Time // zero: nobody says
}

// String leaves out the secrets.
func (k keys) String() string { return mask(k.access) }

// GoString leaves out the secrets.
func (k keys) GoString() string { return k.String() }

// keychain holds the keys in force and renews them where they come from a place that has newer ones.
type keychain struct {
	anonymous bool
	renew     func(ctx context.Context) (keys, error) // nil: there are no others

	lock    chan struct{} // holds a value while it is taken; waiting for it ends with a context
	current keys
}

func newKeychain(k keys, renew func(context.Context) (keys, error)) *keychain {
	return &keychain{renew: renew, lock: make(chan struct{}, 1), current: k}
}

// renewBefore is how long before their end keys are replaced.
const renewBefore = 5 * time.Minute

// errNoKeys is the cause where nobody says who we are.
var errNoKeys = errors.New("there are no credentials: give access_key and secret_key, name a profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")

// keychain finds out where keys come from.
func (c Config) keychain(p profile) (*keychain, error) {
	k := keys{access: strings.TrimSpace(c.AccessKey), secret: strings.TrimSpace(c.SecretKey), token: strings.TrimSpace(c.SessionToken)}
	switch {
	case c.Anonymous && (k.access != "" || c.Profile != ""):
		return nil, errors.New("anonymous, and yet an access key or a profile: choose one")
	case c.Anonymous:
		k := newKeychain(keys{}, nil)
		k.anonymous = true
		return k, nil
	case k.access != "" && k.secret != "":
		if strings.ContainsFunc(k.access+k.token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || strings.Contains(k.access, "/") {
			return nil, errors.New("the access key or session token has characters that none has: were they swapped with the secret key?")
		}
		return newKeychain(k, nil), nil
	case k.access != "" || k.secret != "" || k.token != "":
		return nil, errors.New("an access key, its secret key and, for temporary keys, the session token go together: one is missing")
	}
	k, ok, err := p.credentials()
	switch {
	case err != nil:
		return nil, err
	case ok:
		return newKeychain(k, func(context.Context) (keys, error) {
			again := profile{name: p.name, files: p.files}
			if err := again.read(true); err != nil {
				return keys{}, err
			}
			k, _, err := again.credentials()
			return k, err
		}), nil
	case c.Profile != "":
		return nil, fmt.Errorf("profile %s has no aws_access_key_id and aws_secret_access_key", p.name)
	case c.NoInstanceRole:
		return nil, errNoKeys
	}
	role := instanceRole{base: cmp.Or(p.values["ec2_metadata_service_endpoint"], metadataService), client: &http.Client{Transport: metadataTransport()}}
	return newKeychain(keys{}, role.keys), nil
}

// get returns keys that are in force. None and no error: requests are not signed.
func (c *keychain) get(ctx context.Context) (keys, error) {
	if c.anonymous {
		return keys{}, nil
	}
	if c.renew == nil {
		return c.current, nil
	}
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return keys{}, context.Cause(ctx)
	}
	if c.current.access != "" && (c.current.expires.IsZero() || time.Until(c.current.expires) > renewBefore) {
		return c.current, nil
	}
	k, err := c.renew(ctx)
	if err != nil && c.current.access != "" && time.Until(c.current.expires) > 0 {
		return c.current, nil // still good for a while
	}
	if err != nil {
		return keys{}, err
	}
	c.current = k
	return k, nil
}

// expired looks for other keys than those that the service says have ended. It reports whether there are any.
func (c *keychain) expired(ctx context.Context, old keys) bool {
	if c.renew == nil {
		return false
	}
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return false
	}
	if c.current.access != "" && c.current != old {
		return true // another call has renewed them meanwhile
	}
	k, err := c.renew(ctx)
	if err != nil || k.access == "" || k.access == old.access && k.secret == old.secret && k.token == old.token {
		return false
	}
	c.current = k
	return true
}
