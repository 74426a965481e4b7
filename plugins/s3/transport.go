package s3

import (
	"crypto/x509"
	"net/http"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend/httpclient"
)

// patientAnswerWithin is for where the work is done before the answer comes: a copy, ten thousand parts.
const patientAnswerWithin = 10 * time.Minute

// web sends requests.
type web struct {
	quick, patient *httpclient.Client
}

func newWeb(connections int, roots *x509.CertPool) *web {
	o := httpclient.Options{
		HearRefusals:    true,
		IdleConnections: max(connections, 512), // small objects over a far link take hundreds
		IdleTimeout:     15 * time.Second,      // S3 closes idle connections after 20 or so
		Roots:           roots,
	}
	quick := httpclient.New(o)
	o.AnswerWithin = patientAnswerWithin
	return &web{quick: quick, patient: httpclient.New(o)}
}

func (w *web) close() {
	w.quick.Close()
	w.patient.Close()
}

// do sends one request; see httpclient.
func (w *web) do(r *http.Request, patient bool) (*http.Response, error) {
	if patient {
		return w.patient.Do(r)
	}
	return w.quick.Do(r)
}
