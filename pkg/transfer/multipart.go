package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/event"
)

const (
	corruptTries   = 3 // of one part, or of an object in one request, whose bytes arrive wrong
	completeTries  = 3 // of an upload whose parts were replaced by late repeats
	abortPatience  = 20 * time.Second
	firstPartIndex = 1
)

// multipart is one object on its way in parts.
type multipart struct {
	e        *Engine
	from, to Ref
	src      backend.Object
	info     backend.Info
	o        CopyOptions
	upload   backend.Upload
	hash     *inOrder // nil if no SHA-256 was asked for
	hashed   int      // parts that were in hash at the start

	mu    sync.Mutex
	parts map[int]backend.Part // what the destination holds, with our CRC32C
	res   Result
}

func (e *Engine) multipart(ctx context.Context, from, to Ref, src backend.Object, partSize int64, o CopyOptions) (Result, error) {
	src, err := withChecksum(ctx, from, src)
	if err != nil {
		return Result{}, sourceError(from, err)
	}
	m := &multipart{e: e, from: from, to: to, src: src, info: to.Storage.Info(), o: o, parts: map[int]backend.Part{}}
	if o.SHA256 {
		m.hash = newInOrder()
	}
	err = m.open(ctx, partSize)
	if err == nil {
		err = m.send(ctx)
	}
	if err == nil {
		err = m.finish(ctx)
	}
	if err != nil {
		return m.res, m.settle(ctx, err)
	}
	return m.res, nil
}

// withChecksum asks for the checksum by which the bytes are judged when all parts are there: lists do not tell it.
func withChecksum(ctx context.Context, from Ref, src backend.Object) (backend.Object, error) {
	if src.Checksum.Algorithm() == backend.CRC32C {
		return src, nil
	}
	now, err := from.Storage.Stat(ctx, from.Key)
	if err == nil && now.Checksum.Algorithm() == backend.CRC32C && sameVersion(src, now) {
		src.Checksum = now.Checksum
	}
	return src, err
}

// open continues the upload of the checkpoint or creates one.
func (m *multipart) open(ctx context.Context, partSize int64) error {
	if m.o.Resume != nil {
		resumed, err := m.resume(ctx, *m.o.Resume)
		if resumed || err != nil {
			return destinationError(m.to, err)
		}
	}
	if err := m.note(Note{Begin: &Begin{Source: m.src, Time: time.Now()}}); err != nil {
		return err
	}
	u, err := m.to.Storage.CreateUpload(ctx, m.to.Key,
		backend.UploadOptions{Size: m.src.Size, PartSize: partSize, Meta: m.o.Meta, ModTime: m.src.ModTime})
	if err != nil {
		return destinationError(m.to, err)
	}
	m.upload = u
	return m.note(Note{Upload: &u})
}

// resume takes over what an earlier Copy left, as far as the destination confirms it. It reports whether there is an
// upload to go on with; if not, nothing of the earlier one is left.
func (m *multipart) resume(ctx context.Context, c Checkpoint) (bool, error) {
	if c.Upload.ID == "" {
		if c.Begun.IsZero() || !m.info.Can.ListUploads {
			return false, nil
		}
		_, err := backend.AbortUploads(ctx, m.to.Storage, m.to.Key, c.Begun)
		return false, err
	}
	if !sameVersion(c.Source, m.src) || !m.info.Can.ListParts {
		m.warn("the source has changed since the transfer was interrupted; it starts again")
		return false, m.to.Storage.AbortUpload(ctx, c.Upload)
	}
	err := m.confirm(ctx, c)
	if errors.Is(err, backend.NotFound) {
		return m.resumeCompleted(ctx, c)
	}
	if err != nil {
		return false, err
	}
	m.upload = c.Upload
	if m.hash != nil && c.Hashed > 0 {
		if err := m.hash.restore(c.Hashed, c.Hash); err != nil {
			m.warn(err.Error())
		}
		m.hashed = m.hash.done
	}
	return true, nil
}

// confirm fills parts with those of the checkpoint that the destination still holds.
func (m *multipart) confirm(ctx context.Context, c Checkpoint) error {
	for held, err := range m.to.Storage.ListParts(ctx, c.Upload) {
		if err != nil {
			return err
		}
		ours, ok := c.Parts[held.Number]
		if ok && ours.Tag == held.Tag && ours.Size == held.Size {
			m.parts[held.Number] = ours
			m.res.Reused += held.Size
		}
	}
	return nil
}

// resumeCompleted handles an upload that is gone. If the earlier process died between completing it and writing that down,
// the object is there, and completing once more confirms it.
func (m *multipart) resumeCompleted(ctx context.Context, c Checkpoint) (bool, error) {
	m.parts, m.res.Reused = map[int]backend.Part{}, 0
	if len(c.Parts) < partCount(c.Upload) || m.hash != nil && c.Hashed < partCount(c.Upload) {
		return false, nil
	}
	if m.hash != nil {
		if err := m.hash.restore(c.Hashed, c.Hash); err != nil {
			m.warn(err.Error())
			return false, nil
		}
		m.hashed = c.Hashed
	}
	_, err := m.to.Storage.CompleteUpload(ctx, c.Upload, ascending(c.Parts), backend.CompleteOptions{Checksum: combined(c.Parts, c.Upload)})
	if errors.Is(err, backend.NotFound) {
		return false, nil
	}
	m.upload, m.parts, m.res.Reused = c.Upload, c.Parts, m.src.Size
	return true, err
}

// send uploads the parts that the destination does not hold yet. Buffers are taken in the order of parts, so the part whose
// turn it is to be hashed always has one.
func (m *multipart) send(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.e.streams)
	if m.info.Can.Sequential {
		g.SetLimit(1)
	}
	for n := firstPartIndex; n <= partCount(m.upload); n++ {
		_, have := m.held(n)
		if have && (m.hash == nil || n <= m.hashed) {
			continue
		}
		buf, err := m.e.pool.Get(ctx, partLen(m.upload, n))
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		g.Go(func() error {
			defer m.e.pool.Put(buf)
			return m.part(ctx, n, buf)
		})
	}
	return g.Wait()
}

// part reads part n into buf, hashes it and uploads it unless the destination holds it.
func (m *multipart) part(ctx context.Context, n int, buf []byte) error {
	sum, err := m.read(ctx, n, buf)
	if err != nil {
		return err
	}
	if m.hash != nil {
		state, err := m.hash.add(ctx, n, buf)
		if err != nil {
			return err
		}
		if state != nil {
			if err := m.note(Note{Hash: &Hash{Parts: n, State: state}}); err != nil {
				return err
			}
		}
	}
	if held, ok := m.held(n); ok {
		if held.Checksum.Contradicts(sum) {
			return sourceError(m.from, otherBytes(fmt.Sprintf("read part %d", n), m.src, held.Checksum, sum))
		}
		return nil
	}
	return m.uploadPart(ctx, n, buf, sum)
}

func (m *multipart) read(ctx context.Context, n int, buf []byte) (backend.Checksum, error) {
	off := int64(n-firstPartIndex) * m.upload.PartSize
	if err := readFull(ctx, m.from.Storage, m.src, buf, off); err != nil {
		return "", sourceError(m.from, fmt.Errorf("part %d: %w", n, err))
	}
	return backend.SumCRC32C(buf), nil
}

// uploadPart sends buf as part n. A part that arrives corrupted is read again from the source, so that a bit that flipped in
// memory does not stay, and sent again.
func (m *multipart) uploadPart(ctx context.Context, n int, buf []byte, sum backend.Checksum) error {
	if err := m.e.pace.wait(ctx, int64(len(buf))); err != nil {
		return err
	}
	part, err := m.to.Storage.UploadPart(ctx, m.upload, n, buf, sum)
	for try := 1; errors.Is(err, backend.Corrupt) && try < corruptTries; try++ {
		again, readErr := m.read(ctx, n, buf)
		if readErr != nil {
			return readErr
		}
		if again != sum {
			return sourceError(m.from, otherBytes(fmt.Sprintf("read part %d", n), m.src, sum, again))
		}
		part, err = m.to.Storage.UploadPart(ctx, m.upload, n, buf, sum)
	}
	if err != nil {
		return destinationError(m.to, err)
	}
	part.Number, part.Size, part.Checksum = n, int64(len(buf)), sum
	m.mu.Lock()
	m.parts[n] = part
	m.res.Moved += part.Size
	m.mu.Unlock()
	m.e.events.Emit(m.o.Step, m.o.Item, event.Moved{Bytes: part.Size})
	return m.note(Note{Part: &part})
}

// finish makes the object visible. A repeat of a part that a server applied late changes the part's tag: such parts are
// found by listing, sent again, and the upload is completed with the new tags.
func (m *multipart) finish(ctx context.Context) error {
	sum := combined(m.parts, m.upload)
	if m.src.Checksum.Contradicts(sum) {
		return sourceError(m.from, corrupt("read", m.src.Key, "the bytes have %s, the object should have %s", sum, m.src.Checksum))
	}
	if err := m.e.unchanged(ctx, m.from, m.src); err != nil {
		return err
	}
	o := backend.CompleteOptions{If: m.o.If, Checksum: sum, ModTime: m.src.ModTime}
	var refused error
	for try := 1; ; try++ {
		resent, err := m.reconcile(ctx)
		if err != nil {
			return err
		}
		if refused != nil && !resent { // it would be refused again
			return destinationError(m.to, refused)
		}
		obj, err := m.to.Storage.CompleteUpload(ctx, m.upload, ascending(m.parts), o)
		if errors.Is(err, backend.Invalid) && m.info.Can.ListParts && try < completeTries {
			refused = err
			continue
		}
		if err == nil {
			err = checkFinished(obj, m.src.Size, sum)
		}
		if err != nil {
			return destinationError(m.to, err)
		}
		m.res.Object, m.res.Checksum = obj, sum
		if m.hash != nil {
			m.res.SHA256 = m.hash.sum()
		}
		return nil
	}
}

// reconcile sends again what the destination does not hold as we know it, and reports whether there was such a part.
func (m *multipart) reconcile(ctx context.Context) (resent bool, err error) {
	if !m.info.Can.ListParts {
		return false, nil
	}
	listed := map[int]backend.Part{}
	for held, err := range m.to.Storage.ListParts(ctx, m.upload) {
		if errors.Is(err, backend.NotFound) { // completed by an earlier attempt: CompleteUpload settles it
			return false, nil
		}
		if err != nil {
			return false, destinationError(m.to, err)
		}
		listed[held.Number] = held
	}
	m.mu.Lock()
	for n, ours := range m.parts {
		if held, ok := listed[n]; !ok || held.Tag != ours.Tag || held.Size != ours.Size {
			delete(m.parts, n)
			resent = true
		}
	}
	m.mu.Unlock()
	if !resent {
		return false, nil
	}
	m.hashed = partCount(m.upload)
	return true, m.send(ctx)
}

// settle decides what becomes of an upload that did not finish: it stays if a later Copy can go on with it.
func (m *multipart) settle(ctx context.Context, cause error) error {
	if m.upload.ID == "" || m.resumable(cause) {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer cancel()
	if err := m.to.Storage.AbortUpload(ctx, m.upload); err != nil {
		return errors.Join(cause, fmt.Errorf("left behind: upload %s of %s: %w", m.upload.ID, m.to.At, err))
	}
	return cause
}

func (m *multipart) resumable(cause error) bool {
	if m.o.Note == nil || !m.info.Can.ListParts {
		return false
	}
	switch backend.KindOf(cause) {
	case backend.Changed, backend.Exists, backend.NotFound, backend.Invalid, backend.Unsupported, backend.Corrupt:
		return false
	}
	return true
}

func (m *multipart) held(n int) (backend.Part, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.parts[n]
	return p, ok
}

func (m *multipart) note(n Note) error {
	if m.o.Note == nil {
		return nil
	}
	return m.o.Note(n)
}

func (m *multipart) warn(text string) {
	m.e.events.Emit(m.o.Step, m.o.Item, event.Warning{Text: text})
}

func otherBytes(op string, src backend.Object, first, second backend.Checksum) error {
	return corrupt(op, src.Key, "the same version of the object gave %s and then %s", first, second)
}

// sameVersion reports whether a and b are certainly the same content.
func sameVersion(a, b backend.Object) bool {
	if a.Version != "" || b.Version != "" {
		return a.Version == b.Version
	}
	return a.Size == b.Size && !a.ModTime.IsZero() && a.ModTime.Equal(b.ModTime)
}

func partCount(u backend.Upload) int { return int(ceilDiv(u.Size, u.PartSize)) }

func partLen(u backend.Upload, n int) int64 {
	return min(u.PartSize, u.Size-int64(n-firstPartIndex)*u.PartSize)
}

func ascending(parts map[int]backend.Part) []backend.Part {
	list := make([]backend.Part, 0, len(parts))
	for n := firstPartIndex; len(list) < len(parts); n++ {
		if p, ok := parts[n]; ok {
			list = append(list, p)
		}
	}
	return list
}

// combined returns the CRC32C of the object made of parts, all of which carry theirs.
func combined(parts map[int]backend.Part, u backend.Upload) backend.Checksum {
	var sum uint32
	for n := firstPartIndex; n <= partCount(u); n++ {
		part, _ := parts[n].Checksum.CRC32C()
		sum = backend.CombineCRC32C(sum, part, parts[n].Size)
	}
	return backend.CRC32CChecksum(sum)
}

// readFull fills buf from obj at off.
func readFull(ctx context.Context, s backend.Storage, obj backend.Object, buf []byte, off int64) error {
	if len(buf) == 0 {
		return nil
	}
	n, err := s.ReadAt(ctx, obj, buf, off)
	if n == len(buf) && (err == nil || errors.Is(err, io.EOF)) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return corrupt("read", obj.Key, "the object ended after %d bytes, it should have %d", off+int64(n), obj.Size)
	}
	return err
}
