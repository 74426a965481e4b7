// Package httpclient is for backends that speak HTTP: a Client that sends their requests, and Failure, KindOfStatus,
// RetryAfter and ClockSkew, which say what became of one in the terms of backend.Error.
//
// A request ends when its context does or when it stands still, never because it is long. Nothing is repeated here, and
// what a service means by codes of its own is decided in its backend.
package httpclient

import (
	"cmp"
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"time"
)

// Options are what services and calls differ in. The zero value of each field is its default.
type Options struct {
	// AnswerWithin is how long the answer may take to begin after the request was sent; one minute. Requests whose work is
	// done before they are answered need a Client of their own.
	AnswerWithin time.Duration
	// StallAfter is how long sending or receiving may stand still; 30 seconds. A whole transfer may take any time.
	StallAfter time.Duration
	// LastWord is how long the answer to a change is waited for when its context has ended after all of it was sent; five
	// seconds.
	LastWord time.Duration
	// ExpectContinue is how long a request with the header "Expect: 100-continue" waits for the service to want its body. By
	// default the body is sent at once.
	ExpectContinue time.Duration
	// HearRefusals lets a write count as done that fails because the service has hung up: one that refuses a request before it
	// has read the body answers and hangs up, and the failed write would hide the answer. The next read brings the answer, or
	// the news that there is none.
	HearRefusals bool

	// IdleConnections are kept for each host; 64. There is no limit for those in use.
	IdleConnections int
	// IdleTimeout is when a connection that is not used is closed; 15 seconds. It should be less than the service's.
	IdleTimeout time.Duration
	// Roots are the authorities whose certificates are trusted; those of the system.
	Roots *x509.CertPool
}

// Client sends requests over HTTP/1.1 and through the proxy that the environment names. It is safe for concurrent use.
type Client struct {
	http       http.Client
	lastWord   time.Duration
	stallAfter time.Duration
}

// New returns a Client. It opens no connection.
func New(o Options) *Client {
	o.StallAfter = cmp.Or(o.StallAfter, 30*time.Second)
	return &Client{
		http: http.Client{
			Transport:     newTransport(o),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		lastWord:   cmp.Or(o.LastWord, 5*time.Second),
		stallAfter: o.StallAfter,
	}
}

// Close closes idle connections; requests under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do sends one request and returns the answer, whatever its status. Redirects are not followed and nothing is unpacked. The
// caller closes the body of the answer; a read of it that stands still fails. For the error of Do, or of such a read, there
// is Failure.
//
// A GET or HEAD ends with its context. Any other request is a change, and what its context's end means depends on how far it
// has come. What has not been sent whole is held back, so that the service drops it. What has been is answered for up to
// Options.LastWord longer: the service carries it out whether anybody listens or not, and a part or object that appears
// later, after another attempt, would replace what that one wrote.
//
// The body of r is memory: a Read that waits for bytes would keep the end of the context waiting too. Do closes it, but
// net/http may still be reading it when Do returns, see backend.Body.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	caller := r.Context()
	if caller.Err() != nil {
		if r.Body != nil {
			_ = r.Body.Close() // of a request that is not made
		}
		return nil, context.Cause(caller)
	}
	if r.Method == "" || r.Method == http.MethodGet || r.Method == http.MethodHead {
		ctx, cancel := context.WithCancelCause(caller)
		return c.send(r.WithContext(ctx), cancel, func() {})
	}
	g := &guard{left: r.ContentLength, body: r.Body, limit: c.lastWord}
	ctx, cancel := g.attach(caller)
	if r = r.WithContext(ctx); r.Body != nil && r.Body != http.NoBody {
		r.Body = g
	}
	return c.send(r, cancel, g.stop)
}

// send carries r out. cancel ends its context; release is called when it has ended.
func (c *Client) send(r *http.Request, cancel context.CancelCauseFunc, release func()) (*http.Response, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		cancel(nil)
		release()
		return nil, err
	}
	resp.Body = &watchedBody{body: resp.Body, ctx: r.Context(), cancel: cancel, release: release, limit: c.stallAfter}
	return resp, nil
}

// watchedBody ends the request when a read of the answer stands still.
type watchedBody struct {
	body    io.ReadCloser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	release func()
	limit   time.Duration
	timer   *time.Timer
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.limit, func() { b.cancel(stalledError(b.limit)) })
	} else {
		b.timer.Reset(b.limit)
	}
	n, err := b.body.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader promises the bare value
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

func (b *watchedBody) Close() error {
	if b.timer != nil {
		b.timer.Stop()
	}
	err := b.body.Close()
	b.cancel(nil)
	b.release()
	return err
}

// stalledError is the cause where no byte came for so long.
type stalledError time.Duration

func (e stalledError) Error() string {
	return "no byte was transferred for " + time.Duration(e).String()
}

// Timeout says what it is, as net.Error does.
func (e stalledError) Timeout() bool { return true }
