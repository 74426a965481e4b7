package backend

import (
	"context"
	"iter"
	"time"
)

// Unimplemented is a Storage that can do nothing: every method fails with Unsupported. Implementations embed it and
// override what they can do.
type Unimplemented struct{}

var _ Storage = Unimplemented{}

func unsupported(op, key string) error { return &Error{Op: op, Key: key, Kind: Unsupported} }

func unsupportedSeq[T any](op, key string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		yield(zero, unsupported(op, key))
	}
}

// Info promises nothing.
func (Unimplemented) Info() Info { return Info{} }

// Stat fails with Unsupported.
func (Unimplemented) Stat(_ context.Context, key string) (Object, error) {
	return Object{}, unsupported("stat", key)
}

// ReadAt fails with Unsupported.
func (Unimplemented) ReadAt(_ context.Context, obj Object, _ []byte, _ int64) (int, error) {
	return 0, unsupported("read", obj.Key)
}

// Put fails with Unsupported.
func (Unimplemented) Put(_ context.Context, key string, _ []byte, _ PutOptions) (Object, error) {
	return Object{}, unsupported("put", key)
}

// CreateUpload fails with Unsupported.
func (Unimplemented) CreateUpload(_ context.Context, key string, _ UploadOptions) (Upload, error) {
	return Upload{}, unsupported("create upload", key)
}

// UploadPart fails with Unsupported.
func (Unimplemented) UploadPart(_ context.Context, u Upload, _ int, _ []byte, _ Checksum) (Part, error) {
	return Part{}, unsupported("upload part", u.Key)
}

// ListParts fails with Unsupported.
func (Unimplemented) ListParts(_ context.Context, u Upload) iter.Seq2[Part, error] {
	return unsupportedSeq[Part]("list parts", u.Key)
}

// CompleteUpload fails with Unsupported.
func (Unimplemented) CompleteUpload(_ context.Context, u Upload, _ []Part, _ CompleteOptions) (Object, error) {
	return Object{}, unsupported("complete upload", u.Key)
}

// AbortUpload fails with Unsupported.
func (Unimplemented) AbortUpload(_ context.Context, u Upload) error {
	return unsupported("abort upload", u.Key)
}

// List fails with Unsupported.
func (Unimplemented) List(_ context.Context, prefix string) iter.Seq2[Object, error] {
	return unsupportedSeq[Object]("list", prefix)
}

// ListUploads fails with Unsupported.
func (Unimplemented) ListUploads(_ context.Context, prefix string) iter.Seq2[Upload, error] {
	return unsupportedSeq[Upload]("list uploads", prefix)
}

// Copy fails with Unsupported.
func (Unimplemented) Copy(_ context.Context, _ Location, _, key string, _ CopyOptions) (Object, error) {
	return Object{}, unsupported("copy", key)
}

// Delete fails with Unsupported.
func (Unimplemented) Delete(_ context.Context, obj Object) error {
	return unsupported("delete", obj.Key)
}

// DeleteAll fails with Unsupported for each object.
func (Unimplemented) DeleteAll(_ context.Context, objs []Object) []error {
	errs := make([]error, len(objs))
	for i, obj := range objs {
		errs[i] = unsupported("delete", obj.Key)
	}
	return errs
}

// Browse fails with Unsupported.
func (Unimplemented) Browse(_ context.Context, prefix string) iter.Seq2[Entry, error] {
	return unsupportedSeq[Entry]("browse", prefix)
}

// Versions fails with Unsupported.
func (Unimplemented) Versions(_ context.Context, prefix string) iter.Seq2[ObjectVersion, error] {
	return unsupportedSeq[ObjectVersion]("list versions", prefix)
}

// Restore fails with Unsupported.
func (Unimplemented) Restore(_ context.Context, obj Object, _ time.Duration) error {
	return unsupported("restore", obj.Key)
}

// CreateContainer fails with Unsupported.
func (Unimplemented) CreateContainer(context.Context) error {
	return unsupported("create container", "")
}

// Space fails with Unsupported.
func (Unimplemented) Space(_ context.Context, prefix string) (Space, error) {
	return Space{}, unsupported("look for space", prefix)
}

// Lifecycle fails with Unsupported.
func (Unimplemented) Lifecycle(context.Context) ([]LifecycleRule, error) {
	return nil, unsupported("read lifecycle", "")
}

// SetLifecycle fails with Unsupported.
func (Unimplemented) SetLifecycle(context.Context, []LifecycleRule) (bool, error) {
	return false, unsupported("set lifecycle", "")
}
