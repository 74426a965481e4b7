package ocisim

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// State of a key of a vault.
const (
	keyEnabled  = "ENABLED"
	keyDisabled = "DISABLED"
)

// KeyID is the OCID of the vault's key of this name, whether the seed has it or not.
func (s *Server) KeyID(name string) string { return namedOCID("key", s.regionKey(), name) }

// SetKey adds the vault's key of this name, or enables or disables it.
func (s *Server) SetKey(name string, enabled bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setKey(name, enabled)
	return s.persist()
}

func (s *Server) setKey(name string, enabled bool) {
	st := &s.state.ObjectStorage
	if st.KmsKeys == nil {
		st.KmsKeys = map[string]string{}
	}
	st.KmsKeys[s.KeyID(name)] = keyDisabled
	if enabled {
		st.KmsKeys[s.KeyID(name)] = keyEnabled
	}
}

// checkKmsKey checks a key of a vault before it is used; "" is the service's own. The caller holds s.mu.
func (s *Server) checkKmsKey(id string) error {
	switch state := s.state.ObjectStorage.KmsKeys[id]; {
	case id == "" || state == keyEnabled:
		return nil
	case state == keyDisabled:
		return fail(409, "KmsKeyDisabled", "The KMS key %q is disabled", id)
	}
	return fail(400, "InvalidKmsKeyId", "The KMS key %q does not exist or you are not authorized to use it", id)
}

// customerKey reads the three headers of a customer-provided key, whose names begin with prefix, and returns the hash of the
// key, "" without any. The key itself is not kept. Codes other than MissingSSECustomerHeaders are guesses.
func (c *call) customerKey(prefix string) (string, error) {
	return checkCustomerKey(c.value(prefix+"algorithm"), c.value(prefix+"key"), c.value(prefix+"key-sha256"))
}

const (
	customerHeaders       = "opc-sse-customer-"
	sourceCustomerHeaders = "opc-source-sse-customer-"
)

func checkCustomerKey(algorithm, key, sum string) (string, error) {
	if algorithm == "" && key == "" && sum == "" {
		return "", nil
	}
	if algorithm == "" || key == "" || sum == "" {
		return "", errMissingCustomerKey("algorithm, key and key-sha256 must be given together")
	}
	if algorithm != "AES256" {
		return "", fail(400, "InvalidSSECustomerAlgorithm", "The encryption algorithm is not AES256")
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != 32 {
		return "", fail(400, "InvalidSSECustomerKey", "The customer-provided key is not the base64 of 32 bytes")
	}
	if have := sha256.Sum256(raw); encode64(have[:]) != sum {
		return "", fail(400, "UnmatchedSSECustomerKeySHA256", "The SHA-256 of the customer-provided key does not match its header")
	}
	return sum, nil
}

func errMissingCustomerKey(why string) error {
	return fail(400, "MissingSSECustomerHeaders", "The headers of a customer-provided key are missing: %s", why)
}

// mayDecrypt compares the hash of the key that the client gave with that of the key that something was encrypted with, and
// checks the vault's key. The caller holds s.mu.
func (s *Server) mayDecrypt(given, customer, kms string) error {
	switch {
	case customer != "" && given == "":
		return errMissingCustomerKey("the object is encrypted with one")
	case customer == "" && given != "":
		return fail(400, "InvalidSSECustomerKey", "The object is not encrypted with a customer-provided key")
	case customer != given:
		return fail(403, "NotAllowed", "The customer-provided key is not the one that the object is encrypted with")
	}
	if kms == "" {
		return nil
	}
	if err := s.checkKmsKey(kms); err != nil && asAPIError(err).Code == "KmsKeyDisabled" {
		return err
	}
	return nil
}

// encryption reads from the headers of a write how the object is to be encrypted. The caller holds s.mu.
func (c *call) encryption(b *bucket) (customer, kms string, err error) {
	if customer, err = c.customerKey(customerHeaders); err != nil {
		return "", "", err
	}
	kms = c.value("opc-sse-kms-key-id")
	if kms != "" && customer != "" {
		return "", "", fail(400, "InvalidParameter", "A customer-provided key and a KMS key may not both be specified")
	}
	if kms == "" && customer == "" {
		kms = b.Settings.KmsKey
	}
	return customer, kms, c.s.checkKmsKey(kms)
}

// withoutKeys are a request's headers, in which customer-provided keys are not to be read.
func withoutKeys(h http.Header) http.Header {
	if h.Get(customerHeaders+"key") == "" && h.Get(sourceCustomerHeaders+"key") == "" {
		return h
	}
	h = h.Clone()
	for name := range h {
		if lower := strings.ToLower(name); lower == customerHeaders+"key" || lower == sourceCustomerHeaders+"key" {
			h[name] = []string{"(not recorded)"}
		}
	}
	return h
}

// reencryptObject changes the key of an object.
func reencryptObject(c *call) error {
	b, err := c.findWritableBucket()
	if err != nil {
		return err
	}
	type customerKey struct{ Algorithm, Key, KeySha256 string }
	var in struct {
		KmsKeyID                             string `json:"kmsKeyId"`
		SseCustomerKey, SourceSseCustomerKey customerKey
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	old := c.s.store.bucket(b.ID).find(c.vars["object"], c.query("versionId"))
	if old == nil || old.Marker {
		return errObjectNotFound(b.Name, c.vars["object"])
	}
	from, err := checkCustomerKey(in.SourceSseCustomerKey.Algorithm, in.SourceSseCustomerKey.Key, in.SourceSseCustomerKey.KeySha256)
	if err != nil {
		return err
	}
	if err := c.s.mayDecrypt(from, old.CustomerKey, old.KmsKey); err != nil {
		return err
	}
	o := *old
	if o.CustomerKey, err = checkCustomerKey(in.SseCustomerKey.Algorithm, in.SseCustomerKey.Key, in.SseCustomerKey.KeySha256); err != nil {
		return err
	}
	o.KmsKey = in.KmsKeyID
	if o.KmsKey == "" && o.CustomerKey == "" {
		o.KmsKey = b.Settings.KmsKey
	}
	if err := c.s.checkKmsKey(o.KmsKey); err != nil {
		return err
	}
	if err := c.s.store.do(change{Bucket: b.ID, Amend: &o}); err != nil {
		return err
	}
	return c.empty(200)
}
