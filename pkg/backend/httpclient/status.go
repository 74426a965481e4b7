package httpclient

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// kindOfStatus has the statuses that say more than that it is the request's fault, or the service's.
var kindOfStatus = map[int]backend.Kind{
	http.StatusUnauthorized:                 backend.Unauthorized,
	http.StatusForbidden:                    backend.Forbidden,
	http.StatusNotFound:                     backend.NotFound,
	http.StatusMethodNotAllowed:             backend.Unsupported,
	http.StatusRequestTimeout:               backend.Timeout,
	http.StatusConflict:                     backend.Busy,
	http.StatusPreconditionFailed:           backend.Changed,
	http.StatusRequestedRangeNotSatisfiable: backend.Changed,
	http.StatusTooManyRequests:              backend.Throttled,
	http.StatusNotImplemented:               backend.Unsupported,
	http.StatusInsufficientStorage:          backend.Full,
}

// KindOfStatus says what an answer without success means as far as HTTP goes. A service that puts a code of its own beside
// the status, or means something else by it, is asked that first. Where the table has nothing, statuses from 500 on are
// Unavailable, and all others Invalid, redirects among them: they are not followed.
func KindOfStatus(status int) backend.Kind {
	if k, ok := kindOfStatus[status]; ok {
		return k
	}
	if status >= 500 {
		return backend.Unavailable
	}
	return backend.Invalid
}

// RetryAfter reads the header of that name in both its forms: seconds, or a date, which is held against the answer's own
// Date if it has one, and against now otherwise. It is 0 if the service asks for nothing.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return max(at.Sub(now), 0)
	}
	return 0
}

// ClockSkew tells in words by how much our clock is off where the service, which accepts some minutes, will not have that:
// a reason why a signature is refused. It is "" if the clock is right, or the answer has no Date.
func ClockSkew(h http.Header, now time.Time, accepts time.Duration) string {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return ""
	}
	skew := now.Sub(date).Round(time.Second)
	where := "ahead of"
	if skew < 0 {
		where = "behind"
	}
	if skew.Abs() < accepts-10*time.Second { // the Date is cut to seconds, so the edge is taken a little earlier
		return ""
	}
	return fmt.Sprintf("your clock is %s %s the service's, which accepts %dm", skew.Abs(), where, int(accepts.Minutes()))
}
