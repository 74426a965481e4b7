package oci

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
)

// Ways to sign in, as Config.Auth names them and as a profile's authentication_type does.
const (
	AuthEnvironment       = "env"
	AuthConfigFile        = "config_file"
	AuthAPIKey            = "api_key"
	AuthSessionToken      = "session_token"
	AuthInstancePrincipal = "instance_principal"
	AuthResourcePrincipal = "resource_principal"
	AuthWorkloadIdentity  = "oke_workload_identity"
)

// Principal is what a machine, function or pod that this runs in knows of itself: its fields are what OCI and Kubernetes put
// into the environment, see FromEnvironment.
type Principal struct {
	MetadataURL   string // of the metadata service; "" is http://169.254.169.254/opc/v2
	FederationURL string // scheme and host of the authentication service; "" is that of the region, or Config.Endpoint

	DelegationToken     string // an instance acts for the user whose token this is; secret
	DelegationTokenFile string // the same in a file, which is read for every request

	Resource ResourcePrincipal

	KubernetesHost      string // of the cluster's API; port 12250 unless it has one
	KubernetesCAFile    string // "" is where Kubernetes puts it
	ServiceAccountToken string // file; "" is where Kubernetes puts it
}

// ResourcePrincipal is what OCI tells a function or another resource that it runs. Token, PrivateKey and Passphrase are absolute
// paths, or the thing itself, which is secret.
type ResourcePrincipal struct {
	Version                       string // 2.2 or 1.1
	Region                        string
	Token, PrivateKey, Passphrase string // of 2.2

	TokenEndpoint, TokenPath, ResourceID string // of 1.1
	SessionEndpoint                      string // of 1.1; "" is the authentication service
}

// String leaves out all secrets.
func (p Principal) String() string {
	return fmt.Sprintf("metadata at %q, federation at %q, cluster %q, %s", p.MetadataURL, p.FederationURL, p.KubernetesHost, p.Resource)
}

// GoString leaves out all secrets.
func (p Principal) GoString() string { return p.String() }

// String leaves out all secrets.
func (r ResourcePrincipal) String() string {
	return fmt.Sprintf("resource principal %q, version %q", r.ResourceID, r.Version)
}

// GoString leaves out all secrets.
func (r ResourcePrincipal) GoString() string { return r.String() }

// principals makes the sources of those that have no key of their own.
type principals struct {
	c          Principal
	metadata   *metadata
	federation string
	tenancy    string
	client     *httpclient.Client
	now        func() time.Time
}

// signInAs returns the account of a principal. It asks the metadata service if the region is not known otherwise.
func (c Config) signInAs(method string, s *settings, endpoint string) (*account, error) {
	for _, v := range []struct{ name, value string }{
		{"user_ocid", c.UserOCID}, {"fingerprint", c.Fingerprint}, {"private_key_path", c.PrivateKeyPath}, {"private_key", c.PrivateKey},
		{"passphrase", c.Passphrase}, {"security_token_file", c.SecurityTokenFile},
	} {
		if v.value != "" {
			return nil, fmt.Errorf("auth %s has no %s: leave it out, or sign in with it and another auth", method, v.name)
		}
	}
	d := delegationOf(c, s)
	if d.given() && method != AuthInstancePrincipal {
		return nil, fmt.Errorf("a delegation token goes with auth %s only, not with %s", AuthInstancePrincipal, method)
	}
	url := c.Principal.MetadataURL
	if url == "" {
		url = defaultMetadataURL
	}
	p := &principals{c: c.Principal, metadata: newMetadata(url), tenancy: s.tenancy, now: time.Now}
	a := &account{method: method, tenancy: s.tenancy, region: s.region, domain: c.Realm.Domain}
	if err := p.present(method); err != nil {
		return nil, err
	}
	if err := p.locate(method, a); err != nil {
		return nil, err
	}
	if err := a.normalize(endpoint); err != nil {
		return nil, err
	}
	if p.federation = strings.TrimSuffix(c.Principal.FederationURL, "/"); p.federation == "" {
		p.federation = endpoint
	}
	if p.federation == "" {
		p.federation = "https://" + a.host("auth")
	}
	var err error
	if a.source, err = p.source(method); err != nil {
		return nil, err
	}
	if d.given() {
		a.source, a.delegates = delegated{a.source, d}, true
	}
	a.close = p.client.Close
	return a, nil
}

// delegationOf is where the delegation token is: given, or named by the profile.
func delegationOf(c Config, s *settings) place {
	switch {
	case c.Principal.DelegationToken != "":
		return place{text: c.Principal.DelegationToken}
	case c.Principal.DelegationTokenFile != "":
		return place{path: c.Principal.DelegationTokenFile}
	}
	return place{path: s.delegationFile}
}

// present reports a place in which there is no such principal.
func (p *principals) present(method string) error {
	switch {
	case method == AuthResourcePrincipal && p.c.Resource.Version == "":
		return unauthorized("not in a function or another resource that OCI runs: OCI_RESOURCE_PRINCIPAL_VERSION is not set; sign in with an API key, or as an instance")
	case method == AuthWorkloadIdentity && p.c.KubernetesHost == "":
		return unauthorized("not in a pod of an OKE cluster: KUBERNETES_SERVICE_HOST is not set")
	}
	return nil
}

// locate finds the region of a principal for which none was given.
func (p *principals) locate(method string, a *account) error {
	if a.region == "" {
		a.region = p.c.Resource.Region // OKE has it too
	}
	if a.region != "" {
		return nil
	}
	if method != AuthInstancePrincipal && p.c.Resource.Version != "1.1" {
		return fmt.Errorf("the region is not known: set region, or OCI_RESOURCE_PRINCIPAL_REGION")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*metadataWithin)
	defer cancel()
	h, err := p.metadata.home(ctx)
	if err != nil {
		return err
	}
	a.region = h.Region
	if a.domain == "" && h.Domain != "" && h.Domain != common.Region(h.Region).SecondLevelDomain() {
		a.domain = h.Domain // a realm that the SDK does not know
	}
	return nil
}

func (p *principals) source(method string) (source, error) {
	o := webOptions(0)
	o.IdleConnections, o.AnswerWithin = 1, 30*time.Second
	switch method {
	case AuthInstancePrincipal:
		p.client = httpclient.New(o)
		return p.instance(), nil
	case AuthResourcePrincipal:
		p.client = httpclient.New(o)
		return p.c.Resource.source(p)
	}
	path := p.c.KubernetesCAFile
	if path == "" {
		path = serviceAccountCA
	}
	ca, err := os.ReadFile(path)
	if err != nil {
		return nil, unauthorized("not in a pod of an OKE cluster: read the cluster's certificate: %w", err)
	}
	o.Roots = x509.NewCertPool()
	if !o.Roots.AppendCertsFromPEM(ca) {
		return nil, unauthorized("%s has no certificate in PEM", path)
	}
	p.client = httpclient.New(o)
	w := &workload{client: p.client, token: p.c.ServiceAccountToken, url: workloadURL(p.c.KubernetesHost)}
	if w.token == "" {
		w.token = serviceAccountToken
	}
	return newFederated(w.exchange, p.now, "a policy must allow the workload: any-user where request.principal.type = 'workload' and its cluster, namespace and service account"), nil
}

// workloadURL is where OKE gives tokens to pods. IPv6 addresses come without brackets.
func workloadURL(host string) string {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), workloadPort
	}
	return (&url.URL{Scheme: "https", Host: net.JoinHostPort(name, port), Path: "/resourcePrincipalSessionTokens"}).String()
}

func (p *principals) instance() source {
	i := &instancePrincipal{metadata: p.metadata, federation: p.federation, client: p.client, tenancy: p.tenancy}
	return newFederated(i.exchange, p.now, "a dynamic group must contain the instance; new ones take some minutes")
}
