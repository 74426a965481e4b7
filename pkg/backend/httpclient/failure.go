package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"syscall"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Failure makes the error of a request that got no answer, or not all of it. If ctx has ended, that counts first, and its
// cause is the error's. Otherwise err says what the network did: it is Offline, Timeout, or Invalid where the other side is
// not who it should be, which no repetition changes. Where err is not about the network, the Kind is otherwise: Invalid if
// the request cannot have been sent, Unavailable if it is the answer that makes no sense.
//
// The method and URL that net/http puts before an error are dropped, as op and key already say it. A connection that ended
// instead of an answer is not io.EOF, which to a reader would mean the end of the object.
func Failure(ctx context.Context, op, key string, err error, otherwise backend.Kind) *backend.Error {
	e := &backend.Error{Op: op, Key: key}
	if ctx.Err() != nil {
		e.Kind, e.Err = backend.KindOf(ctx.Err()), context.Cause(ctx)
		return e
	}
	if e.Kind = kindOf(err); e.Kind == backend.Unknown {
		e.Kind = otherwise
	}
	e.Err = bare(err)
	return e
}

// offline are the errors of the operating system that mean that the network is not there.
var offline = []error{
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
	syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.EADDRNOTAVAIL,
	io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
}

// kindOf classifies what happened to a request on its way. Unknown means that it is no error of a transport.
func kindOf(err error) backend.Kind {
	var request *url.Error
	if errors.As(err, &request) { // it knows of a timeout only if that is its direct cause
		if kind := kindOf(request.Err); kind != backend.Unknown {
			return kind
		}
		return backend.Offline
	}
	var (
		unknownAuthority x509.UnknownAuthorityError
		hostname         x509.HostnameError
		certificate      x509.CertificateInvalidError
		noTLS            tls.RecordHeaderError
		resolve          *net.DNSError
		op               *net.OpError
		slow             interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &unknownAuthority), errors.As(err, &hostname), errors.As(err, &certificate), errors.As(err, &noTLS):
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

// errHungUp is the cause where the connection ended instead of an answer.
var errHungUp = errors.New("the connection was closed before the answer came")

// bare drops what net/http puts before an error.
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
