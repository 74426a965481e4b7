package httpclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
)

// Put is what a backend's method does: one attempt, a body that is taken away at the end, and an error with a Kind.
func put(ctx context.Context, client *httpclient.Client, url, key string, data []byte) error {
	body := backend.Body(data)
	defer body.Release()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, url+key, body)
	if err != nil {
		return &backend.Error{Op: "put", Key: key, Kind: backend.Invalid, Err: err}
	}
	r.ContentLength = body.Len()
	resp, err := client.Do(r)
	if err != nil {
		return httpclient.Failure(ctx, "put", key, err, backend.Invalid)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		return nil
	}
	return &backend.Error{
		Op: "put", Key: key, Err: fmt.Errorf("the service answers %s", resp.Status),
		Kind: httpclient.KindOfStatus(resp.StatusCode), RetryAfter: httpclient.RetryAfter(resp.Header, time.Now()),
	}
}

func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer service.Close()
	client := httpclient.New(httpclient.Options{IdleTimeout: 50 * time.Second}) // the service closes at 60
	defer client.Close()

	err := put(context.Background(), client, service.URL, "/a", []byte("text"))
	fmt.Println(err)
	fmt.Println(errors.Is(err, backend.Throttled), backend.RetryAfter(err))
	// Output:
	// put /a: the service answers 429 Too Many Requests
	// true 7s
}
