package backendtest

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var ruleName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// Lifecycle returns the rules.
func (m *Mem) Lifecycle(ctx context.Context) ([]backend.LifecycleRule, error) {
	if err := m.lifecycle(ctx, OpLifecycle); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.rules), nil
}

// SetLifecycle keeps the rules and does not carry them out.
func (m *Mem) SetLifecycle(ctx context.Context, rules []backend.LifecycleRule) (bool, error) {
	if err := m.lifecycle(ctx, OpSetLifecycle); err != nil {
		return false, err
	}
	names := map[string]bool{}
	for _, r := range rules {
		if err := checkRule(r); err != nil || names[r.Name] {
			return false, fail(OpSetLifecycle, m.o.Name, backend.Invalid, cmp.Or(err, fmt.Errorf("two rules are named %s", r.Name)))
		}
		names[r.Name] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(backend.CompareLifecycle(m.rules, rules)) == 0 {
		return false, nil
	}
	m.rules = slices.Clone(rules)
	slices.SortFunc(m.rules, func(x, y backend.LifecycleRule) int { return cmp.Compare(x.Name, y.Name) })
	return true, nil
}

func (m *Mem) lifecycle(ctx context.Context, op string) error {
	if err := m.ended(ctx, op, m.o.Name); err != nil {
		return err
	}
	if err := can(m.info.Can.Lifecycle, op, m.o.Name, "rules"); err != nil {
		return err
	}
	return m.checkThere(op, m.o.Name)
}

func checkRule(r backend.LifecycleRule) error {
	abort := r.Action == backend.LifecycleAbort
	switch {
	case !ruleName.MatchString(r.Name):
		return fmt.Errorf("%q is no name of a rule", r.Name)
	case !abort && r.Action != backend.LifecycleDelete && r.Action != backend.LifecycleArchive && r.Action != backend.LifecycleInfrequentAccess:
		return fmt.Errorf("rule %s: there is no action %q", r.Name, r.Action)
	case r.Days < 1 || abort && (r.Prefix != "" || r.Previous):
		return fmt.Errorf("rule %s: an age of %d days, prefix %q, previous %t", r.Name, r.Days, r.Prefix, r.Previous)
	}
	return nil
}
