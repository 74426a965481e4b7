package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// TestKindOfAnswers goes through what OCI answers, as the SDK hands it on.
func TestKindOfAnswers(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	if _, err := s.Put(t.Context(), "k", []byte("x"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		code   string
		kind   backend.Kind
	}{
		{400, "UnmatchedContentMD5", backend.Corrupt},
		{400, "UnmatchedContentCRC32C", backend.Corrupt},
		{400, "InvalidUploadPart", backend.Invalid},
		{400, "InvalidObjectName", backend.Invalid},
		{400, "LimitExceeded", backend.Full},
		{400, "QuotaExceeded", backend.Full},
		{400, "StorageQuotaExceeded", backend.Full},
		{400, "InsufficientServicePermissions", backend.Forbidden},
		{401, "NotAuthenticated", backend.Unauthorized},
		{403, "NotAllowed", backend.Forbidden},
		{403, "BucketIsReadonly", backend.Forbidden},
		{404, "NotAuthorizedOrNotFound", backend.NotFound},
		{404, "ObjectNotFound", backend.NotFound},
		{404, "BucketNotFound", backend.Unavailable}, // it has answered a moment ago
		{404, "UploadNotFound", backend.NotFound},
		{405, "MethodNotAllowed", backend.Invalid},
		{408, "RequestTimeout", backend.Timeout},
		{409, "IncorrectState", backend.Busy},
		{409, "LockConflict", backend.Busy},
		{409, "ConcurrentObjectUpdate", backend.Busy},
		{409, "InvalidatedRetryToken", backend.Invalid},
		{409, "BucketNotEmpty", backend.Invalid},
		{409, "NotRestored", backend.Invalid},
		{409, "NoEtagMatch", backend.Changed},
		{411, "ContentLengthRequired", backend.Invalid},
		{412, "IfMatchFailed", backend.Changed},
		{412, "IfNoneMatchFailed", backend.Exists},
		{412, "NoEtagMatch", backend.Changed},
		{413, "RequestEntityTooLarge", backend.Invalid},
		{416, "InvalidRange", backend.Changed},
		{428, "IfMatchRequired", backend.Invalid},
		{429, "TooManyRequests", backend.Throttled},
		{500, "InternalServerError", backend.Unavailable},
		{501, "NotImplemented", backend.Unsupported},
		{502, "BadGateway", backend.Unavailable},
		{503, "ServiceUnavailable", backend.Unavailable},
		{504, "GatewayTimeout", backend.Unavailable},
		{507, "InsufficientStorage", backend.Full},
	} {
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "DeleteObject"}, Effect: ocisim.Effect{Status: c.status, Code: c.code}})
		requests := w.sim.Log().Count("DeleteObject")
		// The name and the message of the error must not matter.
		err := s.Delete(t.Context(), backend.Object{Key: "timeout-404-not found-circuit breaker is open"})
		w.sim.Faults().Reset()
		var e *backend.Error
		if !errors.As(err, &e) || e.Kind != c.kind || e.RequestID == "" || codeOf(err) != c.code || strings.Contains(err.Error(), "Troubleshooting") {
			t.Errorf("%d %s: %q %v, want %q", c.status, c.code, backend.KindOf(err), err, c.kind)
		}
		if n := w.sim.Log().Count("DeleteObject") - requests; n != 1 {
			t.Errorf("%d %s: %d requests", c.status, c.code, n)
		}
	}
}

// TestKindWithoutABody is about HEAD and about answers that are not OCI's.
func TestKindWithoutABody(t *testing.T) {
	for _, c := range []struct {
		status   int
		fromOCI  bool
		kind     backend.Kind
		location string
	}{
		{401, true, backend.Unauthorized, ""},
		{404, true, backend.NotFound, ""},
		{412, true, backend.Changed, ""},
		{429, true, backend.Throttled, ""},
		{503, true, backend.Unavailable, ""},
		{502, false, backend.Offline, ""},
		{302, false, backend.Offline, "https://login.example/"},
		{200, false, backend.Unavailable, ""}, // no etag
	} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if c.fromOCI {
				rw.Header().Set("opc-request-id", "id")
			}
			if c.location != "" {
				rw.Header().Set("Location", c.location)
			}
			rw.WriteHeader(c.status)
		}))
		s := bareProvider(t, server.URL)
		_, err := s.Stat(t.Context(), "k")
		if backend.KindOf(err) != c.kind || strings.Contains(err.Error(), "parse json") {
			t.Errorf("%d: %q %v, want %q", c.status, backend.KindOf(err), err, c.kind)
		}
		server.Close()
	}
}

// bareProvider returns a container at an endpoint that is not a simulator.
func bareProvider(t testing.TB, endpoint string) backend.Storage {
	t.Helper()
	key := testKey()
	p, err := New(Config{
		TenancyOCID: "ocid1.tenancy.oc1..a", UserOCID: "ocid1.user.oc1..a", Fingerprint: fingerprintOf(key), Region: "us-phoenix-1",
		PrivateKeyPath: writeKey(t, key), Endpoint: endpoint,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	s, _, err := p.Open(backend.Location{Scheme: scheme, Path: "ns/b/"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFailureWithoutAnAnswer has a request that the network lost, one that cannot be made, and one that nobody waits for.
func TestFailureWithoutAnAnswer(t *testing.T) {
	lost := failure(t.Context(), "stat", "k", nil, &url.Error{Op: "Get", URL: "http://x", Err: fmt.Errorf("wrapped: %w", io.EOF)})
	if lost.Kind != backend.Offline || strings.Contains(lost.Error(), "http://x") || errors.Is(lost, io.EOF) {
		t.Errorf("lost: %q %v", lost.Kind, lost)
	}
	if err := failure(t.Context(), "stat", "k", nil, errors.New("cannot marshal")); err.Kind != backend.Invalid {
		t.Errorf("a request that cannot be made: %q", err.Kind)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := failure(ctx, "stat", "k", nil, io.EOF); err.Kind != backend.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %q %v", err.Kind, err)
	}
}

func TestRefusedConnectionIsOffline(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	if _, err := bareProvider(t, server.URL).Stat(t.Context(), "k"); !errors.Is(err, backend.Offline) {
		t.Errorf("%v", err)
	}
}

func TestUnknownCertificateIsInvalid(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that fails is the test
	server.StartTLS()
	defer server.Close()
	if _, err := bareProvider(t, server.URL).Stat(t.Context(), "k"); !errors.Is(err, backend.Invalid) {
		t.Errorf("%v", err)
	}
}

func TestManyFailuresOpenNoCircuitBreaker(t *testing.T) {
	w := newWorld(t, ocisim.Options{})
	s := w.storage(t, "archive")
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Times: 30}, Effect: ocisim.Effect{Status: 503}})
	for range 30 {
		if err := s.Delete(t.Context(), backend.Object{Key: "k"}); !errors.Is(err, backend.Unavailable) {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(t.Context(), "k", nil, backend.PutOptions{}); err != nil {
		t.Errorf("after thirty failures: %v", err)
	}
}

func TestClockSkewIsNamed(t *testing.T) {
	for skew, want := range map[time.Duration]string{
		-7 * time.Minute: "your clock is 7m0s ahead",
		+7 * time.Minute: "your clock is 7m0s behind",
	} {
		w := newWorld(t, ocisim.Options{Clock: ocisim.NewManualClock(time.Now().Add(skew))})
		err := w.storage(t, "archive").Delete(t.Context(), backend.Object{Key: "k"})
		text := strings.NewReplacer("7m1s", "7m0s", "6m59s", "7m0s").Replace(fmt.Sprint(err))
		if !errors.Is(err, backend.Unauthorized) || !strings.Contains(text, want) {
			t.Errorf("clock of the service off by %s: %v", skew, err)
		}
	}
	w := newWorld(t, ocisim.Options{})
	w.config.UserOCID += "x"
	err := w.storage(t, "archive").Delete(t.Context(), backend.Object{Key: "k"})
	if !errors.Is(err, backend.Unauthorized) || !strings.Contains(err.Error(), "check tenancy, user") {
		t.Errorf("unknown user: %v", err)
	}
}
