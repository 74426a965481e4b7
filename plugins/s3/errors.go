package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
)

// failure makes the error of a request that got no answer, or not all of it. With serviceError.failure it is the one place
// where a Kind is decided.
func failure(ctx context.Context, op, key string, err error) *backend.Error {
	var noKeys *keysError
	if ctx.Err() == nil && errors.As(err, &noKeys) {
		return &backend.Error{Op: op, Key: key, Kind: backend.Unauthorized, Err: noKeys.err}
	}
	return httpclient.Failure(ctx, op, key, err, backend.Invalid) // the request was never sent
}

// keysError is the reason why there are no credentials.
type keysError struct{ err error }

func (e *keysError) Error() string { return e.err.Error() }
func (e *keysError) Unwrap() error { return e.err }

// serviceError is an answer that says no.
type serviceError struct {
	Status  int    `xml:"-"`
	Code    string // "" where the answer has no body, as after HEAD
	Message string
	Region  string // of the bucket, where the answer tells it
	Advice  string `xml:"-"` // what to do about it; may be empty
}

// readServiceError reads the body of an error. Code is "" if text is something else.
func readServiceError(status int, text []byte) *serviceError {
	answer := struct {
		XMLName xml.Name `xml:"Error"`
		serviceError
	}{}
	if err := xml.Unmarshal(text, &answer); err != nil {
		return &serviceError{Status: status}
	}
	s := answer.serviceError
	s.Status = status
	return &s
}

func (e *serviceError) Error() string {
	text := fmt.Sprintf("%s (%d %s)", strings.TrimRight(e.Message, ". \n"), e.Status, e.Code)
	if e.Code == "" || e.Message == "" {
		text = strings.TrimSpace(fmt.Sprintf("%d %s %s", e.Status, http.StatusText(e.Status), e.Code))
	}
	if e.Advice != "" {
		text += ": " + e.Advice
	}
	return text
}

// failure makes the error of a method.
func (e *serviceError) failure(op, key string, h http.Header) *backend.Error {
	e.Advice = e.advice(h, time.Now())
	id := requestID(h)
	return &backend.Error{Op: op, Key: key, Kind: e.kind(id != "" || e.Code != ""), RequestID: id, RetryAfter: httpclient.RetryAfter(h, time.Now()), Err: e}
}

const (
	codeNoSuchBucket = "NoSuchBucket"
	codeNoSuchUpload = "NoSuchUpload"
)

// codeOf returns the service's code in err's chain, or "".
func codeOf(err error) string {
	var e *serviceError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// statusOf returns the status of the service's answer in err's chain, or 0.
func statusOf(err error) int {
	var e *serviceError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// isExpired reports whether newer keys may help.
func isExpired(e *backend.Error) bool {
	switch codeOf(e) {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired":
		return true
	}
	return false
}

// kindOfCode has the codes that say more than their status does, or something else.
var kindOfCode = map[string]backend.Kind{
	"SlowDown":                   backend.Throttled,
	"SlowDownRead":               backend.Throttled,
	"SlowDownWrite":              backend.Throttled,
	"ServiceUnavailable":         backend.Throttled, // "reduce your request rate"
	"RequestLimitExceeded":       backend.Throttled,
	"BandwidthLimitExceeded":     backend.Throttled,
	"RequestThrottled":           backend.Throttled,
	"RequestThrottledException":  backend.Throttled,
	"Throttling":                 backend.Throttled,
	"ThrottlingException":        backend.Throttled,
	"KMS.ThrottlingException":    backend.Throttled,
	"TooManyRequests":            backend.Throttled,
	"TooManyRequestsException":   backend.Throttled,
	"InternalError":              backend.Unavailable,
	"InternalFailure":            backend.Unavailable,
	"XMinioServerNotInitialized": backend.Unavailable,
	"RequestTimeout":             backend.Timeout, // with status 400

	"OperationAborted":           backend.Busy,
	"ConditionalRequestConflict": backend.Busy,
	"PreconditionFailed":         backend.Changed,
	"InvalidRange":               backend.Changed,

	"NoSuchKey":        backend.NotFound,
	"NoSuchVersion":    backend.NotFound,
	codeNoSuchUpload:   backend.NotFound,
	codeNoSuchBucket:   backend.NotFound,
	"AccessDenied":     backend.Forbidden,
	"AccountProblem":   backend.Forbidden,
	"InvalidPayer":     backend.Forbidden,
	"MethodNotAllowed": backend.Unsupported,
	"NotImplemented":   backend.Unsupported,
	"XNotImplemented":  backend.Unsupported,

	"ExpiredToken":          backend.Unauthorized, // with status 400
	"ExpiredTokenException": backend.Unauthorized,
	"TokenRefreshRequired":  backend.Unauthorized,
	"RequestExpired":        backend.Unauthorized,
	"InvalidToken":          backend.Unauthorized,
	"InvalidAccessKeyId":    backend.Unauthorized, // with status 403
	"XAdminUserNotFound":    backend.Unauthorized, // versitygw's word for it, with status 404
	"SignatureDoesNotMatch": backend.Unauthorized,
	"RequestTimeTooSkewed":  backend.Unauthorized,
	"InvalidSecurity":       backend.Unauthorized,
	"NotSignedUp":           backend.Unauthorized,

	"BadDigest":                   backend.Corrupt,
	"InvalidDigest":               backend.Corrupt,
	"XAmzContentChecksumMismatch": backend.Corrupt,
	"XAmzContentSHA256Mismatch":   backend.Corrupt,

	"QuotaExceeded":                  backend.Full,
	"InsufficientCapacity":           backend.Full,
	"XMinioStorageFull":              backend.Full,
	"XMinioAdminBucketQuotaExceeded": backend.Full,

	// A tree of folders cannot hold these beside what is there.
	"ObjectParentIsFile":            backend.Invalid,
	"ExistingObjectIsDirectory":     backend.Invalid,
	"DirectoryObjectContainsData":   backend.Invalid,
	"XMinioParentIsObject":          backend.Invalid,
	"XMinioObjectExistsAsDirectory": backend.Invalid,
	"InvalidObjectState":            backend.Invalid, // with status 403

	"BucketAlreadyOwnedByYou":  backend.Exists,
	"BucketAlreadyExists":      backend.Forbidden, // with status 409: it is another account's
	"RestoreAlreadyInProgress": backend.Busy,
}

// kind decides by code, then by status. A gateway's error that no service has signed with a request id came from something
// on the way, so the service is out of reach; so is one that is redirected without a word of S3, by a login page.
func (e *serviceError) kind(fromS3 bool) backend.Kind {
	if !fromS3 && (e.Status >= 500 && e.Status != http.StatusNotImplemented || e.Status < 400) {
		return backend.Offline
	}
	if k, ok := kindOfCode[e.Code]; ok {
		return k
	}
	if e.Status == http.StatusServiceUnavailable {
		return backend.Throttled // as the code of that name
	}
	return httpclient.KindOfStatus(e.Status)
}

// adviceOfCode says what to do where the service's own words leave that open.
var adviceOfCode = map[string]string{
	"AccessDenied":          "check the permissions of this user on the bucket; without s3:ListBucket a missing object is denied too",
	"InvalidAccessKeyId":    "the service does not know this access key: check that it belongs to this endpoint",
	"XAdminUserNotFound":    "the service does not know this access key: check that it belongs to this endpoint",
	"SignatureDoesNotMatch": "check the secret key and, for services other than AWS, region and path style",
	"ExpiredToken":          "get new temporary keys and run again",
	"ExpiredTokenException": "get new temporary keys and run again",
	"InvalidObjectState":    "the object is archived; restore it first",
	"BucketAlreadyExists":   "another account has a bucket of this name, and names are unique: choose another",
	"EntityTooSmall":        "a part other than the last is smaller than 5 MiB",
	"QuotaExceeded":         "raise the quota or remove what is no longer needed",
	"XMinioStorageFull":     "add storage or remove what is no longer needed",
}

// advice tells what the user can do.
func (e *serviceError) advice(h http.Header, now time.Time) string {
	if e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized {
		if skew := httpclient.ClockSkew(h, now, 15*time.Minute); skew != "" {
			return skew
		}
	}
	if e.Code == "" && e.Status == http.StatusForbidden {
		return adviceOfCode["AccessDenied"]
	}
	return adviceOfCode[e.Code]
}

func invalid(op, key, format string, args ...any) *backend.Error {
	return &backend.Error{Op: op, Key: key, Kind: backend.Invalid, Err: fmt.Errorf(format, args...)}
}
