package ocisim

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Entry is one request that the simulator served.
type Entry struct {
	Time            time.Time
	Duration        time.Duration // until the answer was written; 0 before
	Method          string
	Path            string // escaped, as received
	Query           string
	Operation       string      // name in the SDK, such as PutObject; Unknown if no operation matched
	Range           string      // header of that name
	Header          http.Header // without customer-provided keys
	RetryToken      string      // opc-retry-token
	RequestID       string      // opc-request-id of the answer
	ClientRequestID string      // opc-client-request-id, or opc-request-id of the request
	Status          int         // 0 if the connection was cut instead of an answer
	Sent            int64       // bytes of the answer's body; 0 before they are written
	Fault           bool        // a fault was applied
}

// RequestLog records requests in the order in which they arrived. It keeps the latest 65,536; Count covers all.
type RequestLog struct {
	mu      sync.Mutex
	entries []*Entry
	counts  map[string]int
}

const logSize = 1 << 16

// All returns a copy of the entries. An entry of a request still being served has the status 0.
func (l *RequestLog) All() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Entry, 0, len(l.entries))
	for _, e := range l.entries {
		all = append(all, *e)
	}
	return all
}

// Count returns how many requests for the operation arrived since the start or the last Reset.
func (l *RequestLog) Count(operation string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[operation]
}

// Reset forgets everything.
func (l *RequestLog) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
	l.counts = map[string]int{}
}

func (l *RequestLog) begin(c *call, now time.Time) *Entry {
	h := c.r.Header
	e := &Entry{
		Time: now, Method: c.r.Method, Path: c.r.URL.EscapedPath(), Query: c.r.URL.RawQuery, Operation: c.op.name,
		Range: h.Get("Range"), Header: withoutKeys(h), RetryToken: h.Get("opc-retry-token"), RequestID: c.requestID, ClientRequestID: h.Get("opc-client-request-id"),
	}
	if e.ClientRequestID == "" {
		e.ClientRequestID = h.Get("opc-request-id")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == logSize {
		l.entries = slices.Delete(l.entries, 0, logSize/2)
	}
	l.entries = append(l.entries, e)
	l.counts[e.Operation]++
	return e
}

// struck notes that a fault applies to the request.
func (l *RequestLog) struck(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Fault = true
}

// answered notes the status before the client can see it, so that a test finds it as soon as its request returns.
func (l *RequestLog) answered(e *Entry, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Status = status
}

func (l *RequestLog) end(e *Entry, sent int64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Duration = now.Sub(e.Time)
	e.Sent = sent
}
