package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// lifecyclePrefix begins the names of the rules that SetLifecycle keeps; all others belong to somebody else.
const lifecyclePrefix = "hyperexport-"

// What a LifecycleRule does.
const (
	LifecycleArchive          = backend.LifecycleArchive
	LifecycleInfrequentAccess = backend.LifecycleInfrequentAccess
	LifecycleDelete           = backend.LifecycleDelete
	LifecycleAbortUploads     = backend.LifecycleAbort
)

// What a rule of the service is about.
const (
	targetObjects  = "objects"
	targetUploads  = "multipart-uploads"
	targetPrevious = "previous-object-versions"
)

var lifecycleActions = map[string]string{
	LifecycleArchive: "ARCHIVE", LifecycleInfrequentAccess: "INFREQUENT_ACCESS", LifecycleDelete: "DELETE", LifecycleAbortUploads: "ABORT",
}

// LifecycleRule says what the service does to objects, or to uploads that nobody ends, once they have an age. The service's
// name of the rule begins with "hyperexport-".
type LifecycleRule = backend.LifecycleRule

func checkRule(r LifecycleRule) error {
	switch {
	case r.Name == "" || len(lifecyclePrefix+r.Name) > 256 || !bucketPattern.MatchString(r.Name):
		return fmt.Errorf("rule %q: a name has letters, digits, dots, - and _", clip(r.Name))
	case lifecycleActions[r.Action] == "":
		return fmt.Errorf("rule %s: action %q is not one of archive, infrequent_access, delete and abort", r.Name, clip(r.Action))
	case r.Days < 1:
		return fmt.Errorf("rule %s: the age is %d days, the shortest is 1", r.Name, r.Days)
	case r.Action == LifecycleAbortUploads && (r.Prefix != "" || r.Previous):
		return fmt.Errorf("rule %s: uploads are aborted in the whole bucket, without prefix or previous", r.Name)
	}
	return nil
}

// wireRule gives a rule the form of the service.
func wireRule(r LifecycleRule) objectstorage.ObjectLifecycleRule {
	name, action, days, enabled := lifecyclePrefix+r.Name, lifecycleActions[r.Action], int64(r.Days), !r.Disabled
	target := targetObjects
	switch {
	case r.Action == LifecycleAbortUploads:
		target = targetUploads
	case r.Previous:
		target = targetPrevious
	}
	w := objectstorage.ObjectLifecycleRule{Name: &name, Action: &action, TimeAmount: &days, TimeUnit: objectstorage.ObjectLifecycleRuleTimeUnitDays,
		IsEnabled: &enabled, Target: &target}
	if r.Prefix != "" {
		w.ObjectNameFilter = &objectstorage.ObjectNameFilter{InclusionPrefixes: []string{r.Prefix}}
	}
	return w
}

// lifecycleTries is how often a policy that others change at the same time is read again.
const lifecycleTries = 5

// Lifecycle returns the rules of hyperexport in the bucket that loc points into, by their names, and the service's names of
// all others. What somebody else made of one of ours and a LifecycleRule cannot say has the action backend.LifecycleOther;
// SetLifecycle sets it right.
func (p *Provider) Lifecycle(ctx context.Context, loc backend.Location) (own []LifecycleRule, others []string, err error) {
	const op = "read lifecycle"
	b, err := p.bucketOf(op, loc)
	if err != nil {
		return nil, nil, err
	}
	return b.rules(ctx, op)
}

// SetLifecycle makes rules the ones of hyperexport in the bucket that loc points into; see backend.Catalog.
func (p *Provider) SetLifecycle(ctx context.Context, loc backend.Location, rules []LifecycleRule) (changed bool, err error) {
	b, err := p.bucketOf(opSetLifecycle, loc)
	if err != nil {
		return false, err
	}
	return b.SetLifecycle(ctx, rules)
}

const opSetLifecycle = "set lifecycle"

// Lifecycle returns the rules of hyperexport.
func (b *bucket) Lifecycle(ctx context.Context) ([]LifecycleRule, error) {
	own, _, err := b.rules(ctx, "read lifecycle")
	return own, err
}

func (b *bucket) rules(ctx context.Context, op string) (own []LifecycleRule, others []string, err error) {
	policy, err := b.lifecycle(ctx, op)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range policy.Items {
		if strings.HasPrefix(value(w.Name), lifecyclePrefix) {
			own = append(own, lifecycleRuleOf(w))
		} else {
			others = append(others, value(w.Name))
		}
	}
	slices.SortFunc(own, func(x, y LifecycleRule) int { return cmp.Compare(x.Name, y.Name) })
	slices.Sort(others)
	return own, others, nil
}

// lifecycleRuleOf is what wireRule made of a rule, or the action LifecycleOther.
func lifecycleRuleOf(w objectstorage.ObjectLifecycleRule) LifecycleRule {
	r := LifecycleRule{Name: strings.TrimPrefix(value(w.Name), lifecyclePrefix), Days: int(value(w.TimeAmount)), Disabled: !value(w.IsEnabled),
		Previous: value(w.Target) == targetPrevious}
	for action, name := range lifecycleActions {
		if name == value(w.Action) {
			r.Action = action
		}
	}
	if prefixes := value(w.ObjectNameFilter).InclusionPrefixes; len(prefixes) > 0 {
		r.Prefix = prefixes[0]
	}
	if !sameRule(w, wireRule(r)) {
		r.Action = backend.LifecycleOther
	}
	return r
}

// SetLifecycle reads, changes and writes the bucket's policy, again if somebody else has written it meanwhile.
func (b *bucket) SetLifecycle(ctx context.Context, rules []LifecycleRule) (changed bool, err error) {
	const op = opSetLifecycle
	place := b.namespace + "/" + b.name
	own := map[string]bool{}
	for _, r := range rules {
		if err := checkRule(r); err != nil {
			return false, invalid(op, place, "%w", err)
		}
		if own[r.Name] {
			return false, invalid(op, place, "two rules are named %s", r.Name)
		}
		own[r.Name] = true
	}
	for try := 1; ; try++ {
		changed, err := b.changeLifecycle(ctx, op, rules)
		if !errors.Is(err, backend.Changed) && !errors.Is(err, backend.Exists) || try == lifecycleTries {
			return changed && err == nil, err
		}
		if err := b.p.pause(ctx, time.Duration(try)*firstLook); err != nil {
			return false, failure(ctx, op, place, nil, err)
		}
	}
}

func (p *Provider) bucketOf(op string, loc backend.Location) (*bucket, error) {
	namespace, name, _, err := split(loc)
	if err != nil {
		return nil, &backend.Error{Op: op, Key: loc.String(), Kind: backend.Invalid, Err: err}
	}
	return &bucket{p: p, namespace: namespace, name: name}, nil
}

// policy is what the service keeps; without ETag there is none.
type policy struct {
	ETag  string
	Items []objectstorage.ObjectLifecycleRule
}

// lifecycle reads the policy. A bucket that is said to be missing is asked for some more times, as elsewhere.
func (b *bucket) lifecycle(ctx context.Context, op string) (policy, error) {
	place := b.namespace + "/" + b.name
	for n := 1; ; n++ {
		resp, err := b.p.objects.GetObjectLifecyclePolicy(quick(ctx), objectstorage.GetObjectLifecyclePolicyRequest{
			NamespaceName: &b.namespace, BucketName: &b.name, RequestMetadata: b.p.once,
		})
		if err == nil && value(resp.ETag) == "" {
			return policy{}, b.broken(op, place, resp, errors.New("the answer has no etag"))
		}
		if err == nil {
			b.works()
			return policy{ETag: *resp.ETag, Items: resp.Items}, nil
		}
		e := b.fail(ctx, op, place, resp, err)
		switch code := codeOf(e); {
		case code == "LifecyclePolicyNotFound":
			b.works()
			return policy{}, nil
		case code != codeBucketNotFound || n == bucketAsks:
			return policy{}, e
		}
	}
}

// changeLifecycle reads, changes and writes the policy once. It fails with Changed or Exists if somebody wrote it meanwhile.
func (b *bucket) changeLifecycle(ctx context.Context, op string, rules []LifecycleRule) (bool, error) {
	now, err := b.lifecycle(ctx, op)
	if err != nil {
		return false, err
	}
	var others, old, fresh []objectstorage.ObjectLifecycleRule
	for _, r := range now.Items {
		if strings.HasPrefix(value(r.Name), lifecyclePrefix) {
			old = append(old, r)
		} else {
			others = append(others, r)
		}
	}
	for _, r := range rules {
		fresh = append(fresh, wireRule(r))
	}
	for _, list := range [][]objectstorage.ObjectLifecycleRule{old, fresh} {
		slices.SortFunc(list, func(x, y objectstorage.ObjectLifecycleRule) int { return cmp.Compare(value(x.Name), value(y.Name)) })
	}
	if slices.EqualFunc(old, fresh, sameRule) {
		return false, nil
	}
	for range bucketAsks {
		if err = b.writeLifecycle(ctx, op, now.ETag, append(others, fresh...)); codeOf(err) != codeBucketNotFound {
			break
		}
	}
	return true, err
}

// sameRule compares what rules do. What the service fills in where we leave it out is no difference.
func sameRule(x, y objectstorage.ObjectLifecycleRule) bool {
	text := func(r objectstorage.ObjectLifecycleRule) string {
		filter := value(r.ObjectNameFilter)
		return fmt.Sprintf("%q %q %d %q %t %q %q %q %q", value(r.Name), value(r.Action), value(r.TimeAmount), r.TimeUnit, value(r.IsEnabled),
			cmp.Or(value(r.Target), targetObjects), filter.InclusionPrefixes, filter.InclusionPatterns, filter.ExclusionPatterns)
	}
	return text(x) == text(y)
}

// writeLifecycle replaces the policy of that ETag; "" is for none. An empty policy is removed.
func (b *bucket) writeLifecycle(ctx context.Context, op, etag string, rules []objectstorage.ObjectLifecycleRule) error {
	place := b.namespace + "/" + b.name
	if len(rules) == 0 {
		resp, err := b.p.objects.DeleteObjectLifecyclePolicy(quick(ctx), objectstorage.DeleteObjectLifecyclePolicyRequest{
			NamespaceName: &b.namespace, BucketName: &b.name, IfMatch: &etag, RequestMetadata: b.p.once,
		})
		if err != nil {
			return b.lifecycleFailed(place, b.fail(ctx, op, place, resp, err))
		}
		return nil
	}
	request := objectstorage.PutObjectLifecyclePolicyRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, RequestMetadata: b.p.once,
		PutObjectLifecyclePolicyDetails: objectstorage.PutObjectLifecyclePolicyDetails{Items: rules},
	}
	if etag == "" {
		request.IfNoneMatch = optional("*")
	} else {
		request.IfMatch = &etag
	}
	resp, err := b.p.objects.PutObjectLifecyclePolicy(quick(ctx), request)
	if err != nil {
		return b.lifecycleFailed(place, b.fail(ctx, op, place, resp, err))
	}
	return nil
}

// lifecycleFailed adds what the service itself needs to carry out a policy, and what a user needs: the bucket was there a
// moment ago, when its policy was read.
func (b *bucket) lifecycleFailed(place string, e *backend.Error) error {
	switch codeOf(e) {
	case codeBucketNotFound:
		e.Kind = backend.Forbidden
		e.Err = fmt.Errorf("%w; its rules could be read, so the bucket is there: a policy must allow BUCKET_UPDATE, OBJECT_CREATE and OBJECT_DELETE", e.Err)
	case codeNoServicePolicy:
		var answer *serviceError
		errors.As(e, &answer)
		answer.Advice = fmt.Sprintf("the service itself needs a policy, such as \"Allow service objectstorage-%s to manage object-family in compartment COMPARTMENT\", for the compartment of %s",
			b.p.account.region, place)
	}
	return e
}
