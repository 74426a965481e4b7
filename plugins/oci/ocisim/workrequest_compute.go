package ocisim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of the operations that run in the background, as work requests show them. InstanceAction has no work request.
const (
	opCreateImage       = "CreateImage"
	opExportImage       = "ExportImage"
	opTerminateInstance = "TerminateInstance"
	opInstanceAction    = "InstanceAction"
)

const (
	requestAccepted   = "ACCEPTED"
	requestInProgress = "IN_PROGRESS"
	requestSucceeded  = "SUCCEEDED"
	requestFailed     = "FAILED"
)

// workRequest is one background operation of compute. Until it is finished, its status and progress follow from the
// clock alone.
type workRequest struct {
	ID            string            `json:"id"`
	Operation     string            `json:"operation"`
	CompartmentID string            `json:"compartmentId"`
	Resources     []requestResource `json:"resources"`
	Accepted      time.Time         `json:"accepted"`
	Starts        time.Time         `json:"starts"` // ACCEPTED before, IN_PROGRESS from then on
	Expected      time.Time         `json:"expected"`
	Finished      time.Time         `json:"finished"` // zero while it runs
	Failure       *failure          `json:"failure"`  // why it failed; nil otherwise
}

type requestResource struct {
	Action string `json:"action"` // when finished; IN_PROGRESS before
	Entity string `json:"entity"` // "image", "instance"
	ID     string `json:"id"`
}

// failure is how a background operation went wrong.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// status returns the status at the time now and the progress in percent.
func (w *workRequest) status(now time.Time) (string, float32) {
	switch {
	case !w.Finished.IsZero() && w.Failure != nil:
		return requestFailed, 100
	case !w.Finished.IsZero():
		return requestSucceeded, 100
	case now.Before(w.Starts):
		return requestAccepted, 0
	}
	whole := w.Expected.Sub(w.Starts)
	if whole <= 0 {
		return requestInProgress, 99
	}
	return requestInProgress, min(99, float32(100*now.Sub(w.Starts)/whole))
}

// startRequest begins a work request that is expected to take d, and returns it. The caller holds s.mu.
func (s *Server) startRequest(operation, compartment string, d time.Duration, resources ...requestResource) *workRequest {
	now := s.clock.Now()
	w := &workRequest{
		ID:            newOCID("coreservicesworkrequest", s.regionKey()),
		Operation:     operation,
		CompartmentID: compartment,
		Resources:     resources,
		Accepted:      now,
		Starts:        now.Add(d / 10),
		Expected:      now.Add(d),
	}
	s.state.Compute.WorkRequests[w.ID] = w
	return w
}

// finish ends the work request; failure is nil for success. It does nothing to one that has ended.
func (w *workRequest) finish(now time.Time, why *failure) {
	if w == nil || !w.Finished.IsZero() {
		return
	}
	if now.Before(w.Starts) {
		w.Starts = now
	}
	w.Finished, w.Failure = now, why
}

// stampMicros writes a time as work requests do, with microseconds.
func stampMicros(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func (w *workRequest) summary(now time.Time) fields {
	status, percent := w.status(now)
	var started, finished any
	if status != requestAccepted {
		started = stampMicros(w.Starts)
	}
	if !w.Finished.IsZero() {
		finished = stampMicros(w.Finished)
	}
	return fields{
		"operationType":   w.Operation,
		"status":          status,
		"id":              w.ID,
		"compartmentId":   w.CompartmentID,
		"percentComplete": percent,
		"timeAccepted":    stampMicros(w.Accepted),
		"timeStarted":     started,
		"timeFinished":    finished,
	}
}

func (w *workRequest) json(now time.Time) fields {
	all := w.summary(now)
	resources := []fields{}
	for _, r := range w.Resources {
		action := r.Action
		if w.Finished.IsZero() && action != "RELATED" {
			action = "IN_PROGRESS"
		}
		resources = append(resources, fields{
			"actionType": action,
			"entityType": r.Entity,
			"identifier": r.ID,
			"entityUri":  "/20160918/" + r.Entity + "s/" + r.ID,
		})
	}
	all["resources"] = resources
	return all
}

func (w *workRequest) errors() []fields {
	if w.Failure == nil {
		return []fields{}
	}
	return []fields{{"code": w.Failure.Code, "message": w.Failure.Message, "timestamp": stampMicros(w.Finished)}}
}

func (w *workRequest) logs(now time.Time) []fields {
	entry := func(t time.Time, message string) fields {
		return fields{"message": message, "timestamp": stampMicros(t)}
	}
	logs := []fields{entry(w.Accepted, w.Operation+" accepted.")}
	if status, _ := w.status(now); status != requestAccepted {
		logs = append(logs, entry(w.Starts, w.Operation+" started."))
	}
	switch {
	case w.Finished.IsZero():
	case w.Failure != nil:
		logs = append(logs, entry(w.Finished, w.Operation+" failed: "+w.Failure.Message))
	default:
		logs = append(logs, entry(w.Finished, w.Operation+" succeeded."))
	}
	return logs
}

// concerns tells whether the work request is about the resource.
func (w *workRequest) concerns(id string) bool {
	for _, r := range w.Resources {
		if r.ID == id {
			return true
		}
	}
	return false
}

func listComputeRequests(c *call) error {
	id := c.query("compartmentId")
	if err := c.checkCompartment(id); err != nil {
		return err
	}
	var found []*workRequest
	for _, w := range c.s.state.Compute.WorkRequests {
		if about := c.query("resourceId"); w.CompartmentID == id && (about == "" || w.concerns(about)) {
			found = append(found, w)
		}
	}
	now := c.s.clock.Now()
	return listSorted(c, found, sortedBy[*workRequest]{
		id:      func(w *workRequest) string { return w.ID },
		created: func(w *workRequest) time.Time { return w.Accepted },
		byName:  "TIMEACCEPTED",
		name:    func(w *workRequest) string { return stampMicros(w.Accepted) },
	}, func(w *workRequest) fields { return w.summary(now) })
}

// retryAfter is how many seconds a client is asked to wait before it looks again, also when the work has ended: a tenth of the
// whole, at least one.
func (w *workRequest) retryAfter() string {
	seconds := int(w.Expected.Sub(w.Accepted) / 10 / time.Second)
	return strconv.Itoa(max(1, min(10, seconds)))
}

func getComputeRequest(c *call) error {
	w, err := find(c, c.s.state.Compute.WorkRequests)
	if err != nil {
		return err
	}
	c.header.Set("retry-after", w.retryAfter())
	return c.json(200, w.json(c.s.clock.Now()))
}

func listComputeRequestErrors(c *call) error {
	w, err := find(c, c.s.state.Compute.WorkRequests)
	if err != nil {
		return err
	}
	return c.entries(w.errors())
}

func listComputeRequestLogs(c *call) error {
	w, err := find(c, c.s.state.Compute.WorkRequests)
	if err != nil {
		return err
	}
	return c.entries(w.logs(c.s.clock.Now()))
}

// entries answers with one page of a work request's errors or logs, which are in order of time.
func (c *call) entries(all []fields) error {
	type numbered struct {
		key   string
		entry fields
	}
	var items []numbered
	for i, entry := range all {
		items = append(items, numbered{fmt.Sprintf("%06d", i), entry})
	}
	if strings.EqualFold(c.query("sortOrder"), "DESC") {
		slices.Reverse(items)
		for i := range items {
			items[i].key = fmt.Sprintf("%06d", i)
		}
	}
	items, err := page(c, items, func(n numbered) string { return n.key })
	if err != nil {
		return err
	}
	shown := []fields{}
	for _, n := range items {
		shown = append(shown, n.entry)
	}
	return c.json(200, shown)
}
