package gateway

import (
	"context"
	"errors"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// InTree is a bucket of a Server without what it deviates in from S3. It refuses, as a container may, the keys that versitygw
// takes for others: it joins empty elements, so that "a//b" is stored as "a/b" and "/a" as "a"; it takes a slash at the end
// for a folder, which has no bytes; it can write an object whose last element has more than 227 bytes, but neither replace
// it nor complete an upload of it; and it cannot hold an element of more than 255 bytes, which it tells a HEAD as "not found".
type InTree struct{ backend.Storage }

const longestElement = 227

func (InTree) refuse(op, key string) error {
	if key == "" {
		return nil
	}
	for element := range strings.SplitSeq(key, "/") {
		if element == "" || len(element) > longestElement {
			return &backend.Error{Op: op, Key: key, Kind: backend.Invalid, Err: errors.New("versitygw takes this key for another")}
		}
	}
	return nil
}

// Stat refuses such keys.
func (s InTree) Stat(ctx context.Context, key string) (backend.Object, error) {
	if err := s.refuse("stat", key); err != nil {
		return backend.Object{}, err
	}
	return s.Storage.Stat(ctx, key)
}

// ReadAt refuses such keys.
func (s InTree) ReadAt(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
	if err := s.refuse("read", obj.Key); err != nil {
		return 0, err
	}
	return s.Storage.ReadAt(ctx, obj, p, off)
}

// Put refuses such keys.
func (s InTree) Put(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
	if err := s.refuse("put", key); err != nil {
		return backend.Object{}, err
	}
	return s.Storage.Put(ctx, key, p, o)
}

// CreateUpload refuses such keys.
func (s InTree) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
	if err := s.refuse("create upload", key); err != nil {
		return backend.Upload{}, err
	}
	return s.Storage.CreateUpload(ctx, key, o)
}

// Copy refuses such keys.
func (s InTree) Copy(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (backend.Object, error) {
	if err := s.refuse("copy", key); err != nil {
		return backend.Object{}, err
	}
	return s.Storage.Copy(ctx, from, version, key, o)
}

// Delete refuses such keys.
func (s InTree) Delete(ctx context.Context, obj backend.Object) error {
	if err := s.refuse("delete", obj.Key); err != nil {
		return err
	}
	return s.Storage.Delete(ctx, obj)
}
