package httpclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newClient is New, closed at the end of the test.
func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// request makes one with a body of length bytes, -1 if that is not known.
func request(ctx context.Context, t *testing.T, method, url string, body io.Reader, length int64) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.ContentLength = length
	}
	return r
}

func TestStalledAnswer(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "100")
		fmt.Fprint(rw, "some bytes")
		rw.(http.Flusher).Flush()
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	client := newClient(t, Options{StallAfter: 50 * time.Millisecond})
	resp, err := client.Do(request(t.Context(), t, http.MethodGet, server.URL, nil, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if !errors.Is(err, stalledError(50*time.Millisecond)) || string(data) != "some bytes" || kindOf(err) != backend.Timeout {
		t.Errorf("%q, %v", data, err)
	}
}

func TestStalledWrite(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, err := net.Dial("tcp", listener.Addr().String()) // the kernel accepts, and nobody ever reads
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := &watchedConn{Conn: c, limit: 50 * time.Millisecond}
	for range 1000 {
		if _, err = w.Write(make([]byte, 1<<20)); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || kindOf(err) != backend.Timeout {
		t.Errorf("%v", err)
	}
}

// TestRefusalBeforeTheBody has a server that answers and hangs up while most of the body is still to come. The answer must
// not be lost in the error of the write.
func TestRefusalBeforeTheBody(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			fmt.Fprint(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
			c.Close()
		}
	}()
	client := newClient(t, Options{HearRefusals: true})
	body := make([]byte, 16<<20)
	for range 20 {
		r := request(t.Context(), t, http.MethodPut, "http://"+listener.Addr().String(), backend.Body(body), int64(len(body)))
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden || string(text) != "no" {
			t.Errorf("%s %q: %v", resp.Status, text, err)
		}
	}
}

// TestAnswersAreHandedOnAsTheyAre has a redirect, which could take a signature along, and one that calls itself packed.
func TestAnswersAreHandedOnAsTheyAre(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" || r.URL.Path != "/" || r.ProtoMajor != 1 {
			t.Errorf("%s %s %v", r.Proto, r.URL, r.Header)
		}
		rw.Header().Set("Location", "/elsewhere")
		rw.Header().Set("Content-Encoding", "gzip")
		rw.WriteHeader(http.StatusFound)
		fmt.Fprint(rw, "text")
	}))
	defer server.Close()
	client := newClient(t, Options{})
	for range 3 {
		resp, err := client.Do(request(t.Context(), t, http.MethodPost, server.URL+"/", bytes.NewReader([]byte("x")), 1))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusFound || string(text) != "text" || err != nil {
			t.Errorf("%s %q: %v", resp.Status, text, err)
		}
	}
}
