package ocisim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// lifecycleOf is an enabled rule.
func lifecycleOf(action, target string, days int64, filter *objectstorage.ObjectNameFilter) objectstorage.ObjectLifecycleRule {
	return objectstorage.ObjectLifecycleRule{Name: str(strings.ToLower(action + target)), Action: &action, Target: &target, TimeAmount: &days, TimeUnit: "DAYS",
		IsEnabled: common.Bool(true), ObjectNameFilter: filter}
}

func (b *testbed) putLifecycle(bucket *string, rules ...objectstorage.ObjectLifecycleRule) error {
	_, err := b.OS.PutObjectLifecyclePolicy(b.ctx, objectstorage.PutObjectLifecyclePolicyRequest{NamespaceName: b.ns, BucketName: bucket,
		PutObjectLifecyclePolicyDetails: objectstorage.PutObjectLifecyclePolicyDetails{Items: rules}})
	return err
}

// noonClock stands at noon of today, so that midnights are half a day away.
func noonClock() *ManualClock {
	return NewManualClock(time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour))
}

func TestLifecycleIsCarriedOut(t *testing.T) {
	dir, clock, day := t.TempDir(), noonClock(), 24*time.Hour
	b := newTestbed(t, Options{Dir: dir, Clock: clock})
	b.dated(clock)
	bucket := b.bucket("b")
	for name := range strings.FieldsSeq("tmp/a tmp/keep log/1.txt log/2.bin other") {
		b.put(bucket, name, name)
	}
	b.createUpload(bucket, "stale")
	off := lifecycleOf("DELETE", "objects", 1, nil)
	off.Name, off.IsEnabled = str("off"), common.Bool(false)
	b.must(b.putLifecycle(bucket, off,
		lifecycleOf("DELETE", "objects", 2, &objectstorage.ObjectNameFilter{InclusionPrefixes: []string{"tmp/"}, ExclusionPatterns: []string{"*/keep"}}),
		lifecycleOf("ARCHIVE", "objects", 1, &objectstorage.ObjectNameFilter{InclusionPatterns: []string{"log/[0-9].t?t"}}),
		lifecycleOf("INFREQUENT_ACCESS", "objects", 1, &objectstorage.ObjectNameFilter{InclusionPrefixes: []string{"log/"}}),
		lifecycleOf("ABORT", "multipart-uploads", 1, nil),
	))
	names := func(b *testbed) string { return strings.Join(b.names(bucket, objectstorage.ListObjectsRequest{}), " ") }
	uploads := func(b *testbed) int {
		list, err := b.OS.ListMultipartUploads(b.ctx, objectstorage.ListMultipartUploadsRequest{NamespaceName: b.ns, BucketName: bucket})
		b.must(err)
		return len(list.Items)
	}
	clock.Advance(day) // made at noon: the first midnight after a day is half a day away
	equal(t, "tier at noon", b.head(bucket, "log/1.txt").StorageTier, "Standard")
	equal(t, "uploads at noon", uploads(b), 1)
	clock.Advance(day / 2)
	equal(t, "tier", b.head(bucket, "log/1.txt").StorageTier, "Archive")
	equal(t, "tier of another", b.head(bucket, "log/2.bin").StorageTier, "InfrequentAccess")
	equal(t, "tier of what no rule is for", b.head(bucket, "other").StorageTier, "Standard")
	equal(t, "uploads", uploads(b), 0)
	equal(t, "objects", names(b), "log/1.txt log/2.bin other tmp/a tmp/keep")

	b.must(b.Close())
	r := newTestbed(t, Options{Dir: dir, Clock: clock})
	r.dated(clock)
	clock.Advance(day)
	equal(t, "after a restart", names(r), "log/1.txt log/2.bin other tmp/keep")
}

func TestLifecycleOfVersions(t *testing.T) {
	clock := noonClock()
	b := newTestbed(t, Options{Clock: clock})
	b.dated(clock)
	bucket := b.bucket("b")
	b.must(b.setVersioning(bucket, "Enabled"))
	b.putVersion(bucket, "o", "one")
	two := b.putVersion(bucket, "o", "two")
	b.must(b.putLifecycle(bucket, lifecycleOf("DELETE", "previous-object-versions", 1, nil)))
	clock.Advance(36 * time.Hour)
	equal(t, "versions", fmt.Sprint(b.versions(bucket, objectstorage.ListObjectVersionsRequest{})), "[o:"+two+"]")
	b.must(b.putLifecycle(bucket, lifecycleOf("DELETE", "objects", 1, nil)))
	clock.Advance(24 * time.Hour)
	all := fmt.Sprint(b.versions(bucket, objectstorage.ListObjectVersionsRequest{}))
	equal(t, "a marker", strings.HasSuffix(all, "! o:"+two+"]"), true)
}

func TestLifecycleRefusals(t *testing.T) {
	b := newTestbed(t, Options{Seed: &Seed{Buckets: []SeedBucket{{Name: "b"}}, NoServicePolicy: true}})
	bucket := str("b")
	for code, rule := range map[string]objectstorage.ObjectLifecycleRule{
		"InvalidLifecycleActionType":     lifecycleOf("DELETE", "everything", 1, nil),
		"InvalidLifecyclePrefix":         lifecycleOf("DELETE", "objects", 1, &objectstorage.ObjectNameFilter{InclusionPrefixes: []string{"a\nb"}}),
		"InvalidLifecyclePattern":        lifecycleOf("DELETE", "objects", 1, &objectstorage.ObjectNameFilter{InclusionPatterns: []string{"[a"}}),
		"InsufficientServicePermissions": lifecycleOf("DELETE", "objects", 1, nil),
	} {
		b.fails(b.putLifecycle(bucket, rule), 400, code)
	}
	b.put(bucket, "o", "x")
	_, err := b.OS.CopyObject(b.ctx, b.copyRequest(bucket, "o", bucket, "copy"))
	b.fails(err, 400, "InsufficientServicePermissions")
}

func TestGlobs(t *testing.T) {
	for _, tc := range []struct {
		glob, name string
		want       bool
	}{
		{"*", "a/b\nc", true}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"[abc]x", "bx", true}, {"[a-c]x", "dx", false}, {"[a-]x", "-x", true},
		{`\*`, "*", true}, {`\*`, "a", false}, {"a.c", "abc", false}, {"ä*", "äb", true}, {"?", "ä", true}, {"a", "ab", false},
	} {
		re, err := globPattern(tc.glob)
		if err != nil || re.MatchString(tc.name) != tc.want {
			t.Errorf("%s on %q: got %v, %v", tc.glob, tc.name, !tc.want, err)
		}
	}
	for _, bad := range []string{`a\`, "[", "[]", "[^a]", "[:a]", "[z-a]"} {
		if re, err := globPattern(bad); err == nil {
			t.Errorf("%s is taken for %v", bad, re)
		}
	}
}
