package ocisim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// oneInstance is a tenancy with an instance and a bucket in different compartments.
func oneInstance() *Seed {
	return &Seed{
		Compartments: []SeedCompartment{{Path: "acme/prod"}, {Path: "acme/dev"}},
		Buckets:      []SeedBucket{{Name: "b", Compartment: "acme/dev"}},
		Instances:    []SeedInstance{{Name: "web-01", Compartment: "acme/prod", DiskBytes: 1 << 20, DataBytes: 1}},
	}
}

// principal returns a client that signs as the SDK does it for an instance.
func (b *testbed) principalClient(provider common.ConfigurationProvider) objectstorage.ObjectStorageClient {
	b.Helper()
	c, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(provider)
	b.must(err)
	b.connect(&c.BaseClient)
	return c
}

// sdkEnvironment lets the SDK's own providers find the simulator, and nothing else.
func sdkEnvironment(t *testing.T, url string) {
	t.Setenv("OCI_METADATA_BASE_URL", url+"/opc/v2")
	t.Setenv("OCI_SDK_AUTH_CLIENT_REGION_URL", url)
}

// TestInstancePrincipalOfTheSDK shows that the metadata service and the federation are those that the SDK expects.
func TestInstancePrincipalOfTheSDK(t *testing.T) {
	b := newTestbed(t, Options{Seed: oneInstance()})
	sdkEnvironment(t, b.URL)
	provider, err := auth.InstancePrincipalConfigurationProvider()
	b.must(err)
	tenancy, err := provider.TenancyOCID()
	b.must(err)
	equal(t, "tenancy", tenancy, b.Tenancy())
	region, err := provider.Region()
	b.must(err)
	equal(t, "region", region, b.Region())
	c := b.principalClient(provider)
	list := objectstorage.ListObjectsRequest{NamespaceName: b.ns, BucketName: str("b")}
	_, err = c.ListObjects(b.ctx, list)
	b.must(err)

	b.Rules().Add(Rule{Principal: "instance", Operation: "List*"})
	_, err = c.ListObjects(b.ctx, list)
	b.fails(err, 404, "BucketNotFound")
	_, err = b.OS.ListObjects(b.ctx, list)
	b.must(err)

	b.Rules().Reset()
	b.ExpireTokens()
	_, err = c.ListObjects(b.ctx, list)
	b.fails(err, 401, "NotAuthenticated")

	who, err := common.PrivateKeyFromBytes(identityFile(b, "key.pem"), nil)
	b.must(err)
	if who.N.BitLen() != 2048 {
		t.Errorf("the key has %d bits", who.N.BitLen())
	}
}

// TestResourcePrincipalOfTheSDK goes through both tokens of version 1.1.
func TestResourcePrincipalOfTheSDK(t *testing.T) {
	b := newTestbed(t, Options{Seed: oneInstance()})
	sdkEnvironment(t, b.URL)
	t.Setenv("OCI_RESOURCE_PRINCIPAL_VERSION", "1.1")
	t.Setenv("OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT", b.URL)
	t.Setenv("OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT", b.URL)
	t.Setenv("OCI_RESOURCE_PRINCIPAL_RPT_ID", "ocid1.fnfunc.oc1.phx.aaaa")
	provider, err := auth.ResourcePrincipalConfigurationProvider()
	b.must(err)
	_, err = b.principalClient(provider).ListObjects(b.ctx, objectstorage.ListObjectsRequest{NamespaceName: b.ns, BucketName: str("b")})
	b.must(err)
	b.Rules().Add(Rule{Principal: "ocid1.fnfunc.oc1.phx.aaaa"})
	_, err = b.principalClient(provider).GetBucket(b.ctx, objectstorage.GetBucketRequest{NamespaceName: b.ns, BucketName: str("b")})
	b.fails(err, 404, "BucketNotFound")
}

func identityFile(b *testbed, name string) []byte {
	b.Helper()
	status, text := b.metadata("/opc/v2/identity/"+name, "Bearer Oracle", "")
	if status != 200 {
		b.Fatalf("%s: %d %s", name, status, text)
	}
	return []byte(text)
}

func (b *testbed) metadata(path, authorization, forwarded string) (int, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.ctx, "GET", b.URL+path, nil)
	b.must(err)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	return b.answer(r)
}

func TestMetadata(t *testing.T) {
	b := newTestbed(t, Options{Seed: oneInstance()})
	for _, tc := range []struct {
		path, authorization, forwarded string
		status                         int
		want                           string
	}{
		{"/opc/v2/instance/region", "Bearer Oracle", "", 200, "phx"},
		{"/opc/v2/instance/canonicalRegionName", "Bearer Oracle", "", 200, "us-phoenix-1"},
		{"/opc/v2/instance/regionInfo", "Bearer Oracle", "", 200, `"realmDomainComponent":"oraclecloud.com"`},
		{"/opc/v2/instance/regionInfo/realmKey", "Bearer Oracle", "", 200, "oc1"},
		{"/opc/v2/instance/", "Bearer Oracle", "", 200, `"displayName":"web-01"`},
		{"/opc/v2/instance/nothing", "Bearer Oracle", "", 404, ""},
		{"/opc/v2/identity/cert.pem", "Bearer Oracle", "", 200, "BEGIN CERTIFICATE"},
		{"/opc/v2/identity/other.pem", "Bearer Oracle", "", 404, ""},
		{"/opc/v2/identity/key.pem", "", "", 401, ""},
		{"/opc/v2/identity/key.pem", "Bearer oracle", "", 401, ""},
		{"/opc/v2/identity/key.pem", "Bearer Oracle", "10.0.0.1", 403, ""},
		{"/opc/v1/instance/region", "Bearer Oracle", "", 404, ""},
	} {
		status, text := b.metadata(tc.path, tc.authorization, tc.forwarded)
		if status != tc.status || !strings.Contains(text, tc.want) || status != 200 && strings.Contains(text, "PRIVATE") {
			t.Errorf("%s %q: got %d %.60s, want %d %s", tc.path, tc.authorization, status, text, tc.status, tc.want)
		}
	}
	if err := b.ActAs("ocid1.instance.oc1.phx.none"); err == nil {
		t.Error("acts as an instance that does not exist")
	}
	empty := newTestbed(t, Options{})
	if status, _ := empty.metadata("/opc/v2/instance/id", "Bearer Oracle", ""); status != 404 {
		t.Errorf("metadata without an instance: %d", status)
	}
}

// federate sends a request for a token as the SDK does, after change.
func (b *testbed) federate(key *rsa.PrivateKey, keyID, body string) (int, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.ctx, "POST", b.URL+"/v1/x509", strings.NewReader(body))
	b.must(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Date", b.clock.Now().UTC().Format(http.TimeFormat))
	signer := common.RequestSigner(keyOf{keyID, key}, []string{"date", "(request-target)"}, []string{"content-length", "content-type", "x-content-sha256"})
	b.must(signer.Sign(r))
	return b.answer(r)
}

type keyOf struct {
	id  string
	key *rsa.PrivateKey
}

func (k keyOf) KeyID() (string, error)                  { return k.id, nil }
func (k keyOf) PrivateRSAKey() (*rsa.PrivateKey, error) { return k.key, nil }

func (b *testbed) answer(r *http.Request) (int, string) {
	b.Helper()
	resp, err := b.HTTP.Do(r)
	b.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	b.must(err)
	return resp.StatusCode, string(text)
}

func TestFederationIsStrict(t *testing.T) {
	clock := NewManualClock(time.Now())
	b := newTestbed(t, Options{Seed: oneInstance(), Clock: clock})
	bare := func(name string) string {
		return strings.Map(func(r rune) rune {
			if r == '\n' {
				return -1
			}
			return r
		}, strings.TrimSuffix(strings.TrimPrefix(string(identityFile(b, name)), "-----BEGIN CERTIFICATE-----"), "-----END CERTIFICATE-----\n"))
	}
	key, err := common.PrivateKeyFromBytes(identityFile(b, "key.pem"), nil)
	b.must(err)
	leaf, err := parseCertificate(bare("cert.pem"))
	b.must(err)
	der := strings.NewReplacer("\n", "", "-----BEGIN PUBLIC KEY-----", "", "-----END PUBLIC KEY-----", "").Replace(publicPEM(t, &testKey().PublicKey))
	body := func(cert, middle string) string {
		return `{"certificate":"` + cert + `","publicKey":"` + der + `","intermediateCertificates":["` + middle + `"],"fingerprintAlgorithm":"SHA256"}`
	}
	good := body(bare("cert.pem"), bare("intermediate.pem"))
	name := b.Tenancy() + "/fed-x509-sha256/" + certificateFingerprint(leaf)

	// Somebody else's certificates: another simulator's authority.
	other := newTestbed(t, Options{Seed: oneInstance(), Namespace: "other"})
	foreign := strings.NewReplacer("\n", "", "-----BEGIN CERTIFICATE-----", "", "-----END CERTIFICATE-----", "").Replace(string(identityFile(other, "cert.pem")))
	foreignKey, err := common.PrivateKeyFromBytes(identityFile(other, "key.pem"), nil)
	b.must(err)
	foreignLeaf, err := parseCertificate(foreign)
	b.must(err)

	for _, tc := range []struct {
		name   string
		key    *rsa.PrivateKey
		keyID  string
		body   string
		status int
	}{
		{"as it should be", key, name, good, 200},
		{"signed with another key", testKey(), name, good, 401},
		{"of another tenancy", key, "ocid1.tenancy.oc1..other/fed-x509-sha256/" + certificateFingerprint(leaf), good, 401},
		{"another fingerprint", key, b.Tenancy() + "/fed-x509-sha256/00:11", good, 401},
		{"an API key", testKey(), b.Tenancy() + "/" + b.User() + "/x", good, 401},
		{"a foreign certificate", foreignKey, b.Tenancy() + "/fed-x509-sha256/" + certificateFingerprint(foreignLeaf), body(foreign, bare("intermediate.pem")), 401},
		{"no intermediate", key, name, strings.Replace(good, `["`+bare("intermediate.pem")+`"]`, "[]", 1), 401},
		{"no certificate", key, name, body("", bare("intermediate.pem")), 400},
		{"no public key", key, name, strings.Replace(good, der, base64.StdEncoding.EncodeToString([]byte("x")), 1), 400},
		{"no JSON", key, name, "{", 400},
	} {
		if status, text := b.federate(tc.key, tc.keyID, tc.body); status != tc.status {
			t.Errorf("%s: got %d %.200s, want %d", tc.name, status, text, tc.status)
		}
	}
	clock.Advance(certificateLife + time.Minute)
	if status, text := b.federate(key, name, good); status != 401 || !strings.Contains(text, "expired") {
		t.Errorf("an old certificate: %d %s", status, text)
	}
	if now := identityFile(b, "cert.pem"); string(now) == string(encodeCertificate(leaf.Raw)) {
		t.Error("the certificate is not renewed")
	}
}

// TestTokens signs with tokens that the simulator issued, or did not.
func TestTokens(t *testing.T) {
	clock := NewManualClock(time.Now())
	b := newTestbed(t, Options{Seed: oneInstance(), Clock: clock})
	get := func(keyID string) (int, string) {
		return b.status(signed{method: "GET", path: "/n/" + *b.ns, keyID: keyID})
	}
	session, err := b.SessionToken(&testKey().PublicKey)
	b.must(err)
	otherKey, err := rsa.GenerateKey(rand.Reader, 1024)
	b.must(err)
	other, err := b.SessionToken(&otherKey.PublicKey)
	b.must(err)
	delegation, err := b.DelegationToken()
	b.must(err)
	stranger, err := newTestbed(t, Options{}).SessionToken(&testKey().PublicKey)
	b.must(err)
	for name, tc := range map[string]struct {
		token  string
		status int
		reason string
	}{
		"own":         {session, 200, ""},
		"other key":   {other, 401, "signature does not match"},
		"delegation":  {delegation, 401, "the token is for delegation"},
		"stranger's":  {stranger, 401, "not issued here"},
		"no token":    {"abc", 401, "no JWT"},
		"cut":         {session[:len(session)-20], 401, "not issued here"},
		"other claim": {strings.Replace(session, ".", ".e30", 1), 401, "not issued here"},
	} {
		if status, text := get("ST$" + tc.token); status != tc.status || !strings.Contains(text, tc.reason) {
			t.Errorf("%s: got %d %s, want %d %s", name, status, text, tc.status, tc.reason)
		}
	}
	clock.Advance(defaultTokenLife)
	if status, text := get("ST$" + session); status != 401 || !strings.Contains(text, "expired") {
		t.Errorf("after its time: %d %s", status, text)
	}
}

func TestWorkloadTokens(t *testing.T) {
	b := newTestbed(t, Options{Seed: oneInstance()})
	account, err := b.ServiceAccountToken("backup", "hyperexport")
	b.must(err)
	session, err := b.SessionToken(&testKey().PublicKey)
	b.must(err)
	ask := func(bearer, key string) (int, string) {
		r, err := http.NewRequestWithContext(b.ctx, "POST", b.URL+"/resourcePrincipalSessionTokens", strings.NewReader(`{"podKey":"`+strings.ReplaceAll(key, "\n", `\n`)+`"}`))
		b.must(err)
		r.Header.Set("Authorization", bearer)
		return b.answer(r)
	}
	key := publicPEM(t, &testKey().PublicKey)
	status, text := ask("Bearer "+account, key)
	raw, err := base64.StdEncoding.DecodeString(strings.Trim(text, `"`))
	token, ok := strings.CutPrefix(strings.TrimSuffix(string(raw), `"}`), `{"token":"`)
	if status != 200 || err != nil || !ok {
		t.Fatalf("%d %s", status, text)
	}
	if status, text := b.status(signed{method: "GET", path: "/n/" + *b.ns, keyID: token}); status != 200 {
		t.Errorf("signed with it: %d %s", status, text)
	}
	b.Rules().Add(Rule{Principal: "system:serviceaccount:backup:hyperexport"})
	if status, _ := b.status(signed{method: "GET", path: "/n/" + *b.ns, keyID: token}); status != 404 {
		t.Errorf("denied, but %d", status)
	}
	for name, bearer := range map[string]string{"none": "", "not a service account's": "Bearer " + session} {
		if status, _ := ask(bearer, key); status != 401 {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := ask("Bearer "+account, "x"); status != 400 {
		t.Errorf("no key: %d", status)
	}
}

func publicPEM(t *testing.T, pub *rsa.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// TestDelegationOfTheSDK acts for the user from an instance.
func TestDelegationOfTheSDK(t *testing.T) {
	b := newTestbed(t, Options{Seed: oneInstance()})
	sdkEnvironment(t, b.URL)
	token, err := b.DelegationToken()
	b.must(err)
	provider, err := auth.InstancePrincipalDelegationTokenConfigurationProvider(&token)
	b.must(err)
	c := b.principalClient(provider)
	list := objectstorage.ListObjectsRequest{NamespaceName: b.ns, BucketName: str("b")}
	b.Rules().Add(Rule{Principal: "instance"}) // the instance itself may do nothing
	_, err = c.ListObjects(b.ctx, list)
	b.must(err)
	b.Rules().Add(Rule{Principal: b.User()})
	_, err = c.ListObjects(b.ctx, list)
	b.fails(err, 404, "BucketNotFound")
	b.Rules().Reset()

	session, err := b.SessionToken(&testKey().PublicKey)
	b.must(err)
	wrong, err := auth.InstancePrincipalDelegationTokenConfigurationProvider(&session)
	b.must(err)
	_, err = b.principalClient(wrong).ListObjects(b.ctx, list)
	b.fails(err, 401, "NotAuthenticated")
}
