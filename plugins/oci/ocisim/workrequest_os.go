package ocisim

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// copyRequest is a copy of an object and its work request.
type copyRequest struct {
	ID            string
	CompartmentID string
	Status        string // ACCEPTED, IN_PROGRESS, COMPLETED, FAILED, CANCELED
	Percent       float64
	Accepted      time.Time
	Started       *time.Time
	Finished      *time.Time
	SourceRegion  string
	SourceBucket  string
	CustomerKey   string // of the destination, as attributes have it
	KmsKey        string
	SourceKey     string // hash of the customer-provided key that the client gave for the source
	Details       copyDetails
	Logs          []copyMessage
	Errors        []copyMessage
}

type copyMessage struct {
	Code    string
	Message string
	Time    time.Time
}

// copyDetails is the body of CopyObject.
type copyDetails struct {
	SourceObjectName                 string
	DestinationRegion                string
	DestinationNamespace             string
	DestinationBucket                string
	DestinationObjectName            string
	SourceObjectIfMatchETag          string
	SourceVersionID                  string
	DestinationObjectIfMatchETag     string
	DestinationObjectIfNoneMatchETag string
	DestinationObjectMetadata        map[string]string
	DestinationObjectStorageTier     string
}

func (s *Server) copyAnswer(w *copyRequest) map[string]any {
	place := func(action, region, bucket, object string) map[string]any {
		return map[string]any{
			"actionType": action, "entityType": "object", "identifier": nil,
			"entityUri": "/n/" + s.state.Namespace + "/b/" + bucket + "/o/" + escapeName(object),
			"metadata":  map[string]string{"REGION": region, "NAMESPACE": s.state.Namespace, "BUCKET": bucket, "OBJECT": object},
		}
	}
	return map[string]any{
		"operationType": "COPY_OBJECT", "status": w.Status, "id": w.ID, "compartmentId": w.CompartmentID, "percentComplete": w.Percent,
		"resources": []any{
			place("READ", w.SourceRegion, w.SourceBucket, w.Details.SourceObjectName),
			place("WRITTEN", w.Details.DestinationRegion, w.Details.DestinationBucket, w.Details.DestinationObjectName),
		},
		"timeAccepted": jsonTime(w.Accepted), "timeStarted": timeOrNull(w.Started), "timeFinished": timeOrNull(w.Finished),
	}
}

func (c *call) findCopy() (*copyRequest, error) {
	if w := c.s.store.copies[c.vars["id"]]; w != nil {
		return w, nil
	}
	return nil, fail(404, "NotAuthorizedOrNotFound", "The work request '%s' was not found", c.vars["id"])
}

func getCopy(c *call) error {
	w, err := c.findCopy()
	if err != nil {
		return err
	}
	c.header.Set("Retry-After", "5") // OCI sends it also when the copy has ended
	return c.json(200, c.s.copyAnswer(w))
}

func listCopies(c *call) error {
	compartment := c.query("compartmentId")
	if err := c.s.ownCompartment(compartment); err != nil {
		return err
	}
	var found []*copyRequest
	for _, w := range c.s.store.copies {
		if w.CompartmentID == compartment {
			found = append(found, w)
		}
	}
	slices.SortFunc(found, func(x, y *copyRequest) int { return cmp.Compare(x.ID, y.ID) })
	found, err := page(c, found, func(w *copyRequest) string { return w.ID })
	if err != nil {
		return err
	}
	out := make([]map[string]any, 0, len(found))
	for _, w := range found {
		out = append(out, c.s.copyAnswer(w))
	}
	return c.json(200, out)
}

func listCopyLogs(c *call) error {
	w, err := c.findCopy()
	if err != nil {
		return err
	}
	out := make([]map[string]any, 0, len(w.Logs))
	for _, m := range w.Logs {
		out = append(out, map[string]any{"message": m.Message, "timestamp": jsonTime(m.Time)})
	}
	return c.json(200, out)
}

func listCopyErrors(c *call) error {
	w, err := c.findCopy()
	if err != nil {
		return err
	}
	out := make([]map[string]any, 0, len(w.Errors))
	for _, m := range w.Errors {
		out = append(out, map[string]any{"code": m.Code, "message": m.Message, "timestamp": jsonTime(m.Time)})
	}
	return c.json(200, out)
}

func cancelCopy(c *call) error {
	w, err := c.findCopy()
	if err != nil {
		return err
	}
	if w.Finished != nil {
		return fail(409, "NotCancelable", "The work request '%s' is %s and cannot be cancelled", w.ID, w.Status)
	}
	now := c.s.now()
	cancelled := *w
	cancelled.Status, cancelled.Finished = "CANCELED", &now
	if err := c.s.store.do(change{Copy: &cancelled}); err != nil {
		return err
	}
	return c.empty(http.StatusAccepted)
}
