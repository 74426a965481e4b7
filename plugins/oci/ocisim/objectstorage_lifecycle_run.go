package ocisim

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Lifecycle policies are carried out at each midnight UTC of the simulator's clock. OCI takes up to a day longer.

// scheduleLifecycle arranges the next run if a bucket has a policy. The caller holds s.mu.
func (s *Server) scheduleLifecycle() {
	if s.nightly || !s.hasLifecycles() {
		return
	}
	s.nightly = true
	now := s.clock.Now()
	s.after(midnight(now.Add(1)).Sub(now), func() {
		s.nightly = false
		for _, b := range s.state.ObjectStorage.Buckets {
			s.runLifecycle(b)
		}
		s.scheduleLifecycle()
	})
}

func (s *Server) hasLifecycles() bool {
	for _, b := range s.state.ObjectStorage.Buckets {
		if b.Lifecycle != nil {
			return true
		}
	}
	return false
}

// runLifecycle does to one bucket what its enabled rules say. A deletion goes before a change of tier. The caller holds s.mu.
func (s *Server) runLifecycle(b *bucket) {
	if b.Lifecycle == nil || b.ReadOnly || s.state.ObjectStorage.NoServicePolicy {
		return
	}
	var rules []lifecycleRule
	for _, item := range b.Lifecycle.Items {
		var r lifecycleRule
		if err := json.Unmarshal(item, &r); err == nil && *r.IsEnabled {
			rules = append(rules, r)
		}
	}
	order := []string{"ABORT", "DELETE", "ARCHIVE", "INFREQUENT_ACCESS"}
	slices.SortStableFunc(rules, func(x, y lifecycleRule) int { return slices.Index(order, x.Action) - slices.Index(order, y.Action) })
	for i := range rules {
		for _, c := range s.lifecycleChanges(b, &rules[i]) {
			_ = s.store.do(c) // the next night tries again
		}
	}
}

// lifecycleChanges are what one rule does now. The caller holds s.mu.
func (s *Server) lifecycleChanges(b *bucket, r *lifecycleRule) []change {
	var all []change
	now, held := s.now(), s.store.bucket(b.ID)
	if r.Action == "ABORT" {
		for _, u := range held.uploads {
			if r.due(u.Object, u.Created, now) {
				all = append(all, change{Bucket: b.ID, Upload: u.ID, End: true})
			}
		}
		return all
	}
	former := r.Target != nil && *r.Target == "previous-object-versions"
	for _, name := range held.allNames() {
		for _, o := range held.versions(name) {
			current := held.objects[name] == o
			if current == former || o.Marker || !r.due(name, o.Modified, now) || s.retained(b, o) != nil {
				continue
			}
			if c, ok := s.lifecycleChange(b, r, o, former); ok {
				all = append(all, c)
			}
		}
	}
	return all
}

func (s *Server) lifecycleChange(b *bucket, r *lifecycleRule, o *object, former bool) (change, bool) {
	tier := "Archive"
	switch {
	case r.Action == "DELETE" && former:
		return change{Bucket: b.ID, Forget: []versionName{{o.Name, o.Version}}}, true
	case r.Action == "DELETE":
		return s.deletion(b, o.Name), true
	case r.Action == "INFREQUENT_ACCESS":
		tier = "InfrequentAccess"
	}
	if o.Tier == "Archive" || o.Tier == tier {
		return change{}, false
	}
	moved := *o
	moved.Tier = tier
	return change{Bucket: b.ID, Amend: &moved}, true
}

// due tells whether the rule is for what has this name and was made then: ages count to the midnight UTC after.
func (r *lifecycleRule) due(name string, made, now time.Time) bool {
	age := ruleDuration{r.TimeAmount, r.TimeUnit}.length()
	return !now.Before(midnight(made.Add(age))) && r.ObjectNameFilter.selects(name)
}

// nameFilter says which objects a rule is for. Exclusions go first; nothing included is everything.
type nameFilter struct {
	InclusionPrefixes []string
	InclusionPatterns []string
	ExclusionPatterns []string
}

const maxNameFilters = 1000

// check tells what is wrong with the filter of a rule.
func (f *nameFilter) check(rule string) error {
	if f == nil {
		return nil
	}
	if n := len(f.InclusionPrefixes) + len(f.InclusionPatterns) + len(f.ExclusionPatterns); n > maxNameFilters {
		return fail(400, "InvalidLifecyclePattern", "The rule %q has %d prefixes and patterns, more than %d", rule, n, maxNameFilters)
	}
	for _, p := range f.InclusionPrefixes {
		if checkObjectName(p) != nil {
			return fail(400, "InvalidLifecyclePrefix", "The prefix %q of the rule %q is not valid", p, rule)
		}
	}
	for _, p := range slices.Concat(f.InclusionPatterns, f.ExclusionPatterns) {
		if _, err := globPattern(p); err != nil || len(p) > maxName || p == "" {
			return fail(400, "InvalidLifecyclePattern", "The pattern %q of the rule %q is not valid", p, rule)
		}
	}
	return nil
}

func (f *nameFilter) selects(name string) bool {
	matches := func(pattern string) bool {
		re, err := globPattern(pattern)
		return err == nil && re.MatchString(name)
	}
	switch {
	case f == nil:
		return true
	case slices.ContainsFunc(f.ExclusionPatterns, matches):
		return false
	case len(f.InclusionPrefixes)+len(f.InclusionPatterns) == 0:
		return true
	}
	return slices.ContainsFunc(f.InclusionPatterns, matches) ||
		slices.ContainsFunc(f.InclusionPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// globPattern reads a pattern: \ escapes, * is any string, ? any character, [...] a set or one range of characters.
func globPattern(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(glob); i++ {
		switch glob[i] {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '\\':
			i++
			if i == len(glob) {
				return nil, fail(400, "InvalidLifecyclePattern", "A pattern ends with a backslash")
			}
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		case '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 || strings.ContainsAny(glob[i+1:i+2], "^:") {
				return nil, fail(400, "InvalidLifecyclePattern", "A pattern has a group that is not closed, is empty or begins with ^ or :")
			}
			b.WriteString(charGroup(glob[i+1 : i+end]))
			i += end
		default: // bytes of longer characters stand for themselves
			next := strings.IndexAny(glob[i:], `*?\[`)
			if next < 0 {
				next = len(glob) - i
			}
			b.WriteString(regexp.QuoteMeta(glob[i : i+next]))
			i += next - 1
		}
	}
	return regexp.Compile(b.String() + `\z`)
}

// charGroup is a set of characters, or a range if it is one.
func charGroup(set string) string {
	if len(set) == 3 && set[1] == '-' {
		return "[" + regexp.QuoteMeta(set[:1]) + "-" + regexp.QuoteMeta(set[2:]) + "]"
	}
	var b strings.Builder
	for _, ch := range set {
		if strings.ContainsRune(`\]^-[`, ch) {
			b.WriteByte('\\')
		}
		b.WriteRune(ch)
	}
	return "[" + b.String() + "]"
}
