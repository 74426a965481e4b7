package backend

import (
	"cmp"
	"slices"
)

// What a LifecycleRule does.
const (
	LifecycleDelete           = "delete"
	LifecycleArchive          = "archive"
	LifecycleInfrequentAccess = "infrequent_access"
	LifecycleAbort            = "abort" // uploads that were neither completed nor aborted, in the whole container

	// LifecycleOther is the action of a rule that somebody changed into what a LifecycleRule cannot say. Lifecycle returns
	// it, so that it differs from every rule; SetLifecycle refuses it.
	LifecycleOther = "other"
)

// LifecycleRule says what a service does by itself to objects or uploads of a container once they have an age.
type LifecycleRule struct {
	Name     string `json:"name"` // letters, digits, dots, - and _
	Action   string `json:"action"`
	Days     int    `json:"days"`               // at least 1
	Prefix   string `json:"prefix,omitempty"`   // only objects whose keys begin so; not with LifecycleAbort
	Previous bool   `json:"previous,omitempty"` // former versions in place of current ones; not with LifecycleAbort
	Disabled bool   `json:"disabled,omitempty"` // it is kept and not carried out
}

// LifecycleChange is one rule that differs between two lists. Old is zero for one that is added, New for one that is removed.
type LifecycleChange struct {
	Old, New LifecycleRule
}

// Name is that of the rule.
func (c LifecycleChange) Name() string { return cmp.Or(c.New.Name, c.Old.Name) }

// CompareLifecycle returns what differs between two lists of rules, by name. The order of the lists means nothing.
func CompareLifecycle(old, fresh []LifecycleRule) []LifecycleChange {
	before := map[string]LifecycleRule{}
	for _, r := range old {
		before[r.Name] = r
	}
	var all []LifecycleChange
	for _, r := range fresh {
		if before[r.Name] != r {
			all = append(all, LifecycleChange{Old: before[r.Name], New: r})
		}
		delete(before, r.Name)
	}
	for _, r := range before {
		all = append(all, LifecycleChange{Old: r})
	}
	slices.SortFunc(all, func(x, y LifecycleChange) int { return cmp.Compare(x.Name(), y.Name()) })
	return all
}
