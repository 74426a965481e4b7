package ocisim

import (
	"hash/crc32"
	"net"
)

func listVnicAttachments(c *call) error {
	id := c.query("compartmentId")
	if err := c.checkCompartment(id); err != nil {
		return err
	}
	ad, wanted, vnic := c.query("availabilityDomain"), c.query("instanceId"), c.query("vnicId")
	var found []*instance
	for _, in := range c.s.state.Compute.Instances {
		if in.CompartmentID == id && (ad == "" || ad == in.AD) && (wanted == "" || wanted == in.ID) && (vnic == "" || vnic == c.s.vnicID(in)) {
			found = append(found, in)
		}
	}
	return listSorted(c, found, byDisplayName(func(in *instance) *resource { return &in.resource }), c.s.vnicAttachment)
}

func getVnicAttachment(c *call) error {
	in, err := find(c, c.s.byVnic(c.s.vnicAttachmentID))
	if err != nil {
		return err
	}
	return c.show(in.etag(), c.s.vnicAttachment(in))
}

// getVnic answers with the only network interface that an instance has. One of a terminated instance is gone.
func getVnic(c *call) error {
	in, err := find(c, c.s.byVnic(c.s.vnicID))
	if err != nil {
		return err
	}
	if in.State == stateTerminated {
		return errNotFound()
	}
	return c.show(in.etag(), c.s.vnic(in))
}

// byVnic returns the instances by an identifier that follows from their own.
func (s *Server) byVnic(id func(*instance) string) map[string]*instance {
	all := map[string]*instance{}
	for _, in := range s.state.Compute.Instances {
		all[id(in)] = in
	}
	return all
}

func (s *Server) vnicID(in *instance) string { return namedOCID("vnic", s.regionKey(), in.ID) }

func (s *Server) vnicAttachmentID(in *instance) string {
	return namedOCID("vnicattachment", s.regionKey(), in.ID)
}

func (s *Server) vnicAttachment(in *instance) fields {
	state := stateAttached
	if in.State == stateTerminated {
		state = stateDetached
	}
	return fields{
		"availabilityDomain": in.AD,
		"compartmentId":      in.CompartmentID,
		"displayName":        nil,
		"id":                 s.vnicAttachmentID(in),
		"instanceId":         in.ID,
		"lifecycleState":     state,
		"nicIndex":           0,
		"subnetId":           in.SubnetID,
		"timeCreated":        jsonTime(in.Created),
		"vlanId":             nil,
		"vlanTag":            nil,
		"vnicId":             s.vnicID(in),
	}
}

func (s *Server) vnic(in *instance) fields {
	sum := crc32.ChecksumIEEE([]byte(in.ID))
	mac := []byte{0x02, 0x00, 0x17, byte(sum), byte(sum >> 8), byte(sum >> 16)}
	return fields{
		"availabilityDomain":  in.AD,
		"compartmentId":       in.CompartmentID,
		"definedTags":         fields{},
		"displayName":         in.Name,
		"freeformTags":        fields{},
		"hostnameLabel":       in.Name,
		"id":                  s.vnicID(in),
		"ipv6Addresses":       nil,
		"isPrimary":           true,
		"lifecycleState":      stateAvailable,
		"macAddress":          net.HardwareAddr(mac).String(),
		"nsgIds":              []string{},
		"privateIp":           in.PrivateIP,
		"publicIp":            null(in.PublicIP),
		"routeTableId":        nil,
		"securityAttributes":  fields{},
		"skipSourceDestCheck": false,
		"subnetId":            in.SubnetID,
		"systemTags":          fields{},
		"timeCreated":         jsonTime(in.Created),
		"vlanId":              nil,
	}
}
