package main

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const (
	partSize  = 16 * mib
	inFlight  = 4
	fileParts = 16 // of the file that is written and read: 256 MiB
)

type (
	// caller makes call number n with the bytes p, whose checksum is sum.
	caller = func(ctx context.Context, n int, p []byte, sum backend.Checksum) error
	// prepare returns a caller, and what cleans up after its last call.
	prepare = func(ctx context.Context, s backend.Storage) (caller, func() error, error)
)

// uploads sends parts of one upload, the same few again and again.
func uploads(ctx context.Context, s backend.Storage) (caller, func() error, error) {
	u, err := s.CreateUpload(ctx, "upload", backend.UploadOptions{Size: fileParts * partSize, PartSize: partSize})
	call := func(ctx context.Context, n int, p []byte, sum backend.Checksum) error {
		_, err := s.UploadPart(ctx, u, 1+n%fileParts, p, sum)
		return err
	}
	return call, func() error { return s.AbortUpload(context.WithoutCancel(ctx), u) }, err
}

// ranges reads the object "object", which is there, in ranges.
func ranges(ctx context.Context, s backend.Storage) (caller, func() error, error) {
	o, err := s.Stat(ctx, "object")
	call := func(ctx context.Context, n int, p []byte, _ backend.Checksum) error {
		_, err := s.ReadAt(ctx, o, p, int64(n)%(o.Size/partSize)*partSize)
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	return call, func() error { return nil }, err
}

// fileRanges makes the object before it is read for the first time.
func fileRanges(ctx context.Context, s backend.Storage) (caller, func() error, error) {
	if _, err := s.Stat(ctx, "object"); err == nil {
		return ranges(ctx, s)
	}
	u, err := s.CreateUpload(ctx, "object", backend.UploadOptions{Size: fileParts * partSize, PartSize: partSize})
	if err != nil {
		return nil, nil, err
	}
	p := make([]byte, partSize)
	for i := range p {
		p[i] = byte(i>>12) | 1
	}
	parts := make([]backend.Part, fileParts)
	for i := range parts {
		if parts[i], err = s.UploadPart(ctx, u, 1+i, p, ""); err != nil {
			return nil, nil, err
		}
	}
	if _, err := s.CompleteUpload(ctx, u, parts, backend.CompleteOptions{}); err != nil {
		return nil, nil, err
	}
	return ranges(ctx, s)
}

func puts(_ context.Context, s backend.Storage) (caller, func() error, error) {
	call := func(ctx context.Context, n int, p []byte, sum backend.Checksum) error {
		_, err := s.Put(ctx, "put-"+strconv.Itoa(n%64), p, backend.PutOptions{Checksum: sum})
		return err
	}
	return call, func() error { return nil }, nil
}

// fileWholes makes the small object before it is read for the first time.
func fileWholes(ctx context.Context, s backend.Storage) (caller, func() error, error) {
	if _, err := s.Stat(ctx, smallKey); err == nil {
		return wholes(ctx, s)
	}
	if _, err := s.Put(ctx, smallKey, make([]byte, smallSize), backend.PutOptions{}); err != nil {
		return nil, nil, err
	}
	return wholes(ctx, s)
}

// wholes reads a small object, all of it.
func wholes(ctx context.Context, s backend.Storage) (caller, func() error, error) {
	o, err := s.Stat(ctx, smallKey)
	call := func(ctx context.Context, _ int, p []byte, _ backend.Checksum) error {
		_, err := s.ReadAt(ctx, o, p, 0)
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	return call, func() error { return nil }, err
}
