// Hyperexport-plugin-http lets hyperexport read what a web server serves. It is a whole plugin, small enough to begin
// your own with: a plugin's author implements backend.Provider and what of backend.Storage the place can do, says what
// each failure means with a backend.Kind, hands a factory to plugin.Serve, and runs backendtest, as main_test.go does.
//
// Its settings are base, the URL that everything is below, and the secret token, which is sent as a bearer token if it is
// set. The object dir/a is the one at base/dir/a. The server must answer ranges and name versions: by strong entity tags,
// or by times of modification, which are as fine as a second. Redirects are not followed, as they would take the token along.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
	"github.com/hyperexport/hyperexport/pkg/plugin"
)

func main() { plugin.Serve(newProvider) }

// newProvider makes the provider of this process. The host calls it once, before anything else, and shows its error to the
// user: say what is wrong and what to do. It makes no request, since a server that is down now may be up for the first call.
func newProvider(_ context.Context, c plugin.Config) (backend.Provider, error) {
	for name := range c.Settings {
		if name != "base" { // a setting that is ignored is a typing error that nobody sees
			return nil, failed("configure", name, backend.Invalid, errors.New("there is no such setting; there is base"))
		}
	}
	u, err := url.Parse(c.Settings["base"])
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, failed("configure", "base", backend.Invalid, errors.New("set it to a URL such as https://host/dir/, without user and query"))
	}
	// Not http.DefaultClient: that follows redirects, unpacks what came packed, and waits for ever.
	client := httpclient.New(httpclient.Options{})
	return &provider{base: strings.TrimSuffix(u.String(), "/") + "/", token: c.Secrets["token"], client: client}, nil
}

// provider is a backend.Provider: one account at one place.
type provider struct {
	base, token string
	client      *httpclient.Client
}

func (p *provider) Describe() backend.Description {
	return backend.Description{Name: "http", Version: "1.0.0", Region: p.base}
}

// Open divides a location into a container and a key. Here all locations are in one container.
func (p *provider) Open(loc backend.Location) (backend.Storage, string, error) {
	if loc.Path == "" {
		return nil, "", failed("open", loc.String(), backend.Invalid, errors.New("it names no object"))
	}
	return &source{provider: p}, loc.Path, nil
}

func (p *provider) Compute() (backend.Compute, error) {
	return nil, failed("compute", "", backend.Unsupported, nil)
}

func (p *provider) Inventory() (backend.Inventory, error) {
	return nil, failed("inventory", "", backend.Unsupported, nil)
}

func (p *provider) Close() error {
	p.client.Close()
	return nil
}

// source is a backend.Storage that can be read. Unimplemented has all other methods, which fail with Unsupported, and an
// Info that promises nothing: so the engine does not ask for them. A promise would be tested by backendtest.
type source struct {
	backend.Unimplemented
	*provider
}

// Stat describes the object as it is now. The version is what ReadAt needs to never mix two of them.
func (s *source) Stat(ctx context.Context, key string) (backend.Object, error) {
	resp, err := s.send(ctx, "stat", http.MethodHead, key, http.StatusOK, nil)
	if err != nil {
		return backend.Object{}, err
	}
	defer resp.Body.Close()
	version := versionOf(resp.Header, strconv.FormatInt(resp.ContentLength, 10))
	if resp.ContentLength < 0 || version == "" {
		return backend.Object{}, failed("stat", key, backend.Unsupported,
			errors.New("the server tells no length, or neither a strong ETag nor Last-Modified"))
	}
	o := backend.Object{Key: key, Size: resp.ContentLength, Version: version}
	o.ModTime, _ = http.ParseTime(resp.Header.Get("Last-Modified")) // zero if unknown
	return o, nil
}

// ReadAt fills p or fails, and gives the bytes that are left and a bare io.EOF at the end. p is only written to by ReadFull,
// in this goroutine, so that nothing touches it after the return, when the caller has another use for it. A backend that hands p to
// a goroutine or a library waits until that one is done with it, also when ctx ends.
func (s *source) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	switch {
	case ctx.Err() != nil:
		return 0, httpclient.Failure(ctx, "read", obj.Key, ctx.Err(), backend.Canceled)
	case off < 0:
		return 0, failed("read", obj.Key, backend.Invalid, fmt.Errorf("offset %d", off))
	case len(p) == 0:
		return 0, nil
	case off >= obj.Size:
		return 0, io.EOF
	}
	n := min(int64(len(p)), obj.Size-off)
	span := fmt.Sprintf("%d-%d", off, off+n-1)
	h := http.Header{"Range": {"bytes=" + span}}
	if strings.HasPrefix(obj.Version, `"`) {
		h.Set("If-Match", obj.Version)
	} else if i := strings.LastIndexByte(obj.Version, ' '); i >= 0 {
		h.Set("If-Unmodified-Since", obj.Version[:i])
	}
	resp, err := s.send(ctx, "read", http.MethodGet, obj.Key, http.StatusPartialContent, h)
	if errors.Is(err, backend.NotFound) {
		return 0, failed("read", obj.Key, backend.Changed, err) // it was there when obj was made
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	// What came is held against what was asked for: not every server heeds conditions.
	got, total, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
	if now := versionOf(resp.Header, total); now != obj.Version {
		return 0, failed("read", obj.Key, backend.Changed, fmt.Errorf("version %s is there, not %s", now, obj.Version))
	}
	if got != "bytes "+span || total != strconv.FormatInt(obj.Size, 10) {
		return 0, failed("read", obj.Key, backend.Unavailable, fmt.Errorf("asked for %s of %d, got %s of %s", span, obj.Size, got, total))
	}
	if _, err := io.ReadFull(resp.Body, p[:n]); err != nil {
		return 0, httpclient.Failure(ctx, "read", obj.Key, err, backend.Unavailable)
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// versionOf names what an answer is about: its strong ETag, or else its time of modification and size.
func versionOf(h http.Header, size string) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	if modified := h.Get("Last-Modified"); modified != "" {
		return modified + " " + size
	}
	return ""
}

// send makes one request. It does not repeat it: hyperexport does, and decides by the Kind whether and when.
func (s *source) send(ctx context.Context, op, method, key string, want int, h http.Header) (*http.Response, error) {
	for element := range strings.SplitSeq(key, "/") {
		if key == "" || element == "." || element == ".." { // the server would resolve it, and give another object
			return nil, failed(op, key, backend.Invalid, errors.New("not a name that a web server keeps"))
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base+(&url.URL{Path: key}).EscapedPath(), http.NoBody)
	if err != nil {
		return nil, failed(op, key, backend.Invalid, err)
	}
	if h != nil {
		r.Header = h
	}
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, httpclient.Failure(ctx, op, key, err, backend.Invalid)
	}
	if resp.StatusCode == want {
		return resp, nil
	}
	defer resp.Body.Close()
	why := fmt.Errorf("the server answers %s", resp.Status)
	if resp.StatusCode == http.StatusOK {
		why = errors.New("the server cannot send a part of an object: it answers with all of it")
	}
	e := failed(op, key, kindOf(resp.StatusCode), why)
	e.RequestID, e.RetryAfter = resp.Header.Get("X-Request-Id"), httpclient.RetryAfter(resp.Header, time.Now())
	return nil, e
}

// kindOf says what a status means. It is the one place that decides it; all above goes by the Kind.
func kindOf(status int) backend.Kind {
	switch status {
	case http.StatusOK: // the whole object instead of a range
		return backend.Unsupported
	case http.StatusGone:
		return backend.NotFound
	}
	return httpclient.KindOfStatus(status)
}

// failed makes an error of ours. No secret goes into it.
func failed(op, key string, kind backend.Kind, err error) *backend.Error {
	return &backend.Error{Op: op, Key: key, Kind: kind, Err: err}
}
