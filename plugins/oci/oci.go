// Package oci serves Oracle Cloud Infrastructure as a backend.Provider: object storage, the export of compute instances
// as disk images, and the inventory that a plan needs.
//
// It speaks through Oracle's SDK, but only as far as requests, answers and signatures go: the SDK's retries, circuit
// breaker, HTTP client and configuration reader are replaced, so that each method makes one attempt, ends with its
// context, and fails with a *backend.Error whose Kind is decided in errors.go. The package reads nothing from the
// environment but the home directory; net/http reads its proxy settings, and the SDK its switches for debugging and its
// descriptions of regions.
package oci

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// scheme is what locations begin with unless Config.Scheme says otherwise.
const scheme = "oci"

// Provider is one OCI account in one region. It is safe for concurrent use.
type Provider struct {
	account     *account
	scheme      string
	compartment string // root of the inventory; "" is the tenancy
	connections int
	store       store
	login       Config               // who signs in; see Join
	peers       map[string]*Provider // by scheme, this one too: whose objects Copy can copy
	web         *web

	objects  objectstorage.ObjectStorageClient
	machines core.ComputeClient
	volumes  core.BlockstorageClient
	work     workrequests.WorkRequestClient
	identity identity.IdentityClient
	limits   limits.LimitsClient

	once  common.RequestMetadata // on every request: one attempt
	seen  sync.Map               // namespace/bucket of buckets that have answered; see missingBucket
	pause func(context.Context, time.Duration) error
}

var _ backend.Provider = (*Provider)(nil)

// New returns a Provider for the account that c describes. It reads the configuration and key files, and makes no request but
// one: to the metadata service, for the region of an instance that signs in as itself and was told none.
// Errors say which file, profile or field is wrong and what to do; they never contain key material.
func New(c Config) (*Provider, error) {
	a, endpoint, err := c.resolve()
	if err != nil {
		return nil, fmt.Errorf("configure oci: %w", cause(err))
	}
	store, err := c.store()
	if err != nil {
		return nil, fmt.Errorf("configure oci: %w", err)
	}
	policy := common.NoRetryPolicy()
	p := &Provider{
		account:     a,
		scheme:      cmp.Or(c.Scheme, scheme),
		compartment: c.Compartment,
		connections: c.Connections,
		store:       store,
		login:       c.login(),
		web:         newWeb(c.Connections),
		once:        common.RequestMetadata{RetryPolicy: &policy},
		pause:       pause,
	}
	p.web.source, p.peers = a.source, map[string]*Provider{p.scheme: p}
	if err := p.connect(endpoint, c.Realm); err != nil {
		return nil, fmt.Errorf("configure oci: %w", err)
	}
	return p, nil
}

// copyFrom are the schemes whose objects can be copied by the service.
func (p *Provider) copyFrom() []string { return slices.Sorted(maps.Keys(p.peers)) }

// Describe says that this is OCI, and the SDK's version.
func (p *Provider) Describe() backend.Description {
	return backend.Description{Name: scheme, Version: common.Version(), Region: p.account.region}
}

var (
	namespacePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	bucketPattern    = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// Open returns the bucket of a location "oci://namespace/bucket/key" and the key, which may be empty. The scheme is not
// looked at: the caller has chosen the provider by it.
func (p *Provider) Open(loc backend.Location) (backend.Storage, string, error) {
	namespace, name, key, err := split(loc)
	if err != nil {
		return nil, "", &backend.Error{Op: "open", Key: loc.String(), Kind: backend.Invalid, Err: err}
	}
	return &bucket{p: p, namespace: namespace, name: name}, key, nil
}

// split takes a location apart.
func split(loc backend.Location) (namespace, bucket, key string, err error) {
	namespace, rest, _ := strings.Cut(loc.Path, "/")
	bucket, key, _ = strings.Cut(rest, "/")
	if !namespacePattern.MatchString(namespace) || !bucketPattern.MatchString(bucket) {
		return "", "", "", fmt.Errorf("an OCI location is %s://namespace/bucket/key; `oci os ns get` prints the namespace", loc.Scheme)
	}
	return namespace, bucket, key, nil
}

// Compute returns the virtual machine side.
func (p *Provider) Compute() (backend.Compute, error) { return compute{p}, nil }

// Inventory returns the listing side. Its Metrics and Act fail with Unsupported.
func (p *Provider) Inventory() (backend.Inventory, error) { return inventory{p}, nil }

// Close closes idle connections; calls in flight go on.
func (p *Provider) Close() error {
	p.web.close()
	if p.account.close != nil {
		p.account.close()
	}
	return nil
}

// pause waits for about d, a quarter more or less, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d*3/4 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
