package local

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// CreateUpload makes the temporary file in its full size, but without blocks, and the list of parts. It fails with Full if
// the file system has less room than the object may take.
func (s *storage) CreateUpload(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
	u := backend.Upload{Key: key, ID: newID(), Size: o.Size, PartSize: o.PartSize, Created: time.Now()}
	if err := s.createUpload(ctx, u, o.Meta); err != nil {
		return backend.Upload{}, s.fail("create upload", key, err)
	}
	return u, nil
}

func (s *storage) createUpload(ctx context.Context, u backend.Upload, meta map[string]string) (err error) {
	if err := s.check(ctx, u.Key); err != nil {
		return err
	}
	if !divides(u.Size, u.PartSize) {
		return because(backend.Invalid, "%d bytes in parts of %d: at most %d parts are possible", u.Size, u.PartSize, maxParts)
	}
	f, err := s.folder(parent(u.Key), true)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.permits(ctx, f, u.Key, backend.Condition{}); err != nil {
		return err
	}
	if err := s.hasRoom(f, u.Size); err != nil {
		return err
	}
	car, err := f.root.OpenFile(sidecarName(u.ID), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(appendLine(car, headerLine(u)), car.Close())
	if err == nil {
		var t *temp
		if t, err = s.newTemp(f, u.ID); err == nil {
			err = errors.Join(t.Truncate(u.Size), setMeta(t.File, meta), t.Close())
		}
	}
	if err != nil {
		_ = f.drop(u.ID) // the error that led here is the one to report
	}
	return err
}

// hasRoom compares with the free space of the file system, where that is known.
func (s *storage) hasRoom(f *folder, size int64) error {
	if free, ok := f.freeSpace(); ok && free < size {
		return because(backend.Full, "needs %s, %s free on %s", iec(size), iec(free), s.dir)
	}
	return nil
}

// iec writes a size for people: "4.0 GiB".
func iec(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1024 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTPE"[unit])
}

// UploadPart writes the part into its place in the temporary file. It locks that place: another process that still writes
// the same part cannot mix its bytes in, and CompleteUpload waits for it.
func (s *storage) UploadPart(ctx context.Context, u backend.Upload, n int, p []byte,
	sum backend.Checksum) (backend.Part, error) {
	part, err := s.uploadPart(ctx, u, n, p, sum)
	if err != nil {
		return backend.Part{}, s.fail(fmt.Sprintf("upload part %d", n), u.Key, err)
	}
	return part, nil
}

func (s *storage) uploadPart(ctx context.Context, u backend.Upload, n int, p []byte,
	sum backend.Checksum) (backend.Part, error) {
	up, err := s.openUpload(ctx, u, true)
	if err != nil {
		return backend.Part{}, err
	}
	defer up.Close()
	off, size, err := partRange(up.car.upload, n)
	if err != nil {
		return backend.Part{}, err
	}
	if int64(len(p)) != size {
		return backend.Part{}, because(backend.Invalid, "it has %d bytes, must have %d", len(p), size)
	}
	got := backend.SumCRC32C(p)
	if got.Contradicts(sum) {
		return backend.Part{}, because(backend.Corrupt, "the bytes have %s, not %s", got, sum)
	}
	if err := up.lock(ctx, off, max(size, 1)); err != nil {
		return backend.Part{}, err
	}
	if err := appendLine(up.lines, voidLine(n)); err != nil {
		return backend.Part{}, err
	}
	fresh := nextData(up.file, off, off+size) == off+size
	if err := writeSparse(ctx, up.file, p, off, fresh); err != nil {
		return backend.Part{}, err
	}
	startWriteback(up.file, off, size)
	part := backend.Part{Number: n, Size: size, Tag: newTag(got), Checksum: got}
	if err := appendLine(up.lines, partLine(sidecarPart{part, s.writer()})); err != nil {
		return backend.Part{}, err
	}
	if err := up.file.Close(); err != nil { // a network file system may report here that bytes were lost
		return backend.Part{}, errors.Join(err, appendLine(up.lines, voidLine(n)))
	}
	return part, nil
}

// newTag makes a tag that no other write of the part has.
func newTag(sum backend.Checksum) string {
	var number [8]byte
	rand.Read(number[:]) // never fails
	return fmt.Sprintf("%s-%016x", hex.EncodeToString(sum.Bytes()), binary.BigEndian.Uint64(number[:]))
}

// partRange returns where part n lies in the object.
func partRange(u backend.Upload, n int) (off, size int64, err error) {
	if count := partCount(u); n < 1 || n > max(count, 1) {
		return 0, 0, because(backend.Invalid, "there is no part %d: %d bytes in parts of %d are %d parts", n, u.Size, u.PartSize, count)
	}
	off = int64(n-1) * u.PartSize
	return off, min(u.PartSize, u.Size-off), nil
}

func partCount(u backend.Upload) int {
	if u.Size == 0 {
		return 0
	}
	return int((u.Size-1)/u.PartSize) + 1
}

// ListParts yields what the list of parts says. Parts that were written before the machine last started are read and
// compared first: without a sync their bytes may be lost.
func (s *storage) ListParts(ctx context.Context, u backend.Upload) iter.Seq2[backend.Part, error] {
	return func(yield func(backend.Part, error) bool) {
		up, err := s.openUpload(ctx, u, false)
		if err != nil {
			yield(backend.Part{}, s.fail("list parts", u.Key, err))
			return
		}
		defer up.Close()
		for _, part := range up.car.sorted() {
			ok, err := up.holds(ctx, part, s.writer())
			if err != nil {
				yield(backend.Part{}, s.fail("list parts", u.Key, err))
				return
			}
			if ok && !yield(part.Part, nil) {
				return
			}
		}
	}
}

// AbortUpload removes both files. It does not wait for parts that are being written: they go to a file without a name.
// Given a leftover that ListUploads named, it removes that, unless a running Put or Copy writes it: that is Busy.
func (s *storage) AbortUpload(ctx context.Context, u backend.Upload) error {
	if err := s.abortUpload(ctx, u); err != nil {
		return s.fail("abort upload", u.Key, err)
	}
	return nil
}

func (s *storage) abortUpload(ctx context.Context, u backend.Upload) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !validID(u.ID) {
		return nil
	}
	if dir := parent(u.Key); dir != "." {
		if err := checkKey(dir); err != nil {
			return because(backend.Invalid, "%w", err)
		}
	}
	f, err := s.folder(parent(u.Key), false)
	if kindOf(err) == backend.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if path.Base(u.Key) == tempName(u.ID) && f.inUse(tempName(u.ID)) {
		return because(backend.Busy, "another process is writing it")
	}
	return f.drop(u.ID)
}

// drop removes the files of an upload, the list last: while it is there the upload can be found.
func (f *folder) drop(id string) error {
	for _, name := range []string{tempName(id), sidecarName(id)} {
		if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// inUse reports whether somebody holds the lock of a temporary file.
func (f *folder) inUse(name string) bool {
	file, err := f.root.OpenFile(name, os.O_RDWR|nonBlock, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	free, err := tryLock(file)
	return err == nil && !free
}

// upload is an open multipart upload.
type upload struct {
	folder *folder
	file   *os.File // the bytes
	lines  *os.File // the list of parts, for appending
	car    *sidecar // what the list said when it was opened; Key is that of the object
}

// openUpload opens both files. It is NotFound if one of them is missing.
func (s *storage) openUpload(ctx context.Context, u backend.Upload, headOnly bool) (*upload, error) {
	if err := s.check(ctx, u.Key); err != nil {
		return nil, err
	}
	if !validID(u.ID) {
		return nil, because(backend.NotFound, "there is no upload %q", u.ID)
	}
	up := &upload{}
	err := up.open(s, u, headOnly)
	if err != nil {
		up.Close()
	}
	if kindOf(err) == backend.NotFound {
		err = because(backend.NotFound, "the upload was completed or aborted: %w", err)
	}
	return up, err
}

func (up *upload) open(s *storage, u backend.Upload, headOnly bool) (err error) {
	if up.folder, err = s.folder(parent(u.Key), false); err != nil {
		return err
	}
	if up.file, err = up.folder.root.OpenFile(tempName(u.ID), os.O_RDWR|nonBlock, 0); err != nil {
		return err
	}
	if up.lines, err = up.folder.root.OpenFile(sidecarName(u.ID), os.O_RDWR|os.O_APPEND|nonBlock, 0); err != nil {
		return err
	}
	if up.car, err = readSidecar(up.lines, headOnly); err != nil {
		return err
	}
	if up.car.upload.Key != path.Base(u.Key) {
		return because(backend.NotFound, "the upload is of %q", up.car.upload.Key)
	}
	up.car.upload.Key, up.car.upload.ID = u.Key, u.ID
	return nil
}

func (up *upload) Close() {
	if up.folder == nil {
		return
	}
	for _, f := range []*os.File{up.file, up.lines} {
		if f != nil {
			_ = f.Close()
		}
	}
	up.folder.Close()
}

// lock locks a range of the bytes, n 0 being all, and makes sure that the upload is still there then: whoever had the lock
// before may have completed it, and its file is an object now.
func (up *upload) lock(ctx context.Context, off, n int64) error {
	if err := waitLock(ctx, func() (bool, error) { return tryLockRange(up.file, off, n) }); err != nil {
		return err
	}
	have, err := up.file.Stat()
	if err != nil {
		return err
	}
	named, err := up.folder.root.Lstat(tempName(up.car.upload.ID))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(have, named) {
		return because(backend.NotFound, "the upload was completed or aborted")
	}
	return err
}

// holds reports whether the bytes of part are there: without a look if this provider wrote them.
func (up *upload) holds(ctx context.Context, part sidecarPart, writer string) (bool, error) {
	off, size, err := partRange(up.car.upload, part.Number)
	if err != nil || size != part.Size {
		return false, nil //nolint:nilerr // such a part cannot be completed with, so it does not count
	}
	if part.writer == writer {
		return true, nil
	}
	got, err := sumRange(ctx, up.file, off, size, backend.CRC32C)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return got == part.Checksum, err
}
