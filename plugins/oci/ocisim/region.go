package ocisim

import (
	"net/http"
	"slices"
	"strings"
)

// RegionHandler serves the same tenancy in another region that its seed names. Buckets, and what belongs to them, are
// those of the region; compute, identity and the rest are not divided. A server that serves several regions at one address
// tells them apart by the host, as OCI does: objectstorage.us-ashburn-1.example is in us-ashburn-1, and a host that names
// no region is in the home region. It returns nil for a region that the tenancy is not subscribed to.
func (s *Server) RegionHandler(region string) http.Handler {
	if region != s.state.Region && !slices.Contains(s.state.Regions, region) {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, region) })
}

// hostRegion is the region that a host names; the home region if it names none.
func (s *Server) hostRegion(host string) string {
	for label := range strings.SplitSeq(host, ".") {
		if slices.Contains(s.state.Regions, label) {
			return label
		}
	}
	return s.state.Region
}

// isRegion tells whether the tenancy is subscribed to the region.
func (s *Server) isRegion(name string) bool {
	return name == s.state.Region || slices.Contains(s.state.Regions, name)
}

// bucketKey is where the state has the bucket of a region: at its name in the home region, which "" is too. No bucket's name
// has a slash.
func (s *Server) bucketKey(region, name string) string {
	if region == "" || region == s.state.Region {
		return name
	}
	return region + "/" + name
}

func (b *bucket) key(s *Server) string { return s.bucketKey(b.Region, b.Name) }

// keyOfRegion is the short form of a region that OCIDs and instances carry, such as phx.
func keyOfRegion(region string) string {
	switch region {
	case "us-phoenix-1":
		return "phx"
	case "us-ashburn-1":
		return "iad"
	case "eu-frankfurt-1":
		return "fra"
	case "uk-london-1":
		return "lhr"
	}
	return region
}

// regionKey is the short form of the home region.
func (s *Server) regionKey() string { return keyOfRegion(s.state.Region) }
