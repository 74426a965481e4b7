package oci

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// resourceTokenPath is where a service tells an instance which resource it is for.
const resourceTokenPath = "/20180711/resourcePrincipalToken/{id}"

// source returns what signs as the resource, and the region.
func (r ResourcePrincipal) source(p *principals) (source, error) {
	switch r.Version {
	case "2.2":
		return r.given(p)
	case "1.1":
		return r.exchanged(p)
	}
	return nil, unauthorized("OCI_RESOURCE_PRINCIPAL_VERSION is %q; 2.2 and 1.1 are supported", clip(r.Version))
}

// given is version 2.2: OCI hands over a token and its key, as files that it renews or as text.
func (r ResourcePrincipal) given(p *principals) (source, error) {
	for _, v := range []struct{ name, value string }{{"OCI_RESOURCE_PRINCIPAL_RPST", r.Token}, {"OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", r.PrivateKey}} {
		if v.value == "" {
			return nil, unauthorized("the resource principal is of version 2.2, but %s is not set", v.name)
		}
	}
	f := &tokenFile{
		what: "the token of the resource principal", remedy: "OCI renews it: if it does not, start the function or job again",
		token: placeOf(r.Token), key: placeOf(r.PrivateKey), passphrase: placeOf(r.Passphrase), now: p.now,
	}
	_, err := f.credential(context.Background())
	if c := f.current.claims; err == nil && c.Expires == 0 {
		return nil, unauthorized("OCI_RESOURCE_PRINCIPAL_RPST: %w", errNoJWT)
	}
	return f, err
}

// exchanged is version 1.1: the instance asks the service that made the resource, and identity, for a token.
func (r ResourcePrincipal) exchanged(p *principals) (source, error) {
	if r.TokenEndpoint == "" || r.ResourceID == "" {
		return nil, unauthorized("the resource principal is of version 1.1, but OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT or OCI_RESOURCE_PRINCIPAL_RPT_ID is not set")
	}
	x := &resourceExchange{r: r, instance: p.instance(), client: p.client, session: strings.TrimSuffix(r.SessionEndpoint, "/")}
	if x.session == "" {
		x.session = p.federation
	}
	return newFederated(x.exchange, p.now, "a dynamic group must contain the resource, and a policy must allow it"), nil
}

type resourceExchange struct {
	r        ResourcePrincipal
	instance source
	client   doer
	session  string
}

func (x *resourceExchange) exchange(ctx context.Context) (credential, error) {
	const service = "the resource principal's service"
	path := x.r.TokenPath
	if path == "" {
		path = resourceTokenPath
	}
	path = strings.ReplaceAll(path, "{id}", url.PathEscape(x.r.ResourceID))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(x.r.TokenEndpoint, "/")+path, nil)
	if err != nil {
		return credential{}, unauthorized("OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT: %w", err)
	}
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	body, err := x.signed(r, service)
	if err != nil {
		return credential{}, err
	}
	var tokens struct {
		Resource string `json:"resourcePrincipalToken"`
		Service  string `json:"servicePrincipalSessionToken"`
	}
	_ = json.Unmarshal(body, &tokens) // without tokens, the next step is refused
	session, err := newSessionKey()
	if err != nil {
		return credential{}, err
	}
	if r, err = post(ctx, x.session+"/v1/resourcePrincipalSessionToken", map[string]string{
		"resourcePrincipalToken": tokens.Resource, "servicePrincipalSessionToken": tokens.Service, "sessionPublicKey": session.base64(),
	}); err != nil {
		return credential{}, err
	}
	if body, err = x.signed(r, "the authentication service"); err != nil {
		return credential{}, err
	}
	var answer struct{ Token string }
	_ = json.Unmarshal(body, &answer) // without a token, what follows says so
	return session.credential("the authentication service", answer.Token)
}

func (x *resourceExchange) signed(r *http.Request, service string) ([]byte, error) {
	if err := (signer{x.instance, hashesBody}).Sign(r); err != nil {
		return nil, err
	}
	return ask(x.client, r, service)
}

// Where Kubernetes puts what a pod needs to talk to its cluster, and the port at which OKE gives tokens to pods.
const (
	serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	serviceAccountCA    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
	workloadPort        = "12250"
)

// workload exchanges the token of a pod's service account.
type workload struct {
	url    string
	token  string // file
	client doer
}

func (w *workload) exchange(ctx context.Context) (credential, error) {
	const service = "the token service of the OKE cluster"
	account, err := os.ReadFile(w.token)
	if err != nil {
		return credential{}, unauthorized("read the token of the service account: %w; the pod needs automountServiceAccountToken: true", err)
	}
	bearer := strings.TrimSpace(string(account))
	who, err := parseClaims(bearer)
	switch {
	case err != nil:
		return credential{}, unauthorized("the token of the service account in %s: %w", w.token, err)
	case who.expired(time.Now()):
		return credential{}, unauthorized("the token of the service account in %s expired at %s; the kubelet should have renewed it", w.token, who.expires().UTC().Format(time.RFC3339))
	}
	session, err := newSessionKey()
	if err != nil {
		return credential{}, err
	}
	r, err := post(ctx, w.url, map[string]string{"podKey": session.pem()})
	if err != nil {
		return credential{}, err
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	body, err := ask(w.client, r, service)
	if err != nil {
		return credential{}, &signInError{kindOfSignIn(err), fmt.Errorf("%w; the cluster must be an enhanced one", cause(err))}
	}
	var text string
	var answer struct{ Token string }
	_ = json.Unmarshal(body, &text) // without a token, what follows says so
	inner, _ := base64.StdEncoding.DecodeString(text)
	_ = json.Unmarshal(inner, &answer)
	return session.credential(service, strings.TrimPrefix(answer.Token, "ST$"))
}
