package s3

import (
	"context"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// TestConformance runs the suite on versitygw. It keeps objects in a tree of folders, and so holds fewer keys than S3 does;
// see inTree. In everything else nothing is left out.
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
		change(&config)
		p := provider(t, config)
		open := func(t *testing.T) backend.Storage { return inTree{storage(t, p, name)} }
		backendtest.TestStorage(t, open, backendtest.CheckOptions{
			Locate: func(key string) backend.Location { return backend.Location{Scheme: "s3", Path: name + "/" + key} }, Only: only,
		})
	})
}

// inTree refuses, as a container may, the keys that versitygw takes for others: it joins empty elements, so that "a//b" is
// stored as "a/b" and "/a" as "a"; it takes a slash at the end for a folder, which has no bytes; and it cannot hold an
// element of more than 255 bytes, which it tells a HEAD as "not found". The strict service of the other tests has them all.
type inTree struct{ backend.Storage }

func (inTree) refuse(op, key string) error {
	if key == "" {
		return nil
	}
	for element := range strings.SplitSeq(key, "/") {
		if element == "" || len(element) > 255 {
			return invalid(op, key, "versitygw takes this key for another")
		}
	}
	return nil
}

func (s inTree) Stat(ctx context.Context, key string) (backend.Object, error) {
	if err := s.refuse("stat", key); err != nil {
		return backend.Object{}, err
	}
	return s.Storage.Stat(ctx, key)
}

func (s inTree) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	if err := s.refuse("read", obj.Key); err != nil {
		return 0, err
	}
	return s.Storage.ReadAt(ctx, obj, p, off)
}

func (s inTree) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
	if err := s.refuse("put", key); err != nil {
		return backend.Object{}, err
	}
	return s.Storage.Put(ctx, key, p, o)
}

func (s inTree) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
	if err := s.refuse("create upload", key); err != nil {
		return backend.Upload{}, err
	}
	return s.Storage.CreateUpload(ctx, key, o)
}

func (s inTree) Copy(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (backend.Object, error) {
	if err := s.refuse("copy", key); err != nil {
		return backend.Object{}, err
	}
	return s.Storage.Copy(ctx, from, version, key, o)
}

func (s inTree) Delete(ctx context.Context, obj backend.Object) error {
	if err := s.refuse("delete", obj.Key); err != nil {
		return err
	}
	return s.Storage.Delete(ctx, obj)
}
