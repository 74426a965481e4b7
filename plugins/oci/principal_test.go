package oci

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// TestMetadataThatHangs gives up within seconds, as on a machine where packets to the service vanish.
func TestMetadataThatHangs(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts by itself, and never answers
	check(t, err)
	t.Cleanup(func() { silent.Close() })
	begun := time.Now()
	_, err = New(Config{Auth: AuthInstancePrincipal, Principal: Principal{MetadataURL: "http://" + silent.Addr().String()}})
	if err == nil || !strings.Contains(err.Error(), "does not answer within 2s") || time.Since(begun) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
}

// TestFederationThatFails is asked again where that helps, and not where it does not.
func TestFederationThatFails(t *testing.T) {
	for name, tc := range map[string]struct {
		effect ocisim.Effect
		times  int
		kind   backend.Kind
		text   string
	}{
		"once unavailable": {ocisim.Effect{Status: 503}, 1, backend.Unknown, ""},
		"once throttled":   {ocisim.Effect{Status: 429, Code: "TooManyRequests"}, 1, backend.Unknown, ""},
		"connection lost":  {ocisim.Effect{ResetBefore: true}, 1, backend.Unknown, ""},
		"always down":      {ocisim.Effect{Status: 503}, 0, backend.Unavailable, "the authentication service at 127.0.0.1"},
		"refused":          {ocisim.Effect{Status: 401, Code: "NotAuthenticated", Message: "no dynamic group"}, 0, backend.Unauthorized, "no dynamic group (401 NotAuthenticated)"},
		"no token":         {ocisim.Effect{Status: 200}, 0, backend.Unavailable, "the answer has no token"},
	} {
		w := newWorld(t, ocisim.Options{})
		w.signInAs(t, AuthInstancePrincipal)
		s := wrap.Retry(w.storage(t, "archive"), wrap.Policy{Attempts: 2, First: time.Millisecond, Max: time.Millisecond})
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "FederateX509", Times: tc.times}, Effect: tc.effect})
		_, err := s.Put(t.Context(), "a", nil, backend.PutOptions{})
		if backend.KindOf(err) != tc.kind || tc.text != "" && !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v (%s)", name, err, backend.KindOf(err))
		}
		if want := 1; tc.kind == backend.Unauthorized && w.sim.Log().Count("FederateX509") != want {
			t.Errorf("%s: asked %d times", name, w.sim.Log().Count("FederateX509"))
		}
	}
}

// TestWaitingForATokenMindsTheContext lets one exchange hang, and ends another request that waits for it.
func TestWaitingForATokenMindsTheContext(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	f := newFederated(func(context.Context) (credential, error) {
		close(begun)
		<-release
		return credential{keyID: "x", key: testKey()}, nil
	}, time.Now, "")
	done := make(chan error)
	go func() {
		_, err := f.credential(t.Context())
		done <- err
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.credential(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits: %v", err)
	}
	close(release)
	check(t, <-done)
}

func TestWorkloadURL(t *testing.T) {
	for host, want := range map[string]string{
		"10.96.0.1":       "https://10.96.0.1:12250/resourcePrincipalSessionTokens",
		"fd00::1":         "https://[fd00::1]:12250/resourcePrincipalSessionTokens",
		"[fd00::1]":       "https://[fd00::1]:12250/resourcePrincipalSessionTokens",
		"127.0.0.1:40000": "https://127.0.0.1:40000/resourcePrincipalSessionTokens",
	} {
		if got := workloadURL(host); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
}

// TestWhoAmI names the principal, and finds a clock that is two minutes slow.
func TestWhoAmI(t *testing.T) {
	clock := ocisim.NewManualClock(time.Now().Add(2 * time.Minute))
	for method, principal := range map[string]string{
		"": "ocid1.user.", AuthSessionToken: "ocid1.user.", AuthInstancePrincipal: "ocid1.instance.", AuthResourcePrincipal: "ocid1.fnfunc.",
		AuthWorkloadIdentity: "system:serviceaccount:backup:hyperexport",
	} {
		w := newWorld(t, ocisim.Options{Clock: clock})
		if method != "" {
			w.signInAs(t, method)
		} else {
			method = AuthAPIKey
		}
		who, err := w.provider(t).WhoAmI(t.Context())
		if err != nil {
			t.Errorf("%s: %v", method, err)
			continue
		}
		if who.Method != method || !strings.HasPrefix(who.Principal, principal) || who.Tenancy != w.sim.Tenancy() || who.Namespace != w.sim.Namespace() || who.Region != w.sim.Region() {
			t.Errorf("%s: %+v", method, who)
		}
		if (who.Expires != nil) != (method != AuthAPIKey) {
			t.Errorf("%s: the token is valid until %v", method, who.Expires)
		}
		if who.Skew > -time.Minute || who.Skew < -3*time.Minute {
			t.Errorf("%s: the clock is %s ahead", method, who.Skew)
		}
	}
}

// TestSessionOfAProfile is what `oci session authenticate` writes: no user. An old one is named with its profile.
func TestSessionOfAProfile(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	f := newFolder(t)
	token, err := w.sim.SessionToken(&testKey().PublicKey)
	check(t, err)
	profile := func(token string) string {
		return "[S]\ntenancy=" + w.sim.Tenancy() + "\nregion=us-phoenix-1\nfingerprint=" + f.print + "\nkey_file=" + f.key + "\nsecurity_token_file=" + f.write(t, "token", token)
	}
	config := f.write(t, "config", profile(token))
	p, err := New(Config{ConfigFile: config, Profile: "S", Endpoint: w.server.URL})
	check(t, err)
	t.Cleanup(func() { p.Close() })
	who, err := p.WhoAmI(t.Context())
	if err != nil || who.Method != AuthSessionToken || who.Profile != "profile S of "+config {
		t.Errorf("%+v, %v", who, err)
	}
	w.sim.SetTokenLife(-time.Minute)
	token, err = w.sim.SessionToken(&testKey().PublicKey)
	check(t, err)
	f.write(t, "token", token)
	_, err = p.WhoAmI(t.Context())
	want := "the session token of profile S of " + filepath.ToSlash(config) + " expired at "
	if backend.KindOf(err) != backend.Unauthorized || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "run `oci session authenticate`") {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
