package backendtest

import (
	"errors"
	"fmt"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// CheckProvider checks what a provider says of itself, that it opens at, that it refuses a location which names nothing,
// and that it has each service or says Unsupported. It closes the provider, twice.
func CheckProvider(p backend.Provider, at backend.Location) error {
	r := &run{suite: &suite{}}
	if d := p.Describe(); d.Name == "" || d != p.Describe() {
		r.errorf("describes itself as %+v and %+v", d, p.Describe())
	}
	if s, _, err := p.Open(at); err != nil || s == nil {
		r.errorf("open %s: %v, %w", at, s, errOr(err))
	}
	_, _, err := p.Open(backend.Location{Scheme: at.Scheme})
	r.fails(err, backend.Invalid, "open a location without a path")
	if c, err := p.Compute(); err != nil {
		r.fails(err, backend.Unsupported, "compute")
	} else if c == nil || len(c.Formats()) == 0 {
		r.errorf("compute is %v, want one with formats", c)
	}
	if i, err := p.Inventory(); err != nil {
		r.fails(err, backend.Unsupported, "inventory")
	} else if i == nil {
		r.errorf("inventory is nil")
	}
	for range 2 {
		if err := p.Close(); err != nil {
			r.errs = append(r.errs, fmt.Errorf("close: %w", err))
		}
	}
	return errors.Join(r.errs...)
}
