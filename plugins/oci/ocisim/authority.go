package ocisim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// certificateLife is how long the certificate of an instance is valid.
const certificateLife = 24 * time.Hour

// authority issues the certificate by which an instance proves what it is. It lives as long as the process: whoever uses it
// asks the metadata service anew. It is safe for concurrent use.
type authority struct {
	mu       sync.Mutex
	instance string // OCID of the instance that the metadata service tells about; "" is the first
	roots    *x509.CertPool
	middle   *x509.Certificate
	middleBy *ecdsa.PrivateKey
	issued   *identityFiles
}

// identityFiles are what the metadata service gives an instance to identify itself.
type identityFiles struct {
	instance                string
	cert, key, intermediate []byte // PEM
	until                   time.Time
}

// identityFiles returns those of the instance, new ones if they have become old.
func (s *Server) identityFiles(in *instance) (*identityFiles, error) {
	a := s.authority
	a.mu.Lock()
	defer a.mu.Unlock()
	now := s.clock.Now()
	if a.issued != nil && a.issued.instance == in.ID && now.Before(a.issued.until) {
		return a.issued, nil
	}
	if a.roots == nil {
		if err := a.found(now); err != nil {
			return nil, fmt.Errorf("make certificates: %w", err)
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	subject := pkix.Name{CommonName: in.ID, OrganizationalUnit: []string{
		"opc-certtype:instance", "opc-compartment:" + in.CompartmentID, "opc-instance:" + in.ID, tenantPrefix + s.state.Tenancy,
	}}
	der, err := x509.CreateCertificate(rand.Reader, certificate(subject, now), a.middle, &key.PublicKey, a.middleBy)
	if err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	a.issued = &identityFiles{
		instance: in.ID, until: now.Add(certificateLife / 2), intermediate: encodeCertificate(a.middle.Raw), cert: encodeCertificate(der),
		key: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	}
	return a.issued, nil
}

// found makes the root and the intermediate certificate.
func (a *authority) found(now time.Time) error {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	root := certificate(pkix.Name{CommonName: "PKISVC Identity Root"}, now)
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage, root.NotAfter = true, true, x509.KeyUsageCertSign, now.AddDate(10, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, root, root, &rootKey.PublicKey, rootKey)
	if err != nil {
		return err
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	if a.middleBy, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	middle := certificate(pkix.Name{CommonName: "PKISVC Identity Intermediate"}, now)
	middle.IsCA, middle.BasicConstraintsValid, middle.KeyUsage, middle.NotAfter = true, true, x509.KeyUsageCertSign, now.AddDate(5, 0, 0)
	if der, err = x509.CreateCertificate(rand.Reader, middle, root, &a.middleBy.PublicKey, rootKey); err != nil {
		return err
	}
	if a.middle, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.roots = x509.NewCertPool()
	a.roots.AddCert(root)
	return nil
}

func certificate(subject pkix.Name, now time.Time) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the source of randomness does not fail
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject, NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// accepts checks the chain of a certificate and returns what it says of the instance.
func (a *authority) accepts(leaf *x509.Certificate, others []*x509.Certificate, now time.Time) (instance, compartment, tenancy string, err error) {
	a.mu.Lock()
	roots := a.roots
	a.mu.Unlock()
	if roots == nil {
		return "", "", "", fmt.Errorf("no certificate was ever issued")
	}
	between := x509.NewCertPool()
	for _, c := range others {
		between.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return "", "", "", fmt.Errorf("the certificate is not accepted: %w", err)
	}
	for _, unit := range leaf.Subject.OrganizationalUnit {
		name, value, _ := strings.Cut(unit, ":")
		switch name {
		case "opc-instance":
			instance = value
		case "opc-compartment":
			compartment = value
		case "opc-tenant":
			tenancy = value
		}
	}
	return instance, compartment, tenancy, nil
}

const tenantPrefix = "opc-tenant:"

// certificateFingerprint is the SHA-256 of a certificate, in pairs of digits with colons between.
func certificateFingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% x", sum), " ", ":")
}
