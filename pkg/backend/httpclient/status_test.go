package httpclient

import (
	"net/http"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func TestKindOfStatus(t *testing.T) {
	for status, want := range map[int]backend.Kind{
		302: backend.Invalid, 400: backend.Invalid, 401: backend.Unauthorized, 403: backend.Forbidden, 404: backend.NotFound,
		405: backend.Unsupported, 408: backend.Timeout, 409: backend.Busy, 412: backend.Changed, 413: backend.Invalid,
		416: backend.Changed, 429: backend.Throttled, 500: backend.Unavailable, 501: backend.Unsupported, 502: backend.Unavailable,
		503: backend.Unavailable, 507: backend.Full,
	} {
		if got := KindOfStatus(status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "99999999999999": 0,
		"Wed, 01 May 2024 12:00:30 GMT": 30 * time.Second,
		"Wed, 01 May 2024 11:00:30 GMT": 0,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	h := http.Header{"Retry-After": {"Wed, 01 May 2024 12:00:30 GMT"}, "Date": {"Wed, 01 May 2024 12:00:10 GMT"}}
	if got := RetryAfter(h, now); got != 20*time.Second {
		t.Errorf("by the service's clock: %s", got)
	}
}

func TestClockSkew(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for date, want := range map[string]string{
		"":                              "",
		"yesterday":                     "",
		"Wed, 01 May 2024 12:00:00 GMT": "",
		"Wed, 01 May 2024 11:55:11 GMT": "",
		"Wed, 01 May 2024 12:04:49 GMT": "",
		"Wed, 01 May 2024 11:55:10 GMT": "your clock is 4m50s ahead of the service's, which accepts 5m",
		"Wed, 01 May 2024 12:07:00 GMT": "your clock is 7m0s behind the service's, which accepts 5m",
	} {
		if got := ClockSkew(http.Header{"Date": {date}}, now, 5*time.Minute); got != want {
			t.Errorf("%q: %q, want %q", date, got, want)
		}
	}
}
