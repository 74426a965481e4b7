// Package backend is the contract between hyperexport and the places it moves bytes from and to.
//
// An author implements Provider and, of the three services Storage, Compute and Inventory, those that the place has.
// The rest of the program knows only these interfaces: it does not matter to it whether an implementation runs in this
// process or behind a plugin. Package backendtest proves that an implementation keeps the contract.
//
// Everything that crosses these interfaces is plain data: no method hands out a handle that lives only in this process,
// so that any call can be repeated, continued by another process, or carried over RPC. The package imports the standard
// library only and holds no state.
package backend

import (
	"errors"
	"fmt"
	"slices"
)

// Provider is one configured account of one kind of place: credentials, endpoint, region. All methods are safe for
// concurrent use.
type Provider interface {
	// Describe says what the provider is. It makes no request and cannot fail.
	Describe() Description
	// Open returns the container that loc points into and the key, or prefix of keys, within it. It checks the form of
	// loc and makes no request: whether the container exists shows at the first call on it. A Storage needs no closing.
	Open(loc Location) (Storage, string, error)
	// Compute returns the virtual machine side, or an error of Kind Unsupported.
	Compute() (Compute, error)
	// Inventory returns the listing side, or an error of Kind Unsupported.
	Inventory() (Inventory, error)
	// Close releases connections. Calls in flight may fail. It may be called more than once.
	Close() error
}

// Description is what a provider says of itself.
type Description struct {
	Name    string // "oci", "s3", "local"
	Version string
	Region  string // where it is, for people; may be empty
}

// Set holds the configured providers by the scheme of the locations that they serve.
type Set map[string]Provider

// Open returns the container that loc points into and the key within it.
func (s Set) Open(loc Location) (Storage, string, error) {
	p, err := s.Provider(loc.Scheme)
	if err != nil {
		return nil, "", err
	}
	return p.Open(loc)
}

// Provider returns the provider that serves scheme.
func (s Set) Provider(scheme string) (Provider, error) {
	p, ok := s[scheme]
	if !ok {
		return nil, &Error{Op: "open", Key: scheme + "://", Kind: Invalid,
			Err: fmt.Errorf("no backend is configured for scheme %q (there are: %v)", scheme, s.Schemes())}
	}
	return p, nil
}

// Schemes returns the schemes that the set serves, sorted.
func (s Set) Schemes() []string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Close closes every provider.
func (s Set) Close() error {
	var errs []error
	for _, name := range s.Schemes() {
		errs = append(errs, s[name].Close())
	}
	return errors.Join(errs...)
}
