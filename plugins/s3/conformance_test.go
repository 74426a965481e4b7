package s3

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// TestConformance runs the suite on versitygw. It keeps objects in a tree of folders, and so holds fewer keys than S3 does;
// Keys: "tree" refuses the others. In everything else nothing is left out.
func TestConformance(t *testing.T) {
	conform(t, "crc32c", func(*Config) {}, "")
	for _, only := range []string{"put-", "part-checksum", "complete-"} { // the whole of it runs on an older strict service
		conform(t, "md5-"+strings.Trim(only, "-"), func(c *Config) { c.Checksums = "md5" }, only)
	}
}

// TestConformanceUnverified leaves out the cases in which a request is cut off: versitygw takes what arrived of a body
// without a checksum for the whole, and publishes it.
func TestConformanceUnverified(t *testing.T) {
	for _, only := range []string{"refused", "reads", "complete-t", "upload-after"} {
		conform(t, "unverified-"+only, func(c *Config) { c.Checksums, c.Conditions = "none", "off" }, only)
	}
}

func conform(t *testing.T, title string, change func(*Config), only string) {
	t.Run(title, func(t *testing.T) {
		name := newBucket(t, title)
		config := ofVersity()
		config.Keys = "tree"
		change(&config)
		p := provider(t, config)
		open := func(t *testing.T) backend.Storage { return storage(t, p, name) }
		backendtest.TestStorage(t, open, backendtest.CheckOptions{
			Locate: func(key string) backend.Location { return backend.Location{Scheme: "s3", Path: name + "/" + key} }, Only: only,
			Fresh: func() (backend.Storage, error) { return storage(t, p, "fresh-"+strings.ToLower(name)), nil },
		})
	})
}

// TestVersionedConformance runs the suite on a bucket that keeps what is replaced. Conditions are left out: versitygw lets
// them hold on what was deleted there.
func TestVersionedConformance(t *testing.T) {
	name := newBucket(t, "kept")
	config := ofVersity()
	config.Keys = "tree"
	p := provider(t, config)
	c := call{op: "keep versions", method: http.MethodPut, bucket: name, query: url.Values{"versioning": {""}}, xml: struct {
		XMLName struct{} `xml:"VersioningConfiguration"`
		Status  string
	}{Status: "Enabled"}}
	if _, e := p.finish(t.Context(), c); e != nil {
		t.Fatal(e)
	}
	for _, only := range []string{"versions", "browse", "delete", "list-many", "copy"} {
		backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return storage(t, p, name) }, backendtest.CheckOptions{
			Locate: func(key string) backend.Location { return backend.Location{Scheme: "s3", Path: name + "/" + key} }, Only: only, Objects: 101,
		})
	}
}
