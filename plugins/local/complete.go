package local

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"os"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// CompleteUpload checks the parts against the list, brings the temporary file to the disk and gives it its name. The
// CRC32C of the object follows from those of its parts; a checksum of another algorithm costs reading the file. If the file
// cannot be brought to the disk the upload is dropped, as no part of it can be trusted any more.
func (s *storage) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part,
	o backend.CompleteOptions) (backend.Object, error) {
	obj, err := s.complete(ctx, u, parts, o)
	if kindOf(err) == backend.NotFound {
		obj, err = s.settle(ctx, u, o, err)
	}
	if err != nil {
		return backend.Object{}, s.fail("complete upload", u.Key, err)
	}
	return obj, nil
}

func (s *storage) complete(ctx context.Context, u backend.Upload, parts []backend.Part,
	o backend.CompleteOptions) (backend.Object, error) {
	up, err := s.openUpload(ctx, u, true)
	if err != nil {
		return backend.Object{}, err
	}
	defer up.Close()
	if err := up.lock(ctx, 0, 0); err != nil {
		return backend.Object{}, err
	}
	sum, err := up.verify(ctx, parts, s.writer())
	if err != nil {
		return backend.Object{}, err
	}
	if err := sumMatches(ctx, up.file, up.car.upload.Size, sum, o.Checksum); err != nil {
		return backend.Object{}, err
	}
	if err := s.permits(ctx, up.folder, u.Key, o.If); err != nil {
		return backend.Object{}, err
	}
	t := &temp{File: up.file, folder: up.folder, name: tempName(u.ID)}
	obj, err := s.publish(ctx, t, u.Key, o.If, o.ModTime)
	var unsynced *syncError
	if errors.As(err, &unsynced) {
		_ = up.folder.drop(u.ID) // the error that led here is the one to report
	}
	if t.name != "" {
		return backend.Object{}, err
	}
	obj.Checksum = sum
	return obj, errors.Join(err, up.folder.drop(u.ID))
}

// verify compares parts with the list, read anew under the lock, and returns the CRC32C of the whole.
func (up *upload) verify(ctx context.Context, parts []backend.Part, writer string) (backend.Checksum, error) {
	u := up.car.upload
	if _, err := up.lines.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	car, err := readSidecar(up.lines, false)
	if err != nil {
		return "", err
	}
	if count := partCount(u); len(parts) != count && !(count == 0 && len(parts) == 1) {
		return "", because(backend.Invalid, "%d parts are named, the object has %d", len(parts), count)
	}
	var whole uint32
	for i, p := range parts {
		have, ok := car.parts[i+1]
		switch {
		case p.Number != i+1:
			return "", because(backend.Invalid, "part %d is named in place of part %d", p.Number, i+1)
		case !ok:
			return "", because(backend.Invalid, "part %d was not uploaded", p.Number)
		case p.Tag != have.Tag || p.Size != have.Size:
			return "", because(backend.Invalid, "part %d was replaced: it has the tag %s, not %s", p.Number, have.Tag, p.Tag)
		}
		ok, err := up.holds(ctx, have, writer)
		if err != nil {
			return "", err
		}
		if !ok {
			return "", because(backend.Invalid, "part %d was lost when the machine stopped", p.Number)
		}
		sum, _ := have.Checksum.CRC32C()
		whole = backend.CombineCRC32C(whole, sum, have.Size)
	}
	info, err := up.file.Stat()
	if err == nil && info.Size() != u.Size {
		err = because(backend.Corrupt, "the temporary file has %d bytes, must have %d", info.Size(), u.Size)
	}
	return backend.CRC32CChecksum(whole), err
}

// settle answers a CompleteUpload of an upload that is gone: an earlier attempt did the work if the object is there as it
// would have made it. The list of parts may still be there if that attempt was killed.
func (s *storage) settle(ctx context.Context, u backend.Upload, o backend.CompleteOptions, gone error) (backend.Object, error) {
	f, info, err := s.openFile(u.Key, "")
	if err != nil {
		return backend.Object{}, errIs(err, backend.NotFound, gone)
	}
	defer f.Close()
	obj := object(u.Key, info)
	if obj.Size != u.Size {
		return backend.Object{}, gone
	}
	if o.Checksum != "" {
		if err := sumMatches(ctx, f, obj.Size, "", o.Checksum); err != nil {
			return backend.Object{}, errIs(err, backend.Corrupt, gone)
		}
		obj.Checksum = o.Checksum
	}
	return obj, s.abortUpload(ctx, u)
}

// errIs returns instead for an error of this kind, and err otherwise.
func errIs(err error, kind backend.Kind, instead error) error {
	if kindOf(err) == kind {
		return instead
	}
	return err
}

// sumMatches fails with Corrupt if the file does not have the checksum want. known is a checksum that needs no reading.
func sumMatches(ctx context.Context, f *os.File, size int64, known, want backend.Checksum) (err error) {
	if want == "" {
		return nil
	}
	if known.Algorithm() != want.Algorithm() {
		if known, err = sumRange(ctx, f, 0, size, want.Algorithm()); err != nil {
			return err
		}
	}
	if known.Contradicts(want) {
		return because(backend.Corrupt, "the object has %s, not %s", known, want)
	}
	return nil
}

// sumRange reads n bytes at off and returns their checksum.
func sumRange(ctx context.Context, f *os.File, off, n int64, a backend.Algorithm) (backend.Checksum, error) {
	h := newHash(a)
	if h == nil {
		return "", because(backend.Invalid, "checksum algorithm %q is not known here", a)
	}
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	buf := make([]byte, min(n, 256<<10))
	for end := off + n; off < end; {
		chunk := buf[:min(int64(len(buf)), end-off)]
		if _, err := readSparse(ctx, f, chunk, off, hasHoles(info)); errors.Is(err, io.EOF) {
			return "", io.ErrUnexpectedEOF
		} else if err != nil {
			return "", err
		}
		h.Write(chunk)
		off += int64(len(chunk))
	}
	return backend.NewChecksum(a, h.Sum(nil)), nil
}

func newHash(a backend.Algorithm) hash.Hash {
	switch a {
	case backend.CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case backend.CRC64NVME:
		return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5))
	case backend.MD5:
		return md5.New()
	case backend.SHA256:
		return sha256.New()
	}
	return nil
}
