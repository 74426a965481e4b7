package backendtest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var lifecycleMutants = []mutant{
	{name: "rules are always said to have changed", cases: "lifecycle", wreck: func(_ *testing.T, b *broken) {
		b.setRules = func(ctx context.Context, rules []backend.LifecycleRule) (bool, error) {
			_, err := b.Mem.SetLifecycle(ctx, rules)
			return err == nil, err
		}
	}},
	{name: "rules are added to those that are there", cases: "lifecycle", wreck: func(_ *testing.T, b *broken) {
		b.setRules = func(ctx context.Context, rules []backend.LifecycleRule) (bool, error) {
			if now, err := b.Mem.Lifecycle(ctx); err == nil && len(rules) > 0 {
				for _, r := range now {
					if !slices.ContainsFunc(rules, func(x backend.LifecycleRule) bool { return x.Name == r.Name }) {
						rules = append(slices.Clone(rules), r)
					}
				}
			}
			return b.Mem.SetLifecycle(ctx, rules)
		}
	}},
	{name: "a rule that is there by its name is not changed", cases: "lifecycle", wreck: func(_ *testing.T, b *broken) {
		b.setRules = func(ctx context.Context, rules []backend.LifecycleRule) (bool, error) {
			now, err := b.Mem.Lifecycle(ctx)
			same := slices.EqualFunc(now, rules, func(x, y backend.LifecycleRule) bool { return x.Name == y.Name })
			if err == nil && same && len(rules) > 0 {
				return false, nil
			}
			return b.Mem.SetLifecycle(ctx, rules)
		}
	}},
	{name: "rules lose what they leave out", cases: "lifecycle", wreck: func(_ *testing.T, b *broken) {
		b.rules = func(ctx context.Context) ([]backend.LifecycleRule, error) {
			rules, err := b.Mem.Lifecycle(ctx)
			for i := range rules {
				rules[i].Previous, rules[i].Disabled = false, false
			}
			return rules, err
		}
	}},
	{name: "rules come in any order", cases: "lifecycle", wreck: func(_ *testing.T, b *broken) {
		b.rules = func(ctx context.Context) ([]backend.LifecycleRule, error) {
			rules, err := b.Mem.Lifecycle(ctx)
			slices.Reverse(rules)
			return rules, err
		}
	}},
	{name: "bad rules are left out", cases: "lifecycle-refused", wreck: func(_ *testing.T, b *broken) {
		b.setRules = func(ctx context.Context, rules []backend.LifecycleRule) (bool, error) {
			changed, err := b.Mem.SetLifecycle(ctx, rules)
			if errors.Is(err, backend.Invalid) {
				return false, nil
			}
			return changed, err
		}
	}},
	{name: "a missing container has no rules", cases: "lifecycle-missing", wreck: func(_ *testing.T, b *broken) {
		b.rules = func(ctx context.Context) ([]backend.LifecycleRule, error) {
			rules, err := b.Mem.Lifecycle(ctx)
			if errors.Is(err, backend.NotFound) {
				return nil, nil
			}
			return rules, err
		}
	}},
}
