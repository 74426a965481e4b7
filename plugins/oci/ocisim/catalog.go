package ocisim

import "time"

// listCatalogSubscriptions answers with the Marketplace images that a compartment has agreed to use: those that its
// instances were launched from.
func listCatalogSubscriptions(c *call) error {
	id := c.query("compartmentId")
	if err := c.checkCompartment(id); err != nil {
		return err
	}
	used := map[string]*image{}
	for _, in := range c.s.state.Compute.Instances {
		if im := c.s.state.Compute.Images[in.ImageID]; in.CompartmentID == id && im != nil && im.CompartmentID == "" && im.Listing == listingMarketplace {
			used[im.ID] = im
		}
	}
	var found []*image
	for _, im := range used {
		found = append(found, im)
	}
	by := byDisplayName(func(im *image) *resource { return &im.resource })
	return listSorted(c, found, by, func(im *image) fields {
		return fields{
			"publisherName": "Firewalls Inc", "listingId": namedOCID("appcataloglisting", "", im.Name),
			"listingResourceVersion": im.OSVersion, "listingResourceId": im.ID, "displayName": im.Name, "summary": nil,
			"compartmentId": id, "timeCreated": im.Created.UTC().Format(time.RFC3339Nano),
		}
	})
}
