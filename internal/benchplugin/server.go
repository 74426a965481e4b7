package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	objectSize = 1 << 40 // of every object that is read in ranges
	smallSize  = 16 * kib
	smallKey   = "small" // has that size
)

// server is the S3 server, in a process of its own, so that its work is not that of a client.
type server struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer // the server ends with it
}

func startServer() (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(self, "server")}
	s.cmd.Stderr = os.Stderr
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.stdin = stdin
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server said nothing: %w", err), s.stop())
	}
	s.url = strings.TrimSpace(line)
	return s, nil
}

func (s *server) stop() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}

// serveObjects is the server: it says where it is, and ends with its standard input. It keeps nothing, and what it sends was
// in memory before, so that as much as possible of the time is the client's.
func serveObjects(stdin io.Reader, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: &objects{bytes: make([]byte, mib), parts: map[int]string{}}} //nolint:gosec // serves this program only
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(listener) }()
	if _, err := fmt.Fprintf(stdout, "http://%s\n", listener.Addr()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, stdin)
	if err := s.Close(); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// objects answers as S3 does, as far as the client asks here: every object is there, and there is one upload.
type objects struct {
	bytes []byte

	mu    sync.Mutex
	parts map[int]string // of the upload, as a list shows them
}

const (
	tag       = `"0123456789abcdef0123456789abcdef"`
	sumHeader = "X-Amz-Checksum-Crc32c"
)

func (o *objects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Etag"] = []string{tag}
	switch r.Method {
	case http.MethodPut:
		if sum := r.Header.Get(sumHeader); sum != "" {
			h[sumHeader] = []string{sum}
		}
		if err := discard(r.Body, r.ContentLength); err != nil {
			panic(http.ErrAbortHandler)
		}
		o.note(r)
	case http.MethodPost:
		o.upload(w, r)
	case http.MethodHead:
		h.Set("Content-Length", strconv.FormatInt(sizeOf(r.URL.Path), 10))
	case http.MethodGet:
		if r.URL.Query().Has("uploadId") {
			o.list(w)
			return
		}
		o.send(w, r)
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotImplemented)
	}
}

// discard reads a body in pieces that fit into the processor's cache.
func discard(body io.Reader, n int64) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, body, make([]byte, min(256*kib, max(1, n))))
	return err
}

// upload begins an upload or completes it.
func (o *objects) upload(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.URL.Query().Has("uploads") {
		o.mu.Lock()
		clear(o.parts)
		o.mu.Unlock()
		w.Header().Set("X-Amz-Checksum-Algorithm", "CRC32C")
		w.Header().Set("X-Amz-Checksum-Type", "FULL_OBJECT")
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
		return
	}
	fmt.Fprintf(w, "<CompleteMultipartUploadResult><ETag>%s</ETag><ChecksumCRC32C>%s</ChecksumCRC32C>"+
		"<ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>", tag, r.Header.Get(sumHeader))
}

// note keeps what is to be said of a part.
func (o *objects) note(r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if err != nil {
		return // an object
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.parts[n] = fmt.Sprintf("<Part><PartNumber>%d</PartNumber><Size>%d</Size><ETag>%s</ETag><ChecksumCRC32C>%s</ChecksumCRC32C></Part>",
		n, r.ContentLength, tag, r.Header.Get(sumHeader))
}

// list tells all parts at once.
func (o *objects) list(w http.ResponseWriter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprint(w, "<ListPartsResult><ChecksumType>FULL_OBJECT</ChecksumType>")
	for _, n := range slices.Sorted(maps.Keys(o.parts)) {
		fmt.Fprint(w, o.parts[n])
	}
	fmt.Fprint(w, "</ListPartsResult>")
}

func sizeOf(path string) int64 {
	if strings.HasSuffix(path, "/"+smallKey) {
		return smallSize
	}
	return objectSize
}

// send answers with a range, or with a whole object.
func (o *objects) send(w http.ResponseWriter, r *http.Request) {
	size := sizeOf(r.URL.Path)
	first, n, status := int64(0), size, http.StatusOK
	if given, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		from, to, _ := strings.Cut(given, "-")
		last, err := strconv.ParseInt(to, 10, 64)
		if err == nil {
			first, err = strconv.ParseInt(from, 10, 64)
		}
		if err != nil || last < first || last >= size {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		n, status = last-first+1, http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size))
	}
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	w.WriteHeader(status)
	for n > 0 {
		written, err := w.Write(o.bytes[:min(n, int64(len(o.bytes)))])
		if err != nil {
			return
		}
		n -= int64(written)
	}
}
