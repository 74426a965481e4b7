package ocisim

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// What tokens are for that do not sign requests.
const (
	useDelegation     = "delegation"
	useResource       = "resource"       // resourcePrincipalToken of version 1.1
	useService        = "service"        // servicePrincipalSessionToken of version 1.1
	useServiceAccount = "serviceaccount" // of Kubernetes
)

// federationOperations are where principals get the tokens that they sign with.
func federationOperations() []operation {
	return []operation{
		{name: "FederateX509", method: "POST", pattern: "/v1/x509", fn: federateX509, public: true, keeps: true},
		{name: "GetResourcePrincipalToken", method: "GET", pattern: "/20180711/resourcePrincipalToken/{id}", fn: resourcePrincipalToken, keeps: true},
		{name: "CreateResourcePrincipalSessionToken", method: "POST", pattern: "/v1/resourcePrincipalSessionToken", fn: resourceSessionToken, keeps: true},
		{name: "CreateWorkloadSessionToken", method: "POST", pattern: "/resourcePrincipalSessionTokens", fn: workloadSessionToken, public: true, keeps: true},
	}
}

// federateX509 exchanges the certificate of an instance for a token. The request is signed with the certificate's own key, and
// its host need not be signed.
func federateX509(c *call) error {
	if err := c.readBody(""); err != nil {
		return err
	}
	var body struct {
		Certificate              string   `json:"certificate"`
		PublicKey                string   `json:"publicKey"`
		IntermediateCertificates []string `json:"intermediateCertificates"`
		FingerprintAlgorithm     string   `json:"fingerprintAlgorithm"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	leaf, err := parseCertificate(body.Certificate)
	if err != nil {
		return fail(400, "InvalidParameter", "certificate: %v", err)
	}
	var others []*x509.Certificate
	for _, text := range body.IntermediateCertificates {
		other, err := parseCertificate(text)
		if err != nil {
			return fail(400, "InvalidParameter", "intermediateCertificates: %v", err)
		}
		others = append(others, other)
	}
	session, err := parsePublicKey(body.PublicKey)
	if err != nil {
		return fail(400, "InvalidParameter", "publicKey: %v", err)
	}
	instance, compartment, tenancy, err := c.s.authority.accepts(leaf, others, c.s.clock.Now())
	if err != nil {
		return errNotAuthenticated(err.Error())
	}
	if tenancy != c.s.state.Tenancy || c.s.state.Compute.Instances[instance] == nil {
		return errNotAuthenticated("the certificate is not of an instance of this tenancy")
	}
	if err := c.signedBy(leaf, tenancy); err != nil {
		return errNotAuthenticated(err.Error())
	}
	token, err := c.s.issue(claims{Audience: usePrincipal, Subject: instance, Type: typeInstance, Compartment: compartment}, session)
	if err != nil {
		return err
	}
	return c.json(200, fields{"token": token})
}

// signedBy checks that the request is signed with the key of the certificate, under its name.
func (c *call) signedBy(leaf *x509.Certificate, tenancy string) error {
	sig, err := parseSignature(c.r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	if want := tenancy + "/fed-x509-sha256/" + certificateFingerprint(leaf); sig.keyID != want {
		return fmt.Errorf("keyId is not that of the certificate")
	}
	if err := sig.requires("(request-target)", "content-length", "content-type", "x-content-sha256"); err != nil {
		return err
	}
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("the certificate has no RSA key")
	}
	if err := sig.matches(c.r, key, c.s.clock.Now()); err != nil {
		return err
	}
	return c.checkHash(c.r.Header.Get("x-content-sha256"))
}

// parseCertificate reads the base64 of PEM without its first and last line.
func parseCertificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("not base64")
	}
	return x509.ParseCertificate(der)
}

// resourcePrincipalToken is the first step of version 1.1: the service that has made a resource tells an instance who it is.
func resourcePrincipalToken(c *call) error {
	if c.who.Type != typeInstance {
		return errNotFound()
	}
	resource, err := c.s.issue(claims{Audience: useResource, Subject: c.vars["id"], Type: typeResource}, nil)
	if err != nil {
		return err
	}
	service, err := c.s.issue(claims{Audience: useService, Subject: c.who.ID, Type: typeInstance}, nil)
	if err != nil {
		return err
	}
	return c.json(200, fields{"resourcePrincipalToken": resource, "servicePrincipalSessionToken": service})
}

// resourceSessionToken is the second step: both tokens for one that signs.
func resourceSessionToken(c *call) error {
	var body struct {
		ResourcePrincipalToken       string `json:"resourcePrincipalToken"`
		ServicePrincipalSessionToken string `json:"servicePrincipalSessionToken"`
		SessionPublicKey             string `json:"sessionPublicKey"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	resource, err := c.s.openToken(body.ResourcePrincipalToken, useResource)
	if err != nil {
		return errNotAuthenticated("resourcePrincipalToken: " + err.Error())
	}
	if service, err := c.s.openToken(body.ServicePrincipalSessionToken, useService); err != nil || service.Subject != c.who.ID {
		return errNotAuthenticated("servicePrincipalSessionToken is not that of the instance")
	}
	session, err := parsePublicKey(body.SessionPublicKey)
	if err != nil {
		return fail(400, "InvalidParameter", "sessionPublicKey: %v", err)
	}
	token, err := c.s.issue(claims{Audience: usePrincipal, Subject: resource.Subject, Type: typeResource}, session)
	if err != nil {
		return err
	}
	return c.json(200, fields{"token": token})
}

// workloadSessionToken gives a pod of an OKE cluster a token for its service account. The answer is JSON in base64 in quotes.
func workloadSessionToken(c *call) error {
	if err := c.readBody(""); err != nil {
		return err
	}
	bearer, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errNotAuthenticated("no service account token")
	}
	account, err := c.s.openToken(bearer, useServiceAccount)
	if err != nil {
		return errNotAuthenticated("service account: " + err.Error())
	}
	var body struct {
		PodKey string `json:"podKey"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	session, err := parsePublicKey(body.PodKey)
	if err != nil {
		return fail(400, "InvalidParameter", "podKey: %v", err)
	}
	token, err := c.s.issue(claims{Audience: usePrincipal, Subject: account.Subject, Type: typeWorkload}, session)
	if err != nil {
		return err
	}
	inner, err := json.Marshal(fields{"token": "ST$" + token})
	if err != nil {
		return err
	}
	return c.json(200, base64.StdEncoding.EncodeToString(inner))
}

// principalTypes are what Rule.Principal may name instead of somebody.
func principalTypes() []string { return []string{typeUser, typeInstance, typeResource, typeWorkload} }

func isPrincipalType(name string) bool { return slices.Contains(principalTypes(), name) }
