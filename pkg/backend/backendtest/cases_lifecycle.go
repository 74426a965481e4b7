package backendtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func hasLifecycle(i backend.Info) bool { return i.Can.Lifecycle }

var lifecycleCases = []testCase{
	{"lifecycle", hasLifecycle, lifecycle},
	{"lifecycle-refused", hasLifecycle, lifecycleRefused},
	{"lifecycle-missing", func(i backend.Info) bool { return i.Can.Lifecycle && i.Can.CreateContainer }, lifecycleMissing},
}

// suiteRules have one of each kind, by name. None of them does anything to what the suite writes.
func suiteRules() []backend.LifecycleRule {
	return []backend.LifecycleRule{
		{Name: "archived", Action: backend.LifecycleArchive, Days: 3000, Prefix: "backendtest-none/"},
		{Name: "cooled", Action: backend.LifecycleInfrequentAccess, Days: 3000, Prefix: "backendtest-none/"},
		{Name: "deleted", Action: backend.LifecycleDelete, Days: 3000, Prefix: "backendtest-none/", Disabled: true},
		{Name: "former", Action: backend.LifecycleDelete, Days: 3000, Prefix: "backendtest-none/", Previous: true},
		{Name: "uploads", Action: backend.LifecycleAbort, Days: 3000},
	}
}

// lifecycle sets rules, changes and removes them. A container that has some is left alone: whoever kills the suite would lose
// them.
func lifecycle(r *run) (err error) {
	before, err := r.s.Lifecycle(r.ctx)
	if err != nil {
		return fmt.Errorf("read lifecycle: %w", err)
	}
	if len(before) > 0 {
		return ErrSkipped
	}
	defer func() {
		if _, backErr := r.s.SetLifecycle(context.WithoutCancel(r.ctx), nil); backErr != nil && err == nil {
			err = fmt.Errorf("remove all rules: %w", backErr)
		}
	}()
	rules := suiteRules()
	backwards := slices.Clone(rules)
	slices.Reverse(backwards)
	changed := slices.Clone(rules)
	changed[0].Days++
	for _, step := range []struct {
		what string
		set  []backend.LifecycleRule
		want bool
	}{
		{"none where there are none", nil, false}, {"all", backwards, true}, {"the same", rules, false}, {"one with other days", changed, true},
		{"the first only", rules[:1], true}, {"none", nil, true}, {"none again", nil, false},
	} {
		did, err := r.s.SetLifecycle(r.ctx, step.set)
		if err != nil {
			return fmt.Errorf("set lifecycle to %s: %w", step.what, err)
		}
		if did != step.want {
			r.errorf("set lifecycle to %s says changed: %t", step.what, did)
		}
		now, err := r.s.Lifecycle(r.ctx)
		if err != nil {
			return fmt.Errorf("read lifecycle: %w", err)
		}
		sorted := slices.IsSortedFunc(now, func(x, y backend.LifecycleRule) int { return cmp.Compare(x.Name, y.Name) })
		if diff := backend.CompareLifecycle(step.set, now); len(diff) > 0 || len(now) != len(step.set) || !sorted {
			r.errorf("lifecycle set to %s is %+v", step.what, now)
		}
	}
	return nil
}

// lifecycleRefused sets rules that nobody can keep.
func lifecycleRefused(r *run) error {
	before, err := r.s.Lifecycle(r.ctx)
	if err != nil {
		return err
	}
	good := suiteRules()[0]
	for what, change := range map[string]func(r *backend.LifecycleRule){
		"without a name":        func(r *backend.LifecycleRule) { r.Name = "" },
		"with a bad name":       func(r *backend.LifecycleRule) { r.Name = "a b/c" },
		"without an action":     func(r *backend.LifecycleRule) { r.Action = "" },
		"with the action other": func(r *backend.LifecycleRule) { r.Action = backend.LifecycleOther },
		"of no days":            func(r *backend.LifecycleRule) { r.Days = 0 },
		"of uploads by prefix":  func(r *backend.LifecycleRule) { r.Action = backend.LifecycleAbort },
	} {
		bad := good
		change(&bad)
		_, err := r.s.SetLifecycle(r.ctx, []backend.LifecycleRule{bad})
		r.fails(err, backend.Invalid, "set a rule %s", what)
	}
	_, err = r.s.SetLifecycle(r.ctx, []backend.LifecycleRule{good, good})
	r.fails(err, backend.Invalid, "set two rules of one name")
	after, err := r.s.Lifecycle(r.ctx)
	if err != nil || !slices.Equal(before, after) {
		r.errorf("rules that are refused make %+v of %+v, %v", after, before, err)
	}
	return nil
}

// lifecycleMissing asks a container that does not exist.
func lifecycleMissing(r *run) error {
	if r.o.Fresh == nil {
		return ErrSkipped
	}
	s, err := r.o.Fresh()
	if err != nil {
		return err
	}
	_, err = s.Lifecycle(r.ctx)
	r.fails(err, backend.NotFound, "read lifecycle of a container that does not exist")
	_, err = s.SetLifecycle(r.ctx, suiteRules())
	r.fails(err, backend.NotFound, "set lifecycle of a container that does not exist")
	return nil
}
