package oci

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// failure makes the error of a method: the one place where a Kind is decided. resp is the SDK's answer and may be nil. A
// definite answer of the service counts more than a context that ended meanwhile.
func failure(ctx context.Context, op, key string, resp common.OCIResponse, err error) *backend.Error {
	e := &backend.Error{Op: op, Key: key}
	var raw *http.Response
	if resp != nil {
		raw = resp.HTTPResponse()
	}
	if raw != nil {
		e.RequestID = raw.Header.Get("opc-request-id")
	}
	var service common.ServiceError
	switch {
	case errors.As(err, &service):
		answer := &serviceError{Status: service.GetHTTPStatusCode(), Code: service.GetCode(), Message: service.GetMessage()}
		e.RequestID = service.GetOpcRequestID()
		e.Kind = answer.kind(e.RequestID != "")
		e.Err = answer
		if raw != nil {
			e.RetryAfter = retryAfter(raw.Header, time.Now())
			answer.Advice = answer.advice(raw.Header, time.Now())
		}
	case ctx.Err() != nil:
		e.Kind = backend.Canceled
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			e.Kind = backend.Timeout
		}
		e.Err = context.Cause(ctx)
	default:
		e.Kind = transportKind(err)
		if e.Kind == backend.Unknown {
			e.Kind = backend.Invalid // the request was never sent
			if raw != nil {
				e.Kind = backend.Unavailable // the answer cannot be read
			}
		}
		e.Err = bare(err)
	}
	return e
}

// serviceError is an answer of a service that says no.
type serviceError struct {
	Status  int
	Code    string
	Message string
	Advice  string // what to do about it; may be empty
}

// unreadable is the code that the SDK makes up for an error without a body, as after HEAD, or with one that is not OCI's.
const unreadable = "BadErrorResponse"

func (e *serviceError) Error() string {
	text := fmt.Sprintf("%s (%d %s)", strings.TrimRight(e.Message, ". \n"), e.Status, e.Code)
	if e.Code == unreadable || e.Message == "" {
		text = fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Advice != "" {
		text += ": " + e.Advice
	}
	return text
}

// Is makes the answer that hides whether something is missing or forbidden count as Forbidden too.
func (e *serviceError) Is(target error) bool {
	return target == backend.Forbidden && e.Code == "NotAuthorizedOrNotFound"
}

// codeOf returns the service's code in err's chain, or "".
func codeOf(err error) string {
	var e *serviceError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// kindOfCode has the codes that say more than their status does.
var kindOfCode = map[string]backend.Kind{
	"LimitExceeded":                          backend.Full,
	"QuotaExceeded":                          backend.Full,
	"StorageLimitExceeded":                   backend.Full,
	"StorageQuotaExceeded":                   backend.Full,
	"OutOfCapacity":                          backend.Full,
	"OutOfHostCapacity":                      backend.Full,
	"InsufficientServicePermissions":         backend.Forbidden,
	"RelatedResourceNotAuthorizedOrNotFound": backend.NotFound,

	"IncorrectState":            backend.Busy,
	"LockConflict":              backend.Busy,
	"ConcurrentObjectUpdate":    backend.Busy,
	"ConcurrentBucketUpdate":    backend.Busy,
	"RestoreInProgress":         backend.Busy,
	"NoEtagMatch":               backend.Changed,
	"BucketAlreadyExists":       backend.Exists,
	"IfNoneMatchFailed":         backend.Exists,
	"IfMatchFailed":             backend.Changed,
	"TooManyRequests":           backend.Throttled,
	"ServiceUnavailable":        backend.Unavailable,
	"InternalServerError":       backend.Unavailable,
	"InternalError":             backend.Unavailable,
	"NotAuthorizedOrNotFound":   backend.NotFound,
	"ExternalServerUnreachable": backend.Unavailable,
}

// kindOfStatus has the rest. Other statuses from 400 on are Invalid, from 500 on Unavailable.
var kindOfStatus = map[int]backend.Kind{
	http.StatusUnauthorized:                 backend.Unauthorized,
	http.StatusForbidden:                    backend.Forbidden,
	http.StatusNotFound:                     backend.NotFound,
	http.StatusRequestTimeout:               backend.Timeout,
	http.StatusPreconditionFailed:           backend.Changed,
	http.StatusRequestedRangeNotSatisfiable: backend.Changed,
	http.StatusTooManyRequests:              backend.Throttled,
	http.StatusNotImplemented:               backend.Unsupported,
	http.StatusInsufficientStorage:          backend.Full,
}

// kind decides by code, then by status. A gateway's error that no OCI service has signed with a request id came from
// something on the way, so the service is out of reach.
func (e *serviceError) kind(fromOCI bool) backend.Kind {
	if e.Status >= 500 && e.Status != http.StatusNotImplemented && !fromOCI {
		return backend.Offline
	}
	if k, ok := kindOfCode[e.Code]; ok {
		return k
	}
	if strings.HasPrefix(e.Code, "Unmatched") { // UnmatchedContentMD5 and its kin: the bytes are not those of the checksum
		return backend.Corrupt
	}
	if k, ok := kindOfStatus[e.Status]; ok {
		return k
	}
	if e.Status >= 500 {
		return backend.Unavailable
	}
	return backend.Invalid
}

// adviceOfCode says what to do where the service's own words leave that open.
var adviceOfCode = map[string]string{
	"NotAuthorizedOrNotFound":        "check the id and the region, and that a policy allows it",
	"InsufficientServicePermissions": "a policy must allow the service objectstorage-<region> to manage the objects",
	"NotRestored":                    "the object is archived; restore it first",
	"LimitExceeded":                  "raise the service limit or remove what is no longer needed",
	"QuotaExceeded":                  "raise the compartment's quota or remove what is no longer needed",
	"BucketIsReadonly":               "it is the target of a replication",
}

// advice tells what the user can do.
func (e *serviceError) advice(h http.Header, now time.Time) string {
	if e.Status != http.StatusUnauthorized {
		return adviceOfCode[e.Code]
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		const allowed = 5 * time.Minute
		// The Date header is cut to seconds, so the edge is taken a little earlier.
		switch skew := now.Sub(date).Round(time.Second); {
		case skew >= allowed-10*time.Second:
			return fmt.Sprintf("your clock is %s ahead of the service's, which accepts 5m", skew)
		case skew <= -allowed+10*time.Second:
			return fmt.Sprintf("your clock is %s behind the service's, which accepts 5m", -skew)
		}
	}
	return "check tenancy, user, fingerprint and key; a session token may have expired, a new key takes some minutes"
}

// retryAfter reads the header in both its forms: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
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

// offline are the errors of the operating system that mean that the network is not there.
var offline = []error{
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
	syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.EADDRNOTAVAIL,
	io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, errRedirected,
}

// transportKind classifies what happened to a request on its way. Unknown means that it is no error of a transport.
func transportKind(err error) backend.Kind {
	var request *url.Error
	if errors.As(err, &request) { // it knows of a timeout only if that is its direct cause
		if kind := transportKind(request.Err); kind != backend.Unknown {
			return kind
		}
		return backend.Offline
	}
	var (
		unknownAuthority x509.UnknownAuthorityError
		hostname         x509.HostnameError
		certificate      x509.CertificateInvalidError
		resolve          *net.DNSError
		op               *net.OpError
		slow             interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, errStalled):
		return backend.Timeout
	case errors.As(err, &unknownAuthority), errors.As(err, &hostname), errors.As(err, &certificate):
		return backend.Invalid
	case errors.As(err, &resolve):
		return backend.Offline
	case errors.As(err, &op) && op.Op == "dial":
		return backend.Offline
	}
	for _, cause := range offline {
		if errors.Is(err, cause) {
			return backend.Offline
		}
	}
	switch {
	case errors.As(err, &slow) && slow.Timeout():
		return backend.Timeout
	case errors.As(err, &op):
		return backend.Offline
	}
	return backend.Unknown
}

// errHungUp is the cause where the connection ended instead of an answer. net/http calls that EOF, which to a reader would
// mean the end of the object.
var errHungUp = errors.New("the connection was closed before the answer came")

// bare drops the method and URL that net/http puts before an error: the operation and key already say it.
func bare(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	if errors.Is(err, io.EOF) {
		return errHungUp
	}
	return err
}
