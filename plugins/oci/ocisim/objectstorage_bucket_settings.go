package ocisim

import (
	"maps"
	"slices"
	"strings"
)

// bucketSettings are what CreateBucket and UpdateBucket set.
type bucketSettings struct {
	Metadata           map[string]string
	PublicAccessType   string
	StorageTier        string
	ObjectEvents       bool
	FreeformTags       map[string]string
	DefinedTags        map[string]map[string]any
	AutoTiering        string
	IsBucketKeyEnabled bool
	Versioning         string
	KmsKey             string // OCID; "" is a key of the service
}

// bucketDetails is the body of CreateBucket and UpdateBucket: what is nil stays as it is.
type bucketDetails struct {
	Namespace           *string
	Name                *string
	CompartmentID       *string
	Metadata            map[string]*string
	PublicAccessType    *string
	StorageTier         *string
	ObjectEventsEnabled *bool
	FreeformTags        map[string]string
	DefinedTags         map[string]map[string]any
	KmsKeyID            *string
	IsBucketKeyEnabled  *bool
	Versioning          *string
	AutoTiering         *string
	BucketScope         *string
}

// apply merges the details into the settings, or returns an error and leaves them. check is for keys of vaults.
func (d *bucketDetails) apply(to *bucketSettings, check func(kmsKey string) error) error {
	s := *to
	s.Metadata = maps.Clone(to.Metadata)
	for k, v := range d.Metadata {
		if v == nil {
			delete(s.Metadata, k)
			continue
		}
		if s.Metadata == nil {
			s.Metadata = map[string]string{}
		}
		s.Metadata[k] = *v
	}
	if err := checkMetadata(s.Metadata); err != nil {
		return err
	}
	for _, e := range []struct {
		name    string
		from    *string
		to      *string
		allowed []string
	}{
		{"publicAccessType", d.PublicAccessType, &s.PublicAccessType, []string{"NoPublicAccess", "ObjectRead", "ObjectReadWithoutList"}},
		{"storageTier", d.StorageTier, &s.StorageTier, []string{"Standard", "Archive"}},
		{"autoTiering", d.AutoTiering, &s.AutoTiering, []string{"Disabled", "InfrequentAccess"}},
	} {
		if e.from == nil || *e.from == "" {
			continue
		}
		if !slices.Contains(e.allowed, *e.from) {
			return fail(400, "InvalidParameter", "%s %q is not one of %s", e.name, *e.from, strings.Join(e.allowed, ", "))
		}
		*e.to = *e.from
	}
	if err := d.refuse(); err != nil {
		return err
	}
	if d.Versioning != nil && *d.Versioning != "" {
		if err := s.setVersioning(*d.Versioning); err != nil {
			return err
		}
	}
	if d.KmsKeyID != nil {
		if err := check(*d.KmsKeyID); err != nil {
			return err
		}
		s.KmsKey = *d.KmsKeyID
	}
	if d.ObjectEventsEnabled != nil {
		s.ObjectEvents = *d.ObjectEventsEnabled
	}
	if d.IsBucketKeyEnabled != nil {
		s.IsBucketKeyEnabled = *d.IsBucketKeyEnabled
	}
	if d.FreeformTags != nil {
		s.FreeformTags = d.FreeformTags
	}
	if d.DefinedTags != nil {
		s.DefinedTags = d.DefinedTags
	}
	*to = s
	return nil
}

// refuse rejects what would change the meaning of requests but is not simulated.
func (d *bucketDetails) refuse() error {
	if d.PublicAccessType != nil && *d.PublicAccessType != "" && *d.PublicAccessType != "NoPublicAccess" {
		return errNotImplemented("Public access to buckets")
	}
	return nil
}
