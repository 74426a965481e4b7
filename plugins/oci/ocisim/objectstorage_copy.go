package ocisim

import "net/http"

// copyObject accepts a copy. Buckets and the source are checked at once, conditions when the copy is done.
func copyObject(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	var d copyDetails
	if err := c.decode(&d); err != nil {
		return err
	}
	if err := checkObjectName(d.DestinationObjectName); err != nil {
		return err
	}
	if !c.s.isRegion(d.DestinationRegion) {
		return fail(400, "InvalidRegion", "The region '%s' is not valid, or the tenancy is not subscribed to it", d.DestinationRegion)
	}
	if !isBucketName(d.DestinationBucket) {
		return fail(400, "InvalidBucketName", "The destination bucket name '%s' is not valid", d.DestinationBucket)
	}
	if d.DestinationNamespace != c.s.state.Namespace {
		return fail(404, "NamespaceNotFound", "The namespace '%s' was not found", d.DestinationNamespace)
	}
	w := &copyRequest{
		ID: newUUID(), CompartmentID: b.CompartmentID, Status: "ACCEPTED", Accepted: c.s.now(),
		SourceRegion: b.Region, SourceBucket: b.Name, Details: d,
	}
	if err := c.checkCopy(b, w); err != nil {
		return err
	}
	if err := c.s.store.do(change{Copy: w}); err != nil {
		return err
	}
	c.s.scheduleCopy(w)
	c.header.Set("opc-work-request-id", w.ID)
	return c.empty(http.StatusAccepted)
}

// checkCopy checks the places and the keys of a copy, and fills in the keys. The caller holds s.mu.
func (c *call) checkCopy(b *bucket, w *copyRequest) error {
	d := &w.Details
	to, err := c.s.findBucket(d.DestinationRegion, d.DestinationBucket)
	if err != nil {
		return err
	}
	if err := to.writable(); err != nil {
		return err
	}
	if c.s.state.ObjectStorage.NoServicePolicy {
		return c.s.errNoServicePolicy(b.Region)
	}
	src := c.s.store.bucket(b.ID).find(d.SourceObjectName, d.SourceVersionID)
	if src == nil || src.Marker {
		return errObjectNotFound(b.Name, d.SourceObjectName)
	}
	if w.SourceKey, err = c.customerKey(sourceCustomerHeaders); err != nil {
		return err
	}
	if err := c.s.mayDecrypt(w.SourceKey, src.CustomerKey, src.KmsKey); err != nil {
		return err
	}
	if w.CustomerKey, w.KmsKey, err = c.encryption(to); err != nil {
		return err
	}
	_, err = matchTier(d.DestinationObjectStorageTier)
	return err
}

// errNoServicePolicy says that the service may not act on objects for the tenancy.
func (s *Server) errNoServicePolicy(region string) error {
	return fail(400, "InsufficientServicePermissions",
		"Permissions granted to the object storage service principal 'objectstorage-%s' to this bucket are insufficient", region)
}

// scheduleCopy arranges the states that are still to come. The caller holds s.mu.
func (s *Server) scheduleCopy(w *copyRequest) {
	id := w.ID
	s.after(s.timings.Copy/2, func() {
		if w := s.store.copies[id]; w.Status == "ACCEPTED" {
			now := s.now()
			w.Status, w.Started, w.Percent = "IN_PROGRESS", &now, 50
			w.log("Created upload COPY_" + w.ID)
			_ = s.store.do(change{Copy: w}) // if it cannot be kept, a restart begins it anew
		}
	})
	s.after(s.timings.Copy, func() { s.finishCopy(s.store.copies[id]) })
}

// resumeCopies takes up copies that the last process left. The caller holds s.mu.
func (s *Server) resumeCopies() {
	for _, w := range s.store.copies {
		if w.Finished == nil {
			s.scheduleCopy(w)
		}
	}
}

func (w *copyRequest) log(text string) {
	w.Logs = append(w.Logs, copyMessage{Message: text, Time: *w.Started})
}

func (s *Server) finishCopy(w *copyRequest) {
	if w.Finished != nil {
		return
	}
	now := s.now()
	if w.Started == nil { // two timers of a busy process may come in any order
		w.Started = &now
	}
	done := *w
	done.Status, done.Percent, done.Finished = "COMPLETED", 100, &now
	done.log("Successfully copied object.")
	err := s.carryOut(w, change{Copy: &done})
	if err == nil {
		return
	}
	e := asAPIError(err)
	w.Status, w.Finished = "FAILED", &now
	w.Errors = append(w.Errors, copyMessage{Code: e.Code, Message: e.Message, Time: now})
	_ = s.store.do(change{Copy: w}) // if it cannot be kept, a restart tries again
}

// carryOut makes the copy, together with the change that says so. It shares the files of the source.
func (s *Server) carryOut(w *copyRequest, done change) error {
	d := &w.Details
	from, err := s.findBucket(w.SourceRegion, w.SourceBucket)
	if err != nil {
		return err
	}
	to, err := s.findBucket(d.DestinationRegion, d.DestinationBucket)
	if err != nil {
		return err
	}
	src := s.store.bucket(from.ID).find(d.SourceObjectName, d.SourceVersionID)
	if src == nil || src.Marker {
		return errObjectNotFound(from.Name, d.SourceObjectName)
	}
	if err := checkConditions(d.SourceObjectIfMatchETag, "", src.ETag); err != nil {
		return err
	}
	if err := s.mayDecrypt(w.SourceKey, src.CustomerKey, src.KmsKey); err != nil {
		return err
	}
	if state := s.archivalState(src); state == "Archived" || state == "Restoring" {
		return fail(409, "NotRestored", "The object '%s' is in the Archive tier and has not been restored", src.Name)
	}
	if err := checkConditions(d.DestinationObjectIfMatchETag, d.DestinationObjectIfNoneMatchETag, s.currentETag(to, d.DestinationObjectName)); err != nil {
		return err
	}
	o := *src
	o.Name = d.DestinationObjectName
	o.ReadableFrom, o.ReadableUntil = nil, nil
	o.CustomerKey, o.KmsKey = w.CustomerKey, w.KmsKey
	if d.DestinationObjectMetadata != nil {
		details := uploadDetails{Metadata: d.DestinationObjectMetadata}
		a, err := details.attributes(to)
		if err != nil {
			return err
		}
		o.Meta = a.Meta
	}
	o.Tier = to.Settings.StorageTier
	if d.DestinationObjectStorageTier != "" {
		o.Tier, _ = matchTier(d.DestinationObjectStorageTier) // checked when the copy was accepted
	}
	return s.replaceObject(to, &o, done)
}
