package main

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// signInVariables are all that simas sets or clears: what one way to sign in needs must not help the next.
func signInVariables() []string {
	return []string{
		"OCI_CLI_CONFIG_FILE", "OCI_CLI_AUTH", "OCI_CLI_TENANCY", "OCI_CLI_USER", "OCI_CLI_FINGERPRINT", "OCI_CLI_KEY_FILE", "OCI_CLI_KEY_CONTENT",
		"OCI_CLI_PASSPHRASE", "OCI_CLI_REGION", "OCI_CLI_SECURITY_TOKEN_FILE", "OCI_CLI_DELEGATION_TOKEN_FILE", "OCI_METADATA_BASE_URL",
		"OCI_RESOURCE_PRINCIPAL_VERSION", "OCI_RESOURCE_PRINCIPAL_RPST", "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", "OCI_RESOURCE_PRINCIPAL_REGION",
		"OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT", "OCI_RESOURCE_PRINCIPAL_RPT_ID", "KUBERNETES_SERVICE_HOST", "OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH",
	}
}

// simas WAY: the environment and the files with which hyperexport signs in that way, and no others: config, env, content, session,
// instance, delegation, resource, resource11, oke. WAY without a name stands for nobody.
func cmdSimAs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: simas way")
	}
	s, w := simOf(ts), worldOf(ts)
	for _, name := range signInVariables() {
		w.setenv(ts, name, "")
	}
	set := func(pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			w.setenv(ts, pairs[i], pairs[i+1])
		}
	}
	// Nothing but the simulator is asked, also where a test is wrong.
	set("OCI_METADATA_BASE_URL", "http://127.0.0.1:1/opc/v2")
	config := s.writeConfig(ts, ts.MkAbs(".oci"))
	key := filepath.Join(filepath.Dir(config), "key.pem")
	user := []string{"OCI_CLI_TENANCY", s.Tenancy(), "OCI_CLI_REGION", s.Region()}
	switch args[0] {
	case "nobody":
	case "config":
		set("OCI_CLI_CONFIG_FILE", config)
	case "env":
		set(append(user, "OCI_CLI_USER", s.User(), "OCI_CLI_FINGERPRINT", fingerprint(s.key), "OCI_CLI_KEY_FILE", key)...)
	case "content":
		set(append(user, "OCI_CLI_USER", s.User(), "OCI_CLI_FINGERPRINT", fingerprint(s.key), "OCI_CLI_KEY_CONTENT", ts.ReadFile(key))...)
	case "session":
		set(append(user, "OCI_CLI_AUTH", "security_token", "OCI_CLI_KEY_FILE", key, "OCI_CLI_SECURITY_TOKEN_FILE", s.write(ts, "token", s.sessionToken(ts)))...)
	case "instance":
		set("OCI_METADATA_BASE_URL", s.server.URL+"/opc/v2")
	case "delegation":
		token, err := s.DelegationToken()
		ts.Check(err)
		set("OCI_METADATA_BASE_URL", s.server.URL+"/opc/v2", "OCI_CLI_AUTH", "instance_obo_user", "OCI_CLI_DELEGATION_TOKEN_FILE", s.write(ts, "delegation", token))
	case "resource":
		token, err := s.ResourceToken("ocid1.fnfunc.oc1.phx.aaaa", s.Tenancy(), &s.key.PublicKey)
		ts.Check(err)
		set("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2", "OCI_RESOURCE_PRINCIPAL_RPST", s.write(ts, "rpst", token),
			"OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", ts.ReadFile(key), "OCI_RESOURCE_PRINCIPAL_REGION", s.Region())
	case "resource11":
		set("OCI_METADATA_BASE_URL", s.server.URL+"/opc/v2", "OCI_RESOURCE_PRINCIPAL_VERSION", "1.1",
			"OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT", s.server.URL, "OCI_RESOURCE_PRINCIPAL_RPT_ID", "ocid1.dbsystem.oc1.phx.aaaa")
	case "oke":
		set(s.cluster(ts)...)
	default:
		ts.Fatalf("unknown way %q", args[0])
	}
}

// cluster serves the simulator as the token service of an OKE cluster and returns the environment of its pods.
func (s *simulator) cluster(ts *testscript.TestScript) []string {
	cluster := httptest.NewTLSServer(s.Server)
	ts.Defer(cluster.Close)
	token, err := s.ServiceAccountToken("backup", "hyperexport")
	ts.Check(err)
	s.write(ts, "serviceaccount", token)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cluster.Certificate().Raw})
	return []string{
		"KUBERNETES_SERVICE_HOST", strings.TrimPrefix(cluster.URL, "https://"), "OCI_RESOURCE_PRINCIPAL_REGION", s.Region(),
		"OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH", s.write(ts, "ca.crt", string(ca)),
	}
}

// write puts a file into the folder .oci of the script.
func (s *simulator) write(ts *testscript.TestScript, name, text string) string {
	path := filepath.Join(ts.MkAbs(".oci"), name)
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (s *simulator) sessionToken(ts *testscript.TestScript) string {
	token, err := s.SessionToken(&s.key.PublicKey)
	ts.Check(err)
	return token
}

// simexpire: the tokens that were issued until now are no longer accepted.
func cmdSimExpire(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: simexpire")
	}
	simOf(ts).ExpireTokens()
}

// simtoken FILE: writes a new token of a session in the place of the one in FILE.
func cmdSimToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: simtoken file")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(simOf(ts).sessionToken(ts)), 0o600))
}

// simdeny name=value...: a rule that denies. The names are those of ocisim.Rule. Without any, the rules are removed.
func cmdSimDeny(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: simdeny name=value...")
	}
	if len(args) == 0 {
		simOf(ts).Rules().Reset()
		return
	}
	var r ocisim.Rule
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		to := map[string]*string{"principal": &r.Principal, "operation": &r.Operation, "compartment": &r.Compartment, "bucket": &r.Bucket}[name]
		if to == nil {
			ts.Fatalf("unknown name %q", name)
		}
		*to = value
	}
	simOf(ts).Rules().Add(r)
}

// simsame FILE: everything in the tenancy is as FILE says, which the first simsame of a script writes.
func cmdSimSame(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: simsame file")
	}
	state, err := os.ReadFile(ts.MkAbs(".sim/state.json"))
	ts.Check(err)
	have := string(state) + strings.Join(simOf(ts).left(ts), "\n")
	for _, bucket := range []string{"hx-staging", "archive", "logs"} {
		have += "\n" + bucket + ": " + strings.Join(simOf(ts).objects(ts, bucket, ""), ", ")
	}
	file := ts.MkAbs(args[0])
	if _, err := os.Stat(file); err != nil {
		ts.Check(os.WriteFile(file, []byte(have), 0o600))
		return
	}
	if want := ts.ReadFile(file); want != have {
		ts.Fatalf("the tenancy has changed:\n%s\n\nbefore:\n%s", have, want)
	}
}
