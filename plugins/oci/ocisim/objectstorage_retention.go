package ocisim

import (
	"slices"
	"time"
)

const (
	maxRetentionRules = 100
	retentionLockLead = 14 * 24 * time.Hour // a lock takes effect so much later at the earliest
)

// retentionRule forbids to delete or to overwrite objects of a bucket, for a time after they were written or for ever.
type retentionRule struct {
	ID       string
	Name     string
	Duration *ruleDuration // nil is without end
	Locked   *time.Time    // from then on the rule can only become longer
	Created  time.Time
	Modified time.Time
	ETag     string
}

// ruleDuration is an age as rules of buckets give it.
type ruleDuration struct {
	TimeAmount int64  `json:"timeAmount"`
	TimeUnit   string `json:"timeUnit"`
}

// length is the duration in time; a year has 365.2425 days.
func (d ruleDuration) length() time.Duration {
	day := 24 * time.Hour
	if d.TimeUnit == "YEARS" {
		return time.Duration(d.TimeAmount) * time.Duration(365.2425*float64(day))
	}
	return time.Duration(d.TimeAmount) * day
}

// until is when the rule stops to protect what was written at a time; zero is never.
func (r *retentionRule) until(modified time.Time) time.Time {
	if r.Duration == nil {
		return time.Time{}
	}
	return modified.Add(r.Duration.length())
}

type retentionDetails struct {
	DisplayName    *string
	Duration       *ruleDuration
	TimeRuleLocked *time.Time
}

// check tells what is wrong with the details of a rule; old is nil for a new one.
func (d *retentionDetails) check(old *retentionRule, now time.Time) error {
	bad := func(format string, args ...any) error {
		return fail(400, "InvalidRetentionRuleDetails", format, args...)
	}
	if d.Duration != nil && (d.Duration.TimeAmount < 1 || d.Duration.TimeUnit != "DAYS" && d.Duration.TimeUnit != "YEARS") {
		return bad("The duration must be of at least 1 DAYS or YEARS")
	}
	if d.TimeRuleLocked != nil {
		if d.Duration == nil {
			return bad("A rule without a duration cannot be locked")
		}
		unchanged := old != nil && old.Locked != nil && old.Locked.Equal(*d.TimeRuleLocked)
		if !unchanged && d.TimeRuleLocked.Before(now.Add(retentionLockLead)) {
			return bad("timeRuleLocked must be at least 14 days in the future")
		}
	}
	if old == nil || old.Locked == nil || now.Before(*old.Locked) {
		return nil
	}
	if d.TimeRuleLocked == nil || !d.TimeRuleLocked.Equal(*old.Locked) || d.Duration == nil || d.Duration.length() < old.Duration.length() {
		return bad("The rule is locked: its duration can only become longer")
	}
	return nil
}

func createRetentionRule(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	var in retentionDetails
	if err := c.decode(&in); err != nil {
		return err
	}
	if err := in.check(nil, c.s.now()); err != nil {
		return err
	}
	switch {
	case len(b.Retention) >= maxRetentionRules:
		return fail(400, "InvalidRetentionRuleDetails", "The bucket '%s' has %d rules, as many as it may have", b.Name, maxRetentionRules)
	case b.Settings.Versioning == versioningEnabled:
		return fail(400, "InvalidRetentionRuleDetails", "The bucket '%s' has versioning enabled: it cannot have retention rules", b.Name)
	}
	r := &retentionRule{ID: newUUID(), Name: "RetentionRule", Created: c.s.now()}
	b.Retention = append(b.Retention, r)
	return c.setRetention(r, &in)
}

// setRetention applies checked details and answers with the rule.
func (c *call) setRetention(r *retentionRule, in *retentionDetails) error {
	if in.DisplayName != nil && *in.DisplayName != "" {
		r.Name = *in.DisplayName
	}
	r.Duration, r.Locked, r.Modified, r.ETag = in.Duration, in.TimeRuleLocked, c.s.now(), newUUID()
	c.header.Set("Etag", r.ETag)
	return c.json(200, r.answer())
}

func (r *retentionRule) answer() map[string]any {
	v := map[string]any{
		"id": r.ID, "displayName": r.Name, "duration": nil, "etag": r.ETag,
		"timeCreated": jsonTime(r.Created), "timeModified": jsonTime(r.Modified), "timeRuleLocked": timeOrNull(r.Locked),
	}
	if r.Duration != nil {
		v["duration"] = r.Duration
	}
	return v
}

// findRetention returns the rule that the path names.
func (c *call) findRetention() (*bucket, *retentionRule, error) {
	b, err := c.findBucket()
	if err != nil {
		return nil, nil, err
	}
	for _, r := range b.Retention {
		if r.ID == c.vars["id"] {
			return b, r, nil
		}
	}
	return nil, nil, fail(404, "RetentionRuleNotFound", "The retention rule '%s' was not found in the bucket '%s'", c.vars["id"], b.Name)
}

func listRetentionRules(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	rules := slices.Clone(b.Retention)
	slices.SortFunc(rules, func(x, y *retentionRule) int { return x.Created.Compare(y.Created) })
	items := []map[string]any{}
	for _, r := range rules {
		items = append(items, r.answer())
	}
	return c.json(200, map[string]any{"items": items})
}

func getRetentionRule(c *call) error {
	_, r, err := c.findRetention()
	if err != nil {
		return err
	}
	c.header.Set("Etag", r.ETag)
	c.header.Set("Last-Modified", httpTime(r.Modified))
	return c.json(200, r.answer())
}

func updateRetentionRule(c *call) error {
	_, r, err := c.findRetention()
	if err != nil {
		return err
	}
	if err := c.writeConditions(r.ETag); err != nil {
		return err
	}
	var in retentionDetails
	if err := c.decode(&in); err != nil {
		return err
	}
	if err := in.check(r, c.s.now()); err != nil {
		return err
	}
	return c.setRetention(r, &in)
}

func deleteRetentionRule(c *call) error {
	b, r, err := c.findRetention()
	if err != nil {
		return err
	}
	if err := c.writeConditions(r.ETag); err != nil {
		return err
	}
	if r.Locked != nil && !c.s.now().Before(*r.Locked) {
		return fail(403, "NotAllowed", "The retention rule '%s' is locked and cannot be deleted", r.Name)
	}
	b.Retention = slices.DeleteFunc(b.Retention, func(other *retentionRule) bool { return other == r })
	return c.empty(204)
}
