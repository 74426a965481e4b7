package ocisim

import "time"

// replicationPolicy makes another bucket read-only. Objects are not replicated.
type replicationPolicy struct {
	ID      string
	Name    string
	Region  string // of the destination
	Bucket  string
	Created time.Time
}

// bucketRuleOperations are those of retention rules and replication policies.
func bucketRuleOperations(b string) []operation {
	rules, policies := b+"/retentionRules", b+"/replicationPolicies"
	return []operation{
		{name: "CreateRetentionRule", method: "POST", pattern: rules, fn: createRetentionRule},
		{name: "ListRetentionRules", method: "GET", pattern: rules, fn: listRetentionRules},
		{name: "GetRetentionRule", method: "GET", pattern: rules + "/{id}", fn: getRetentionRule},
		{name: "UpdateRetentionRule", method: "PUT", pattern: rules + "/{id}", fn: updateRetentionRule},
		{name: "DeleteRetentionRule", method: "DELETE", pattern: rules + "/{id}", fn: deleteRetentionRule},
		{name: "CreateReplicationPolicy", method: "POST", pattern: policies, fn: createReplicationPolicy},
		{name: "ListReplicationPolicies", method: "GET", pattern: policies, fn: listReplicationPolicies},
		{name: "GetReplicationPolicy", method: "GET", pattern: policies + "/{id}", fn: getReplicationPolicy},
		{name: "DeleteReplicationPolicy", method: "DELETE", pattern: policies + "/{id}", fn: deleteReplicationPolicy},
		{name: "ListReplicationSources", method: "GET", pattern: b + "/replicationSources", fn: listReplicationSources},
		{name: "MakeBucketWritable", method: "POST", pattern: b + "/actions/makeBucketWritable", fn: makeBucketWritable},
	}
}

func createReplicationPolicy(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	var in struct{ Name, DestinationRegionName, DestinationBucketName string }
	if err := c.decode(&in); err != nil {
		return err
	}
	switch {
	case in.Name == "" || in.DestinationBucketName == "":
		return fail(400, "InvalidJSON", "name, destinationRegionName and destinationBucketName are required")
	case !c.s.isRegion(in.DestinationRegionName):
		return fail(400, "InvalidRegion", "The region '%s' is not valid, or the tenancy is not subscribed to it", in.DestinationRegionName)
	}
	to, err := c.s.findBucket(in.DestinationRegionName, in.DestinationBucketName)
	if err != nil {
		return err
	}
	if b.Replication != nil || b.ReadOnly || to.ReadOnly || to.Replication != nil || to == b {
		return fail(409, "ReplicationPolicyConflict", "The bucket '%s' or '%s' is in a replication policy already", b.Name, to.Name)
	}
	b.Replication = &replicationPolicy{ID: newUUID(), Name: in.Name, Region: to.Region, Bucket: to.Name, Created: c.s.now()}
	to.ReadOnly = true
	return c.json(200, b.Replication.answer())
}

func (p *replicationPolicy) answer() map[string]any {
	return map[string]any{
		"id": p.ID, "name": p.Name, "destinationRegionName": p.Region, "destinationBucketName": p.Bucket, "timeCreated": jsonTime(p.Created),
		"timeLastSync": nil, "status": "ACTIVE", "statusMessage": "The policy is active.",
	}
}

func (c *call) findReplication() (*bucket, error) {
	b, err := c.findBucket()
	if err != nil {
		return nil, err
	}
	if b.Replication == nil || b.Replication.ID != c.vars["id"] {
		return nil, fail(404, "ReplicationPolicyNotFound", "The replication policy '%s' was not found in the bucket '%s'", c.vars["id"], b.Name)
	}
	return b, nil
}

func listReplicationPolicies(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	all := []map[string]any{}
	if b.Replication != nil {
		all = append(all, b.Replication.answer())
	}
	return c.json(200, all)
}

func getReplicationPolicy(c *call) error {
	b, err := c.findReplication()
	if err != nil {
		return err
	}
	return c.json(200, b.Replication.answer())
}

func deleteReplicationPolicy(c *call) error {
	b, err := c.findReplication()
	if err != nil {
		return err
	}
	if to, err := c.s.findBucket(b.Replication.Region, b.Replication.Bucket); err == nil {
		to.ReadOnly = false
	}
	b.Replication = nil
	return c.empty(204)
}

// sources are the buckets that are replicated to a bucket.
func (s *Server) sources(to *bucket) []*bucket {
	var found []*bucket
	for _, b := range s.state.ObjectStorage.Buckets {
		if p := b.Replication; p != nil && p.Region == to.Region && p.Bucket == to.Name {
			found = append(found, b)
		}
	}
	return found
}

func listReplicationSources(c *call) error {
	to, err := c.findBucket()
	if err != nil {
		return err
	}
	all := []map[string]any{}
	for _, b := range c.s.sources(to) {
		all = append(all, map[string]any{"policyName": b.Replication.Name, "sourceRegionName": b.Region, "sourceBucketName": b.Name})
	}
	return c.json(200, all)
}

// makeBucketWritable ends the replication to a bucket from its own side.
func makeBucketWritable(c *call) error {
	to, err := c.findBucket()
	if err != nil {
		return err
	}
	for _, b := range c.s.sources(to) {
		b.Replication = nil
	}
	to.ReadOnly = false
	return c.empty(204)
}
