package oci

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// stallAfter is how long a transfer may stand still before it is given up.
const stallAfter = 30 * time.Second

// errStalled is the cause where no byte came or went for stallAfter.
var errStalled = errors.New("no byte was transferred for " + stallAfter.String())

// newTransport keeps as many connections as are used at once. It has no limit for a whole transfer, only for each step
// without progress. HTTP/1.1, so that every stream has a TCP window of its own; no transparent decompression, because an
// object is its bytes.
func newTransport(connections int, answer time.Duration) *http.Transport {
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
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: answer,
		ExpectContinueTimeout: 3 * time.Second,
		IdleConnTimeout:       50 * time.Second, // OCI's load balancers close at 60
		MaxIdleConnsPerHost:   max(connections, 64),
		DisableCompression:    true,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        16 << 10,
	}
}

// watchedConn fails a write that stands still. Reads are not its business: an idle connection reads for a long time.
type watchedConn struct {
	net.Conn
	limit time.Duration
}

func (c *watchedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
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
