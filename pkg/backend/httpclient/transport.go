package httpclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"
)

// newTransport keeps as many connections as are used at once. It has no limit for a whole transfer, only for each step
// without progress. HTTP/1.1, so that every stream has a TCP window of its own; no transparent decompression, because an
// object is its bytes.
func newTransport(o Options) *http.Transport {
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
			return &watchedConn{Conn: c, limit: o.StallAfter, hearRefusals: o.HearRefusals}, nil
		},
		Protocols:             protocols,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: cmp.Or(o.AnswerWithin, time.Minute),
		ExpectContinueTimeout: o.ExpectContinue,
		IdleConnTimeout:       cmp.Or(o.IdleTimeout, 15*time.Second),
		MaxIdleConnsPerHost:   cmp.Or(o.IdleConnections, 64),
		DisableCompression:    true,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        16 << 10,
	}
}

// watchedConn fails a write that stands still. Reads are not its business: an idle connection reads for a long time.
type watchedConn struct {
	net.Conn
	limit        time.Duration
	hearRefusals bool
}

func (c *watchedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if c.hearRefusals && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		return len(p), nil
	}
	return n, err
}
