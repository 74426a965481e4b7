package ocisim

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey is one key for all tests: making one takes long. It is short, because most of the time of tests goes into signing.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
})

// testbed is a simulator that listens, a real client of it, and the names that most requests need.
type testbed struct {
	*testing.T
	*Server
	URL      string
	Provider common.ConfigurationProvider
	HTTP     *http.Client
	OS       objectstorage.ObjectStorageClient
	ns       *string
	ctx      context.Context
}

// newTestbed starts a simulator that is closed at the end of the test. An empty o.Dir is a temporary one.
func newTestbed(t *testing.T, o Options) *testbed {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Seed == nil {
		o.Seed = &Seed{}
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	b := &testbed{T: t, Server: s, URL: web.URL, ns: common.String(s.Namespace()), ctx: t.Context()}
	b.Provider = b.provider()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	b.HTTP = &http.Client{Transport: transport}
	b.OS, err = objectstorage.NewObjectStorageClientWithConfigurationProvider(b.Provider)
	if err != nil {
		t.Fatal(err)
	}
	b.connect(&b.OS.BaseClient)
	return b
}

// connect points a client of any service at the simulator, without retries.
func (b *testbed) connect(c *common.BaseClient) {
	c.HTTPClient = b.HTTP
	c.Configuration.CircuitBreaker = nil
	policy := common.NoRetryPolicy()
	c.Configuration.RetryPolicy = &policy
	c.Host = b.URL
}

func (b *testbed) provider() common.ConfigurationProvider {
	fingerprint, err := b.addUserKey(&testKey().PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())})
	return common.NewRawConfigurationProvider(b.Tenancy(), b.User(), b.Region(), fingerprint, string(text), nil)
}

// bucket creates a bucket.
func (b *testbed) bucket(name string) *string {
	b.Helper()
	_, err := b.OS.CreateBucket(b.ctx, objectstorage.CreateBucketRequest{NamespaceName: b.ns, CreateBucketDetails: objectstorage.CreateBucketDetails{
		Name: &name, CompartmentId: common.String(b.Tenancy()),
	}})
	b.must(err)
	return &name
}

// put uploads an object in one request and returns its ETag.
func (b *testbed) put(bucket *string, name, content string) string {
	b.Helper()
	resp, err := b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, name, content))
	b.must(err)
	return *resp.ETag
}

func putRequest(ns, bucket *string, name, content string) objectstorage.PutObjectRequest {
	return objectstorage.PutObjectRequest{
		NamespaceName: ns, BucketName: bucket, ObjectName: &name, ContentLength: common.Int64(int64(len(content))),
		PutObjectBody: io.NopCloser(bytes.NewReader([]byte(content))),
	}
}

// get downloads an object.
func (b *testbed) get(bucket *string, name string) string {
	b.Helper()
	resp, err := b.OS.GetObject(b.ctx, objectstorage.GetObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: &name})
	b.must(err)
	defer resp.Content.Close()
	content, err := io.ReadAll(resp.Content)
	b.must(err)
	return string(content)
}

func (b *testbed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// fails checks the status and code of a service error.
func (b *testbed) fails(err error, status int, code string) {
	b.Helper()
	var service common.ServiceError
	if !errors.As(err, &service) {
		b.Fatalf("got error %v, want %d %s", err, status, code)
	}
	if service.GetHTTPStatusCode() != status || code != "" && service.GetCode() != code {
		b.Fatalf("got %d %s (%s), want %d %s", service.GetHTTPStatusCode(), service.GetCode(), service.GetMessage(), status, code)
	}
	if service.GetOpcRequestID() == "" {
		b.Errorf("%d %s has no opc-request-id", status, code)
	}
}

func str(s string) *string { return &s }

// equal compares what a test got with what it wants.
func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestNewNeedsDir(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "Dir") {
		t.Errorf("got %v, want an error that names Dir", err)
	}
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	clock := NewManualClock(testNow())
	b := newTestbed(t, Options{Dir: dir, Namespace: "first", Clock: clock})
	bucket := b.bucket("kept")
	etag := b.put(bucket, "dir/a", "alpha")
	b.put(bucket, "dir/b", "old")
	b.put(bucket, "dir/b", "beta")
	b.put(bucket, "gone", "x")
	_, err := b.OS.DeleteObject(b.ctx, objectstorage.DeleteObjectRequest{NamespaceName: b.ns, BucketName: bucket, ObjectName: str("gone")})
	b.must(err)
	up := b.createUpload(bucket, "big")
	part := b.uploadPart(up, 1, "part one")
	copyID := b.copyObject(bucket, "dir/a", bucket, "copy")
	b.must(b.Close())

	r := newTestbed(t, Options{Dir: dir, Namespace: "second", Clock: clock})
	equal(t, "namespace", r.Namespace(), "first")
	equal(t, "tenancy", r.Tenancy(), b.Tenancy())
	equal(t, "a", r.get(bucket, "dir/a"), "alpha")
	equal(t, "b", r.get(bucket, "dir/b"), "beta")
	head, err := r.OS.HeadObject(r.ctx, objectstorage.HeadObjectRequest{NamespaceName: r.ns, BucketName: bucket, ObjectName: str("dir/a")})
	r.must(err)
	equal(t, "etag", *head.ETag, etag)
	equal(t, "names", strings.Join(r.names(bucket, objectstorage.ListObjectsRequest{}), " "), "dir/a dir/b")
	r.must(r.commit(up, part))
	equal(t, "big", r.get(bucket, "big"), "part one")
	clock.Advance(r.timings.Copy)
	equal(t, "copy", string(r.copyStatus(copyID)), "COMPLETED")
	equal(t, "copied", r.get(bucket, "copy"), "alpha")
}

func TestClosedServerAnswers503(t *testing.T) {
	b := newTestbed(t, Options{})
	bucket := b.bucket("b")
	b.must(b.Close())
	_, err := b.OS.PutObject(b.ctx, putRequest(b.ns, bucket, "o", "x"))
	b.fails(err, 503, "ServiceUnavailable")
	_, err = b.OS.GetBucket(b.ctx, objectstorage.GetBucketRequest{NamespaceName: b.ns, BucketName: bucket})
	b.fails(err, 503, "ServiceUnavailable")
}
