package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// answer is what a server does under one path, and what is to come of it. Unknown means success.
type answer struct {
	stat, read backend.Kind
	handle     http.HandlerFunc
}

// answers are what a server may do wrong or refuse, by the path of the object.
var answers = map[string]answer{
	"good":     {handle: conditional("If-Match", `"1"`)},
	"dated":    {handle: conditional("If-Unmodified-Since", "")},
	"%41/+;?#": {handle: conditional("If-Match", `"1"`)},
	"a/../b":   {stat: backend.Invalid, read: backend.Invalid},
	"a/.":      {stat: backend.Invalid, read: backend.Invalid},
	"401":      status(http.StatusUnauthorized, backend.Unauthorized, backend.Unauthorized),
	"403":      status(http.StatusForbidden, backend.Forbidden, backend.Forbidden),
	"404":      status(http.StatusNotFound, backend.NotFound, backend.Changed),
	"405":      status(http.StatusMethodNotAllowed, backend.Unsupported, backend.Unsupported),
	"409":      status(http.StatusConflict, backend.Busy, backend.Busy),
	"418":      status(http.StatusTeapot, backend.Invalid, backend.Invalid),
	"429":      status(http.StatusTooManyRequests, backend.Throttled, backend.Throttled),
	"500":      status(http.StatusInternalServerError, backend.Unavailable, backend.Unavailable),
	"503":      status(http.StatusServiceUnavailable, backend.Unavailable, backend.Unavailable),
	"elsewhere": {stat: backend.Invalid, read: backend.Invalid, handle: func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/base/good", http.StatusFound)
	}},
	"no version": {stat: backend.Unsupported, read: backend.Unsupported, handle: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `W/"1"`)
		w.Header().Set("Content-Length", "0")
	}},
	"no length": {stat: backend.Unsupported, read: backend.Unsupported, handle: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"1"`)
		w.(http.Flusher).Flush()
	}},
	"ignores ranges": {read: backend.Unsupported, handle: func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		content(w, r, `"1"`, 1000)
	}},
	"another version": {read: backend.Changed, handle: func(w http.ResponseWriter, r *http.Request) {
		tag := `"1"`
		if r.Method == http.MethodGet {
			tag = `"2"`
		}
		content(w, r, tag, 1000)
	}},
	"ignores conditions": {read: backend.Changed, handle: func(w http.ResponseWriter, r *http.Request) {
		tag := `"1"`
		if r.Method == http.MethodGet {
			tag = `"2"`
			r.Header.Del("If-Match")
		}
		content(w, r, tag, 1000)
	}},
	"another size within a second": {read: backend.Changed, handle: func(w http.ResponseWriter, r *http.Request) {
		size := int64(1000)
		if r.Method == http.MethodGet {
			size++
		}
		content(w, r, "", size)
	}},
	"shorter": {read: backend.Changed, handle: func(w http.ResponseWriter, r *http.Request) {
		size := int64(1000)
		if r.Method == http.MethodGet {
			size = 50
			r.Header.Del("If-Match")
		}
		content(w, r, `"1"`, size)
	}},
	"another range": {read: backend.Unavailable, handle: func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			r.Header.Set("Range", "bytes=0-99")
		}
		content(w, r, `"1"`, 1000)
	}},
	"cut":    {read: backend.Offline, handle: half(func(*http.Request) {})},
	"stalls": {read: backend.Timeout, handle: half(func(r *http.Request) { <-r.Context().Done() })},
}

// conditional is a good server that gives nothing away without a condition.
func conditional(header, tag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.Header.Get(header) == "" {
			w.WriteHeader(http.StatusPreconditionRequired)
			return
		}
		content(w, r, tag, 1000)
	}
}

func status(code int, stat, read backend.Kind) answer {
	return answer{stat: stat, read: read, handle: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.Header().Set("X-Request-Id", "request-1")
		w.WriteHeader(code)
	}}
}

// half sends half of the range that is asked for, and then waits.
func half(wait func(*http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			content(w, r, `"1"`, 1000)
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Range", "bytes 100-199/1000")
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusPartialContent)
		w.Write(make([]byte, 50))
		w.(http.Flusher).Flush()
		wait(r)
	}
}

func TestAnswers(t *testing.T) {
	h := launch(t, options(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		answers[strings.TrimPrefix(r.URL.Path, "/base/")].handle(w, r)
	})))
	for key, a := range answers {
		t.Run(key, func(t *testing.T) {
			s, key, err := h.Open(backend.Location{Scheme: "web", Path: key})
			if err != nil {
				t.Fatal(err)
			}
			o, err := s.Stat(t.Context(), key)
			check(t, "stat", err, a.stat)
			if err != nil {
				o = backend.Object{Key: key, Size: 1000, Version: `"1"`}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if a.read == backend.Timeout {
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			p, want := make([]byte, 100), make([]byte, 100)
			n, err := s.ReadAt(ctx, o, p, 100)
			check(t, "read", err, a.read)
			if err != nil {
				return
			}
			if _, err := backendtest.NewPattern(1).ReadAt(want, 100); err != nil || n != 100 || !bytes.Equal(p, want) {
				t.Errorf("%d bytes, wrong ones", n)
			}
		})
	}
}

func check(t *testing.T, what string, err error, want backend.Kind) {
	t.Helper()
	if (err == nil) != (want == backend.Unknown) || backend.KindOf(err) != want {
		t.Errorf("%s: want %q, got %q: %v", what, want, backend.KindOf(err), err)
	}
	if strings.Contains(fmt.Sprint(err), token) {
		t.Errorf("%s: the token is in the error: %v", what, err)
	}
}

func TestErrorsCarryWhatTheServerSays(t *testing.T) {
	h := launch(t, options(t, serve(t, status(http.StatusTooManyRequests, "", "").handle)))
	s, key, err := h.Open(backend.Location{Scheme: "web", Path: "a"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Stat(t.Context(), key)
	var e *backend.Error
	if !errors.As(err, &e) || e.RetryAfter != 7*time.Second || e.RequestID != "request-1" || e.Op != "stat" || e.Key != key {
		t.Errorf("%+v", err)
	}
}

func TestServerIsAway(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	h := launch(t, options(t, server.URL))
	s, key, err := h.Open(backend.Location{Scheme: "web", Path: "a"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Stat(t.Context(), key)
	check(t, "stat", err, backend.Offline)
}
