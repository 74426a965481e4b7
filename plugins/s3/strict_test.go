package s3

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// strict is one bucket of a service that speaks S3 over HTTP and holds every key. It insists on what Amazon insists on:
// signatures for its region, checksums of bodies, conditions, parts of a least size, and the caller's key on each request where one
// is used. Its fields make it less able, or let requests go wrong.
type strict struct {
	region      string
	noSums      bool                                                     // ignores CRC32C, as older services do
	refuseSums  bool                                                     // refuses requests that mention it
	composes    bool                                                     // verifies the parts, not the whole
	refuseMatch bool                                                     // refuses a condition on a delete
	unsealed    bool                                                     // takes bodies that nothing verifies
	cut         bool                                                     // and keeps all but the last byte
	versioned   bool                                                     // keeps what is replaced or deleted
	page        int                                                      // entries of a list
	key         []byte                                                   // the caller's own, of all objects
	fault       func(w http.ResponseWriter, r *http.Request) (done bool) // before a request
	after       func(r *http.Request) (lost bool)                        // after it was carried out

	mu      sync.Mutex
	objects map[string]*strictObject
	history map[string][]*strictObject // newest first, where versioned
	uploads map[string]*strictUpload
	ids     int
	seen    []*http.Request
}

// strictMinPart is the least part, in bytes: less than Amazon's, to save time.
const strictMinPart = 16 << 10

type strictObject struct {
	data     []byte
	etag     string
	sum      string // base64 CRC32C
	sumType  string
	header   http.Header
	modified time.Time
	version  string
	marker   bool
}

type strictUpload struct {
	key     string
	header  http.Header
	parts   map[int]*strictObject
	created time.Time
	summed  bool
}

func (s *strict) start(t testing.TB) (*httptest.Server, Config) {
	t.Helper()
	s.objects, s.history, s.uploads = map[string]*strictObject{}, map[string][]*strictObject{}, map[string]*strictUpload{}
	if s.page == 0 {
		s.page = 1000
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	none := t.TempDir() + "/none"
	return server, Config{Endpoint: server.URL, Credentials: Credentials{AccessKey: testAccess, SecretKey: testSecret, CredentialsFile: none, ConfigFile: none}}
}

// open returns the bucket as if it were Amazon's.
func (s *strict) open(t testing.TB, change func(*Config)) (*Provider, backend.Storage) {
	t.Helper()
	_, c := s.start(t)
	if change != nil {
		change(&c)
	}
	p := provider(t, c)
	p.o.aws = true // all keys are sent as they are
	p.minPart = strictMinPart
	return p, storage(t, p, "strict")
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Amz-Request-Id", "REQUEST")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>refused.</Message><RequestId>REQUEST</RequestId></Error>", code)
}

func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amz-Request-Id", "REQUEST")
	s.mu.Lock()
	s.seen = append(s.seen, r)
	s.mu.Unlock()
	if s.fault != nil && s.fault(w, r) {
		return
	}
	if !s.authorized(w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "RequestTimeout")
		return
	}
	path, err := url.PathUnescape(r.URL.EscapedPath())
	name, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "InvalidURI")
		return
	case name != "strict":
		refuse(w, http.StatusNotFound, codeNoSuchBucket)
		return
	case len(key) > 1024:
		refuse(w, http.StatusBadRequest, "KeyTooLongError")
		return
	}
	answer := httptest.NewRecorder()
	maps.Copy(answer.Header(), w.Header())
	s.mu.Lock()
	s.carryOut(answer, r, key, body)
	s.mu.Unlock()
	if s.after != nil && s.after(r) {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	if r.Method != http.MethodHead {
		w.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len()))
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

func (s *strict) authorized(w http.ResponseWriter, r *http.Request) bool {
	auth := r.Header.Get("Authorization")
	region := s.region
	if region == "" {
		region = defaultRegion
	}
	switch {
	case !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential="):
		refuse(w, http.StatusForbidden, "AccessDenied")
	case !strings.Contains(auth, "/"+region+"/s3/aws4_request"):
		w.Header().Set("X-Amz-Bucket-Region", region)
		refuse(w, http.StatusBadRequest, "AuthorizationHeaderMalformed")
	case s.key != nil && r.URL.Path != "/strict" && !r.URL.Query().Has("restore") && r.Method != http.MethodDelete && !s.hasKey(r, ""),
		s.key != nil && r.Header.Get("X-Amz-Copy-Source") != "" && !s.hasKey(r, "Copy-Source-"):
		refuse(w, http.StatusBadRequest, "InvalidRequest")
	default:
		return true
	}
	return false
}

func (s *strict) hasKey(r *http.Request, infix string) bool {
	digest := md5.Sum(s.key)
	name := "X-Amz-" + infix + "Server-Side-Encryption-Customer-"
	return r.Header.Get(name+"Key") == base64.StdEncoding.EncodeToString(s.key) && r.Header.Get(name+"Algorithm") == "AES256" &&
		r.Header.Get(name+"Key-Md5") == base64.StdEncoding.EncodeToString(digest[:])
}

func (s *strict) carryOut(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	q := r.URL.Query()
	switch op := r.Method; {
	case key == "" && q.Has("uploads"):
		s.listUploads(w, q)
	case key == "" && q.Has("versions"):
		s.listVersions(w, q)
	case key == "" && op == http.MethodHead:
	case key == "" && op == http.MethodPut:
		refuse(w, http.StatusConflict, "BucketAlreadyOwnedByYou")
	case key == "":
		s.list(w, q)
	case op == http.MethodPost && q.Has("uploads"):
		s.create(w, r, key)
	case q.Has("restore"):
		s.restore(w, r, key, body)
	case op == http.MethodPost:
		s.complete(w, r, key, body)
	case q.Has("uploadId"):
		s.upload(w, r, key, body)
	case op == http.MethodPut:
		s.put(w, r, key, body)
	case op == http.MethodDelete:
		s.delete(w, r, key)
	default:
		s.get(w, r, key)
	}
}

// received checks a body and makes an object of it. nil: it was refused.
func (s *strict) received(w http.ResponseWriter, r *http.Request, body []byte) *strictObject {
	if from := r.Header.Get("X-Amz-Copy-Source"); from != "" {
		var ok bool
		if body, ok = s.source(w, r, from); !ok {
			return nil
		}
	}
	digest := md5.Sum(body)
	sum := encodeSum(backend.SumCRC32C(body))
	crc := r.Header.Get(crc32cHeader)
	switch sent := r.Header.Get("Content-Md5"); {
	case s.refuseSums && crc != "":
		refuse(w, http.StatusNotImplemented, "NotImplemented")
		return nil
	case sent != "" && sent != base64.StdEncoding.EncodeToString(digest[:]):
		refuse(w, http.StatusBadRequest, "BadDigest")
		return nil
	case !s.noSums && crc != "" && crc != sum:
		refuse(w, http.StatusBadRequest, "XAmzContentChecksumMismatch")
		return nil
	case !s.unsealed && len(body) > 0 && crc == "" && sent == "" && r.Header.Get("X-Amz-Copy-Source") == "":
		refuse(w, http.StatusBadRequest, "InvalidRequest") // nothing verifies the bytes
		return nil
	}
	if s.cut {
		body = body[:len(body)-1]
	}
	o := &strictObject{data: body, etag: hex.EncodeToString(digest[:]), header: r.Header.Clone(), modified: time.Now()}
	if !s.noSums && !s.refuseSums {
		o.sum, o.sumType = sum, fullObject
	}
	return o
}

func (s *strict) source(w http.ResponseWriter, r *http.Request, from string) ([]byte, bool) {
	path, err := url.PathUnescape(from)
	src := s.objects[strings.TrimPrefix(path, "/strict/")]
	switch {
	case err != nil || src == nil:
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return nil, false
	case r.Header.Get("X-Amz-Copy-Source-If-Match") != etagOf(src.etag):
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return nil, false
	}
	var first, last int
	if _, err := fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &first, &last); err == nil {
		return src.data[first : last+1], true
	}
	if r.Header.Get("X-Amz-Metadata-Directive") == "COPY" {
		for name := range src.header {
			if strings.HasPrefix(name, metaPrefix) {
				r.Header[name] = src.header[name]
			}
		}
	}
	return src.data, true
}

// allowed checks a condition.
func (s *strict) allowed(w http.ResponseWriter, r *http.Request, key string) bool {
	now := s.objects[key]
	match := r.Header.Get("If-Match")
	switch {
	case r.Header.Get("If-None-Match") == "*" && now != nil, match != "" && now != nil && match != etagOf(now.etag):
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case match != "" && now == nil:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	default:
		return true
	}
	return false
}

func (s *strict) store(w http.ResponseWriter, key string, o *strictObject) {
	s.ids++
	if s.versioned {
		o.version = fmt.Sprint("v", s.ids)
		w.Header().Set("X-Amz-Version-Id", o.version)
		s.history[key] = append([]*strictObject{o}, s.history[key]...)
	}
	s.objects[key] = o
}

func (s *strict) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	o := s.received(w, r, body)
	if o == nil || !s.allowed(w, r, key) {
		return
	}
	s.store(w, key, o)
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		fmt.Fprintf(w, "<CopyObjectResult><ETag>&quot;%s&quot;</ETag></CopyObjectResult>", o.etag)
		return
	}
	w.Header().Set("ETag", etagOf(o.etag))
	w.Header().Set(crc32cHeader, o.sum)
}

func (s *strict) delete(w http.ResponseWriter, r *http.Request, key string) {
	if s.refuseMatch && r.Header.Get("If-Match") != "" {
		refuse(w, http.StatusNotImplemented, "NotImplemented")
		return
	}
	if !s.allowed(w, r, key) {
		return
	}
	if r.URL.Query().Has("versionId") {
		s.forget(key, s.find(r, key))
	} else {
		delete(s.objects, key)
		if s.versioned {
			s.ids++
			marker := &strictObject{modified: time.Now(), version: fmt.Sprint("v", s.ids), marker: true}
			s.history[key] = append([]*strictObject{marker}, s.history[key]...)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *strict) get(w http.ResponseWriter, r *http.Request, key string) {
	o := s.find(r, key)
	class := ""
	switch {
	case o == nil:
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	case o.marker:
		w.Header().Set("X-Amz-Delete-Marker", "true")
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
		return
	case r.URL.Query().Has("versionId") && r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != etagOf(o.etag):
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	case !r.URL.Query().Has("versionId") && !s.allowed(w, r, key):
		return
	default:
		class = o.header.Get("X-Amz-Storage-Class")
	}
	h := w.Header()
	if class != "" && class != "STANDARD" {
		h.Set("X-Amz-Storage-Class", class)
	}
	if restoring := o.header.Get("X-Amz-Restore"); restoring != "" {
		h.Set("X-Amz-Restore", restoring)
		o.header.Set("X-Amz-Restore", `ongoing-request="false", expiry-date="Fri, 21 Dec 2040 00:00:00 GMT"`)
	}
	if r.Method != http.MethodHead && archivedBy(h) {
		refuse(w, http.StatusForbidden, "InvalidObjectState")
		return
	}
	for name := range o.header {
		if strings.HasPrefix(name, metaPrefix) {
			h[name] = o.header[name]
		}
	}
	h.Set("ETag", etagOf(o.etag))
	h.Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
	h.Set("Content-Length", strconv.Itoa(len(o.data)))
	if o.version != "" {
		h.Set("X-Amz-Version-Id", o.version)
	}
	if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && r.Header.Get("Range") == "" {
		h.Set(crc32cHeader, o.sum)
		h.Set(sumTypeHeader, o.sumType)
	}
	data := o.data
	var first, last int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); err == nil {
		if first >= len(data) {
			refuse(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
			return
		}
		last = min(last, len(data)-1)
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(data)))
		data = data[first : last+1]
		w.WriteHeader(http.StatusPartialContent)
	}
	if r.Method != http.MethodHead {
		w.Write(data)
	}
}

func (s *strict) create(w http.ResponseWriter, r *http.Request, key string) {
	if s.refuseSums && r.Header.Get(algorithmHeader) != "" {
		refuse(w, http.StatusNotImplemented, "NotImplemented")
		return
	}
	s.ids++
	id := fmt.Sprintf("upload-%04d", s.ids)
	summed := r.Header.Get(algorithmHeader) == "CRC32C" && !s.noSums
	s.uploads[id] = &strictUpload{key: key, header: r.Header.Clone(), parts: map[int]*strictObject{}, created: time.Now(), summed: summed}
	if summed {
		w.Header().Set(algorithmHeader, "CRC32C")
		if !s.composes {
			w.Header().Set(sumTypeHeader, fullObject)
		}
	}
	fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
}

func (s *strict) upload(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	id := r.URL.Query().Get("uploadId")
	u := s.uploads[id]
	if u == nil || u.key != key {
		refuse(w, http.StatusNotFound, codeNoSuchUpload)
		return
	}
	switch r.Method {
	case http.MethodDelete:
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet:
		s.listParts(w, r, u)
	case http.MethodPut:
		o := s.received(w, r, body)
		if o == nil {
			return
		}
		if !u.summed {
			o.sum = ""
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
		u.parts[n] = o
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			fmt.Fprintf(w, "<CopyPartResult><ETag>&quot;%s&quot;</ETag><ChecksumCRC32C>%s</ChecksumCRC32C></CopyPartResult>", o.etag, o.sum)
			return
		}
		w.Header().Set("ETag", etagOf(o.etag))
		w.Header().Set(crc32cHeader, o.sum)
	}
}

func (s *strict) complete(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	id := r.URL.Query().Get("uploadId")
	u := s.uploads[id]
	var request completion
	switch err := xml.Unmarshal(body, &request); {
	case u == nil || u.key != key:
		refuse(w, http.StatusNotFound, codeNoSuchUpload)
		return
	case err != nil || len(request.Part) == 0:
		refuse(w, http.StatusBadRequest, "MalformedXML")
		return
	}
	o, digests, code := &strictObject{header: u.header, modified: time.Now()}, []byte{}, ""
	for i, p := range request.Part {
		have := u.parts[p.PartNumber]
		switch {
		case have == nil || versionOf(p.ETag) != have.etag || u.summed && s.composes && p.ChecksumCRC32C != have.sum:
			code = "InvalidPart"
		case i < len(request.Part)-1 && len(have.data) < strictMinPart:
			code = "EntityTooSmall"
		default:
			raw, _ := hex.DecodeString(have.etag)
			o.data, digests = append(o.data, have.data...), append(digests, raw...)
		}
	}
	sum := encodeSum(backend.SumCRC32C(o.data))
	sent := r.Header.Get(crc32cHeader)
	if code == "" && u.summed && (s.composes && sent != "" || !s.composes && sent != sum) {
		code = "BadDigest"
	}
	if code != "" {
		refuse(w, http.StatusBadRequest, code)
		return
	}
	if !s.allowed(w, r, key) {
		return
	}
	digest := md5.Sum(digests)
	o.etag = fmt.Sprintf("%x-%d", digest, len(request.Part))
	if u.summed && s.composes {
		o.sum, o.sumType = "AAAAAA==-"+strconv.Itoa(len(request.Part)), "COMPOSITE"
	} else if u.summed {
		o.sum, o.sumType = sum, fullObject
	}
	delete(s.uploads, id)
	s.store(w, key, o)
	fmt.Fprintf(w, "  \n<CompleteMultipartUploadResult><ETag>&quot;%s&quot;</ETag><ChecksumCRC32C>%s</ChecksumCRC32C><ChecksumType>%s</ChecksumType></CompleteMultipartUploadResult>",
		o.etag, o.sum, o.sumType)
}
