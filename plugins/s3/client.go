package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// call is one request in the terms of the protocol.
type call struct {
	op, key string // for errors
	method  string
	bucket  string
	object  string // "" is the bucket
	query   url.Values
	header  http.Header
	payload []byte // of an object: the caller's memory, which is not touched after the call
	xml     any    // of a request about an object
	patient bool   // the answer takes its time
}

// answer is what came back. Its body is read and closed by whoever called.
type answer struct {
	*http.Response
	request string // the service's id of the request
}

// send carries out c. An answer other than 2xx is an error. A request is repeated once where the service has told what is
// wrong with it and that can be put right: the region of the bucket, or keys that have ended and have successors.
func (p *Provider) send(ctx context.Context, c call) (*answer, *backend.Error) {
	var text []byte
	if c.xml != nil {
		var err error
		if text, err = xml.Marshal(c.xml); err != nil {
			return nil, invalid(c.op, c.key, "write the request: %w", err)
		}
	}
	for first := true; ; first = false {
		body := backend.Body(c.payload)
		if c.xml != nil {
			body = backend.Body(text)
		}
		resp, k, region, err := p.attempt(ctx, c, body) //nolint:bodyclose // refused closes it, or whoever called
		if err != nil {
			body.Release()
			return nil, failure(ctx, c.op, c.key, err)
		}
		a := &answer{Response: resp, request: requestID(resp.Header)}
		if resp.StatusCode >= 200 && resp.StatusCode < 300 {
			body.Release()
			p.works(c.bucket)
			return a, nil
		}
		e := p.refused(ctx, c, a, region)
		body.Release() // not before: a body that ends while it is sent ends the connection, and the answer with it
		if first && (p.learnRegion(c.bucket, region, e) || isExpired(e) && p.keys.expired(ctx, k)) {
			continue
		}
		return nil, e
	}
}

// attempt signs and sends c with the keys and the region that it returns.
func (p *Provider) attempt(ctx context.Context, c call, body *backend.RequestBody) (*http.Response, keys, string, error) {
	region := p.regionOf(c.bucket)
	k, err := p.keys.get(ctx)
	if err != nil {
		if ctx.Err() == nil {
			err = &keysError{err}
		}
		return nil, k, region, err
	}
	r := (&http.Request{
		Method: c.method, URL: p.address(c, region), Header: c.header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: body.Len(),
	}).WithContext(ctx)
	r.Host = r.URL.Host
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("User-Agent", "hyperexport")
	r.Header.Set("X-Amz-Content-Sha256", emptySHA256)
	if body.Len() > 0 {
		r.Body = body
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	}
	if c.xml != nil {
		hash := sha256.New()
		_, _ = io.Copy(hash, body)        // both are memory
		_, _ = body.Seek(0, io.SeekStart) // so is this
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash.Sum(nil)))
		r.Header.Set("Content-Type", "application/xml")
	}
	if k.access != "" {
		r = signer.SignV4(*r, k.access, k.secret, k.token, region)
	}
	resp, err := p.web.do(r, c.patient)
	return resp, k, region, err
}

// emptySHA256 is the SHA-256 of no bytes.
const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// hostPattern has the buckets whose names can stand in a host name that a certificate *.host covers.
var hostPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// address is where c goes. The path is encoded as it is signed, and nothing in it is cleaned.
func (p *Provider) address(c call, region string) *url.URL {
	u := &url.URL{Scheme: "https", Host: "s3." + region + ".amazonaws.com"}
	if strings.HasPrefix(region, "cn-") {
		u.Host += ".cn"
	}
	if p.o.endpoint != nil {
		u.Scheme, u.Host = p.o.endpoint.Scheme, p.o.endpoint.Host
	}
	u.Path = "/" + c.bucket
	if c.object != "" {
		u.Path += "/" + c.object
	}
	if !p.o.pathStyle && hostPattern.MatchString(c.bucket) {
		u.Host = c.bucket + "." + u.Host
		u.Path = "/" + c.object
	}
	u.RawPath = s3utils.EncodePath(u.Path)
	u.RawQuery = strings.ReplaceAll(c.query.Encode(), "+", "%20")
	return u
}

// regionOf is the region that requests about a bucket are signed for.
func (p *Provider) regionOf(bucket string) string {
	if region, ok := p.regions.Load(bucket); ok {
		return region.(string)
	}
	return p.o.region
}

// learnRegion remembers the region that the service says a bucket is in. It reports whether the request is to be sent again.
func (p *Provider) learnRegion(bucket, used string, e *backend.Error) bool {
	var s *serviceError
	if !errors.As(e, &s) || s.Region == "" || s.Region == used || !regionPattern.MatchString(s.Region) {
		return false
	}
	elsewhere := s.Status == http.StatusMovedPermanently || s.Status == http.StatusTemporaryRedirect
	if elsewhere && p.o.endpoint != nil || !elsewhere && s.Status != http.StatusBadRequest {
		return false
	}
	p.regions.Store(bucket, s.Region)
	return true
}

// refused reads an answer that is no success, and closes it.
func (p *Provider) refused(ctx context.Context, c call, a *answer, region string) *backend.Error {
	defer a.Body.Close()
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(a.Body, most))
	if err != nil && ctx.Err() != nil {
		return failure(ctx, c.op, c.key, err)
	}
	s := readServiceError(a.StatusCode, text)
	s.Region = cmp.Or(a.Header.Get("X-Amz-Bucket-Region"), s.Region)
	e := s.failure(c.op, c.key, a.Header)
	if s.Code == codeNoSuchBucket {
		p.missingBucket(c.bucket, e, s)
	}
	if s.Region != "" && s.Region != region && (s.Status < 400 || s.Status == http.StatusBadRequest) {
		e.Kind = backend.Invalid
		s.Advice = "the bucket is in region " + s.Region + ", not in " + region + ": set region, and endpoint if it names one"
	}
	return e
}

// missingBucket tells a bucket that does not exist from one that has answered this process before.
func (p *Provider) missingBucket(bucket string, e *backend.Error, s *serviceError) {
	if _, ok := p.seen.Load(bucket); ok {
		e.Kind = backend.Unavailable
		return
	}
	s.Advice = "check the name " + bucket + ", the region and the endpoint"
}

// works remembers that the bucket has answered.
func (p *Provider) works(bucket string) {
	if _, ok := p.seen.Load(bucket); !ok {
		p.seen.Store(bucket, true)
	}
}

// exchange is send with an answer in XML, which is read into to. An error may come with status 200 too, after the service
// has kept the connection open with spaces.
func (p *Provider) exchange(ctx context.Context, c call, to any) (http.Header, *backend.Error) {
	a, e := p.send(ctx, c)
	if e != nil {
		return nil, e
	}
	defer a.Body.Close()
	const most = 64 << 20
	text, err := io.ReadAll(io.LimitReader(a.Body, most))
	if err != nil {
		e := failure(ctx, c.op, c.key, cutShort(err))
		e.RequestID = a.request
		return nil, e
	}
	if s := readServiceError(a.StatusCode, text); s.Code != "" {
		return nil, s.failure(c.op, c.key, a.Header)
	}
	if to == nil {
		return a.Header, nil
	}
	if err := xml.NewDecoder(bytes.NewReader(text)).Decode(to); err != nil {
		return nil, a.broken(c.op, c.key, errors.New("the answer is not the XML that belongs to the request"))
	}
	return a.Header, nil
}

// finish is send where nothing but the header is of interest.
func (p *Provider) finish(ctx context.Context, c call) (http.Header, *backend.Error) {
	a, e := p.send(ctx, c)
	if e != nil {
		return nil, e
	}
	defer a.Body.Close()
	const most = 1 << 20
	if _, err := io.Copy(io.Discard, io.LimitReader(a.Body, most)); err != nil { // so that the connection is used again
		e := failure(ctx, c.op, c.key, cutShort(err))
		e.RequestID = a.request
		return nil, e
	}
	return a.Header, nil
}

// broken is an answer that cannot be what the service meant to send.
func (a *answer) broken(op, key string, cause error) *backend.Error {
	return &backend.Error{Op: op, Key: key, Kind: backend.Unavailable, RequestID: a.request, Err: cause}
}

// cutShort keeps io.EOF from meaning the end of something.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// requestID joins both ids that Amazon's support asks for.
func requestID(h http.Header) string {
	id := h.Get("X-Amz-Request-Id")
	if second := h.Get("X-Amz-Id-2"); second != "" && id != "" {
		id += " " + second
	}
	return id
}
