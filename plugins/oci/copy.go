package oci

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Join tells providers of each other, so that one may copy what another holds without the bytes passing through here, as
// from one region to another. Only those that sign in as one user are told, or in the very same way: who may read as one
// user need not be allowed to write as another. It comes before the first call of any of them.
func Join(providers ...*Provider) {
	for _, p := range providers {
		for _, other := range providers {
			if p.sameUser(other) {
				p.peers[other.scheme] = other
			}
		}
	}
}

func (p *Provider) sameUser(other *Provider) bool {
	a, b := p.account, other.account
	return a.user != "" && a.user == b.user && a.tenancy == b.tenancy || reflect.DeepEqual(p.login, other.login)
}

// login is what of c decides who signs in: not where, nor what for. Secrets are left out.
func (c Config) login() Config {
	c.Region, c.Endpoint, c.Scheme, c.Compartment, c.Connections = "", "", "", "", 0
	c.StorageTier, c.KMSKey, c.EncryptionKey, c.Passphrase, c.PrivateKey = "", "", "", "", ""
	return c
}

// copying is one copy under way. The service of the source's region carries it out.
type copying struct {
	source, target *bucket
	from           backend.Location
	sourceKey, key string
	version        string // of the source
	condition      backend.Condition
}

// Copy lets the service copy an object, also from another bucket or region, and waits for it. Without o.Meta and o.ModTime
// the copy keeps the metadata of its source. A copy that nobody waits for any more is canceled.
func (b *bucket) Copy(ctx context.Context, from backend.Location, version string, key string, o backend.CopyOptions) (backend.Object, error) {
	const op = "copy"
	headers, err := headersOf(op, key, o.Meta, o.ModTime)
	if err != nil {
		return backend.Object{}, err
	}
	if _, _, err := conditions(op, key, o.If); err != nil {
		return backend.Object{}, err
	}
	owner, ok := b.p.peers[from.Scheme]
	if !ok {
		return backend.Object{}, &backend.Error{Op: op, Key: key, Kind: backend.Unsupported, Err: fmt.Errorf("the source %s is not served by this account", from)}
	}
	namespace, name, sourceKey, err := split(from)
	if err != nil {
		return backend.Object{}, invalid(op, key, "source %s: %w", from, err)
	}
	if err := checkKey(op, sourceKey); err != nil {
		return backend.Object{}, err
	}
	c := &copying{source: &bucket{p: owner, namespace: namespace, name: name}, target: b, from: from, sourceKey: sourceKey, key: key,
		version: version, condition: o.If}
	if version == "" { // what is replaced while it is copied must not come out half the one and half the other
		now, err := c.source.Stat(ctx, sourceKey)
		if err != nil {
			return backend.Object{}, err
		}
		c.version = now.Version
	}
	id, failed := c.start(ctx, headers)
	if failed == nil {
		failed = c.await(ctx, id)
	}
	if failed != nil {
		return backend.Object{}, c.settle(ctx, failed, version != "")
	}
	return b.Stat(ctx, key)
}

// start asks for the copy and returns its work request.
func (c *copying) start(ctx context.Context, headers map[string]string) (string, *backend.Error) {
	const op = "copy"
	ifMatch, ifNoneMatch, _ := conditions(op, c.key, c.condition) // checked
	from, to := c.source.p.store.customer(), c.target.p.store.customer()
	resp, err := c.source.p.objects.CopyObject(patient(ctx), objectstorage.CopyObjectRequest{
		NamespaceName: &c.source.namespace, BucketName: &c.source.name,
		CopyObjectDetails: objectstorage.CopyObjectDetails{
			SourceObjectName: &c.sourceKey, SourceObjectIfMatchETag: &c.version,
			DestinationRegion: &c.target.p.account.region, DestinationNamespace: &c.target.namespace, DestinationBucket: &c.target.name,
			DestinationObjectName: &c.key, DestinationObjectIfMatchETag: ifMatch, DestinationObjectIfNoneMatchETag: ifNoneMatch,
			DestinationObjectMetadata:    prefixed(headers),
			DestinationObjectStorageTier: objectstorage.StorageTierEnum(c.target.p.store.tier),
		},
		OpcSseKmsKeyId:          optional(c.target.p.store.kmsKey),
		OpcSseCustomerAlgorithm: to.algorithm, OpcSseCustomerKey: to.key, OpcSseCustomerKeySha256: to.digest,
		OpcSourceSseCustomerAlgorithm: from.algorithm, OpcSourceSseCustomerKey: from.key, OpcSourceSseCustomerKeySha256: from.digest,
		RequestMetadata: c.source.p.once,
	})
	if err != nil {
		e := c.source.fail(ctx, op, c.key, resp, err)
		var answer *serviceError
		if errors.As(e, &answer) && answer.Code == codeNoServicePolicy {
			answer.Advice = c.servicePolicy()
		}
		return "", e
	}
	if value(resp.OpcWorkRequestId) == "" {
		return "", c.source.broken(op, c.key, resp, errors.New("the answer has no work request"))
	}
	return *resp.OpcWorkRequestId, nil
}

// servicePolicy says how to allow the service to copy.
func (c *copying) servicePolicy() string {
	return fmt.Sprintf("the service itself needs a policy, such as \"Allow service objectstorage-%s to manage object-family in compartment COMPARTMENT\", for the compartments of %s/%s and %s/%s",
		c.source.p.account.region, c.source.namespace, c.source.name, c.target.namespace, c.target.name)
}

// settle finds the kind of an error that may be about the source's version or the destination's condition: the service has
// the same codes for both. pinned says whether the caller named the version.
func (c *copying) settle(ctx context.Context, e *backend.Error, pinned bool) error {
	switch {
	case e.Kind != backend.Changed && e.Kind != backend.Exists && e.Kind != backend.NotFound && e.Kind != backend.Unavailable:
		return e
	case codeOf(e) == codeBucketNotFound:
		return e
	}
	now, err := c.source.Stat(ctx, c.sourceKey)
	switch {
	case err != nil && !errors.Is(err, backend.NotFound):
		return e
	case pinned && (err != nil || now.Version != c.version):
		e.Kind = backend.Changed
		return e
	case err != nil:
		e.Kind = backend.NotFound
		return e
	case now.Version != c.version:
		e.Kind = backend.Unavailable // it was replaced meanwhile: a copy of what is there now may succeed
		return e
	}
	there, err := c.target.Stat(ctx, c.key)
	switch {
	case c.condition.Absent && err == nil:
		e.Kind = backend.Exists
	case c.condition.Version != "" && (errors.Is(err, backend.NotFound) || err == nil && there.Version != c.condition.Version):
		e.Kind = backend.Changed
	case e.Kind == backend.Changed || e.Kind == backend.Exists:
		e.Kind = backend.Unavailable // the reason has gone meanwhile
	}
	return e
}
