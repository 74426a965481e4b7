package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	answerWithin        = time.Minute
	patientAnswerWithin = 10 * time.Minute // where the work is done before the answer comes: a copy, ten thousand parts
	stallAfter          = 30 * time.Second // how long a transfer may stand still before it is given up
)

// errStalled is the cause where no byte came or went for stallAfter.
var errStalled = errors.New("no byte was transferred for " + stallAfter.String())

// web sends requests.
type web struct {
	quick, patient http.Client
	lastWord       time.Duration
}

func newWeb(connections int, roots *x509.CertPool) *web {
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &web{
		quick:    http.Client{Transport: newTransport(connections, answerWithin, roots), CheckRedirect: noRedirect},
		patient:  http.Client{Transport: newTransport(connections, patientAnswerWithin, roots), CheckRedirect: noRedirect},
		lastWord: lastWord,
	}
}

func (w *web) close() {
	w.quick.CloseIdleConnections()
	w.patient.CloseIdleConnections()
}

// do sends one request. A read ends with the caller's context; a change that has been sent gets a little longer, see guard.
func (w *web) do(r *http.Request, patient bool) (*http.Response, error) {
	client := &w.quick
	if patient {
		client = &w.patient
	}
	if r.Context().Err() != nil {
		return nil, context.Cause(r.Context())
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		ctx, cancel := context.WithCancelCause(r.Context())
		return w.send(client, r.WithContext(ctx), cancel, func() {})
	}
	g := &guard{left: r.ContentLength, body: r.Body, limit: w.lastWord}
	ctx, cancel := g.attach(r.Context())
	if r = r.WithContext(ctx); r.Body != nil && r.Body != http.NoBody {
		r.Body = g
	}
	return w.send(client, r, cancel, g.stop)
}

// send carries r out. cancel ends its context; release is called when it has ended.
func (w *web) send(client *http.Client, r *http.Request, cancel context.CancelCauseFunc, release func()) (*http.Response, error) {
	resp, err := client.Do(r)
	if err != nil {
		cancel(nil)
		release()
		return nil, err
	}
	resp.Body = &watchedBody{body: resp.Body, ctx: r.Context(), cancel: cancel, release: release, limit: stallAfter}
	return resp, nil
}

// newTransport keeps as many connections as are used at once. It has no limit for a whole transfer, only for each step
// without progress. HTTP/1.1, so that every stream has a TCP window of its own; no transparent decompression, because an
// object is its bytes.
func newTransport(connections int, answer time.Duration, roots *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{
		Timeout:         10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         limitUnacknowledged,
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &watchedConn{Conn: c, limit: stallAfter}, nil
		},
		Protocols:             protocols,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: answer,
		IdleConnTimeout:       15 * time.Second,      // S3 closes idle connections after 20 or so
		MaxIdleConnsPerHost:   max(connections, 512), // small objects over a far link take hundreds
		DisableCompression:    true,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        16 << 10,
	}
}

// watchedConn fails a write that stands still. Reads are not its business: an idle connection reads for a long time.
//
// A service that refuses a request before it has read the body answers and hangs up. The write that then fails would hide
// the answer, so that it counts as done, and the next read tells what has become of the connection: it brings the answer, or
// the news that there is none.
type watchedConn struct {
	net.Conn
	limit time.Duration
}

func (c *watchedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	return n, err
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
		b.timer = time.AfterFunc(b.limit, func() { b.cancel(errStalled) })
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
