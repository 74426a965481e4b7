package s3

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Config says which account to use, and how. It is plain data; whoever fills it in has resolved flags and manifest, and
// laid them over what FromEnvironment returns with Over.
//
// Who we are is the first of: Anonymous; AccessKey with SecretKey; Profile; the profile "default", if there is one; the
// role of the machine, asked of its metadata service when the first request is made.
type Config struct {
	Scheme    string // what the locations that this account serves begin with; "" is s3
	Region    string // "" is the profile's, else us-east-1; the region of a bucket elsewhere is learned from the service
	Endpoint  string // scheme and host of another service than AWS; "" is the profile's endpoint_url, else AWS
	PathStyle string // "path" puts the bucket into the path, "host" into the host name; "auto" or "" is host for AWS only
	CAFile    string // PEM file of more authorities to trust

	Credentials
	Objects

	Connections int    // requests at the same time that the caller will make; 0 lets the caller choose
	Checksums   string // what the service verifies: "crc32c", "md5", "none"; "auto" or "" finds out
	Conditions  string // "off" for a service that ignores If-Match and If-None-Match on writes; "" is "on"
	Keys        string // "tree" refuses those that a service which keeps objects in folders takes for others; "" is "any"
}

// Credentials say who we are.
type Credentials struct {
	AccessKey, SecretKey, SessionToken string // secrets
	Profile                            string // in the two files
	CredentialsFile                    string // "" is ~/.aws/credentials
	ConfigFile                         string // "" is ~/.aws/config
	Anonymous                          bool   // requests are not signed
	NoInstanceRole                     bool   // the metadata service of the machine is not asked
}

// Objects says how objects are stored.
type Objects struct {
	StorageClass string            // such as STANDARD_IA; "" is the bucket's
	SSE          string            // "none" or "", "aes256", "kms", or "customer"
	SSEKMSKey    string            // with kms: id or ARN; "" is the account's own key
	SSEKey       string            // with customer: base64 of 32 bytes, needed to read the object again; secret
	Tags         map[string]string // on every object that is written
}

// String leaves out the secrets.
func (c Config) String() string {
	return fmt.Sprintf("access key %q, profile %q, region %q, endpoint %q", mask(c.AccessKey), c.Profile, c.Region, c.Endpoint)
}

// GoString leaves out the secrets.
func (c Config) GoString() string { return c.String() }

// String leaves out the secrets.
func (c Credentials) String() string {
	return fmt.Sprintf("access key %q, profile %q", mask(c.AccessKey), c.Profile)
}

// GoString leaves out the secrets.
func (c Credentials) GoString() string { return c.String() }

// String leaves out the key.
func (o Objects) String() string {
	return fmt.Sprintf("storage class %q, encryption %q, tags %v", o.StorageClass, o.SSE, o.Tags)
}

// GoString leaves out the key.
func (o Objects) GoString() string { return o.String() }

// mask shows the end of an access key's id, which is no secret, but somebody may have put a secret in its place.
func mask(id string) string {
	if len(id) < 16 || len(id) > 32 {
		return strings.Repeat("*", min(len(id), 4))
	}
	return "****" + id[len(id)-4:]
}

// FromEnvironment reads what the AWS tools read from the environment.
func FromEnvironment(getenv func(string) string) Config {
	off := strings.EqualFold(getenv("AWS_EC2_METADATA_DISABLED"), "true")
	return Config{
		Region:   cmp.Or(getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION")),
		Endpoint: cmp.Or(getenv("AWS_ENDPOINT_URL_S3"), getenv("AWS_ENDPOINT_URL")),
		CAFile:   getenv("AWS_CA_BUNDLE"),
		Credentials: Credentials{
			AccessKey: getenv("AWS_ACCESS_KEY_ID"), SecretKey: getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: getenv("AWS_SESSION_TOKEN"),
			Profile:         cmp.Or(getenv("AWS_PROFILE"), getenv("AWS_DEFAULT_PROFILE")),
			CredentialsFile: getenv("AWS_SHARED_CREDENTIALS_FILE"), ConfigFile: getenv("AWS_CONFIG_FILE"),
			NoInstanceRole: off,
		},
	}
}

// Over returns c with what it leaves open taken from below. Keys are never mixed: a c that says in any way who we are
// takes only the places of the files from below.
func (c Config) Over(below Config) Config {
	c.Region = cmp.Or(c.Region, below.Region)
	c.Endpoint = cmp.Or(c.Endpoint, below.Endpoint)
	c.CAFile = cmp.Or(c.CAFile, below.CAFile)
	c.CredentialsFile = cmp.Or(c.CredentialsFile, below.CredentialsFile)
	c.ConfigFile = cmp.Or(c.ConfigFile, below.ConfigFile)
	c.NoInstanceRole = c.NoInstanceRole || below.NoInstanceRole
	if c.AccessKey == "" && c.SecretKey == "" && c.SessionToken == "" && c.Profile == "" && !c.Anonymous {
		c.AccessKey, c.SecretKey, c.SessionToken, c.Profile = below.AccessKey, below.SecretKey, below.SessionToken, below.Profile
	}
	return c
}

// options are the settings in force.
type options struct {
	scheme, region string
	endpoint       *url.URL // nil is AWS
	aws            bool     // the service is Amazon's
	pathStyle      bool
	roots          *x509.CertPool
	connections    int
	checksums      string
	conditions     bool
	tree           bool
	store          storing
}

const defaultRegion = "us-east-1"

var regionPattern = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// resolve reads the files and checks the form of everything.
func (c Config) resolve() (options, *keychain, error) {
	o := options{scheme: cmp.Or(c.Scheme, scheme), connections: c.Connections, checksums: cmp.Or(c.Checksums, "auto")}
	profile, err := c.profile()
	if err != nil {
		return o, nil, err
	}
	o.region = cmp.Or(c.Region, profile.values["region"], defaultRegion)
	if !regionPattern.MatchString(o.region) {
		return o, nil, fmt.Errorf("region %q is not a region such as eu-central-1", clip(o.region))
	}
	if o.endpoint, err = checkEndpoint(cmp.Or(c.Endpoint, profile.values["endpoint_url"])); err != nil {
		return o, nil, err
	}
	o.aws = o.endpoint == nil || isAmazon(o.endpoint.Hostname())
	switch c.PathStyle {
	case "", "auto":
		o.pathStyle = !o.aws
	case "path", "host":
		o.pathStyle = c.PathStyle == "path"
	default:
		return o, nil, fmt.Errorf("path style %q is none of auto, path and host", clip(c.PathStyle))
	}
	if !slices.Contains([]string{"auto", "crc32c", "md5", "none"}, o.checksums) {
		return o, nil, fmt.Errorf("checksums %q is none of auto, crc32c, md5 and none", clip(o.checksums))
	}
	if !slices.Contains([]string{"", "on", "off"}, c.Conditions) {
		return o, nil, fmt.Errorf("conditions %q is neither on nor off", clip(c.Conditions))
	}
	o.conditions = c.Conditions != "off"
	if !slices.Contains([]string{"", "any", "tree"}, c.Keys) {
		return o, nil, fmt.Errorf("keys %q is neither any nor tree", clip(c.Keys))
	}
	o.tree = c.Keys == "tree"
	if o.roots, err = readRoots(cmp.Or(c.CAFile, profile.values["ca_bundle"])); err != nil {
		return o, nil, err
	}
	if o.store, err = c.Objects.storing(); err != nil {
		return o, nil, err
	}
	keys, err := c.keychain(profile)
	return o, keys, err
}

// isAmazon reports whether a host is one of Amazon's.
func isAmazon(host string) bool {
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

// checkEndpoint accepts a scheme and a host. It takes off a slash at the end.
func checkEndpoint(endpoint string) (*url.URL, error) {
	if endpoint == "" {
		return nil, nil //nolint:nilnil // no endpoint is Amazon's own
	}
	u, err := url.Parse(strings.TrimSuffix(endpoint, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		shown := clip(endpoint)
		if strings.Contains(endpoint, "@") {
			shown = "(with something before an @)"
		}
		return nil, fmt.Errorf("endpoint %q is not a scheme and a host such as https://s3.example.com:9000", shown)
	}
	return u, nil
}

// readRoots returns the system's authorities and those of a file, nil for the system's alone.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // that is how crypto/tls says it
	}
	path, err := expandHome(path)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the certificates of authorities: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the file of authorities %s has no certificate in PEM form", path)
	}
	return pool, nil
}

// storing is Objects in the form that requests need.
type storing struct {
	class, sse, kmsKey, tags string
	key                      []byte // with customer
}

func (o Objects) storing() (storing, error) {
	s := storing{class: o.StorageClass, sse: o.SSE, kmsKey: o.SSEKMSKey, tags: encodeTags(o.Tags)}
	if s.class != "" && !isToken(s.class) {
		return s, fmt.Errorf("storage class %q is not a name such as STANDARD_IA", clip(s.class))
	}
	if len(o.Tags) > 10 {
		return s, fmt.Errorf("%d tags are more than the 10 that an object can have", len(o.Tags))
	}
	if s.sse == "none" {
		s.sse = ""
	}
	if !slices.Contains([]string{"", "aes256", "kms", "customer"}, s.sse) {
		return s, fmt.Errorf("encryption %q is none of none, aes256, kms and customer", clip(s.sse))
	}
	if o.SSEKMSKey != "" && s.sse != "kms" {
		return s, errors.New("a KMS key is given, but the encryption is not kms")
	}
	if strings.ContainsFunc(o.SSEKMSKey, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return s, errors.New("the KMS key is not the id or ARN of a key")
	}
	if (o.SSEKey != "") != (s.sse == "customer") {
		return s, errors.New("the encryption customer and a key of your own go together: give both or none")
	}
	if s.sse == "customer" {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(o.SSEKey))
		if err != nil || len(key) != 32 {
			return s, errors.New("the key for encryption is not base64 of 32 bytes; `openssl rand -base64 32` makes one")
		}
		s.key = bytes.Clone(key)
	}
	return s, nil
}

// encodeTags gives tags the form of a query.
func encodeTags(tags map[string]string) string {
	values := url.Values{}
	for k, v := range tags {
		values.Set(k, v)
	}
	return strings.ReplaceAll(values.Encode(), "+", "%20")
}

// clip shortens a value for a message: a misplaced secret must not be shown whole.
func clip(s string) string {
	const most = 64
	if strings.Contains(s, "-----BEGIN") || strings.ContainsAny(s, "\r\n") {
		return "(text of several lines)"
	}
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// expandHome resolves "~/" and makes nothing else of the path.
func expandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(filepath.ToSlash(path), "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the home directory for %s: %w", path, err)
	}
	return filepath.Join(home, filepath.FromSlash(rest)), nil
}
