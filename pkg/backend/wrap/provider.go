package wrap

import (
	"context"
	"iter"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// RetrySet returns the set with the calls of all its services repeated as the policy says.
func RetrySet(s backend.Set, p Policy) backend.Set {
	wrapped := backend.Set{}
	for scheme, provider := range s {
		wrapped[scheme] = &retryProvider{provider, p}
	}
	return wrapped
}

type retryProvider struct {
	backend.Provider
	p Policy
}

func (r *retryProvider) Open(loc backend.Location) (backend.Storage, string, error) {
	s, key, err := r.Provider.Open(loc)
	if err != nil {
		return nil, "", err
	}
	return Retry(s, r.p), key, nil
}

func (r *retryProvider) Compute() (backend.Compute, error) {
	c, err := r.Provider.Compute()
	if err != nil {
		return nil, err
	}
	return RetryCompute(c, r.p), nil
}

func (r *retryProvider) Inventory() (backend.Inventory, error) {
	i, err := r.Provider.Inventory()
	if err != nil {
		return nil, err
	}
	return &retryInventory{i, r.p}, nil
}

// retryInventory repeats listings. Metrics and Act are passed on: an action is not repeatable.
type retryInventory struct {
	backend.Inventory
	p Policy
}

func (r *retryInventory) Scopes(ctx context.Context) iter.Seq2[backend.Scope, error] {
	return resumed(ctx, r.p, "list scopes", r.Inventory.Scopes, func() progress[backend.Scope] {
		return &visited[backend.Scope]{of: func(s backend.Scope) string { return s.ID }}
	})
}

func (r *retryInventory) Resources(ctx context.Context, q backend.Query) iter.Seq2[backend.Resource, error] {
	return resumed(ctx, r.p, "list resources", func(ctx context.Context) iter.Seq2[backend.Resource, error] {
		return r.Inventory.Resources(ctx, q)
	}, func() progress[backend.Resource] {
		return &visited[backend.Resource]{of: func(r backend.Resource) string { return r.ID }}
	})
}
