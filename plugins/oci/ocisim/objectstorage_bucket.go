package ocisim

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// bucket is a bucket without its objects.
type bucket struct {
	ID            string
	Region        string
	Name          string
	CompartmentID string
	CreatedBy     string
	Created       time.Time
	ETag          string
	Settings      bucketSettings
	Lifecycle     *lifecyclePolicy
	PARs          map[string]*par // by token
	ReadOnly      bool            // the destination of a replication policy
	Retention     []*retentionRule
	Replication   *replicationPolicy
}

func listBuckets(c *call) error {
	if err := c.namespace(); err != nil {
		return err
	}
	compartment := c.query("compartmentId")
	if err := c.s.ownCompartment(compartment); err != nil {
		return err
	}
	var found []*bucket
	for _, b := range c.s.state.ObjectStorage.Buckets {
		if b.CompartmentID == compartment && b.Region == c.region {
			found = append(found, b)
		}
	}
	slices.SortFunc(found, func(a, b *bucket) int { return strings.Compare(a.Name, b.Name) })
	found, err := page(c, found, func(b *bucket) string { return b.Name })
	if err != nil {
		return err
	}
	out := make([]map[string]any, 0, len(found))
	for _, b := range found {
		v := map[string]any{
			"namespace": c.s.state.Namespace, "name": b.Name, "compartmentId": b.CompartmentID, "createdBy": b.CreatedBy,
			"timeCreated": jsonTime(b.Created), "etag": b.ETag, "freeformTags": nil, "definedTags": nil,
		}
		if c.query("fields") == "tags" {
			v["freeformTags"], v["definedTags"] = orEmpty(b.Settings.FreeformTags), orEmpty(b.Settings.DefinedTags)
		}
		out = append(out, v)
	}
	return c.json(200, out)
}

// orEmpty is {} for nil.
func orEmpty[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

func createBucket(c *call) error {
	if err := c.namespace(); err != nil {
		return err
	}
	var in bucketDetails
	if err := c.decode(&in); err != nil {
		return err
	}
	if in.Name == nil || in.CompartmentID == nil {
		return fail(400, "InvalidJSON", "name and compartmentId are required")
	}
	b, err := c.s.newBucket(c.region, *in.Name, *in.CompartmentID, c.caller())
	if err != nil {
		return err
	}
	if err := in.apply(&b.Settings, c.s.checkKmsKey); err != nil {
		return err
	}
	c.s.addBucket(b)
	c.header.Set("Location", c.origin()+"/n/"+c.s.state.Namespace+"/b/"+b.Name)
	return c.bucketAnswer(b)
}

// newBucket makes a bucket with default settings that addBucket puts in its place. The caller holds s.mu.
func (s *Server) newBucket(region, name, compartment, creator string) (*bucket, error) {
	if !isBucketName(name) {
		return nil, fail(400, "InvalidBucketName", "The bucket name '%s' may have letters, digits, dot, hyphen and underscore only", name)
	}
	if err := s.ownCompartment(compartment); err != nil {
		return nil, err
	}
	if s.state.ObjectStorage.Buckets[s.bucketKey(region, name)] != nil {
		return nil, fail(409, "BucketAlreadyExists", "Either the bucket '%s' in namespace '%s' already exists or you are not authorized to create it", name, s.state.Namespace)
	}
	if err := s.roomForBucket(region); err != nil {
		return nil, err
	}
	return &bucket{
		ID: newOCID("bucket", keyOfRegion(region)), Region: region, Name: name, CompartmentID: compartment, CreatedBy: creator, Created: s.now(), ETag: newUUID(),
		Settings: bucketSettings{PublicAccessType: "NoPublicAccess", StorageTier: "Standard", AutoTiering: "Disabled", Versioning: versioningDisabled}, PARs: map[string]*par{},
	}, nil
}

func (s *Server) addBucket(b *bucket) {
	st := &s.state.ObjectStorage
	if st.Buckets == nil {
		st.Buckets = map[string]*bucket{}
	}
	st.Buckets[b.key(s)] = b
}

func getBucket(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	c.header.Set("Etag", b.ETag)
	if err := c.readConditions(b.ETag); err != nil {
		return err
	}
	c.header.Set("Cache-Control", "no-store")
	if c.r.Method == "HEAD" {
		return c.empty(200)
	}
	return c.bucketAnswer(b)
}

func updateBucket(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	if err := c.writeConditions(b.ETag); err != nil {
		return err
	}
	var in bucketDetails
	if err := c.decode(&in); err != nil {
		return err
	}
	st := c.s.state.ObjectStorage
	rename := in.Name != nil && *in.Name != b.Name
	if rename && !isBucketName(*in.Name) {
		return fail(400, "InvalidBucketName", "The bucket name '%s' is not valid", *in.Name)
	}
	if rename && st.Buckets[c.s.bucketKey(b.Region, *in.Name)] != nil {
		return fail(409, "BucketAlreadyExists", "The bucket '%s' already exists", *in.Name)
	}
	if in.CompartmentID != nil {
		if err := c.s.ownCompartment(*in.CompartmentID); err != nil {
			return err
		}
	}
	if in.Versioning != nil && *in.Versioning == versioningEnabled && len(b.Retention) > 0 {
		return fail(400, "InvalidParameter", "The bucket '%s' has retention rules: its versioning cannot be enabled", b.Name)
	}
	if err := in.apply(&b.Settings, c.s.checkKmsKey); err != nil {
		return err
	}
	if in.CompartmentID != nil {
		b.CompartmentID = *in.CompartmentID
	}
	if rename {
		delete(st.Buckets, b.key(c.s))
		b.Name = *in.Name
		st.Buckets[b.key(c.s)] = b
	}
	b.ETag = newUUID()
	return c.bucketAnswer(b)
}

func deleteBucket(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	if err := c.writeConditions(b.ETag); err != nil {
		return err
	}
	held := c.s.store.bucket(b.ID)
	if b.Replication != nil {
		return fail(403, "BucketReplicationEnabled", "Bucket named '%s' has a replication policy. Delete it first.", b.Name)
	}
	if len(held.objects) > 0 || len(held.past) > 0 || len(held.uploads) > 0 {
		return fail(409, "BucketNotEmpty", "Bucket named '%s' is not empty. Delete all object versions and multipart uploads first.", b.Name)
	}
	if len(b.PARs) > 0 {
		return fail(409, "PreauthenticatedRequestStillExists", "Bucket named '%s' still has pre-authenticated requests.", b.Name)
	}
	if err := c.s.store.do(change{Bucket: b.ID, Drop: true}); err != nil {
		return err
	}
	delete(c.s.state.ObjectStorage.Buckets, b.key(c.s))
	return c.empty(204)
}

// bucketAnswer answers with the bucket, with nulls and with keys that no SDK knows, as OCI does.
func (c *call) bucketAnswer(b *bucket) error {
	held := c.s.store.bucket(b.ID)
	v := map[string]any{
		"id": b.ID, "namespace": c.s.state.Namespace, "name": b.Name, "compartmentId": b.CompartmentID, "createdBy": b.CreatedBy,
		"timeCreated": jsonTime(b.Created), "etag": b.ETag, "metadata": orEmpty(b.Settings.Metadata),
		"publicAccessType": b.Settings.PublicAccessType, "storageTier": b.Settings.StorageTier,
		"objectEventsEnabled": b.Settings.ObjectEvents, "freeformTags": orEmpty(b.Settings.FreeformTags),
		"definedTags": orEmpty(b.Settings.DefinedTags), "kmsKeyId": null(b.Settings.KmsKey), "isBucketKeyEnabled": b.Settings.IsBucketKeyEnabled,
		"objectLifecyclePolicyEtag": nil, "replicationEnabled": b.Replication != nil, "isReadOnly": b.ReadOnly, "versioning": b.Settings.Versioning,
		"approximateCount": nil, "approximateSize": nil, "approximateSizeMultipartUploads": nil, "autoTiering": nil,
		"meterFlagSet": json.RawMessage("[]"), "objectLevelAuditMode": "Disabled",
	}
	if b.Lifecycle != nil {
		v["objectLifecyclePolicyEtag"] = b.Lifecycle.ETag
	}
	if c.op.name == "UpdateBucket" { // the one answer that tells without being asked
		v["autoTiering"] = b.Settings.AutoTiering
	}
	for _, field := range strings.Split(c.query("fields"), ",") {
		switch field {
		case "approximateCount":
			v[field] = len(held.objects)
		case "approximateSize":
			v[field] = held.size
			v["approximateSizeMultipartUploads"] = held.pending
		case "autoTiering":
			v[field] = b.Settings.AutoTiering
		case "":
		default:
			return fail(400, "InvalidParameter", "fields: %q is not one of approximateCount, approximateSize, autoTiering", field)
		}
	}
	c.header.Set("Etag", b.ETag)
	return c.json(200, v)
}

// caller is the OCID of the user that signed the request.
func (c *call) caller() string {
	if parts := strings.Split(c.user, "/"); len(parts) == 3 {
		return parts[1]
	}
	return c.s.state.User
}

// origin is the scheme and host that the client used.
func (c *call) origin() string {
	if c.r.TLS != nil {
		return "https://" + c.r.Host
	}
	return "http://" + c.r.Host
}
