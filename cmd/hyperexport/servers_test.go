package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hyperexport/hyperexport/internal/gateway"
)

// gateway BUCKET...: starts an S3 server with these buckets, and sets GW_URL, GW_ACCESS, GW_SECRET and GW_DIR, the folder that
// its buckets are in.
func cmdGateway(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gateway bucket...")
	}
	s, err := gateway.Start(context.Background())
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.Stop()) })
	for _, name := range args {
		ts.Check(os.Mkdir(filepath.Join(s.Dir, name), 0o700))
	}
	w := worldOf(ts)
	w.setenv(ts, "GW_URL", s.URL)
	w.setenv(ts, "GW_ACCESS", s.Access)
	w.setenv(ts, "GW_SECRET", s.Secret)
	w.setenv(ts, "GW_DIR", s.Dir)
}

// webplugin DIR: builds the example of a plugin into the working directory, starts a web server over DIR, and sets WEB_URL. The
// server wants the token of WEB_TOKEN.
func cmdWebplugin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: webplugin dir")
	}
	ts.Check(buildExample(ts.MkAbs("hyperexport-plugin-http")))
	server := httptest.NewServer(webFolder(ts.MkAbs(args[0])))
	ts.Defer(server.Close)
	w := worldOf(ts)
	w.setenv(ts, "WEB_URL", server.URL)
	w.setenv(ts, "WEB_TOKEN", webToken)
}

const webToken = "canary-of-the-web"

func buildExample(path string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "github.com/hyperexport/hyperexport/examples/hyperexport-plugin-http")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// webFolder serves a folder to those who have the token.
func webFolder(dir string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+webToken {
			http.Error(w, "who are you, "+r.Header.Get("Authorization")+"?", http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	})
}
