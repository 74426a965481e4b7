package oci

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Use is what a manifest does with one account: the question to which Permissions is the answer.
type Use struct {
	Root     string // Config.Compartment; "" is the tenancy
	Region   string // for the service's own statement; "" is left to the reader
	Machines []MachineUse
	Buckets  []BucketUse
	Copies   []string // buckets between which the service copies
	ByURL    bool     // images are exported to a URL: the account signs with a token
}

// NamesPaths reports whether a compartment is given by its path, which begins at the root.
func (u Use) NamesPaths() bool {
	return slices.ContainsFunc(u.Machines, func(m MachineUse) bool {
		return strings.HasPrefix(placeOfPolicy(m.Compartment), "compartment ") && !strings.HasPrefix(m.Compartment, "ocid1.")
	})
}

// MachineUse are machines that are exported: one by its OCID, or those of a compartment.
type MachineUse struct {
	Step        string // that does it, such as export.web
	Instance    string
	Image       string // of an export of an image that exists; no machine is touched
	Compartment string // path or OCID; "" is the root
	Recursive   bool
	Stops       bool // the machine, while its image is made
}

// BucketUse is what a step does with a bucket. A name with * stands for those that a variable makes of it.
type BucketUse struct {
	Step                 string
	Namespace, Name      string
	Reads, Writes, Stage bool
	Rules                bool // keeps lifecycle rules there
}

// Permission is a set of IAM's own permissions that are needed together for one purpose.
type Permission struct {
	Names   []string `json:"permissions"`
	Service string   `json:"service,omitempty"` // who needs it, if it is not the one who signs in
	In      string   `json:"in"`                // tenancy, compartment PATH or compartment id OCID
	Where   []string `json:"where,omitempty"`   // conditions that all must hold
	Why     string   `json:"why"`
	Steps   []string `json:"steps"`

	machine           MachineUse // what to try it with
	shownBy           string     // what would show a permission of the service
	namespace, bucket string
}

// Subject is whom a statement is for: "group NAME", "dynamic-group NAME" or "any-user", with conditions on who that is.
type Subject struct {
	Name  string
	Where []string
}

// Statement writes the permission as a statement of an IAM policy.
func (p Permission) Statement(s Subject) string {
	who, what := s.Name, "{"+strings.Join(p.Names, ", ")+"}"
	conditions := append(slices.Clone(s.Where), p.Where...)
	if p.Service != "" {
		who, what, conditions = "service "+p.Service, "manage object-family", p.Where
	}
	text := "Allow " + who + " to " + what + " in " + p.In
	switch len(conditions) {
	case 0:
		return text
	case 1:
		return text + " where " + conditions[0]
	}
	return text + " where all {" + strings.Join(conditions, ", ") + "}"
}

// Permissions returns what the use needs, the same for the same use. buckets is where the buckets are, as in Permission.In; ""
// is anywhere in the tenancy, as the manifest names no compartment for them.
func Permissions(u Use, buckets string) []Permission {
	var all []Permission
	add := func(p Permission, step string) {
		for i := range all {
			same := all[i].In == p.In && all[i].Why == p.Why && slices.Equal(all[i].Names, p.Names) && slices.Equal(all[i].Where, p.Where)
			if same {
				if !slices.Contains(all[i].Steps, step) {
					all[i].Steps = append(all[i].Steps, step)
				}
				return
			}
		}
		p.Steps = []string{step}
		all = append(all, p)
	}
	for _, m := range u.Machines {
		if m.Instance == "" && m.Image == "" {
			add(Permission{Names: []string{"COMPARTMENT_INSPECT"}, In: placeOfPolicy(u.Root), Why: "find the compartments that select names", machine: m}, m.Step)
		}
	}
	for _, m := range u.Machines {
		for _, p := range machinePermissions(u, m) {
			p.machine = m
			add(p, m.Step)
		}
	}
	for _, b := range mergeBuckets(u.Buckets) {
		for _, p := range b.permissions(u.ByURL) {
			p.In, p.namespace, p.bucket = buckets, b.namespace, b.name
			if p.In == "" {
				p.In = "tenancy"
			}
			p.Where = []string{bucketCondition(b.name)}
			all = append(all, p)
		}
	}
	if len(u.Copies) > 0 {
		p := servicePermission(u, buckets, u.Copies)
		p.Names = []string{"OBJECT_INSPECT", "OBJECT_READ", "OBJECT_CREATE", "OBJECT_OVERWRITE", "OBJECT_DELETE"}
		p.Why, p.shownBy = "object storage copies between buckets by itself: that needs a statement for the service", "a copy"
		all = append(all, p)
	}
	return append(all, lifecyclePermissions(u, buckets)...)
}

// lifecyclePermissions is what the service itself needs to carry out rules.
func lifecyclePermissions(u Use, buckets string) []Permission {
	var names, steps []string
	for _, b := range u.Buckets {
		if b.Rules {
			names, steps = append(names, b.Name), append(steps, b.Step)
		}
	}
	if len(names) == 0 {
		return nil
	}
	p := servicePermission(u, buckets, names)
	p.Names = []string{"OBJECT_INSPECT", "OBJECT_UPDATE_TIER", "OBJECT_DELETE", "OBJECT_VERSION_DELETE"}
	p.Why, p.shownBy, p.Steps = "object storage carries out lifecycle rules by itself: that needs a statement for the service", "a change of the rules", steps
	return []Permission{p}
}

func machinePermissions(u Use, m MachineUse) []Permission {
	in := placeOfPolicy(m.Compartment)
	if m.Compartment == "" {
		in = placeOfPolicy(u.Root)
	}
	see := Permission{Names: []string{"INSTANCE_IMAGE_INSPECT", "INSTANCE_IMAGE_READ"}, In: in, Why: "see the image, and have it written to the staging bucket"}
	watch := Permission{Names: []string{"WORKREQUEST_INSPECT"}, In: in, Why: "watch the work, and learn why it failed"}
	if m.Image != "" {
		return []Permission{see, watch}
	}
	all := []Permission{
		{Names: []string{"INSTANCE_INSPECT", "INSTANCE_READ"}, In: in, Why: "see the machines and their state"},
		{Names: []string{"VOLUME_ATTACHMENT_INSPECT", "VOLUME_INSPECT"}, In: in, Why: "tell which data volumes an image does not contain, and how large the boot volume is"},
		{Names: []string{"INSTANCE_CREATE_IMAGE", "INSTANCE_IMAGE_CREATE"}, In: in, Why: "make a custom image of a machine's boot volume, beside the machine"},
		{Names: []string{"INSTANCE_IMAGE_INSPECT", "INSTANCE_IMAGE_READ"}, In: in, Why: "find that image again, and have it written to the staging bucket"},
		watch,
		{Names: []string{"INSTANCE_IMAGE_DELETE"}, In: in, Why: "remove that image at the end"},
	}
	if m.Stops {
		all = append(all, Permission{Names: []string{"INSTANCE_POWER_ACTIONS"}, In: in, Why: "stop the machine while its image is made, and start it again"})
	}
	return all
}

// mergedBucket is a bucket and the steps that do something with it.
type mergedBucket struct {
	namespace, name  string
	stage            bool
	readers, writers []string
	keepers          []string // of rules
}

// mergeBuckets makes one of the uses of each bucket, in the order in which they come first.
func mergeBuckets(uses []BucketUse) []mergedBucket {
	var all []mergedBucket
	add := func(to []string, step string, really bool) []string {
		if !really || slices.Contains(to, step) {
			return to
		}
		return append(to, step)
	}
	for _, u := range uses {
		i := slices.IndexFunc(all, func(b mergedBucket) bool { return b.name == u.Name && b.namespace == u.Namespace })
		if i < 0 {
			i = len(all)
			all = append(all, mergedBucket{namespace: u.Namespace, name: u.Name})
		}
		b := &all[i]
		b.stage = b.stage || u.Stage
		b.readers = add(b.readers, u.Step, u.Reads)
		b.writers = add(b.writers, u.Step, u.Writes || u.Stage)
		b.keepers = add(b.keepers, u.Step, u.Rules)
	}
	return all
}

func (b mergedBucket) permissions(byURL bool) []Permission {
	var all []Permission
	if len(b.keepers) > 0 {
		all = append(all, Permission{Names: []string{"BUCKET_READ", "BUCKET_UPDATE", "OBJECT_CREATE", "OBJECT_DELETE"}, Steps: b.keepers,
			Why: "read and set the lifecycle rules of the bucket; who sets what deletes must be allowed to delete"})
	}
	if len(b.readers) > 0 {
		all = append(all, Permission{Names: []string{"OBJECT_INSPECT", "OBJECT_READ"}, Why: "list and read objects, also to verify what was written", Steps: b.readers})
	}
	if len(b.writers) == 0 {
		return all
	}
	why := "write objects, whole or in parts, and replace older ones"
	if b.stage {
		why = "have images written there, and replace what an interrupted run left"
	}
	if b.stage && byURL {
		all = append(all, Permission{Names: []string{"PAR_MANAGE"}, Steps: b.writers,
			Why: "give the service a URL to write the image to, as it does not know who signs with a token, and take it back"})
	}
	return append(all,
		Permission{Names: []string{"OBJECT_CREATE", "OBJECT_OVERWRITE"}, Why: why, Steps: b.writers},
		Permission{Names: []string{"OBJECT_DELETE"}, Why: "abort unfinished uploads, and remove what is staged or deleted at the source", Steps: b.writers},
		Permission{Names: []string{"BUCKET_READ"}, Why: "find unfinished uploads", Steps: b.writers})
}

// servicePermission is one of the service itself, which acts in the name of nobody, in some buckets.
func servicePermission(u Use, in string, buckets []string) Permission {
	region := u.Region
	if region == "" {
		region = "REGION"
	}
	p := Permission{Service: "objectstorage-" + region, In: in, Steps: []string{}}
	if p.In == "" {
		p.In = "tenancy"
	}
	var conditions []string
	for _, name := range buckets {
		if c := bucketCondition(name); !slices.Contains(conditions, c) {
			conditions = append(conditions, c)
		}
	}
	if p.Where = conditions; len(conditions) > 1 {
		p.Where = []string{"any {" + strings.Join(conditions, ", ") + "}"}
	}
	return p
}

// placeOfPolicy writes a compartment as statements do: its path with colons.
func placeOfPolicy(compartment string) string {
	switch {
	case compartment == "" || strings.HasPrefix(compartment, "ocid1.tenancy."):
		return "tenancy"
	case strings.HasPrefix(compartment, "ocid1."):
		return "compartment id " + compartment
	}
	return "compartment " + strings.ReplaceAll(strings.Trim(compartment, "/"), "/", ":")
}

func bucketCondition(name string) string {
	if strings.Contains(name, "*") {
		return "target.bucket.name=/" + name + "/"
	}
	return "target.bucket.name='" + name + "'"
}

// BucketUseOf is the use of the bucket of a location. What stands for a variable in its name is kept.
func BucketUseOf(step string, loc backend.Location) (BucketUse, error) {
	namespace, rest, _ := strings.Cut(loc.Path, "/")
	name, _, _ := strings.Cut(rest, "/")
	if namespace == "" || name == "" {
		return BucketUse{}, fmt.Errorf("%s: an OCI location is %s://namespace/bucket/key", loc, loc.Scheme)
	}
	return BucketUse{Step: step, Namespace: namespace, Name: name}, nil
}
