package ocisim

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// applySeed fills an empty state; nil is the default seed. The caller holds s.mu.
func (s *Server) applySeed(seed *Seed) error {
	if seed == nil {
		seed = DefaultSeed()
	}
	if err := seed.check(); err != nil {
		return err
	}
	s.state.Rules = seed.Rules
	s.state.Compute = computeState{
		Instances: map[string]*instance{}, Images: map[string]*image{}, Volumes: map[string]*volume{},
		WorkRequests: map[string]*workRequest{}, Tokens: map[string]*usedToken{}, Tasks: map[int]*task{},
	}
	s.state.Identity = identityState{Compartments: map[string]*compartment{}, Created: s.now().AddDate(-2, 0, 0)}
	for _, c := range seed.Compartments {
		s.seedCompartments(c)
	}
	s.seedImages()
	s.state.Compute.TupleExport, s.state.ObjectStorage.NoServicePolicy = seed.TupleExport, seed.NoServicePolicy
	s.state.Regions = seed.Regions
	for _, k := range seed.Keys {
		s.setKey(k.Name, !k.Disabled)
	}
	for i, im := range seed.Images {
		if err := s.seedImage(i, im); err != nil {
			return fmt.Errorf("image %s: %w", im.Name, err)
		}
	}
	for i, in := range seed.Instances {
		if err := s.seedInstance(i, in); err != nil {
			return fmt.Errorf("instance %s: %w", in.Name, err)
		}
	}
	for _, b := range seed.Buckets {
		if err := s.seedBucket(b); err != nil {
			return fmt.Errorf("bucket %s: %w", b.Name, err)
		}
	}
	s.state.Limits = seed.Limits
	return nil
}

// seedCompartments makes a compartment and the parents it lacks. The caller holds s.mu.
func (s *Server) seedCompartments(c SeedCompartment) {
	all := s.state.Identity.Compartments
	parts := strings.Split(c.Path, "/")
	for n := 1; n <= len(parts); n++ {
		p := strings.Join(parts[:n], "/")
		id := s.compartmentOCID(p)
		if all[id] == nil {
			parent := path.Dir(p)
			if parent == "." {
				parent = ""
			}
			all[id] = &compartment{
				ID: id, ParentID: s.compartmentOCID(parent), Path: p, Description: path.Base(p),
				Created: s.state.Identity.Created.Add(time.Duration(len(all)+1) * time.Hour),
			}
		}
	}
	own := all[s.compartmentOCID(c.Path)]
	own.Inaccessible, own.Tags = c.Inaccessible, c.Tags
	if c.Description != "" {
		own.Description = c.Description
	}
}

const platformImageName = "Oracle-Linux-8.9-2024.01.26-0"

// seedImages registers images of OCI's own. They have no bytes: nobody can export them. The caller holds s.mu.
func (s *Server) seedImages() {
	for _, im := range []image{
		{resource: resource{Name: platformImageName}, OS: "Oracle Linux", OSVersion: "8", Listing: listingPlatform},
		{resource: resource{Name: "Canonical-Ubuntu-22.04-2024.01.12-0"}, OS: "Canonical Ubuntu", OSVersion: "22.04", Listing: listingPlatform},
		{resource: resource{Name: "Windows-Server-2022-Standard-Edition-VM-2024.01.09-0"}, OS: "Windows", OSVersion: "Server 2022 Standard", Listing: listingPlatform},
		{resource: resource{Name: "Marketplace-Firewall-7.2"}, OS: "Custom", OSVersion: "7.2", Listing: listingMarketplace, Hidden: true},
	} {
		im.ID = namedOCID("image", s.regionKey(), im.Name)
		im.State, im.LaunchMode, im.SizeMBs = stateAvailable, paravirtualized, 47694
		im.Created = time.Date(2024, 1, 26, 0, 0, len(s.state.Compute.Images), 0, time.UTC)
		s.state.Compute.Images[im.ID] = &im
	}
}

// seedInstance makes the i-th instance with its boot disk and volumes. The caller holds s.mu.
func (s *Server) seedInstance(i int, seed SeedInstance) error {
	created := s.state.Identity.Created.AddDate(1, 0, 0).Add(time.Duration(i) * time.Minute)
	name := s.state.Namespace + "/" + seed.Compartment + "/" + seed.Name
	id := namedOCID("instance", s.regionKey(), name)
	compartment := s.compartmentOCID(seed.Compartment)
	disk, data := seed.sizes()
	in := &instance{
		resource:     resource{ID: id, CompartmentID: compartment, Name: seed.Name, State: stateRunning, Created: created, FreeformTags: seed.Tags},
		Shape:        "VM.Standard.E4.Flex",
		AD:           s.availabilityDomain(max(1, seed.AD)),
		FaultDomain:  fmt.Sprintf("FAULT-DOMAIN-%d", i%3+1),
		BootVolumeID: namedOCID("bootvolume", s.regionKey(), name),
		SubnetID:     namedOCID("subnet", s.regionKey(), compartment),
		PrivateIP:    fmt.Sprintf("10.0.%d.%d", i/250, i%250+2),
		PublicIP:     fmt.Sprintf("203.0.113.%d", i%250+2),
		Disk:         "disks/" + id + ".raw",
		Stubborn:     seed.IgnoresSoftStop,
	}
	if seed.Shape != "" {
		in.Shape = seed.Shape
	}
	if seed.State != "" {
		in.State = seed.State
	}
	if err := makeDisk(s.path(in.Disk), name, disk, data); err != nil {
		return err
	}
	imageID, err := s.seedSource(in, seed, name)
	if err != nil {
		return err
	}
	in.ImageID = imageID
	s.state.Compute.Instances[id] = in
	s.seedVolumes(in, seed, name, disk/mib)
	return nil
}

// seedSource returns the image that the instance was launched from, and makes it if it is a custom one. The caller holds s.mu.
func (s *Server) seedSource(in *instance, seed SeedInstance, name string) (string, error) {
	if seed.Image != "" {
		return s.ImageID(seed.Image), nil
	}
	switch seed.ImageListing {
	case listingMarketplace:
		return namedOCID("image", s.regionKey(), "Marketplace-Firewall-7.2"), nil
	case listingCustom:
	default:
		return namedOCID("image", s.regionKey(), platformImageName), nil
	}
	disk, data := seed.sizes()
	im := &image{
		resource: resource{
			ID: namedOCID("image", s.regionKey(), name), CompartmentID: in.CompartmentID, Name: seed.Name + "-source",
			State: stateAvailable, Created: in.Created.Add(-time.Hour),
		},
		OS: "Oracle Linux", OSVersion: "8", Listing: listingCustom, LaunchMode: paravirtualized,
		BaseImageID: namedOCID("image", s.regionKey(), platformImageName), SizeMBs: disk / mib,
	}
	im.Disk = "images/" + im.ID + ".raw"
	s.state.Compute.Images[im.ID] = im
	return im.ID, makeDisk(s.path(im.Disk), name, disk, data)
}

// seedVolumes makes the boot volume and the data volumes of an instance. The caller holds s.mu.
func (s *Server) seedVolumes(in *instance, seed SeedInstance, name string, bootMBs int64) {
	boot := &volume{
		resource: resource{ID: in.BootVolumeID, Name: in.Name + " (Boot Volume)"},
		Boot:     true, SizeMBs: bootMBs, ImageID: in.ImageID,
	}
	all := []*volume{boot}
	for i, v := range seed.DataVolumes {
		size := v.SizeGBs
		if size == 0 {
			size = 50
		}
		id := namedOCID("volume", s.regionKey(), fmt.Sprintf("%s/%s/%d", name, v.Name, i))
		all = append(all, &volume{
			resource: resource{ID: id, Name: v.Name}, SizeMBs: size * 1024, Device: fmt.Sprintf("/dev/oracleoci/oraclevd%c", 'b'+i),
		})
	}
	for i, v := range all {
		v.CompartmentID, v.State, v.AD = in.CompartmentID, stateAvailable, in.AD
		v.Created = in.Created.Add(time.Duration(i) * time.Second)
		v.InstanceID, v.Attachment, v.Attached = in.ID, stateAttached, v.Created.Add(time.Second)
		s.state.Compute.Volumes[v.ID] = v
	}
}
