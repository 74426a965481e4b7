// Package s3 serves buckets of Amazon S3, and of services that speak its protocol, as a backend.Provider.
//
// Requests are made here, over net/http; minio-go signs them. Its client is not used: a list through it ends with no
// context, its errors lose Retry-After and the service's clock, it cannot delete under a condition, and it lists parts
// without the key of the caller that some of them need. So each method makes one attempt, ends with its context, and fails
// with a *backend.Error whose Kind is decided in errors.go.
//
// No byte is hashed twice and none with SHA-256: the payload is unsigned, and its CRC32C goes with it as a header, over
// plain HTTP too. The package reads no environment, except that net/http reads its proxy settings; see FromEnvironment.
package s3

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// scheme is what locations begin with unless Config.Scheme says otherwise.
const scheme = "s3"

// Provider is one account at one service. It is safe for concurrent use.
type Provider struct {
	o       options
	web     *web
	keys    *keychain
	regions sync.Map // bucket → region, where the service corrected us
	seen    sync.Map // buckets that have answered
	sums    checksums
	plain   atomic.Bool // the service refuses a condition on a delete

	minPart              int64
	copyAtOnce, copySize int64 // the most that one request copies, and the parts of more
}

var _ backend.Provider = (*Provider)(nil)

// New returns a Provider for the account that c describes. It reads the credentials and configuration files and makes no
// request. Errors say which file, profile or field is wrong and what to do; they never contain a secret. They are
// Unauthorized if nothing says who we are, Invalid otherwise.
func New(c Config) (*Provider, error) {
	o, keys, err := c.resolve()
	if err != nil {
		return nil, configError(err)
	}
	p := &Provider{o: o, web: newWeb(o.connections, o.roots), keys: keys, minPart: 5 * mib, copyAtOnce: copyAtOnce, copySize: copyPart}
	p.sums.begin(o)
	return p, nil
}

func configError(err error) error {
	kind := backend.Invalid
	if errors.Is(err, errNoKeys) {
		kind = backend.Unauthorized
	}
	return &backend.Error{Op: "configure", Key: "s3", Kind: kind, Err: err}
}

// Describe says that this is S3, and the version of its protocol.
func (p *Provider) Describe() backend.Description {
	return backend.Description{Name: scheme, Version: "2006-03-01", Region: p.o.region}
}

var bucketPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$`)

// Open returns the bucket of a location "s3://bucket/key" and the key, which may be empty. The scheme is not looked at: the
// caller has chosen the provider by it.
func (p *Provider) Open(loc backend.Location) (backend.Storage, string, error) {
	name, key, err := split(loc)
	if err != nil {
		return nil, "", &backend.Error{Op: "open", Key: loc.String(), Kind: backend.Invalid, Err: err}
	}
	return &bucket{p: p, name: name}, key, nil
}

// split takes a location apart.
func split(loc backend.Location) (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(loc.Path, "/")
	if !bucketPattern.MatchString(bucket) {
		return "", "", fmt.Errorf("an S3 location is %s://bucket/key, and %q is not the name of a bucket", cmp.Or(loc.Scheme, scheme), clip(bucket))
	}
	if strings.HasSuffix(bucket, "--x-s3") {
		return "", "", fmt.Errorf("%s is a directory bucket, which lists in no order and is not supported", bucket)
	}
	return bucket, key, nil
}

// Compute fails: S3 has no machines.
func (p *Provider) Compute() (backend.Compute, error) {
	return nil, &backend.Error{Op: "compute", Kind: backend.Unsupported, Err: errors.New("s3 stores objects and has no virtual machines")}
}

// Close closes idle connections; calls in flight go on.
func (p *Provider) Close() error {
	p.web.close()
	return nil
}
