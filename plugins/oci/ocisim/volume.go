package ocisim

// listVolumesOf answers with the boot volumes or the data volumes of a compartment.
func listVolumesOf(c *call, boot bool) error {
	id := c.query("compartmentId")
	if err := c.checkCompartment(id); err != nil {
		return err
	}
	ad := c.query("availabilityDomain")
	var found []*volume
	for _, v := range c.s.state.Compute.Volumes {
		if v.Boot == boot && v.CompartmentID == id && c.matches(&v.resource) && (ad == "" || ad == v.AD) {
			found = append(found, v)
		}
	}
	return listSorted(c, found, byDisplayName(func(v *volume) *resource { return &v.resource }), (*volume).json)
}

func listBootVolumes(c *call) error { return listVolumesOf(c, true) }

func listVolumes(c *call) error { return listVolumesOf(c, false) }

func getBootVolume(c *call) error { return getVolumeOf(c, true) }

func getVolume(c *call) error { return getVolumeOf(c, false) }

func getVolumeOf(c *call, boot bool) error {
	v, err := find(c, c.s.state.Compute.Volumes)
	if err != nil {
		return err
	}
	if v.Boot != boot {
		return errNotFound()
	}
	return c.show(v.etag(), v.json())
}

// json is the volume as its API shows it.
func (v *volume) json() fields {
	more := fields{
		"autoTunedVpusPerGB":      nil,
		"autotunePolicies":        nil,
		"availabilityDomain":      v.AD,
		"clusterPlacementGroupId": nil,
		"isAutoTuneEnabled":       false,
		"isHydrated":              true,
		"kmsKeyId":                nil,
		"sizeInGBs":               gigabytes(v.SizeMBs),
		"sizeInMBs":               v.SizeMBs,
		"sourceDetails":           nil,
		"volumeGroupId":           nil,
		"vpusPerGB":               10,
	}
	if v.Boot {
		more["imageId"] = null(v.ImageID)
		more["bootVolumeReplicas"] = nil
	} else {
		more["blockVolumeReplicas"] = nil
		more["isReservationsEnabled"] = nil
	}
	return v.with(more)
}

// listAttachments answers with the attachments of boot volumes or data volumes, newest first.
func listAttachments(c *call, boot bool, volumeParam string, show func(*volume) fields) error {
	id := c.query("compartmentId")
	if err := c.checkCompartment(id); err != nil {
		return err
	}
	ad, instance, volumeID := c.query("availabilityDomain"), c.query("instanceId"), c.query(volumeParam)
	var found []*volume
	for _, v := range c.s.state.Compute.Volumes {
		if v.Boot == boot && v.InstanceID != "" && v.CompartmentID == id && (ad == "" || ad == v.AD) &&
			(instance == "" || instance == v.InstanceID) && (volumeID == "" || volumeID == v.ID) {
			found = append(found, v)
		}
	}
	return listSorted(c, found, byDisplayName(func(v *volume) *resource { return &v.resource }), show)
}

// listBootVolumeAttachments insists on an availability domain, as OCI does for boot volumes only.
func listBootVolumeAttachments(c *call) error {
	if c.query("availabilityDomain") == "" {
		return fail(400, "MissingParameter", "Missing availabilityDomain")
	}
	return listAttachments(c, true, "bootVolumeId", (*volume).bootAttachment)
}

func listVolumeAttachments(c *call) error {
	return listAttachments(c, false, "volumeId", c.s.dataAttachment)
}

// getBootVolumeAttachment takes the OCID of an instance, which is also that of its boot volume's attachment.
func getBootVolumeAttachment(c *call) error {
	in, err := find(c, c.s.state.Compute.Instances)
	if err != nil {
		return err
	}
	v := c.s.state.Compute.Volumes[in.BootVolumeID]
	return c.show(v.etag(), v.bootAttachment())
}

func getVolumeAttachment(c *call) error {
	attached := map[string]*volume{}
	for _, v := range c.s.state.Compute.Volumes {
		if v.InstanceID != "" {
			attached[c.s.attachmentID(v)] = v
		}
	}
	v, err := find(c, attached)
	if err != nil {
		return err
	}
	return c.show(v.etag(), c.s.dataAttachment(v))
}

// attachmentID is the OCID of a data volume's attachment.
func (s *Server) attachmentID(v *volume) string {
	return namedOCID("volumeattachment", s.regionKey(), v.ID+v.InstanceID)
}

func (v *volume) attachment(more fields) fields {
	all := fields{
		"availabilityDomain":             v.AD,
		"compartmentId":                  v.CompartmentID,
		"instanceId":                     v.InstanceID,
		"lifecycleState":                 v.Attachment,
		"timeCreated":                    jsonTime(v.Attached),
		"isPvEncryptionInTransitEnabled": false,
		"encryptionInTransitType":        "NONE",
	}
	for k, value := range more {
		all[k] = value
	}
	return all
}

func (v *volume) bootAttachment() fields {
	return v.attachment(fields{"id": v.InstanceID, "bootVolumeId": v.ID, "displayName": "Remote boot attachment for instance"})
}

func (s *Server) dataAttachment(v *volume) fields {
	return v.attachment(fields{
		"id":                          s.attachmentID(v),
		"volumeId":                    v.ID,
		"displayName":                 "volumeattachment-" + v.Name,
		"attachmentType":              "iscsi",
		"chapSecret":                  nil,
		"chapUsername":                nil,
		"device":                      null(v.Device),
		"ipv4":                        "169.254.2.2",
		"iqn":                         "iqn.2015-12.com.oracleiaas:" + v.ID[len(v.ID)-36:],
		"isMultipath":                 nil,
		"isReadOnly":                  false,
		"isShareable":                 false,
		"isVolumeCreatedDuringLaunch": false,
		"iscsiLoginState":             nil,
		"multipathDevices":            nil,
		"port":                        3260,
	})
}
