package ocisim

import (
	"encoding/json"
	"slices"
	"time"
)

// lifecyclePolicy is a policy as it was put.
type lifecyclePolicy struct {
	ETag    string
	Created time.Time
	Items   []json.RawMessage
}

type lifecycleRule struct {
	Name       string
	Action     string
	TimeAmount int64
	TimeUnit   string
	IsEnabled  *bool
	Target     *string

	ObjectNameFilter *nameFilter
}

func (r *lifecycleRule) check() error {
	switch {
	case r.Name == "" || len(r.Name) > 256 || !consistsOf(r.Name, "._- "):
		return fail(400, "InvalidLifecycleRuleName", "The rule name %q is not valid", r.Name)
	case !slices.Contains([]string{"ARCHIVE", "INFREQUENT_ACCESS", "DELETE", "ABORT"}, r.Action):
		return fail(400, "InvalidLifecycleActionType", "The action %q of the rule %q is not one of ARCHIVE, INFREQUENT_ACCESS, DELETE, ABORT", r.Action, r.Name)
	case r.TimeAmount < 1:
		return fail(400, "InvalidLifecycleTimeAmount", "The timeAmount %d of the rule %q is less than 1", r.TimeAmount, r.Name)
	case r.TimeUnit != "DAYS" && r.TimeUnit != "YEARS":
		return fail(400, "InvalidLifecycleTimeUnit", "The timeUnit %q of the rule %q is not DAYS or YEARS", r.TimeUnit, r.Name)
	case r.IsEnabled == nil:
		return fail(400, "InvalidJSON", "isEnabled of the rule %q is required", r.Name)
	}
	if r.Target != nil && !slices.Contains([]string{"objects", "multipart-uploads", "previous-object-versions"}, *r.Target) {
		return fail(400, "InvalidLifecycleActionType", "The target %q of the rule %q is not one of objects, multipart-uploads, previous-object-versions", *r.Target, r.Name)
	}
	uploads := r.Target != nil && *r.Target == "multipart-uploads"
	if uploads != (r.Action == "ABORT") {
		return fail(400, "InvalidLifecycleActionType", "The rule %q: ABORT is for the target multipart-uploads, and nothing else is", r.Name)
	}
	return r.ObjectNameFilter.check(r.Name)
}

func putLifecycle(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	etag := ""
	if b.Lifecycle != nil {
		etag = b.Lifecycle.ETag
	}
	if err := c.writeConditions(etag); err != nil {
		return err
	}
	var in struct{ Items []json.RawMessage }
	if err := c.decode(&in); err != nil {
		return err
	}
	if len(in.Items) > maxPage {
		return fail(400, "InvalidParameter", "The policy has %d rules, more than %d", len(in.Items), maxPage)
	}
	names := map[string]bool{}
	for _, item := range in.Items {
		var r lifecycleRule
		if err := json.Unmarshal(item, &r); err != nil {
			return fail(400, "InvalidJSON", "The request body is not valid: %v", err)
		}
		if err := r.check(); err != nil {
			return err
		}
		if names[r.Name] {
			return fail(400, "InvalidLifecycleRuleName", "The rule name %q is used twice", r.Name)
		}
		names[r.Name] = true
	}
	if c.s.state.ObjectStorage.NoServicePolicy {
		return c.s.errNoServicePolicy(b.Region)
	}
	b.Lifecycle = &lifecyclePolicy{ETag: newUUID(), Created: c.s.now(), Items: in.Items}
	c.s.scheduleLifecycle()
	return c.lifecycleAnswer(b)
}

func (c *call) lifecycleAnswer(b *bucket) error {
	items := b.Lifecycle.Items
	if items == nil {
		items = []json.RawMessage{}
	}
	c.header.Set("Etag", b.Lifecycle.ETag)
	return c.json(200, map[string]any{"timeCreated": jsonTime(b.Lifecycle.Created), "items": items})
}

func (c *call) findLifecycle() (*bucket, error) {
	b, err := c.findBucket()
	if err != nil {
		return nil, err
	}
	if b.Lifecycle == nil {
		return nil, fail(404, "LifecyclePolicyNotFound", "The bucket '%s' has no lifecycle policy", b.Name)
	}
	return b, nil
}

func getLifecycle(c *call) error {
	b, err := c.findLifecycle()
	if err != nil {
		return err
	}
	return c.lifecycleAnswer(b)
}

func deleteLifecycle(c *call) error {
	b, err := c.findLifecycle()
	if err != nil {
		return err
	}
	if err := c.writeConditions(b.Lifecycle.ETag); err != nil {
		return err
	}
	b.Lifecycle = nil
	return c.empty(204)
}
