package oci

import (
	"context"
	"net/http"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// Identity is who signs in.
type Identity struct {
	Method    string        `json:"method"`              // one of the Auth constants
	Profile   string        `json:"profile,omitempty"`   // where it is from, if from a file
	Tenancy   string        `json:"tenancy"`             // OCID
	Principal string        `json:"principal,omitempty"` // OCID of the user, instance or resource, or the service account
	Delegate  string        `json:"delegate,omitempty"`  // the instance that acts for the principal
	Expires   *time.Time    `json:"expires,omitempty"`   // of the token
	Region    string        `json:"region"`
	Namespace string        `json:"namespace"`
	Skew      time.Duration `json:"-"` // how far this machine's clock is ahead of the service's, to the second
}

// WhoAmI signs one request and tells who the service takes the sender for.
func (p *Provider) WhoAmI(ctx context.Context) (Identity, error) {
	const op = "sign in"
	who := Identity{Method: p.account.method, Profile: p.account.profile, Region: p.account.region, Principal: p.account.user}
	resp, err := p.objects.GetNamespace(quick(ctx), objectstorage.GetNamespaceRequest{RequestMetadata: p.once})
	if err != nil {
		return who, failure(ctx, op, "", resp, err)
	}
	who.Namespace = value(resp.Value)
	if date, err := http.ParseTime(resp.RawResponse.Header.Get("Date")); err == nil {
		if skew := time.Since(date).Truncate(time.Second); skew > time.Second || skew < -time.Second {
			who.Skew = skew
		}
	}
	if who.Tenancy, err = p.tenancy(ctx, op); err != nil {
		return who, err
	}
	c, err := p.account.source.credential(ctx)
	if err != nil {
		return who, failure(ctx, op, "", nil, err)
	}
	if c.claims.Subject != "" {
		who.Principal = c.claims.Subject
	}
	if end := c.claims.expires().UTC(); c.claims.Expires != 0 {
		who.Expires = &end
	}
	if c.delegated != "" {
		user, _ := parseClaims(c.delegated) // it was read before
		who.Principal, who.Delegate = user.Subject, c.claims.Subject
	}
	return who, nil
}

// tenancy is the one of the account. A principal knows it when it has signed in.
func (p *Provider) tenancy(ctx context.Context, op string) (string, error) {
	if p.account.tenancy != "" {
		return p.account.tenancy, nil
	}
	c, err := p.account.source.credential(ctx)
	if err != nil {
		return "", failure(ctx, op, "", nil, err)
	}
	if c.claims.tenancy() == "" {
		return "", failure(ctx, op, "", nil, unauthorized("the token does not say of which tenancy it is: set tenancy_ocid"))
	}
	return c.claims.tenancy(), nil
}
