package oci

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// signInAs makes the world one in which somebody signs in as method, and returns the folder with the files for it.
func (w *world) signInAs(t testing.TB, method string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	issued := func(token string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	c := Config{Endpoint: w.server.URL, Region: w.sim.Region(), Auth: method, Principal: Principal{MetadataURL: w.server.URL + "/opc/v2"}}
	key := w.config.PrivateKeyPath
	switch method {
	case AuthSessionToken:
		c.TenancyOCID, c.PrivateKeyPath = w.sim.Tenancy(), key
		c.SecurityTokenFile = write("token", issued(w.sim.SessionToken(&testKey().PublicKey))+"\n")
	case AuthInstancePrincipal:
		c.Region = "" // the metadata service knows it
	case AuthResourcePrincipal:
		c.Region = ""
		c.Principal.Resource = ResourcePrincipal{Version: "2.2", Region: w.sim.Region(), PrivateKey: key,
			Token: write("rpst", issued(w.sim.ResourceToken("ocid1.fnfunc.oc1.phx.aaaa", w.sim.Tenancy(), &testKey().PublicKey)))}
	case AuthWorkloadIdentity:
		cluster := httptest.NewTLSServer(w.sim)
		t.Cleanup(cluster.Close)
		c.Principal.KubernetesHost = strings.TrimPrefix(cluster.URL, "https://")
		c.Principal.KubernetesCAFile = write("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cluster.Certificate().Raw})))
		c.Principal.ServiceAccountToken = write("account", issued(w.sim.ServiceAccountToken("backup", "hyperexport")))
	}
	w.config = c
	return dir
}

var principalNames = map[string]string{
	AuthSessionToken: "user", AuthInstancePrincipal: "instance", AuthResourcePrincipal: "resource", AuthWorkloadIdentity: "workload",
}

// TestSignIn reads and writes an object, lists compartments and finds the principal denied, with each way to sign in.
func TestSignIn(t *testing.T) {
	for method, principal := range principalNames {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t, ocisim.Options{})
			w.signInAs(t, method)
			p := w.provider(t)
			if p.Describe().Region != w.sim.Region() {
				t.Errorf("region %q", p.Describe().Region)
			}
			s, _, err := p.Open(w.location("archive", ""))
			check(t, err)
			_, err = s.Put(t.Context(), "a", []byte("text"), backend.PutOptions{})
			check(t, err)
			inventory, err := p.Inventory()
			check(t, err)
			n := 0
			for scope, err := range inventory.Scopes(t.Context()) {
				check(t, err)
				if n == 0 && scope.ID != w.sim.Tenancy() {
					t.Errorf("the root is %s", scope.ID)
				}
				n++
			}
			if n < 4 {
				t.Errorf("%d compartments", n)
			}
			w.sim.Rules().Add(ocisim.Rule{Principal: principal, Operation: "*Object"})
			if _, err := s.Stat(t.Context(), "a"); codeOf(err) != codeBucketNotFound {
				t.Errorf("a principal that is denied: %v", err)
			}
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTokensEndMidRun lets the simulator expire all tokens between the parts of an upload. The file of a session and of a
// resource principal is replaced, together with its key; the others ask for a new token themselves.
func TestTokensEndMidRun(t *testing.T) {
	for method := range principalNames {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t, ocisim.Options{})
			dir := w.signInAs(t, method)
			p := w.provider(t)
			bare, _, err := p.Open(w.location("archive", ""))
			check(t, err)
			s := wrap.Retry(bare, wrap.Policy{Attempts: 2, First: time.Millisecond})
			ctx := t.Context()
			up, err := s.CreateUpload(ctx, "big", backend.UploadOptions{})
			check(t, err)
			one, err := s.UploadPart(ctx, up, 1, bytes.Repeat([]byte("1"), 1<<20), backend.Checksum(""))
			check(t, err)

			w.sim.ExpireTokens()
			if w.config.SecurityTokenFile != "" || w.config.Principal.Resource.Version != "" {
				w.replaceToken(t, dir, method)
			}
			two, err := s.UploadPart(ctx, up, 2, []byte("2"), backend.Checksum(""))
			check(t, err)
			obj, err := s.CompleteUpload(ctx, up, []backend.Part{one, two}, backend.CompleteOptions{})
			check(t, err)
			if obj.Size != 1<<20+1 {
				t.Errorf("%d bytes", obj.Size)
			}
			refused := 0
			for _, e := range w.sim.Log().All() {
				if e.Status == 401 {
					refused++
				}
			}
			if refused > 1 {
				t.Errorf("%d requests were refused", refused)
			}
		})
	}
}

// replaceToken writes a new token and a new key in the place of those that w was configured with.
func (w *world) replaceToken(t testing.TB, dir, method string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	check(t, err)
	name, token := "token", ""
	if method == AuthSessionToken {
		token, err = w.sim.SessionToken(&key.PublicKey)
	} else {
		name = "rpst"
		token, err = w.sim.ResourceToken("ocid1.fnfunc.oc1.phx.aaaa", w.sim.Tenancy(), &key.PublicKey)
	}
	check(t, err)
	data, err := os.ReadFile(writeKey(t, key))
	check(t, err)
	path := w.config.PrivateKeyPath
	if path == "" {
		path = w.config.Principal.Resource.PrivateKey
	}
	check(t, os.WriteFile(path, data, 0o600))
	check(t, os.WriteFile(filepath.Join(dir, name), []byte(token), 0o600))
}

// TestTokenNotReplaced fails at once, with the file and the remedy in the message.
func TestTokenNotReplaced(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	w.signInAs(t, AuthSessionToken)
	s := wrap.Retry(w.storage(t, "archive"), wrap.Policy{First: time.Millisecond})
	if _, err := s.Put(t.Context(), "a", nil, backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	w.sim.ExpireTokens()
	w.sim.Log().Reset()
	_, err := s.Stat(t.Context(), "a")
	if backend.KindOf(err) != backend.Unauthorized || !strings.Contains(err.Error(), "run `oci session authenticate`") {
		t.Errorf("%v", err)
	}
	if n := w.sim.Log().Count("HeadObject"); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// TestTokensAreRenewedBeforeTheyExpire moves the clock of the client: a token of twenty minutes is replaced after sixteen,
// once for all who ask.
func TestTokensAreRenewedBeforeTheyExpire(t *testing.T) {
	start := time.Now()
	now, exchanges := start, 0
	f := newFederated(func(context.Context) (credential, error) {
		exchanges++
		return credential{keyID: strings.Repeat("x", exchanges), key: testKey(), claims: claims{Expires: float64(now.Add(20 * time.Minute).Unix())}}, nil
	}, func() time.Time { return now }, "")
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {15 * time.Minute, 1}, {16*time.Minute + 2*time.Second, 2}, {31 * time.Minute, 2}, {33 * time.Minute, 3}} {
		now = start.Add(step.after)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if _, err := f.credential(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if exchanges != step.want {
			t.Errorf("after %s: %d exchanges, want %d", step.after, exchanges, step.want)
		}
	}
	// The service is out of reach: the token is used as long as it lasts.
	f.exchange = func(context.Context) (credential, error) {
		return credential{}, &signInError{backend.Offline, errors.New("no network")}
	}
	now = start.Add(50 * time.Minute)
	if _, err := f.credential(t.Context()); err != nil {
		t.Errorf("a token that is still valid: %v", err)
	}
	now = start.Add(54 * time.Minute)
	if _, err := f.credential(t.Context()); backend.KindOf(failure(t.Context(), "x", "", nil, err)) != backend.Offline {
		t.Errorf("a token that has expired: %v", err)
	}
}

// TestDelegation signs as an instance for a user.
func TestDelegation(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	w.signInAs(t, AuthInstancePrincipal)
	token, err := w.sim.DelegationToken()
	check(t, err)
	w.config.Principal.DelegationTokenFile = filepath.Join(t.TempDir(), "delegation")
	check(t, os.WriteFile(w.config.Principal.DelegationTokenFile, []byte(token+"\n"), 0o600))
	s := w.storage(t, "archive")
	w.sim.Rules().Add(ocisim.Rule{Principal: "instance"}) // for itself, it may do nothing
	if _, err := s.Put(t.Context(), "a", nil, backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	w.sim.Rules().Add(ocisim.Rule{Principal: w.sim.User(), Operation: "PutObject"})
	if _, err := s.Put(t.Context(), "b", nil, backend.PutOptions{}); codeOf(err) != codeBucketNotFound {
		t.Errorf("the user is denied: %v", err)
	}
}

// TestResourcePrincipalOfVersion11 goes by way of the instance.
func TestResourcePrincipalOfVersion11(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	w.signInAs(t, AuthInstancePrincipal)
	w.config.Auth = AuthResourcePrincipal
	w.config.Principal.Resource = ResourcePrincipal{Version: "1.1", TokenEndpoint: w.server.URL, ResourceID: "ocid1.dbsystem.oc1.phx.aaaa"}
	s := w.storage(t, "archive")
	w.sim.Rules().Add(ocisim.Rule{Principal: "ocid1.dbsystem.oc1.phx.aaaa", Operation: "DeleteObject"})
	if _, err := s.Put(t.Context(), "a", nil, backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), backend.Object{Key: "a"}); codeOf(err) != codeBucketNotFound {
		t.Errorf("the resource is denied: %v", err)
	}
}

// TestSignInErrors compares what is said where there is nothing to sign in with.
func TestSignInErrors(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	dir := t.TempDir()
	expired := filepath.Join(dir, "expired")
	w.sim.SetTokenLife(-time.Hour)
	token, err := w.sim.SessionToken(&testKey().PublicKey)
	check(t, err)
	check(t, os.WriteFile(expired, []byte(token), 0o600))
	key := w.config.PrivateKeyPath
	nobody := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(nobody.Close)
	session := Config{TenancyOCID: w.sim.Tenancy(), PrivateKeyPath: key, Region: "us-phoenix-1", SecurityTokenFile: expired}
	for name, tc := range map[string]struct {
		c    Config
		want []string
	}{
		"expired": {session, []string{"the session token expired at 2", "; run `oci session authenticate`"}},
		"no instance": {Config{Auth: AuthInstancePrincipal, Principal: Principal{MetadataURL: nobody.URL}},
			[]string{"not on an OCI instance", nobody.URL, "does not answer within 2s", "sign in with an API key"}},
		"nobody there": {Config{Auth: AuthInstancePrincipal, Principal: Principal{MetadataURL: "http://127.0.0.1:1"}}, []string{"not on an OCI instance", "connection refused"}},
		"no function":  {Config{Auth: AuthResourcePrincipal, Region: "phx"}, []string{"OCI_RESOURCE_PRINCIPAL_VERSION is not set"}},
		"no region":    {Config{Auth: AuthResourcePrincipal, Principal: Principal{Resource: ResourcePrincipal{Version: "2.2"}}}, []string{"the region is not known: set region"}},
		"version 3": {Config{Auth: AuthResourcePrincipal, Region: "phx", Principal: Principal{Resource: ResourcePrincipal{Version: "3.0"}}},
			[]string{`OCI_RESOURCE_PRINCIPAL_VERSION is "3.0"; 2.2 and 1.1 are supported`}},
		"no token":   {Config{Auth: AuthResourcePrincipal, Region: "phx", Principal: Principal{Resource: ResourcePrincipal{Version: "2.2"}}}, []string{"OCI_RESOURCE_PRINCIPAL_RPST is not set"}},
		"no pod":     {Config{Auth: AuthWorkloadIdentity, Region: "phx"}, []string{"KUBERNETES_SERVICE_HOST is not set"}},
		"no CA":      {Config{Auth: AuthWorkloadIdentity, Region: "phx", Principal: Principal{KubernetesHost: "x", KubernetesCAFile: dir + "/none"}}, []string{"the cluster's certificate"}},
		"user too":   {Config{Auth: AuthInstancePrincipal, Region: "phx", UserOCID: w.sim.User()}, []string{"auth instance_principal has no user_ocid: leave it out"}},
		"key too":    {Config{Auth: AuthResourcePrincipal, Region: "phx", PrivateKeyPath: key}, []string{"has no private_key_path"}},
		"delegation": {Config{Auth: AuthResourcePrincipal, Region: "phx", Principal: Principal{DelegationToken: "canary-x"}}, []string{"a delegation token goes with auth instance_principal only"}},
		"delegated user": {Config{TenancyOCID: w.sim.Tenancy(), UserOCID: w.sim.User(), Fingerprint: fingerprintOf(testKey()), PrivateKeyPath: key, Region: "phx",
			Principal: Principal{DelegationToken: "canary-x"}}, []string{"a delegation token goes with"}},
		"environment": {Config{Auth: AuthEnvironment, Region: "phx"}, []string{"tenancy is missing (OCI_CLI_TENANCY in the environment)"}},
		"no such way": {Config{Auth: "telepathy", Region: "phx"}, []string{"telepathy is not supported; there are api_key"}},
		"region key": {Config{TenancyOCID: w.sim.Tenancy(), UserOCID: w.sim.User(), Fingerprint: fingerprintOf(testKey()), PrivateKeyPath: key, Region: "zzz"},
			[]string{"region key \"zzz\" is not known", "regions-config.json"}},
	} {
		if tc.c.Auth == "telepathy" {
			tc.c.ConfigFile = w.writeProfile(t)
		}
		_, err := New(tc.c)
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s:\n\tgot  %v\n\twant %s", name, err, want)
			}
		}
	}
}

func (w *world) writeProfile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	check(t, os.WriteFile(path, []byte("[DEFAULT]\ntenancy="+w.sim.Tenancy()+"\n"), 0o600))
	return path
}
