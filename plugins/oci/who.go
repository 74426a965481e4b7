package oci

import (
	"context"
)

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
