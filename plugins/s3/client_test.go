package s3

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// TestRegionIsLearned has a bucket elsewhere: one request more, once for all.
func TestRegionIsLearned(t *testing.T) {
	service := &strict{region: "eu-central-1"}
	p, s := service.open(t, nil)
	if _, err := s.Put(t.Context(), "object", []byte("text"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), "object"); err != nil || len(service.seen) != 3 || p.regionOf("strict") != "eu-central-1" {
		t.Errorf("%v after %d requests, region %s", err, len(service.seen), p.regionOf("strict"))
	}
}

// TestRedirects has an endpoint that cannot serve the bucket: what to set is said. Nothing is sent to another host.
func TestRedirects(t *testing.T) {
	_, s := (&strict{fault: func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-Amz-Bucket-Region", "eu-west-1")
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		refuse(w, http.StatusMovedPermanently, "PermanentRedirect")
		return true
	}}).open(t, nil)
	_, err := s.Put(t.Context(), "object", []byte("text"), backend.PutOptions{})
	if !errors.Is(err, backend.Invalid) || !strings.Contains(err.Error(), "the bucket is in region eu-west-1, not in us-east-1") {
		t.Errorf("%v", err)
	}
	_, s = (&strict{fault: func(w http.ResponseWriter, r *http.Request) bool { // a login page
		w.Header().Del("X-Amz-Request-Id")
		http.Redirect(w, r, "http://127.0.0.1:1/login", http.StatusFound)
		return true
	}}).open(t, nil)
	if _, err := s.Stat(t.Context(), "object"); !errors.Is(err, backend.Offline) {
		t.Errorf("%v", err)
	}
}

func TestSlowDown(t *testing.T) {
	service := &strict{fault: func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "11")
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return true
	}}
	_, s := service.open(t, nil)
	_, err := s.Put(t.Context(), "object", []byte("text"), backend.PutOptions{})
	var e *backend.Error
	if !errors.As(err, &e) || e.Kind != backend.Throttled || e.RetryAfter != 11*time.Second || e.RequestID != "REQUEST" || len(service.seen) != 1 {
		t.Errorf("%v after %d requests", err, len(service.seen))
	}
}

// TestExpiredKeys are read again from their file, once; keys that were given are not.
func TestExpiredKeys(t *testing.T) {
	service := &strict{fault: func(w http.ResponseWriter, r *http.Request) bool {
		old := strings.Contains(r.Header.Get("Authorization"), "AKIDOLDOLDOLDOLD")
		if old {
			refuse(w, http.StatusBadRequest, "ExpiredToken")
		}
		return old
	}}
	_, c := service.start(t)
	c.AccessKey, c.SecretKey = "", ""
	c.CredentialsFile = filepath.Join(t.TempDir(), "credentials")
	save := func(key string) {
		text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = secret\naws_session_token=token-of-%s\n", key, key)
		if err := os.WriteFile(c.CredentialsFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("AKIDOLDOLDOLDOLD")
	s := storage(t, provider(t, c), "strict")
	if _, err := s.Put(t.Context(), "object", []byte("text"), backend.PutOptions{}); !errors.Is(err, backend.Unauthorized) || len(service.seen) != 1 {
		t.Errorf("no newer keys: %v after %d requests", err, len(service.seen))
	}
	save("AKIDNEWNEWNEWNEW")
	if _, err := s.Put(t.Context(), "object", []byte("text"), backend.PutOptions{}); err != nil || len(service.seen) != 3 {
		t.Errorf("newer keys: %v after %d requests", err, len(service.seen))
	}
	if token := service.seen[2].Header.Get("X-Amz-Security-Token"); token != "token-of-AKIDNEWNEWNEWNEW" {
		t.Error(token)
	}
}

// TestAnonymous requests carry no signature.
func TestAnonymous(t *testing.T) {
	service := &strict{}
	_, c := service.start(t)
	c.AccessKey, c.SecretKey, c.Anonymous = "", "", true
	_, err := storage(t, provider(t, c), "strict").Put(t.Context(), "object", nil, backend.PutOptions{})
	if !errors.Is(err, backend.Forbidden) || service.seen[0].Header.Get("Authorization") != "" {
		t.Errorf("%v", err)
	}
}

// TestAddresses has both styles, and keys as they go over the wire.
func TestAddresses(t *testing.T) {
	for _, c := range []struct{ endpoint, style, region, bucket, key, want string }{
		{"", "", "eu-central-1", "bucket", "a b/ü+%41", "https://bucket.s3.eu-central-1.amazonaws.com/a%20b/%C3%BC%2B%2541"},
		{"", "", "cn-north-1", "bucket", "k", "https://bucket.s3.cn-north-1.amazonaws.com.cn/k"},
		{"", "", "eu-central-1", "my.bucket", "k", "https://s3.eu-central-1.amazonaws.com/my.bucket/k"},
		{"", "", "eu-central-1", "Bucket", "k", "https://s3.eu-central-1.amazonaws.com/Bucket/k"},
		{"", "path", "eu-central-1", "bucket", "//k", "https://s3.eu-central-1.amazonaws.com/bucket///k"},
		{"", "", "eu-central-1", "bucket", "../k/.", "https://bucket.s3.eu-central-1.amazonaws.com/../k/."},
		{"http://127.0.0.1:9000", "", "us-east-1", "bucket", "k", "http://127.0.0.1:9000/bucket/k"},
		{"https://s3.example.com/", "host", "us-east-1", "bucket", "k", "https://bucket.s3.example.com/k"},
		{"https://s3.eu-west-1.amazonaws.com", "", "eu-west-1", "bucket", "k", "https://bucket.s3.eu-west-1.amazonaws.com/k"},
	} {
		none := filepath.Join(t.TempDir(), "none")
		p := provider(t, Config{Endpoint: c.endpoint, PathStyle: c.style, Region: c.region,
			Credentials: Credentials{Anonymous: true, CredentialsFile: none, ConfigFile: none}})
		if got := p.address(call{bucket: c.bucket, object: c.key}, c.region).String(); got != c.want {
			t.Errorf("%+v goes to %s", c, got)
		}
	}
	p := provider(t, ofVersity())
	u := p.address(call{bucket: "b", query: url.Values{"prefix": {"a b+c"}}}, "us-east-1")
	if u.RawQuery != "prefix=a%20b%2Bc" {
		t.Error(u.RawQuery)
	}
}

// TestAuthority has a server whose certificate nobody knows but the file.
func TestAuthority(t *testing.T) {
	service := &strict{objects: map[string]*strictObject{}, uploads: map[string]*strictUpload{}, page: 10}
	server := httptest.NewUnstartedServer(service)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshakes that are to fail
	server.StartTLS()
	defer server.Close()
	_, c := (&strict{}).start(t)
	c.Endpoint = server.URL
	_, err := storage(t, provider(t, c), "strict").Put(t.Context(), "object", nil, backend.PutOptions{})
	if !errors.Is(err, backend.Invalid) {
		t.Errorf("without the authority: %v", err)
	}
	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(c.CAFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := storage(t, provider(t, c), "strict").Put(t.Context(), "object", []byte("text"), backend.PutOptions{}); err != nil {
		t.Errorf("with the authority: %v", err)
	}
	c.Endpoint = strings.Replace(server.URL, "https", "http", 1)
	if _, err := storage(t, provider(t, c), "strict").Put(t.Context(), "object", nil, backend.PutOptions{}); !errors.Is(err, backend.Invalid) {
		t.Errorf("http to https: %v", err)
	}
}

// TestRefusalBeforeTheBody has a server that answers and hangs up while most of the body is still to come. The answer must
// not be lost in the error of the write.
func TestRefusalBeforeTheBody(t *testing.T) {
	s := storage(t, provider(t, ofVersity()), newBucket(t, "early"))
	for range 20 {
		_, err := s.UploadPart(t.Context(), backend.Upload{Key: "object", ID: "none"}, 1, make([]byte, 16*mib), "")
		if !errors.Is(err, backend.NotFound) || codeOf(err) != codeNoSuchUpload {
			t.Fatalf("%v", err)
		}
	}
}

// TestChangeThatWasSentIsWaitedFor ends the context while the service is at work: the answer still counts.
func TestChangeThatWasSentIsWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	service := &strict{after: func(r *http.Request) bool {
		if isPut(r) {
			cancel()
		}
		return false
	}}
	_, s := service.open(t, nil)
	obj, err := s.Put(ctx, "object", []byte("text"), backend.PutOptions{})
	if err != nil || obj.Version == "" {
		t.Errorf("%+v, %v", obj, err)
	}
}
