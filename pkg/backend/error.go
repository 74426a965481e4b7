package backend

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Kind says what an error means to the caller, independent of the place it came from. A Kind is itself an error, so that
// errors.Is(err, backend.NotFound) works through every layer. A backend decides the Kind once, at the edge where it sees
// the typed error or the status code of its service, and never from the text of a message.
type Kind string

// The kinds. Their text crosses processes and is written to journals: it never changes.
const (
	Unknown      Kind = ""
	NotFound     Kind = "not found"
	Unauthorized Kind = "unauthorized" // who we are is not accepted: 401
	Forbidden    Kind = "forbidden"    // we are known and may not: 403, or a 404 that hides it
	Exists       Kind = "exists"       // Condition.Absent did not hold
	Changed      Kind = "changed"      // the version asked for is gone, or Condition.Version did not hold
	Invalid      Kind = "invalid"      // the request can never succeed as it is
	Unsupported  Kind = "unsupported"  // the backend cannot do this at all
	Corrupt      Kind = "corrupt"      // bytes do not match their checksum or length
	Throttled    Kind = "throttled"    // slow down: 429
	Unavailable  Kind = "unavailable"  // the service failed: 5xx, or a broken answer
	Timeout      Kind = "timeout"      // no answer in time
	Offline      Kind = "offline"      // the service cannot be reached
	Full         Kind = "full"         // no space, quota or service limit left
	Busy         Kind = "busy"         // the resource is in a state that will pass: 409
	Canceled     Kind = "canceled"     // the caller's context ended
)

// Error makes a Kind usable as the target of errors.Is.
func (k Kind) Error() string {
	if k == Unknown {
		return "unknown error"
	}
	return string(k)
}

// Temporary reports whether the same call may succeed later without anyone doing something about it.
func (k Kind) Temporary() bool {
	switch k {
	case Throttled, Unavailable, Timeout, Offline, Busy:
		return true
	}
	return false
}

// Error is what the methods of this contract return.
type Error struct {
	Op         string        // the method, in words: "upload part 7", "stat"
	Key        string        // the object, upload, instance or container it was about
	Kind       Kind          //
	RetryAfter time.Duration // what the service asked for; zero if nothing
	RequestID  string        // the service's own id of the request, for its support
	Err        error         // the cause; may be nil
}

// Error gives "op key: cause (request id)", leaving out what is not there.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Key != "" {
		b.WriteString(" " + e.Key)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	} else {
		b.WriteString(": " + e.Kind.Error())
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the error's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// KindOf returns the Kind of the outermost *Error or bare Kind in err's chain; the context's own errors are Canceled and
// Timeout. The Kind of nil and of a foreign error is Unknown.
func KindOf(err error) Kind {
	var e *Error
	var k Kind
	switch {
	case errors.As(err, &e) && e.Kind != Unknown:
		return e.Kind
	case errors.As(err, &k):
		return k
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Unknown
}

// RetryAfter returns the longest wait that an *Error in err's chain asks for.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
