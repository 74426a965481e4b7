package manifests

import (
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Bucket is what is set of a bucket or another container of objects.
type Bucket struct {
	ID        string
	Location  Text                    // of the bucket itself; no variable of it is known later
	Lifecycle []backend.LifecycleRule // in place of those of an earlier run; none removes them
	Pos       Pos
}

func bucketForm() form[Bucket] {
	return object("bucket",
		at("location", "The bucket, without a key.", func(k *Bucket) *Text { return &k.Location }, location(nil)).must(),
		at("lifecycle", "What the service does by itself once objects or uploads have an age. Rules that others made stay; [] removes those of earlier runs.",
			func(k *Bucket) *[]backend.LifecycleRule { return &k.Lifecycle }, rulesForm()).must(),
	).checked(func(b *binder, v value, k *Bucket) {
		k.ID, k.Pos = v.key.Value, v.pos()
		b.checkRuleNames(v, k.Lifecycle)
	})
}

// rulesForm is a list that may be empty.
func rulesForm() form[[]backend.LifecycleRule] {
	full := list(ruleForm(), repeats)
	f := full
	f.bind = func(b *binder, v value, to *[]backend.LifecycleRule) {
		if n := follow(v.node); n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			return
		}
		full.bind(b, v, to)
	}
	return f.says(func(s *schema) { s.MinItems = 0 })
}

func ruleForm() form[backend.LifecycleRule] {
	type rule = backend.LifecycleRule
	return object("rule",
		at("name", "Tells the rule from the others of the bucket.", func(r *rule) *string { return &r.Name }, id("name")).must(),
		at("action", "What happens; abort is for uploads that nobody ends, in the whole bucket.", func(r *rule) *string { return &r.Action },
			enum(backend.LifecycleDelete, backend.LifecycleArchive, backend.LifecycleInfrequentAccess, backend.LifecycleAbort)).must(),
		at("days", "Age of the object or upload.", func(r *rule) *int { return &r.Days }, integer(1)).must(),
		at("prefix", "Only objects whose names begin so; all if left out.", func(r *rule) *string { return &r.Prefix }, str()),
		at("previous", "Former versions in place of current ones.", func(r *rule) *bool { return &r.Previous }, boolean()).or("false"),
		at("disabled", "Keep the rule and do not carry it out.", func(r *rule) *bool { return &r.Disabled }, boolean()).or("false"),
	).checked(func(b *binder, v value, r *rule) {
		if r.Action == backend.LifecycleAbort && (r.Prefix != "" || r.Previous) {
			b.failAt(v.mark(), "leave out prefix and previous", "rule %q has the action abort, which is for all uploads of the bucket", r.Name)
		}
	}).says(func(s *schema) {
		s.If = &schema{Properties: properties{{"action", &schema{Const: backend.LifecycleAbort}}}, Required: []string{"action"}}
		s.Then = &schema{Properties: properties{{"prefix", &schema{Not: &schema{}}}, {"previous", &schema{Const: false}}}}
	})
}

// checkRuleNames refuses two rules of one name in the bucket v.
func (b *binder) checkRuleNames(v value, rules []backend.LifecycleRule) {
	seen := map[string]bool{}
	for _, p := range b.quietly().pairs(v) {
		items := follow(p.node).Content
		if p.key.Value != "lifecycle" || len(items) != len(rules) {
			continue
		}
		for i, r := range rules {
			if seen[r.Name] && r.Name != "" {
				b.failAt(items[i], "give each rule a name of its own", "two rules of the bucket are named %q", r.Name)
			}
			seen[r.Name] = true
		}
	}
}

// checkBuckets refuses two entries for one bucket: each run would undo what one of them sets.
func (b *binder) checkBuckets(buckets []Bucket) {
	first := map[string]string{}
	for _, k := range buckets {
		at := strings.TrimRight(k.Location.String(), "/")
		if id, twice := first[at]; twice && at != "" {
			b.fail(k.Location.Pos, "put all its rules into one of them", "buckets %q and %q are the same, %s", id, k.ID, at)
		}
		first[at] = k.ID
	}
}
