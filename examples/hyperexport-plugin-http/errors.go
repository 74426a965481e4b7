package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// kindOf says what a status means. It is the one place that decides it; all above goes by the Kind.
func kindOf(status int) backend.Kind {
	switch status {
	case http.StatusOK: // the whole object instead of a range
		return backend.Unsupported
	case http.StatusUnauthorized:
		return backend.Unauthorized
	case http.StatusForbidden:
		return backend.Forbidden
	case http.StatusNotFound, http.StatusGone:
		return backend.NotFound
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return backend.Unsupported
	case http.StatusRequestTimeout:
		return backend.Timeout
	case http.StatusConflict:
		return backend.Busy
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable: // another version, a shorter one
		return backend.Changed
	case http.StatusTooManyRequests:
		return backend.Throttled
	}
	if status >= 500 {
		return backend.Unavailable
	}
	return backend.Invalid
}

// retryAfter reads both forms of the header: seconds, and a date.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// broken is the error of a request without an answer, or with half of one. An ended context comes first.
func broken(ctx context.Context, op, key string, err error) *backend.Error {
	var dial *net.OpError
	var slow net.Error
	var cert *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil:
		return failed(op, key, backend.KindOf(ctx.Err()), err)
	case errors.As(err, &cert): // nobody repairs that by trying again
		return failed(op, key, backend.Invalid, err)
	case errors.As(err, &dial) && slices.Contains([]string{"dial", "proxyconnect"}, dial.Op):
		return failed(op, key, backend.Offline, err)
	case errors.As(err, &slow) && slow.Timeout():
		return failed(op, key, backend.Timeout, err)
	}
	return failed(op, key, backend.Unavailable, err)
}

// failed makes the error that every method returns. No secret goes into it.
func failed(op, key string, kind backend.Kind, err error) *backend.Error {
	return &backend.Error{Op: op, Key: key, Kind: kind, Err: err}
}
