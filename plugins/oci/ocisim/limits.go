package ocisim

// imageLimit is what the service limits call the number of custom images of a region, and unlimited is what they say of it
// where the simulator has no limit.
const (
	imageLimit = "custom-image-count"
	unlimited  = 500
)

// limitOperations are those of the service that tells limits and quotas. It knows the limit of custom images.
func limitOperations() []operation {
	return []operation{
		{name: "GetResourceAvailability", method: "GET",
			pattern: "/20190729/services/{service}/limits/{limit}/resourceAvailability", fn: getResourceAvailability},
	}
}

func getResourceAvailability(c *call) error {
	if err := c.checkCompartment(c.query("compartmentId")); err != nil {
		return err
	}
	if c.vars["service"] != "compute" || c.vars["limit"] != imageLimit {
		return errNotFound()
	}
	limit, used := c.s.state.Limits.Images, c.s.customImages()
	if limit == 0 {
		limit = unlimited
	}
	return c.json(200, fields{
		"used": used, "available": max(0, limit-used), "fractionalUsage": float64(used), "fractionalAvailability": float64(max(0, limit-used)),
		"effectiveQuotaValue": nil,
	})
}
