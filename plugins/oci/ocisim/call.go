package ocisim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// call is one request on its way through a handler, and the answer that the handler fills in.
type call struct {
	s      *Server
	w      http.ResponseWriter // not to be written to by handlers: use json, empty or stream
	r      *http.Request
	op     *operation
	vars   map[string]string
	body   []byte // the verified body; nil for object data
	user   string // keyId of the signature
	region string // whose endpoint the client uses
	who    principal

	uploadID     string // of the upload that the path names; "" if the query does
	signedSHA256 string // what the client signed as the hash of object data, if it did
	requestID    string
	fault        *Effect
	entry        *Entry

	status  int
	header  http.Header // of the answer
	out     []byte
	content io.Reader // instead of out; closed after use if it is a Closer
	length  int64     // of content
	sent    int64     // bytes of the answer's body that went out
	aborted bool      // the connection was cut instead of an answer
	reset   bool      // the server is to reset the stream, because there is no connection to cut
}

// query returns a parameter of the URL, "" if absent.
func (c *call) query(name string) string { return c.params().Get(name) }

// params are the query parameters.
func (c *call) params() url.Values { return c.r.URL.Query() }

// decode reads the JSON body into v; an empty body leaves v alone.
func (c *call) decode(v any) error {
	if len(c.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, v); err != nil {
		if c.op.bucket {
			return fail(400, "InvalidJSON", "The request body is not valid: %v", err)
		}
		return fail(400, "CannotParseRequest", "Incorrectly formatted request: %v", err)
	}
	return nil
}

// json answers with v. Like all answers it is sent after the handler returned.
func (c *call) json(status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.status, c.out = status, data
	c.header.Set("Content-Type", "application/json")
	return nil
}

// empty answers without a body.
func (c *call) empty(status int) error {
	c.status, c.out = status, nil
	return nil
}

// stream answers with length bytes of content.
func (c *call) stream(status int, content io.Reader, length int64) error {
	c.status, c.content, c.length = status, content, length
	return nil
}

// fail replaces whatever the handler filled in by an error.
func (c *call) fail(e *apiError) {
	c.closeContent()
	old := c.header
	c.header = http.Header{}
	for _, name := range []string{"Retry-After", "Etag"} {
		if v := old.Get(name); v != "" && (name != "Etag" || e.Status == http.StatusNotModified) {
			c.header.Set(name, v)
		}
	}
	if e.Status == http.StatusUnauthorized && c.op.bucket {
		c.header.Set("WWW-Authenticate", `Casper realm="AUTH_casper"`)
	}
	c.status, c.out = e.Status, nil
	if e.Status == http.StatusNotModified || c.r.Method == http.MethodHead {
		return
	}
	_ = c.json(e.Status, map[string]string{"code": e.Code, "message": e.Message}) // two strings always encode
}

func (c *call) newRequestID() string {
	if c.op.bucket {
		return keyOfRegion(c.region) + "-1:" + newToken(48)
	}
	client := c.r.Header.Get("opc-request-id")
	if client == "" {
		client = strings.ToUpper(newHex(16))
	}
	client, _, _ = strings.Cut(client, "/")
	return client + "/" + strings.ToUpper(newHex(16)) + "/" + strings.ToUpper(newHex(16))
}

// send writes the answer.
func (c *call) send() {
	defer c.closeContent()
	c.s.log.answered(c.entry, c.status)
	h := c.w.Header()
	for k, v := range c.header {
		h[k] = v
	}
	h.Set("opc-request-id", c.requestID)
	h.Set("Date", c.s.clock.Now().UTC().Format(http.TimeFormat))
	if c.op.bucket {
		h.Set("x-api-id", "native")
		if id := c.r.Header.Get("opc-client-request-id"); id != "" {
			h.Set("opc-client-request-id", id)
		}
	}
	length := int64(len(c.out))
	if c.content != nil {
		length = c.length
	}
	if c.status != http.StatusNoContent && c.status != http.StatusNotModified && h.Get("Content-Length") == "" {
		h.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	refused := c.op.data && c.status >= 400
	if refused {
		_ = http.NewResponseController(c.w).EnableFullDuplex() // not with HTTP/2, which is
		defer c.drain()
	}
	c.w.WriteHeader(c.status)
	if c.r.Method == http.MethodHead || length == 0 {
		return
	}
	body := c.content
	if body == nil {
		body = bytes.NewReader(c.out)
	}
	if file, ok := body.(io.WriterTo); ok && c.fault == nil {
		c.sent, _ = file.WriteTo(c.w) // an error is the client's: it went away
		return
	}
	buf := c.s.store.window()
	defer c.s.store.windows.Put(buf)
	c.sent = c.copyBody(c.w, io.LimitReader(body, length), *buf)
}

// drain sends the answer to a refused upload and reads on for a while, so that a client that is still sending gets to read
// the answer rather than a broken connection. A client that waits for 100 Continue sends nothing more.
func (c *call) drain() {
	conn := http.NewResponseController(c.w)
	if conn.Flush() != nil || conn.SetReadDeadline(time.Now().Add(2*time.Second)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.r.Body, 64<<20) // an error ends the connection, as does what is left
}

func (c *call) closeContent() {
	if closer, ok := c.content.(io.Closer); ok {
		_ = closer.Close() // of files that were only read
	}
	c.content = nil
}

const maxPage = 1000

// limit is the size of page that the client wants: at most maxPage.
func (c *call) limit() (int, error) {
	text := c.query("limit")
	if text == "" {
		return maxPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		if c.op.bucket {
			return 0, fail(400, "InvalidLimit", "The limit %q is not between 1 and %d.", text, maxPage)
		}
		return 0, fail(400, "InvalidParameter", "limit %q is not between 1 and %d", text, maxPage)
	}
	return n, nil
}

// page cuts from items, which are in order of their unique key, the page that the client asked for with limit and page, and sets
// opc-next-page if there is more.
func page[T any](c *call, items []T, key func(T) string) ([]T, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, err
	}
	if token := c.query("page"); token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, fail(400, "InvalidPage", "The page token %q is not valid.", token)
		}
		for len(items) > 0 && key(items[0]) <= string(last) {
			items = items[1:]
		}
	}
	if f := c.fault; f != nil && f.ShortPage {
		return shortPage(c, items, key, min(limit, f.PageItems)), nil
	}
	if len(items) > limit {
		items = items[:limit]
		c.header.Set("opc-next-page", base64.RawURLEncoding.EncodeToString([]byte(key(items[limit-1]))))
	}
	if items == nil {
		items = []T{} // [] rather than null
	}
	return items, nil
}
