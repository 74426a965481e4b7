package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
)

// failure makes the error of a method: the one place where a Kind is decided. resp is the SDK's answer and may be nil. A
// definite answer of the service counts more than a context that ended meanwhile.
func failure(ctx context.Context, op, key string, resp common.OCIResponse, err error) *backend.Error {
	var raw *http.Response
	if resp != nil {
		raw = resp.HTTPResponse()
	}
	var service common.ServiceError
	var refused *refusal
	var signIn *signInError
	switch {
	case errors.As(err, &refused):
		e := &backend.Error{Op: op, Key: key, Kind: backend.Unauthorized, RequestID: refused.request, Err: refused.answer}
		if refused.renewed {
			e.Kind = backend.Unavailable
		}
		return e
	case errors.As(err, &signIn) && ctx.Err() == nil:
		return &backend.Error{Op: op, Key: key, Kind: signIn.kind, Err: signIn}
	case errors.As(err, &service):
		answer := &serviceError{Status: service.GetHTTPStatusCode(), Code: service.GetCode(), Message: hideURLs(service.GetMessage())}
		e := &backend.Error{Op: op, Key: key, RequestID: service.GetOpcRequestID(), Err: answer}
		e.Kind = answer.kind(e.RequestID != "")
		if raw != nil {
			e.RetryAfter = httpclient.RetryAfter(raw.Header, time.Now())
			answer.Advice = adviceOfCode[answer.Code]
		}
		return e
	case raw != nil:
		e := httpclient.Failure(ctx, op, key, err, backend.Unavailable) // the answer cannot be read
		e.RequestID = raw.Header.Get("opc-request-id")
		return e
	}
	return httpclient.Failure(ctx, op, key, err, backend.Invalid) // the request was never sent
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
	switch {
	case e.Code == unreadable || e.Code == "":
		text = fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	case e.Message == "":
		text = fmt.Sprintf("%d %s", e.Status, e.Code)
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
	codeNoServicePolicy:                      backend.Forbidden,
	"RelatedResourceNotAuthorizedOrNotFound": backend.NotFound,

	"IncorrectState":            backend.Busy,
	"LockConflict":              backend.Busy,
	"RetentionRuleViolation":    backend.Forbidden,
	"ConcurrentObjectUpdate":    backend.Busy,
	"ConcurrentBucketUpdate":    backend.Busy,
	"RestoreInProgress":         backend.Busy,
	"NoEtagMatch":               backend.Changed,
	codeNotRestored:             backend.Invalid,
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

// kindOfStatus has where OCI differs from HTTP: a conflict that will pass has one of the codes above.
var kindOfStatus = map[int]backend.Kind{
	http.StatusConflict:         backend.Invalid,
	http.StatusMethodNotAllowed: backend.Invalid,
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
	return httpclient.KindOfStatus(e.Status)
}

// adviceOfCode says what to do where the service's own words leave that open.
var adviceOfCode = map[string]string{
	"NotAuthorizedOrNotFound":   "check the id and the region, and that a policy allows it",
	codeNoServicePolicy:         "a policy must allow the service objectstorage-<region> to manage the objects",
	codeNotRestored:             "the object is archived; restore it first",
	"LimitExceeded":             "raise the service limit or remove what is no longer needed",
	"QuotaExceeded":             "raise the compartment's quota or remove what is no longer needed",
	"MissingSSECustomerHeaders": "the object is encrypted with a key of its writer's own, which only encryption_key of the backend can give",
	"KmsKeyDisabled":            "enable the key in the Vault service: what it encrypts can neither be read nor written before",
	"BucketIsReadonly":          "it is the target of a replication",
	"RetentionRuleViolation":    "a retention rule of the bucket keeps the object as it is: wait until it may go, or write under another name",
}
