package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// TestKinds has one line for each answer that means something of its own.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   backend.Kind
	}{
		{503, "SlowDown", backend.Throttled},
		{503, "ServiceUnavailable", backend.Throttled},
		{503, "", backend.Throttled},
		{429, "", backend.Throttled},
		{400, "RequestLimitExceeded", backend.Throttled},
		{400, "RequestTimeout", backend.Timeout},
		{408, "", backend.Timeout},
		{500, "InternalError", backend.Unavailable},
		{200, "InternalError", backend.Unavailable},
		{502, "", backend.Unavailable},
		{501, "NotImplemented", backend.Unsupported},
		{405, "MethodNotAllowed", backend.Unsupported},
		{403, "RequestTimeTooSkewed", backend.Unauthorized},
		{400, "ExpiredToken", backend.Unauthorized},
		{400, "ExpiredTokenException", backend.Unauthorized},
		{403, "InvalidAccessKeyId", backend.Unauthorized},
		{403, "SignatureDoesNotMatch", backend.Unauthorized},
		{401, "", backend.Unauthorized},
		{403, "AccessDenied", backend.Forbidden},
		{403, "", backend.Forbidden},
		{403, "InvalidObjectState", backend.Invalid},
		{404, "NoSuchKey", backend.NotFound},
		{404, "NoSuchBucket", backend.NotFound},
		{404, "NoSuchUpload", backend.NotFound},
		{404, "", backend.NotFound},
		{400, "InvalidPart", backend.Invalid},
		{400, "InvalidPartOrder", backend.Invalid},
		{400, "EntityTooSmall", backend.Invalid},
		{400, "EntityTooLarge", backend.Invalid},
		{400, "KeyTooLongError", backend.Invalid},
		{400, "BadDigest", backend.Corrupt},
		{400, "XAmzContentChecksumMismatch", backend.Corrupt},
		{400, "InvalidDigest", backend.Corrupt},
		{409, "ConditionalRequestConflict", backend.Busy},
		{409, "OperationAborted", backend.Busy},
		{409, "", backend.Busy},
		{412, "PreconditionFailed", backend.Changed},
		{412, "", backend.Changed},
		{416, "InvalidRange", backend.Changed},
		{507, "XMinioStorageFull", backend.Full},
		{400, "QuotaExceeded", backend.Full},
		{409, "ObjectParentIsFile", backend.Invalid},
		{400, "", backend.Invalid},
	} {
		s := &serviceError{Status: c.status, Code: c.code}
		if got := s.failure("put", "key", http.Header{"X-Amz-Request-Id": {"R"}}).Kind; got != c.want {
			t.Errorf("%d %s is %q, want %q", c.status, c.code, got, c.want)
		}
	}
	for status, want := range map[int]backend.Kind{502: backend.Offline, 503: backend.Offline, 302: backend.Offline, 404: backend.NotFound} {
		if got := readServiceError(status, []byte("<html>gateway</html>")).failure("put", "key", http.Header{}).Kind; got != want {
			t.Errorf("%d of something else is %q, want %q", status, got, want)
		}
	}
}

func TestErrorText(t *testing.T) {
	now := time.Now()
	s := readServiceError(403, []byte(`<?xml version="1.0"?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>`))
	e := s.failure("put", "a/b", http.Header{"Date": {now.Add(-20 * time.Minute).UTC().Format(http.TimeFormat)}, "X-Amz-Request-Id": {"ID1"}, "X-Amz-Id-2": {"ID2"}})
	want := "put a/b: The difference is too large (403 RequestTimeTooSkewed): your clock is 20m"
	if text := e.Error(); !strings.HasPrefix(text, want) || !strings.Contains(text, "ahead") || !strings.HasSuffix(text, "(request ID1 ID2)") {
		t.Error(text)
	}
	e = s.failure("put", "a/b", http.Header{"Date": {now.Add(20 * time.Minute).UTC().Format(http.TimeFormat)}})
	if !strings.Contains(e.Error(), "behind") {
		t.Error(e)
	}
	for text, want := range map[string]time.Duration{
		"7": 7 * time.Second, "": 0, "-1": 0, "x": 0, now.Add(time.Hour).UTC().Format(http.TimeFormat): time.Hour, now.Add(-time.Hour).UTC().Format(http.TimeFormat): 0,
	} {
		h := http.Header{"Retry-After": {text}, "Date": {now.UTC().Format(http.TimeFormat)}}
		if got := (&serviceError{Status: 503, Code: "SlowDown"}).failure("put", "k", h).RetryAfter; got != want {
			t.Errorf("Retry-After %q is %v, want %v", text, got, want)
		}
	}
}

// TestFailureWithoutAnAnswer has a request that the network lost, ones that nobody waits for, and ones that cannot be made.
func TestFailureWithoutAnAnswer(t *testing.T) {
	lost := failure(t.Context(), "put", "key", &url.Error{Op: "Put", URL: "https://example.com/secret", Err: io.EOF})
	if lost.Kind != backend.Offline || strings.Contains(lost.Error(), "example.com/secret") || errors.Is(lost, io.EOF) {
		t.Errorf("lost: %q %v", lost.Kind, lost)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancelLate()
	for ctx, want := range map[context.Context]backend.Kind{ended: backend.Canceled, late: backend.Timeout} {
		if got := failure(ctx, "put", "key", io.EOF).Kind; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if e := failure(t.Context(), "put", "key", &keysError{errNoKeys}); e.Kind != backend.Unauthorized || !errors.Is(e, errNoKeys) {
		t.Error(e)
	}
	if got := failure(t.Context(), "put", "key", fmt.Errorf("no request: %w", errors.New("x"))).Kind; got != backend.Invalid {
		t.Error(got)
	}
}
