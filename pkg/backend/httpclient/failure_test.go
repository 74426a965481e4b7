package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

type timeoutError struct{}

func (timeoutError) Error() string { return "some timeout" }
func (timeoutError) Timeout() bool { return true }

func TestKindOfTransport(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	read := func(err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
	}
	for name, c := range map[string]struct {
		err  error
		kind backend.Kind
	}{
		"refused":       {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), backend.Offline},
		"reset":         {read(syscall.ECONNRESET), backend.Offline},
		"pipe":          {read(syscall.EPIPE), backend.Offline},
		"timed out":     {read(syscall.ETIMEDOUT), backend.Offline},
		"no network":    {dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), backend.Offline},
		"no host":       {dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), backend.Offline},
		"dial timeout":  {dial(timeoutError{}), backend.Offline},
		"dial deadline": {dial(context.DeadlineExceeded), backend.Offline},
		"dns":           {&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, backend.Offline},
		"eof":           {io.EOF, backend.Offline},
		"cut":           {io.ErrUnexpectedEOF, backend.Offline},
		"closed":        {net.ErrClosed, backend.Offline},
		"no answer":     {timeoutError{}, backend.Timeout},
		"write stalled": {&net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}, backend.Timeout},
		"stalled":       {stalledError(time.Minute), backend.Timeout},
		"authority":     {x509.UnknownAuthorityError{}, backend.Invalid},
		"host name":     {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, backend.Invalid},
		"expired":       {x509.CertificateInvalidError{Reason: x509.Expired}, backend.Invalid},
		"no tls":        {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, backend.Invalid},
		"other":         {errors.New("http: server closed idle connection"), backend.Offline},
	} {
		err := Failure(t.Context(), "stat", "k", &url.Error{Op: "Get", URL: "http://x", Err: fmt.Errorf("wrapped: %w", c.err)}, backend.Full)
		if err.Kind != c.kind || strings.Contains(err.Error(), "http://x") || errors.Is(err, io.EOF) || err.Op != "stat" || err.Key != "k" {
			t.Errorf("%s: %q %v, want %q", name, err.Kind, err, c.kind)
		}
	}
	if err := Failure(t.Context(), "stat", "k", errors.New("cannot marshal"), backend.Invalid); err.Kind != backend.Invalid {
		t.Errorf("a request that cannot be made: %q", err.Kind)
	}
}

func TestFailureOfEndedContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	why, cancelWhy := context.WithCancelCause(t.Context())
	cancelWhy(errEnough)
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancelLate()
	for ctx, want := range map[context.Context]struct {
		kind  backend.Kind
		cause error
	}{
		ended: {backend.Canceled, context.Canceled},
		why:   {backend.Canceled, errEnough},
		late:  {backend.Timeout, context.DeadlineExceeded},
	} {
		if err := Failure(ctx, "stat", "k", io.EOF, backend.Invalid); err.Kind != want.kind || !errors.Is(err, want.cause) {
			t.Errorf("%q %v, want %q %v", err.Kind, err, want.kind, want.cause)
		}
	}
}

// TestServerIsAway and hangs up: what net/http makes of it.
func TestServerIsAway(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	client := newClient(t, Options{})
	for range 2 {
		_, err := client.Do(request(t.Context(), t, http.MethodPost, server.URL, nil, 0))
		if e := Failure(t.Context(), "put", "k", err, backend.Invalid); e.Kind != backend.Offline || errors.Is(e, io.EOF) {
			t.Errorf("%q %v", e.Kind, e)
		}
		server.Close()
	}
}
