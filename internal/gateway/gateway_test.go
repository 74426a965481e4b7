package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/hyperexport/hyperexport/internal/gateway"
)

func TestServer(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := gateway.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel() // the server outlives it
	first, err := s.Bucket("bucket")
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Bucket("bucket")
	if err != nil || first == second || !strings.HasPrefix(first, "bucket-") || !strings.HasPrefix(second, "bucket-") {
		t.Errorf("buckets %q and %q, %v", first, second, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(s.URL + "/" + first + "/key")
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusForbidden || !strings.Contains(string(said), "<Code>AccessDenied</Code>") {
		t.Errorf("a request without a signature: %s, %s, %v", answer.Status, said, err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	if _, err := client.Get(s.URL); err == nil {
		t.Error("it still answers")
	}
}

func TestStartIsCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := gateway.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
