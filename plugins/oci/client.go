package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
)

// connect makes the SDK clients. All of them go through adopt.
func (p *Provider) connect(endpoint string, realm Realm) (err error) {
	region := provider{p.account.region}
	if p.objects, err = objectstorage.NewObjectStorageClientWithConfigurationProvider(region); err != nil {
		return err
	}
	if p.machines, err = core.NewComputeClientWithConfigurationProvider(region); err != nil {
		return err
	}
	if p.volumes, err = core.NewBlockstorageClientWithConfigurationProvider(region); err != nil {
		return err
	}
	if p.work, err = workrequests.NewWorkRequestClientWithConfigurationProvider(region); err != nil {
		return err
	}
	if p.identity, err = identity.NewIdentityClientWithConfigurationProvider(region); err != nil {
		return err
	}
	if p.limits, err = limits.NewLimitsClientWithConfigurationProvider(region); err != nil {
		return err
	}
	if realm.Dedicated {
		p.objects.Configuration.RealmSpecificServiceEndpointTemplateEnabled = &realm.Dedicated
		p.objects.SetRegion(p.account.region)
	}
	for _, c := range []*common.BaseClient{&p.objects.BaseClient, &p.machines.BaseClient, &p.volumes.BaseClient, &p.work.BaseClient, &p.identity.BaseClient, &p.limits.BaseClient} {
		if realm.DualStack {
			c.EnableDualStackEndpoints(true)
		}
		p.adopt(c, endpoint)
	}
	p.objects.Interceptor = intercept
	return nil
}

// adopt replaces what the SDK would do on its own: retries, the circuit breaker that stops all requests after a few
// failures, and an HTTP client that cuts every transfer after a minute. The endpoint comes last, because other setters
// overwrite it.
func (p *Provider) adopt(c *common.BaseClient, endpoint string) {
	c.Configuration.RetryPolicy = p.once.RetryPolicy
	c.Configuration.CircuitBreaker = nil
	c.HTTPClient = p.web
	c.Signer = signer{p.account.source, hashesBody}
	c.UserAgent += " hyperexport"
	c.Host = p.account.inRealm(c.Host)
	if endpoint != "" {
		c.Host = endpoint
	}
}

// plainPath takes back what the SDK does when OCI_GOSDK_ENCODE_PATH_PARAMS is set: it would escape the names of objects
// twice, so that a/b would be stored as a%2Fb.
func plainPath(r *http.Request) error {
	if !common.IsEnvVarTrue(common.EncodePathParamsEnvVar) {
		return nil
	}
	path, err := url.PathUnescape(r.URL.Path)
	if err != nil {
		return err
	}
	r.URL.Path, r.URL.RawPath = path, ""
	return nil
}

// attempt is the context that the SDK sees. It never ends, so that the SDK returns when the request has ended and not
// while one of its goroutines is still at it; web puts the caller's context back for the request itself.
type attempt struct {
	context.Context
	patient bool // the service may think for minutes before it answers
}

func (attempt) Done() <-chan struct{}       { return nil }
func (attempt) Err() error                  { return nil }
func (attempt) Deadline() (time.Time, bool) { return time.Time{}, false }

// quick is for requests that are answered at once.
func quick(ctx context.Context) context.Context { return attempt{Context: ctx} }

// patient is for requests whose work is done before the answer comes: a commit of ten thousand parts.
func patient(ctx context.Context) context.Context { return attempt{Context: ctx, patient: true} }

const (
	patientAnswerWithin = 10 * time.Minute
	smallBody           = 1 << 20 // bytes; below it, asking before sending costs more than it can save
)

// web sends the requests of all clients.
type web struct {
	quick, patient *httpclient.Client

	source source                 // of the credentials that the requests are signed with
	worked atomic.Pointer[string] // keyID that the service has accepted last
}

func newWeb(connections int) *web {
	o := webOptions(connections)
	quick := httpclient.New(o)
	o.AnswerWithin = patientAnswerWithin
	return &web{quick: quick, patient: httpclient.New(o)}
}

func webOptions(connections int) httpclient.Options {
	return httpclient.Options{
		ExpectContinue:  3 * time.Second,
		IdleConnections: max(connections, 64),
		IdleTimeout:     50 * time.Second, // OCI's load balancers close at 60
	}
}

func (w *web) close() {
	w.quick.Close()
	w.patient.Close()
}

// errRedirected is the cause where something else than OCI answered.
var errRedirected = errors.New("the answer is a redirect, which OCI does not send: a login page or proxy stands between")

// Do sends one request; see httpclient.
func (w *web) Do(r *http.Request) (*http.Response, error) {
	client := w.quick
	if a, ok := r.Context().(attempt); ok {
		if a.patient {
			client = w.patient
		}
		r = r.WithContext(a.Context) //nolint:contextcheck // the caller's own, which attempt hides from the SDK
	}
	if r.ContentLength <= smallBody {
		r.Header.Del("Expect")
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return nil, w.refused(r, resp)
	}
	w.accepted(keyIDOf(r))
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		_ = resp.Body.Close() // of an answer that is thrown away
		return nil, &url.Error{Op: r.Method, URL: r.URL.Redacted(), Err: fmt.Errorf("%w (%s)", errRedirected, resp.Status)}
	}
	return resp, nil
}

func (w *web) accepted(keyID string) {
	if last := w.worked.Load(); last == nil || *last != keyID {
		w.worked.Store(&keyID)
	}
}

// refusal is a 401. Where there is another credential meanwhile, it is not for long.
type refusal struct {
	answer  *serviceError
	request string // the service's id of the request
	renewed bool
}

func (e *refusal) Error() string { return e.answer.Error() }

// refused makes the error of a request that the service does not take for ours, and lets the source look for another
// credential: a token ends in the middle of a transfer, and its file is replaced.
func (w *web) refused(r *http.Request, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, mostAnswer)) // without it there is the status
	_ = resp.Body.Close()
	e := &refusal{answer: serviceErrorOf(resp.StatusCode, body), request: resp.Header.Get("opc-request-id")}
	keyID, last := keyIDOf(r), w.worked.Load()
	now := time.Now()
	if e.answer.Advice = httpclient.ClockSkew(resp.Header, now, 5*time.Minute); e.answer.Advice != "" {
		return e
	}
	renewed, err := w.source.renew(r.Context(), keyID, last != nil && *last == keyID)
	switch {
	case err != nil:
		return err
	case renewed:
		e.renewed, e.answer.Advice = true, "there is a new token now"
	default:
		e.answer.Advice = w.source.advice(now)
	}
	return e
}
