package ocisim

import (
	"slices"
	"strings"
)

// metadataOperations are the instance metadata service, version 2, as the instance sees it that ActAs has chosen.
func metadataOperations() []operation {
	ops := []operation{
		{name: "GetInstanceMetadata", pattern: "/opc/v2/instance", fn: getMetadata},
		{name: "GetInstanceMetadata", pattern: "/opc/v2/instance/{key...}", fn: getMetadata},
		{name: "GetInstanceIdentity", pattern: "/opc/v2/identity/{file}", fn: getIdentityFile},
	}
	for i := range ops {
		ops[i].method, ops[i].public, ops[i].keeps = "GET", true, true
	}
	return ops
}

// ActAs makes the metadata service that of an instance. At first it is the one whose name comes first.
func (s *Server) ActAs(instanceOCID string) error {
	s.mu.Lock()
	found := s.state.Compute.Instances[instanceOCID] != nil
	s.mu.Unlock()
	if !found {
		return errNotFound()
	}
	s.authority.mu.Lock()
	defer s.authority.mu.Unlock()
	s.authority.instance = instanceOCID
	return nil
}

// host is the instance that asks. The caller holds s.mu.
func (c *call) host() (*instance, error) {
	h := c.r.Header
	switch {
	case h.Get("Authorization") != "Bearer Oracle":
		return nil, fail(401, "NotAuthenticated", "the header Authorization must be Bearer Oracle")
	case h.Get("Forwarded") != "" || h.Get("X-Forwarded-For") != "" || h.Get("X-Forwarded-Host") != "":
		return nil, fail(403, "NotAuthorized", "the metadata service does not answer through a proxy")
	}
	c.s.authority.mu.Lock()
	id := c.s.authority.instance
	c.s.authority.mu.Unlock()
	var all []*instance
	for _, in := range c.s.state.Compute.Instances {
		if in.ID == id {
			return in, nil
		}
		all = append(all, in)
	}
	if len(all) == 0 {
		return nil, errNotFound()
	}
	return slices.MinFunc(all, func(a, b *instance) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) }), nil
}

func getMetadata(c *call) error {
	in, err := c.host()
	if err != nil {
		return err
	}
	region := fields{
		"realmKey": "oc1", "realmDomainComponent": "oraclecloud.com", "regionKey": strings.ToUpper(c.s.regionKey()), "regionIdentifier": c.s.state.Region,
	}
	all := fields{
		"id": in.ID, "displayName": in.Name, "compartmentId": in.CompartmentID, "tenantId": c.s.state.Tenancy, "shape": in.Shape,
		"region": c.s.regionKey(), "canonicalRegionName": c.s.state.Region, "availabilityDomain": in.AD, "faultDomain": in.FaultDomain,
		"image": in.ImageID, "state": "Running", "timeCreated": in.Created.UnixMilli(), "freeformTags": tags(in.FreeformTags), "regionInfo": region,
	}
	key := strings.Trim(c.vars["key"], "/")
	if key == "" {
		return c.json(200, all)
	}
	value, ok := all[key]
	if name, inner := strings.CutPrefix(key, "regionInfo/"); inner {
		value, ok = region[name]
	}
	if !ok {
		return errNotFound()
	}
	if text, plain := value.(string); plain {
		return c.text(text)
	}
	return c.json(200, value)
}

func getIdentityFile(c *call) error {
	in, err := c.host()
	if err != nil {
		return err
	}
	files, err := c.s.identityFiles(in)
	if err != nil {
		return err
	}
	switch c.vars["file"] {
	case "cert.pem":
		return c.text(string(files.cert))
	case "key.pem":
		return c.text(string(files.key))
	case "intermediate.pem":
		return c.text(string(files.intermediate))
	}
	return errNotFound()
}

// text answers with plain text.
func (c *call) text(s string) error {
	c.status, c.out = 200, []byte(s)
	c.header.Set("Content-Type", "text/plain")
	return nil
}
