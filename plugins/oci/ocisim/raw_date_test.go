package ocisim

import "net/http"

// dateBy is an interceptor of a client that dates its requests by the clock.
func dateBy(clock Clock) func(*http.Request) error {
	return func(r *http.Request) error {
		r.Header.Set("Date", clock.Now().UTC().Format(http.TimeFormat))
		return nil
	}
}
