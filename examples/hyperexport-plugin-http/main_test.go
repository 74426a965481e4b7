package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/plugin"
)

// TestMain is also the plugin: the tests start this binary again, as hyperexport starts a plugin.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "guest" {
		main()
		return
	}
	os.Exit(m.Run())
}

const token = "not-for-everybody"

// options are those of a plugin that reads below base.
func options(t *testing.T, base string) plugin.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return plugin.Options{Name: "http", Command: []string{self, "guest"}, Env: []string{"GORACE=atexit_sleep_ms=0"}, Log: func(line string) { t.Log(line) },
		Config: plugin.Config{Settings: map[string]string{"base": base}, Secrets: map[string]string{"token": token}}}
}

func launch(t *testing.T, o plugin.Options) *plugin.Host {
	t.Helper()
	h, err := plugin.Launch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// serve starts a web server that wants the token.
func serve(t *testing.T, handler http.HandlerFunc) (base string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/base"
}

var modified = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// content answers as good web servers do; tag is the ETag, "" for none.
func content(w http.ResponseWriter, r *http.Request, tag string, size int64) {
	if tag != "" {
		w.Header().Set("ETag", tag)
	}
	http.ServeContent(w, r, "", modified, io.NewSectionReader(backendtest.NewPattern(1), 0, size))
}

// TestStorage is the one test that every plugin needs.
func TestStorage(t *testing.T) {
	for tag, sizes := range map[string][]int64{`"v1"`: {1, 5000, 3<<20 + 5}, `W/"v1"`: {5000}, "": {3<<20 + 5}} {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("tag %s, %d bytes", tag, size), func(t *testing.T) {
				h := launch(t, options(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/base/dir/an object" {
						w.WriteHeader(http.StatusNotFound)
						return
					}
					content(w, r, tag, size)
				})))
				at := backend.Location{Scheme: "web", Path: "dir/an object"}
				ran := 0
				err := backendtest.Check(t.Context(), func() (backend.Storage, string, error) { return h.Open(at) },
					backendtest.CheckOptions{Existing: at.Path, Each: func(_ string, _ time.Duration, err error) {
						if !errors.Is(err, backendtest.ErrSkipped) {
							ran++
						}
					}})
				if err != nil || ran < 9 {
					t.Errorf("%d cases: %v", ran, err)
				}
				if err := backendtest.CheckProvider(h, at); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestSettings(t *testing.T) {
	for _, settings := range []map[string]string{
		{}, {"base": ""}, {"base": "host/dir"}, {"base": "ftp://host/"}, {"base": "https:///dir"}, {"base": "https://me:pw@host/"},
		{"base": "https://host/?x=1"}, {"base": "https://host/#x"}, {"base": "https://host/", "bsae": "https://host/"},
	} {
		o := options(t, "")
		o.Config.Settings = settings
		h, err := plugin.Launch(t.Context(), o)
		if err == nil {
			h.Close()
		}
		if !errors.Is(err, backend.Invalid) || strings.Contains(fmt.Sprint(err), "pw@") {
			t.Errorf("%v: want %q, got %v", settings, backend.Invalid, err)
		}
	}
}
