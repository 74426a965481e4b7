package ocisim

import "time"

// Limits are what the tenancy may have at most. A zero field is no limit.
type Limits struct {
	StorageBytes int64 `json:"storage_bytes"` // of all objects and parts, as a quota would have it
	Buckets      int   `json:"buckets"`       // in each region
	Images       int   `json:"images"`        // custom images that are not deleted
}

// SetLimits replaces the limits. What is there already stays.
func (s *Server) SetLimits(l Limits) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Limits = l
	return s.persist()
}

// findWritableBucket returns the bucket that the path names if objects in it may be changed. The caller holds s.mu.
func (c *call) findWritableBucket() (*bucket, error) {
	b, err := c.findBucket()
	if err != nil {
		return nil, err
	}
	return b, b.writable()
}

func (b *bucket) writable() error {
	if b.ReadOnly {
		return fail(403, "BucketIsReadonly", "The bucket '%s' is read-only: it is the destination of a replication policy", b.Name)
	}
	return nil
}

// retained tells whether a retention rule of the bucket forbids to delete or to replace the version. The record has no
// recording of this error: its code is a guess. The caller holds s.mu.
func (s *Server) retained(b *bucket, o *object) error {
	if o == nil || o.Marker {
		return nil
	}
	for _, r := range b.Retention {
		if until := r.until(o.Modified); until.IsZero() || s.now().Before(until) {
			return fail(403, "NotAllowed", "The object '%s' is protected by the retention rule '%s' and cannot be deleted or overwritten", o.Name, r.Name)
		}
	}
	return nil
}

// mayReplace checks that the object of this name, if there is one, may be replaced. The caller holds s.mu.
func (s *Server) mayReplace(b *bucket, name string) error {
	if err := b.writable(); err != nil {
		return err
	}
	return s.retained(b, s.store.bucket(b.ID).objects[name])
}

// mayStore is mayReplace, and checks that there is room for the object. The parts that it is made of are counted already. The
// caller holds s.mu.
func (s *Server) mayStore(b *bucket, o *object) error {
	if err := s.mayReplace(b, o.Name); err != nil {
		return err
	}
	if o.Parts > 0 {
		return nil
	}
	return s.haveRoom(o.Size)
}

// haveRoom checks n more bytes against the quota. The caller holds s.mu.
func (s *Server) haveRoom(n int64) error {
	limit := s.state.Limits.StorageBytes
	if limit == 0 {
		return nil
	}
	used := n
	for _, b := range s.store.buckets {
		used += b.size + b.pending
	}
	if used > limit {
		return fail(400, "StorageQuotaExceeded", "The storage quota of %d bytes would be exceeded: %d bytes", limit, used)
	}
	return nil
}

// roomForBucket checks one more bucket of a region against the limit. The caller holds s.mu.
func (s *Server) roomForBucket(region string) error {
	n := 0
	for _, b := range s.state.ObjectStorage.Buckets {
		if b.Region == region {
			n++
		}
	}
	if limit := s.state.Limits.Buckets; limit > 0 && n >= limit {
		return fail(400, "LimitExceeded", "The limit of %d buckets has been reached", limit)
	}
	return nil
}

// midnight is the first midnight UTC that is not before t.
func midnight(t time.Time) time.Time {
	day := t.UTC().Truncate(24 * time.Hour)
	if day.Before(t) {
		day = day.Add(24 * time.Hour)
	}
	return day
}
