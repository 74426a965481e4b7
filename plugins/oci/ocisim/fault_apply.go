package ocisim

import (
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// applyBefore carries out what precedes the operation and reports whether it is to be run at all.
func (c *call) applyBefore() bool {
	f := c.fault
	if f.Stall > 0 && f.StallAt == 0 && !c.wait(f.Stall) {
		c.cut(false)
		return false
	}
	if f.ResetBefore {
		c.cut(true)
		return false
	}
	if f.Status != 0 {
		if f.RetryAfter > 0 {
			c.header.Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds()+0.5)))
		}
		c.fail(&apiError{Status: f.Status, Code: f.code(), Message: f.Message})
		c.send()
		return false
	}
	request := c.r.Method == http.MethodPut || c.r.Method == http.MethodPost
	if f.ResetRequestAt > 0 || f.BytesPerSecond > 0 || request && f.CorruptByte > 0 {
		c.r.Body = &faultyBody{ReadCloser: c.r.Body, c: c}
	}
	return true
}

func (f *Effect) code() string {
	if f.Code != "" {
		return f.Code
	}
	switch f.Status {
	case 401:
		return "NotAuthenticated"
	case 404:
		return "NotAuthorizedOrNotFound"
	case 409:
		return "IncorrectState"
	case 429:
		return "TooManyRequests"
	case 500:
		return "InternalServerError"
	case 503:
		return "ServiceUnavailable"
	}
	return http.StatusText(f.Status)
}

// applyAfter carries out what follows the operation and reports whether it is to be answered.
func (c *call) applyAfter() bool {
	f := c.fault
	if c.aborted {
		return false
	}
	if f.ResetAfter || f.LoseAnswer {
		c.cut(f.ResetAfter)
		return false
	}
	if f.RetryAfter > 0 {
		c.header.Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds()+0.5)))
	}
	if f.WrongChecksum {
		for _, name := range []string{"Content-Md5", "Opc-Content-Md5", "Opc-Content-Crc32c", "Opc-Content-Sha256", "Opc-Content-Sha384"} {
			if b, err := base64.StdEncoding.DecodeString(c.header.Get(name)); err == nil && len(b) > 0 {
				b[0] ^= 0xff
				c.header.Set(name, base64.StdEncoding.EncodeToString(b))
			}
		}
	}
	return true
}

// wait passes d on the simulator's clock and reports whether it passed before the client or the simulator went away.
func (c *call) wait(d time.Duration) bool {
	done := make(chan struct{})
	stop := c.s.clock.AfterFunc(d, func() { close(done) })
	select {
	case <-done:
		return true
	case <-c.r.Context().Done():
	case <-c.s.ctx.Done():
	}
	stop()
	return false
}

// cut ends the connection without an answer, or in the middle of one: with a reset, or with an ordinary close.
func (c *call) cut(reset bool) {
	c.aborted = true
	c.closeContent()
	if h, ok := c.w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			if reset {
				setReset(conn)
			}
			_ = conn.Close() // it is to end, one way or another
			return
		}
	}
	c.reset = true // HTTP/2: there is a stream to reset instead
}

// setReset makes Close send a reset.
func setReset(conn net.Conn) {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = wrapped.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only on closed connections
	}
}

// faultyBody is a request's body with the faults that concern it.
type faultyBody struct {
	io.ReadCloser
	c    *call
	read int64
}

var errCut = errors.New("connection cut by a fault")

func (b *faultyBody) Read(p []byte) (int, error) {
	f := b.c.fault
	if f.ResetRequestAt > 0 {
		left := f.ResetRequestAt - b.read
		if left <= 0 {
			b.c.cut(true)
			return 0, errCut
		}
		p = p[:min(int64(len(p)), left)]
	}
	if f.BytesPerSecond > 0 {
		p = p[:min(int64(len(p)), max(1, f.BytesPerSecond/10))]
	}
	n, err := b.ReadCloser.Read(p)
	if at := f.CorruptByte - 1 - b.read; f.CorruptByte > 0 && at >= 0 && at < int64(n) {
		p[at] ^= 0xff
	}
	b.read += int64(n)
	if f.BytesPerSecond > 0 && !b.c.wait(time.Duration(n)*time.Second/time.Duration(f.BytesPerSecond)) {
		return n, errCut
	}
	return n, err
}

// copyBody sends the answer's body through buf with the faults that concern it and returns the bytes sent.
func (c *call) copyBody(w io.Writer, body io.Reader, buf []byte) (sent int64) {
	f := c.fault
	if f == nil {
		f = &Effect{}
	}
	stalled := f.StallAt == 0
	for {
		window := buf
		if f.BytesPerSecond > 0 {
			window = window[:min(int64(len(window)), max(1, f.BytesPerSecond/10))]
		}
		if !stalled {
			window = window[:min(int64(len(window)), f.StallAt-sent)]
		}
		if f.TruncateAt > 0 {
			window = window[:min(int64(len(window)), f.TruncateAt-sent)]
		}
		n, err := body.Read(window)
		if at := f.CorruptByte - 1 - sent; f.CorruptByte > 0 && c.r.Method == http.MethodGet && at >= 0 && at < int64(n) {
			window[at] ^= 0xff
		}
		if n > 0 {
			m, werr := w.Write(window[:n])
			sent += int64(m)
			if werr != nil {
				return sent
			}
		}
		if err != nil {
			return sent
		}
		if !c.bodyFaults(f, sent, n, &stalled) {
			return sent
		}
	}
}

// bodyFaults carries out what is due after sent bytes and reports whether to go on.
func (c *call) bodyFaults(f *Effect, sent int64, n int, stalled *bool) bool {
	flush := func() { _ = http.NewResponseController(c.w).Flush() }
	if f.TruncateAt > 0 && sent >= f.TruncateAt {
		flush()
		c.cut(false)
		return false
	}
	if !*stalled && sent >= f.StallAt {
		*stalled = true
		flush()
		if !c.wait(f.Stall) {
			c.cut(false)
			return false
		}
	}
	if f.BytesPerSecond > 0 {
		flush()
		return c.wait(time.Duration(n) * time.Second / time.Duration(f.BytesPerSecond))
	}
	return true
}

// shortPage is a page of n items with a token for the rest, if there is a rest.
func shortPage[T any](c *call, items []T, key func(T) string, n int) []T {
	if len(items) <= n {
		return append([]T{}, items...)
	}
	after := c.query("page") // an empty page is followed by the same one
	if n > 0 {
		after = base64.RawURLEncoding.EncodeToString([]byte(key(items[n-1])))
	}
	if after == "" {
		after = base64.RawURLEncoding.EncodeToString([]byte{0}) // before every key
	}
	c.header.Set("opc-next-page", after)
	return append([]T{}, items[:n]...)
}
