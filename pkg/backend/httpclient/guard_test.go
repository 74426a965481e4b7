package httpclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var errEnough = errors.New("the caller has had enough")

// TestChangeThatWasSentIsWaitedFor ends the context while the service is at work.
func TestChangeThatWasSentIsWaitedFor(t *testing.T) {
	for name, answers := range map[string]bool{"the answer comes": true, "no answer comes": false} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			received := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if n, err := io.Copy(io.Discard, r.Body); err != nil {
					t.Errorf("the body ends after %d bytes: %v", n, err)
				}
				close(received)
				<-ctx.Done()
				if !answers {
					<-r.Context().Done() // the client must not hang up before its limit
				}
			}))
			defer server.Close()
			go func() {
				<-received
				cancel(errEnough)
			}()
			limit := 100 * time.Millisecond
			if answers {
				limit = time.Minute
			}
			client := newClient(t, Options{LastWord: limit})
			body := backend.Body(make([]byte, 2<<20))
			began := time.Now()
			resp, err := client.Do(request(ctx, t, http.MethodPut, server.URL, body, body.Len()))
			if answers {
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if _, err := io.ReadAll(resp.Body); err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, errEnough) || time.Since(began) < limit {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
		})
	}
}

// TestChangeUnderWayIsHeldBack ends the context while the body is on its way: the service must not get the rest.
func TestChangeUnderWayIsHeldBack(t *testing.T) {
	const size = 64 << 20 // more than the buffers on the way hold
	for _, length := range []int64{size, 0, -1} {
		ctx, cancel := context.WithCancelCause(t.Context())
		returned, got := make(chan struct{}), make(chan error, 1)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadFull(r.Body, make([]byte, 5))
			if err != nil {
				t.Error(err)
			}
			cancel(errEnough)
			<-returned
			_, err = io.Copy(io.Discard, r.Body)
			got <- err
		}))
		client := newClient(t, Options{LastWord: 5 * time.Second})
		began := time.Now()
		_, err := client.Do(request(ctx, t, http.MethodPut, server.URL, backend.Body(make([]byte, size)), length))
		if took := time.Since(began); !errors.Is(err, errEnough) || took > 4*time.Second {
			t.Errorf("length %d: after %s: %v", length, took, err)
		}
		close(returned)
		if err := <-got; err == nil {
			t.Errorf("length %d: the service got all of it", length)
		}
		server.Close()
	}
}

// TestBodyOfUnknownLengthIsWaitedFor once it has been sent.
func TestBodyOfUnknownLengthIsWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		cancel()
	}))
	defer server.Close()
	resp, err := newClient(t, Options{}).Do(request(ctx, t, http.MethodPut, server.URL, backend.Body([]byte("text")), -1))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// TestReadsEndWithTheirContext has one that ends before the request, before its answer, and within it.
func TestReadsEndWithTheirContext(t *testing.T) {
	begun := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "half") {
			rw.WriteHeader(http.StatusOK)
			rw.(http.Flusher).Flush()
		}
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	client := newClient(t, Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-begun
		cancel(errEnough)
	}()
	for range 2 { // the second begins after the end
		if _, err := client.Do(request(ctx, t, http.MethodGet, server.URL, nil, 0)); !errors.Is(err, errEnough) {
			t.Error(err)
		}
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	resp, err := client.Do(request(ctx, t, http.MethodGet, server.URL+"/half", nil, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel(errEnough)
	if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, errEnough) {
		t.Error(err)
	}
}
