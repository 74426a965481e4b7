package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const credentialsText = `
# keys
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = default-secret

[prod]
aws_access_key_id=AKIDPROD
aws_secret_access_key=prod/secret=with+signs
aws_session_token = prod-token
region = from-credentials
`

const configText = `
[default]
region = eu-default-1
[profile prod]
region = eu-prod-1
endpoint_url = https://s3.prod.example
s3 =
    addressing_style = path
[profile sso]
sso_session = corp
region = eu-sso-1
[profile empty]
output = json
[sso-session corp]
sso_start_url = https://example.com
`

// TestPrecedence lays flags over environment over profiles.
func TestPrecedence(t *testing.T) {
	credentials, config := writeFile(t, "credentials", credentialsText), writeFile(t, "config", configText)
	files := map[string]string{"AWS_SHARED_CREDENTIALS_FILE": credentials, "AWS_CONFIG_FILE": config}
	for _, c := range []struct {
		name                                    string
		given                                   Config
		env                                     map[string]string
		access, secret, token, region, endpoint string
	}{
		{name: "profile default", access: "AKIDDEFAULT", secret: "default-secret", region: "eu-default-1"},
		{name: "keys of the environment", env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "env-secret", "AWS_SESSION_TOKEN": "env-token"},
			access: "AKIDENV", secret: "env-secret", token: "env-token", region: "eu-default-1"},
		{name: "keys of the environment before its profile", env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "env-secret", "AWS_PROFILE": "prod"},
			access: "AKIDENV", secret: "env-secret", region: "from-credentials", endpoint: "https://s3.prod.example"},
		{name: "profile of the environment", env: map[string]string{"AWS_PROFILE": "prod"},
			access: "AKIDPROD", secret: "prod/secret=with+signs", token: "prod-token", region: "from-credentials", endpoint: "https://s3.prod.example"},
		{name: "given profile before keys of the environment", given: Config{Credentials: Credentials{Profile: "prod"}},
			env:    map[string]string{"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "env-secret", "AWS_SESSION_TOKEN": "env-token"},
			access: "AKIDPROD", secret: "prod/secret=with+signs", token: "prod-token", region: "from-credentials", endpoint: "https://s3.prod.example"},
		{name: "given keys without the token of the environment", given: Config{Credentials: Credentials{AccessKey: "AKIDGIVEN", SecretKey: "given"}},
			env: map[string]string{"AWS_SESSION_TOKEN": "env-token", "AWS_PROFILE": "prod"}, access: "AKIDGIVEN", secret: "given", region: "eu-default-1"},
		{name: "regions and endpoints", env: map[string]string{"AWS_REGION": "eu-env-1", "AWS_DEFAULT_REGION": "eu-env-2", "AWS_ENDPOINT_URL": "http://any", "AWS_ENDPOINT_URL_S3": "http://s3"},
			access: "AKIDDEFAULT", secret: "default-secret", region: "eu-env-1", endpoint: "http://s3"},
		{name: "regions and endpoints of second rank", env: map[string]string{"AWS_DEFAULT_REGION": "eu-env-2", "AWS_ENDPOINT_URL": "http://any"},
			access: "AKIDDEFAULT", secret: "default-secret", region: "eu-env-2", endpoint: "http://any"},
		{name: "given region and endpoint", given: Config{Region: "eu-given-1", Endpoint: "http://given"}, env: map[string]string{"AWS_REGION": "eu-env-1", "AWS_ENDPOINT_URL_S3": "http://s3"},
			access: "AKIDDEFAULT", secret: "default-secret", region: "eu-given-1", endpoint: "http://given"},
	} {
		t.Run(c.name, func(t *testing.T) {
			getenv := func(name string) string {
				if v, ok := c.env[name]; ok {
					return v
				}
				return files[name]
			}
			p := provider(t, c.given.Over(FromEnvironment(getenv)))
			k, err := p.keys.get(t.Context())
			if err != nil && k.access == "" {
				t.Fatal(err)
			}
			endpoint := ""
			if p.o.endpoint != nil {
				endpoint = p.o.endpoint.String()
			}
			if k.access != c.access || k.secret != c.secret || k.token != c.token || p.o.region != c.region || endpoint != c.endpoint {
				t.Errorf("access %s, token %q, region %s, endpoint %s", k.access, k.token, p.o.region, endpoint)
			}
		})
	}
}

// TestRefusedConfigs says what is wrong, and shows no secret.
func TestRefusedConfigs(t *testing.T) {
	credentials, config := writeFile(t, "credentials", credentialsText), writeFile(t, "config", configText)
	broken := writeFile(t, "broken", "[default]\ncanary-secret\n")
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.AccessKey = "AKID" }, "go together"},
		{func(c *Config) { c.SessionToken = "canary-secret" }, "go together"},
		{func(c *Config) { c.AccessKey, c.SecretKey = "canary/secret", "AKID" }, "were they swapped"},
		{func(c *Config) { c.Anonymous, c.Profile = true, "prod" }, "choose one"},
		{func(c *Config) { c.Profile = "prdo" }, "there are: default, empty, prod, sso"},
		{func(c *Config) { c.Profile = "sso" }, "sso_session is not supported; run `eval"},
		{func(c *Config) { c.Profile = "empty" }, "has no aws_access_key_id"},
		{func(c *Config) { c.CredentialsFile = broken }, "broken:2: the line is not of the form"},
		{func(c *Config) { c.Endpoint = "s3.example.com" }, "is not a scheme and a host"},
		{func(c *Config) { c.Endpoint = "http://user:canary-secret@host" }, "is not a scheme and a host"},
		{func(c *Config) { c.Endpoint = "http://host/path" }, "is not a scheme and a host"},
		{func(c *Config) { c.Region = "eu central" }, "is not a region"},
		{func(c *Config) { c.PathStyle = "both" }, "none of auto, path and host"},
		{func(c *Config) { c.Checksums = "sha1" }, "none of auto, crc32c, md5 and none"},
		{func(c *Config) { c.Conditions = "maybe" }, "neither on nor off"},
		{func(c *Config) { c.Keys = "some" }, "neither any nor tree"},
		{func(c *Config) { c.CAFile = credentials }, "has no certificate"},
		{func(c *Config) { c.CAFile = credentials + "x" }, "no such file"},
		{func(c *Config) { c.SSE = "rot13" }, "none of none, aes256, kms and customer"},
		{func(c *Config) { c.SSE = "customer" }, "go together"},
		{func(c *Config) { c.SSE, c.SSEKey = "customer", "canary-secret" }, "not base64 of 32 bytes"},
		{func(c *Config) { c.SSEKMSKey = "key" }, "encryption is not kms"},
		{func(c *Config) { c.StorageClass = "a b" }, "is not a name"},
		{func(c *Config) {
			c.Tags = map[string]string{}
			for i := range 11 {
				c.Tags[fmt.Sprint(i)] = ""
			}
		}, "11 tags"},
	} {
		config := Config{Credentials: Credentials{CredentialsFile: credentials, ConfigFile: config}}
		c.change(&config)
		_, err := New(config)
		if err == nil || !strings.HasPrefix(err.Error(), "configure s3: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestOpen(t *testing.T) {
	p := provider(t, ofVersity())
	for path, want := range map[string]string{"bucket": "", "bucket/": "", "bucket/a//b": "a//b", "my.bucket/k": "k"} {
		if _, key, err := p.Open(backend.Location{Scheme: "s3", Path: path}); err != nil || key != want {
			t.Errorf("%s: %q, %v", path, key, err)
		}
	}
	for _, path := range []string{"", "/", "/key", "..", "a b/k", "-a/k", "b?/k", "fast--usw2-az1--x-s3/k"} {
		if _, _, err := p.Open(backend.Location{Scheme: "s3", Path: path}); !errors.Is(err, backend.Invalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := p.Compute(); !errors.Is(err, backend.Unsupported) {
		t.Error(err)
	}
	if _, err := p.Inventory(); err != nil {
		t.Error(err)
	}
}

// TestInstanceRole speaks with a metadata service: it is asked with a token, once while keys are in force.
func TestInstanceRole(t *testing.T) {
	asked := map[string]int{}
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked[r.Method+" "+r.URL.Path]++
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "":
			fmt.Fprint(w, "the-token")
		case r.Header.Get("X-aws-ec2-metadata-token") != "the-token":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/latest/meta-data/iam/security-credentials/":
			fmt.Fprint(w, "exporter\n")
		default:
			fmt.Fprintf(w, `{"Code": "Success", "AccessKeyId": "ASIAROLE", "SecretAccessKey": "s", "Token": "t", "Expiration": %q}`, expires.Format(time.RFC3339))
		}
	}))
	defer server.Close()
	none := filepath.Join(t.TempDir(), "none")
	c := Config{Credentials: Credentials{CredentialsFile: none, ConfigFile: writeFile(t, "config", "[default]\nec2_metadata_service_endpoint = "+server.URL+"\n")}}
	p := provider(t, c)
	for range 3 {
		k, err := p.keys.get(t.Context())
		if err != nil || k.access != "ASIAROLE" || k.token != "t" || !k.expires.Equal(expires) {
			t.Fatalf("%v, %v", k, err)
		}
	}
	const last = "GET /latest/meta-data/iam/security-credentials/exporter"
	if asked[last] != 1 {
		t.Error(asked)
	}
	p.keys.current.expires = time.Now().Add(time.Minute) // nearly over
	if _, err := p.keys.get(t.Context()); err != nil || asked[last] != 2 {
		t.Error(err, asked)
	}
}

// TestNoCredentials says what to do, without and with a machine that is in AWS and has no role.
func TestNoCredentials(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	c := Config{Credentials: Credentials{CredentialsFile: none, ConfigFile: none, NoInstanceRole: true}}
	if _, err := New(c); !errors.Is(err, errNoKeys) {
		t.Error(err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c.NoInstanceRole = false
	c.ConfigFile = writeFile(t, "config", "[default]\nec2_metadata_service_endpoint = "+server.URL+"\n")
	s := storage(t, provider(t, c), "bucket")
	_, err := s.Stat(t.Context(), "object")
	if !errors.Is(err, backend.Unauthorized) || !strings.Contains(err.Error(), "there are no credentials: give access_key") || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Stat(ctx, "object"); !errors.Is(err, backend.Canceled) {
		t.Error(err)
	}
}

// FuzzProfiles never panics, and shows nothing of what it cannot read.
func FuzzProfiles(f *testing.F) {
	f.Add(credentialsText)
	f.Add(configText)
	f.Add("[a\nx")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseSections(text); err != nil && len(err.Error()) > 120 {
			t.Error(err)
		}
	})
}
