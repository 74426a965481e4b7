package oci

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// defaultMetadataURL is where OCI tells an instance about itself.
const defaultMetadataURL = "http://169.254.169.254/opc/v2"

// metadataWithin is how long the metadata service may take: it is on the machine's own host.
const metadataWithin = 2 * time.Second

// metadata asks the metadata service, never through a proxy.
type metadata struct {
	url      string
	client   *http.Client
	answered atomic.Bool
}

func newMetadata(url string) *metadata {
	return &metadata{url: strings.TrimSuffix(url, "/"), client: &http.Client{
		Timeout: metadataWithin,
		Transport: &http.Transport{ // a connection for each request: there are four in twenty minutes
			DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: metadataWithin}).DialContext,
		},
	}}
}

// get returns one value. Anything that does not answer as the service does is no OCI instance.
func (m *metadata) get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+path, nil)
	if err != nil {
		return nil, unauthorized("the address of the metadata service %q: %w", clip(m.url), err)
	}
	r.Header.Set("Authorization", "Bearer Oracle")
	body, err := ask(m.client, r, "the metadata service")
	if err == nil {
		m.answered.Store(true)
	}
	if err == nil || ctx.Err() != nil {
		return body, err
	}
	kind := backend.Unauthorized // nobody else answers there: trying again changes nothing
	if m.answered.Load() {
		kind = kindOfSignIn(err)
	}
	return nil, &signInError{kind, fmt.Errorf("not on an OCI instance, or its metadata service is switched off: "+
		"the metadata service at %s does not answer within %s as it should (%w); run this on an instance, or sign in with an API key", m.url, metadataWithin, cause(err))}
}

// home is where an instance is.
type home struct {
	Region string `json:"regionIdentifier"`
	Key    string `json:"regionKey"`
	Domain string `json:"realmDomainComponent"`
}

func (m *metadata) home(ctx context.Context) (home, error) {
	var h home
	body, err := m.get(ctx, "/instance/regionInfo")
	if err != nil {
		return h, err
	}
	if json.Unmarshal(body, &h) != nil || !regionPattern.MatchString(h.Region) {
		return h, unauthorized("the metadata service at %s does not tell the region: set region", m.url)
	}
	return h, nil
}

// instancePrincipal exchanges the certificate of the instance for a token.
type instancePrincipal struct {
	metadata   *metadata
	federation string // scheme and host of the region's authentication service
	client     doer
	tenancy    string // what the certificate must say; "" is anything
}

// certificate is what the metadata service gives the instance to identify itself, and its name for the service.
type certificate struct {
	leaf, between string // base64 of DER
	key           *rsa.PrivateKey
	tenancy, name string
}

func (p *instancePrincipal) exchange(ctx context.Context) (credential, error) {
	cert, err := p.certificate(ctx)
	if err != nil {
		return credential{}, err
	}
	session, err := newSessionKey()
	if err != nil {
		return credential{}, err
	}
	r, err := post(ctx, p.federation+"/v1/x509", map[string]any{
		"certificate": cert.leaf, "publicKey": session.base64(), "intermediateCertificates": []string{cert.between}, "fingerprintAlgorithm": "SHA256",
	})
	if err != nil {
		return credential{}, err
	}
	// This one service does not want the host to be signed.
	by := pair{keyID: cert.name, key: cert.key}
	if err := common.RequestSigner(by, []string{"date", "(request-target)"}, common.DefaultBodyHeaders()).Sign(r); err != nil {
		return credential{}, fmt.Errorf("sign with the certificate of the instance: %w", err)
	}
	const service = "the authentication service"
	body, err := ask(p.client, r, service)
	if err != nil {
		return credential{}, err
	}
	var answer struct{ Token string }
	_ = json.Unmarshal(body, &answer) // without a token, what follows says so
	c, err := session.credential(service, answer.Token)
	if err == nil && c.claims.tenancy() == "" {
		c.claims.Tenant = cert.tenancy
	}
	return c, err
}

// certificate reads what identifies the instance. It is renewed several times a day, so it is not kept.
func (p *instancePrincipal) certificate(ctx context.Context) (certificate, error) {
	var c certificate
	files := map[string][]byte{}
	for _, name := range []string{"cert.pem", "key.pem", "intermediate.pem"} {
		body, err := p.metadata.get(ctx, "/identity/"+name)
		if err != nil {
			return c, err
		}
		files[name] = body
	}
	leaf, between := derOf(files["cert.pem"]), derOf(files["intermediate.pem"])
	parsed, err := x509.ParseCertificate(leaf)
	if err != nil || between == nil {
		return c, unauthorized("the metadata service at %s gives no certificate", p.metadata.url)
	}
	if c.key, err = parseKey("the key of the instance's certificate", files["key.pem"], ""); err != nil {
		return c, unauthorized("%w", err)
	}
	for _, attribute := range parsed.Subject.Names {
		text, _ := attribute.Value.(string)
		if tenancy, ok := strings.CutPrefix(text, "opc-tenant:"); ok {
			c.tenancy = tenancy
		}
	}
	if c.tenancy == "" || p.tenancy != "" && c.tenancy != p.tenancy {
		return c, unauthorized("the instance is of the tenancy %q, not of %q: leave tenancy_ocid out", c.tenancy, p.tenancy)
	}
	c.leaf, c.between = base64.StdEncoding.EncodeToString(leaf), base64.StdEncoding.EncodeToString(between)
	sum := sha256.Sum256(leaf)
	c.name = c.tenancy + "/fed-x509-sha256/" + strings.ReplaceAll(fmt.Sprintf("% x", sum), " ", ":")
	return c, nil
}

func derOf(text []byte) []byte {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	return block.Bytes
}

// delegated is an instance that acts for a user. The user's token is read for every request: others renew it.
type delegated struct {
	source
	token place
}

func (d delegated) credential(ctx context.Context) (credential, error) {
	text, err := d.token.read()
	if text = strings.TrimSpace(text); err == nil && (text == "" || strings.ContainsAny(text, "\r\n\t ")) {
		err = fmt.Errorf("%s does not hold one token", d.token.path)
	}
	if err != nil {
		return credential{}, unauthorized("read the delegation token: %w", err)
	}
	who, err := parseClaims(text)
	switch {
	case err != nil:
		return credential{}, unauthorized("the delegation token: %w", err)
	case who.expired(time.Now()):
		return credential{}, unauthorized("the delegation token expired at %s: get another one", who.expires().UTC().Format(time.RFC3339))
	}
	c, err := d.source.credential(ctx)
	c.delegated = text
	return c, err
}

// kindOfSignIn is the kind of an error of signing in.
func kindOfSignIn(err error) backend.Kind {
	if e, ok := err.(*signInError); ok { //nolint:errorlint // it is made here
		return e.kind
	}
	return backend.Unauthorized
}

// cause takes the words off that every error of signing in begins with.
func cause(err error) error {
	if e, ok := err.(*signInError); ok { //nolint:errorlint // it is made here
		return e.err
	}
	return err
}
