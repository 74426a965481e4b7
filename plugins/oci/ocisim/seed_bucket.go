package ocisim

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// SeedBucket is one bucket of the tenancy's namespace.
type SeedBucket struct {
	Name        string   `json:"name"`
	Compartment string   `json:"compartment"`  // path; empty: the tenancy
	Region      string   `json:"region"`       // one of the seed's regions; empty: the home region
	Versioning  string   `json:"versioning"`   // Disabled (default), Enabled or Suspended
	StorageTier string   `json:"storage_tier"` // Standard (default) or Archive
	Key         string   `json:"key"`          // name of the vault's key that encrypts its objects; empty: one of the service
	ReadOnly    bool     `json:"read_only"`    // as the destination of a replication policy is
	Retention   []string `json:"retention"`    // durations of retention rules, such as 30 DAYS; "" is one without end
}

// SeedKey is one key of a vault. Its OCID follows from its name: see Server.KeyID.
type SeedKey struct {
	Name     string `json:"name"`
	Disabled bool   `json:"disabled"`
}

// check tells what is wrong with a bucket; keys are the names of the seed's keys.
func (b *SeedBucket) check(keys []string) error {
	if !slices.Contains([]string{"", versioningDisabled, versioningEnabled, versioningSuspended}, b.Versioning) {
		return fmt.Errorf("versioning %q: want Disabled, Enabled or Suspended", b.Versioning)
	}
	if !slices.Contains([]string{"", "Standard", "Archive"}, b.StorageTier) {
		return fmt.Errorf("storage_tier %q: want Standard or Archive", b.StorageTier)
	}
	if b.Key != "" && !slices.Contains(keys, b.Key) {
		return fmt.Errorf("key %q is not in the seed; add it to keys", b.Key)
	}
	for _, text := range b.Retention {
		if _, err := parseRuleDuration(text); err != nil {
			return err
		}
	}
	return nil
}

// parseRuleDuration reads a duration such as 30 DAYS; "" is nil.
func parseRuleDuration(text string) (*ruleDuration, error) {
	if text == "" {
		return nil, nil
	}
	var d ruleDuration
	if n, err := fmt.Sscanf(text, "%d %s", &d.TimeAmount, &d.TimeUnit); err != nil || n != 2 || d.TimeAmount < 1 || d.TimeUnit != "DAYS" && d.TimeUnit != "YEARS" {
		return nil, fmt.Errorf("retention %q: want a number and DAYS or YEARS", text)
	}
	return &d, nil
}

// seedBucket creates a bucket. The caller holds s.mu.
func (s *Server) seedBucket(seed SeedBucket) error {
	region := cmp.Or(seed.Region, s.state.Region)
	if !s.isRegion(region) {
		return fmt.Errorf("the tenancy is not subscribed to region %q; add it to regions", region)
	}
	b, err := s.newBucket(region, seed.Name, s.compartmentOCID(seed.Compartment), s.state.User)
	if err != nil {
		return err
	}
	b.Settings.Versioning = cmp.Or(seed.Versioning, versioningDisabled)
	b.Settings.StorageTier = cmp.Or(seed.StorageTier, "Standard")
	b.ReadOnly = seed.ReadOnly
	if seed.Key != "" {
		b.Settings.KmsKey = s.KeyID(seed.Key)
	}
	for i, text := range seed.Retention {
		d, _ := parseRuleDuration(text) // checked with the seed
		now := s.now().Add(time.Duration(i) * time.Millisecond)
		b.Retention = append(b.Retention, &retentionRule{ID: newUUID(), Name: "rule " + text, Duration: d, Created: now, Modified: now, ETag: newUUID()})
	}
	s.addBucket(b)
	return nil
}
