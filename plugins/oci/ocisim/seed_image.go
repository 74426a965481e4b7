package ocisim

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// SeedImage is one image beside the platform images that are always there.
type SeedImage struct {
	Name        string `json:"name"`
	Compartment string `json:"compartment"`  // path, of custom images only; empty: the tenancy
	Listing     string `json:"listing"`      // custom (default), platform or marketplace: the last two cannot be exported
	ListingType string `json:"listing_type"` // what the API shows: COMMUNITY, NONE or empty for null
	Base        string `json:"base"`         // name of the image it was made from, which stands before it in the seed
	OS          string `json:"os"`           // default Oracle Linux
	OSVersion   string `json:"os_version"`   // default 8
	State       string `json:"state"`        // AVAILABLE (default), DISABLED, EXPORTING, IMPORTING or PROVISIONING, for ever
	NoImages    bool   `json:"no_images"`    // instances launched from it cannot be made into images: createImageAllowed is false
	DiskBytes   int64  `json:"disk_bytes"`   // as of instances; custom images have real bytes
	DataBytes   int64  `json:"data_bytes"`
}

const stateDisabled = "DISABLED"

// check tells what is wrong with an image; earlier are the names of those before it.
func (im *SeedImage) check(earlier []string) error {
	switch {
	case !slices.Contains([]string{"", listingCustom, listingPlatform, listingMarketplace}, im.Listing):
		return fmt.Errorf("listing %q: want custom, platform or marketplace", im.Listing)
	case !slices.Contains([]string{"", "COMMUNITY", "NONE"}, im.ListingType):
		return fmt.Errorf("listing_type %q: want COMMUNITY or NONE", im.ListingType)
	case !slices.Contains([]string{"", stateAvailable, stateDisabled, stateExporting, stateProvisioning, "IMPORTING"}, im.State):
		return fmt.Errorf("state %q: want AVAILABLE, DISABLED, EXPORTING, IMPORTING or PROVISIONING", im.State)
	case im.Base != "" && !slices.Contains(earlier, im.Base):
		return fmt.Errorf("base %q is not an image before it in the seed", im.Base)
	}
	return checkSizes(im.sizes())
}

func (im *SeedImage) sizes() (disk, data int64) {
	return (&SeedInstance{DiskBytes: im.DiskBytes, DataBytes: im.DataBytes}).sizes()
}

// checkImages tells what is wrong with the images and with what the instances say of them.
func (s *Seed) checkImages(paths map[string]bool) error {
	var names []string
	for i := range s.Images {
		im := &s.Images[i]
		switch {
		case im.Name == "" || slices.Contains(names, im.Name):
			return fmt.Errorf("images[%d]: %q: want a name that no other image has", i, im.Name)
		case !paths[im.Compartment]:
			return fmt.Errorf("images[%d] %q: compartment %q is not in the seed; add it to compartments", i, im.Name, im.Compartment)
		}
		if err := im.check(names); err != nil {
			return fmt.Errorf("images[%d] %q: %w", i, im.Name, err)
		}
		names = append(names, im.Name)
	}
	for i, in := range s.Instances {
		if in.Image != "" && (in.ImageListing != "" || !slices.Contains(names, in.Image)) {
			return fmt.Errorf("instances[%d] %q: image %q: want an image of the seed, and no image_listing", i, in.Name, in.Image)
		}
	}
	return nil
}

// ImageID is the OCID of the seed's image of this name.
func (s *Server) ImageID(name string) string {
	return namedOCID("image", s.regionKey(), s.state.Namespace+"/images/"+name)
}

// seedImage makes the i-th image of the seed. The caller holds s.mu.
func (s *Server) seedImage(i int, seed SeedImage) error {
	disk, data := seed.sizes()
	im := &image{
		resource: resource{
			ID: s.ImageID(seed.Name), Name: seed.Name, State: cmp.Or(seed.State, stateAvailable),
			Created: s.state.Identity.Created.AddDate(0, 6, 0).Add(time.Duration(i) * time.Minute),
		},
		OS: cmp.Or(seed.OS, "Oracle Linux"), OSVersion: cmp.Or(seed.OSVersion, "8"), LaunchMode: paravirtualized, SizeMBs: disk / mib,
		Listing: cmp.Or(seed.Listing, listingCustom), ListingType: seed.ListingType, NoImages: seed.NoImages, Hidden: seed.Listing == listingMarketplace,
	}
	if im.State == stateProvisioning || im.State == "IMPORTING" {
		im.SizeMBs = 0
	}
	if seed.Base != "" {
		im.BaseImageID = s.ImageID(seed.Base)
	}
	s.state.Compute.Images[im.ID] = im
	if im.Listing != listingCustom {
		return nil
	}
	if base := s.state.Compute.Images[im.BaseImageID]; base != nil && base.Listing == listingMarketplace {
		im.Listing = listingMarketplace
	}
	im.CompartmentID, im.Disk = s.compartmentOCID(seed.Compartment), "images/"+im.ID+".raw"
	return makeDisk(s.path(im.Disk), s.state.Namespace+"/images/"+seed.Name, disk, data)
}

// roomForImage checks one more image against the limit. The caller holds s.mu.
func (s *Server) roomForImage() error {
	if limit := s.state.Limits.Images; limit > 0 && s.customImages() >= limit {
		return fail(400, "LimitExceeded", "The following service limits were exceeded: %s (%d).", imageLimit, limit)
	}
	return nil
}

// customImages counts what the limit of images is about. The caller holds s.mu.
func (s *Server) customImages() (n int) {
	for _, im := range s.state.Compute.Images {
		if im.CompartmentID != "" && im.State != stateDeleted {
			n++
		}
	}
	return n
}
