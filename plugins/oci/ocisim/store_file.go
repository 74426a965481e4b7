package ocisim

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"sync"
)

// received is a run of bytes that has arrived in a file of the store which nothing uses yet.
type received struct {
	segment
	CRC32C uint32
	MD5    string // base64 as are the others; empty unless asked for
	SHA256 string
	SHA384 string
}

// digests are the checksums to compute beside CRC32C.
type digests struct{ md5, sha256, sha384 bool }

// receive writes body to a new file while hashing it. It reads through two windows, so that hashes other than
// CRC32C, the slowest part, run beside reading and writing. On an error no file remains. It needs no lock.
func (st *store) receive(body io.Reader, want digests) (*received, error) {
	name := newUUID()
	f, err := os.OpenFile(st.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	rec := &received{segment: segment{File: name}}
	err = st.fill(rec, f, body, want)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		st.discard(name)
		return nil, err
	}
	return rec, nil
}

// measure hashes a file that is not in the store, and gives it the name that it will have there.
func (st *store) measure(path string, want digests) (*received, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rec := &received{segment: segment{File: newUUID()}}
	return rec, st.fill(rec, io.Discard, f, want)
}

// fill copies body to f and fills in rec.
func (st *store) fill(rec *received, f io.Writer, body io.Reader, want digests) error {
	var hashes []hash.Hash
	var sums []*string
	for _, h := range []struct {
		want bool
		make func() hash.Hash
		to   *string
	}{{want.md5, md5.New, &rec.MD5}, {want.sha256, sha256.New, &rec.SHA256}, {want.sha384, sha512.New384, &rec.SHA384}} {
		if h.want {
			hashes, sums = append(hashes, h.make()), append(sums, h.to)
		}
	}
	first, second := st.window(), st.window()
	defer st.windows.Put(first)
	defer st.windows.Put(second)
	var hashing sync.WaitGroup
	defer hashing.Wait() // before the windows go back
	for table := castagnoli(); ; first, second = second, first {
		n, err := io.ReadFull(body, *first)
		p := (*first)[:n]
		hashing.Wait()
		if n < 16<<10 || len(hashes) == 0 {
			writeAll(hashes, p)
		} else {
			hashing.Go(func() { writeAll(hashes, p) })
		}
		rec.CRC32C = crc32.Update(rec.CRC32C, table, p)
		rec.Size += int64(n)
		if _, err := f.Write(p); err != nil {
			return fmt.Errorf("store object data: %w", err)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break // the caller compares Size with what was announced
		}
		if err != nil {
			return fail(400, "InvalidContentLength", "The request body ended early: %v", err)
		}
	}
	hashing.Wait()
	for i, h := range hashes {
		*sums[i] = encode64(h.Sum(nil))
	}
	return nil
}

func writeAll(hashes []hash.Hash, p []byte) {
	for _, h := range hashes {
		h.Write(p)
	}
}

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// objectReader reads a range of an object as it was when the reader was made, whatever happens to the object since.
type objectReader struct {
	s     *Server
	files []segment // all of the object's, held until Close
	queue []piece   // what is left to read
	open  *os.File
}

// piece is a run of bytes of one file.
type piece struct {
	file   string
	off, n int64
}

// newReader returns a reader of n bytes of the object from off. The caller holds s.mu; who closes the reader does not.
func (s *Server) newReader(o *object, off, n int64) *objectReader {
	r := &objectReader{s: s, files: o.Files}
	for _, seg := range o.Files {
		s.store.retain(seg.File)
		if off < seg.Size && n > 0 {
			m := min(n, seg.Size-off)
			r.queue = append(r.queue, piece{seg.File, off, m})
			n -= m
			off += m
		}
		off -= min(off, seg.Size)
	}
	return r
}

func (r *objectReader) Read(p []byte) (int, error) {
	if err := r.next(); err != nil {
		return 0, err
	}
	head := &r.queue[0]
	n, err := r.open.Read(p[:min(int64(len(p)), head.n)])
	head.off += int64(n)
	head.n -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the file is shorter than it was
	}
	return n, err
}

// WriteTo lets the kernel copy files to a connection where it can.
func (r *objectReader) WriteTo(w io.Writer) (sent int64, err error) {
	for {
		err := r.next()
		if errors.Is(err, io.EOF) {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		n, err := io.CopyN(w, r.open, r.queue[0].n)
		sent += n
		if err != nil {
			return sent, err
		}
		r.queue[0].n = 0
	}
}

// next makes sure that open stands where the next byte is to be read.
func (r *objectReader) next() error {
	for len(r.queue) > 0 && r.queue[0].n == 0 {
		r.queue = r.queue[1:]
		r.closeFile()
	}
	if len(r.queue) == 0 {
		return io.EOF
	}
	if r.open != nil {
		return nil
	}
	f, err := os.Open(r.s.store.path(r.queue[0].file))
	if err != nil {
		return err
	}
	r.open = f
	_, err = f.Seek(r.queue[0].off, io.SeekStart)
	return err
}

func (r *objectReader) closeFile() {
	if r.open != nil {
		_ = r.open.Close() // only read
		r.open = nil
	}
}

// Close lets go of the files.
func (r *objectReader) Close() error {
	r.closeFile()
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.store.releaseAll(r.files)
	r.files = nil
	return nil
}
