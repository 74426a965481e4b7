package oci

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// Realm says how the hosts of a region are named where that is not as the SDK knows it. Config.Endpoint wins over all of it.
type Realm struct {
	Domain    string // such as oraclecloud.com; "" is that of the region's realm
	Dedicated bool   // object storage at {namespace}.objectstorage.{region}.oci.customer-oci.com, where the realm has that
	DualStack bool   // hosts that have an IPv6 address too
}

var (
	domainPattern = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	keyPattern    = regexp.MustCompile(`^[a-z]{3}$`)
)

// normalize makes the full name of a region out of a key of three letters: one that the SDK knows, or one of
// ~/.oci/regions-config.json or OCI_REGION_METADATA.
func (a *account) normalize(endpoint string) error {
	if !regionPattern.MatchString(strings.ToLower(a.region)) {
		return fmt.Errorf("region %q is not a region such as us-phoenix-1", clip(a.region))
	}
	if a.domain != "" && !domainPattern.MatchString(a.domain) {
		return fmt.Errorf("realm_domain %q is not a domain such as oraclecloud.com", clip(a.domain))
	}
	a.region = string(common.StringToRegion(strings.ToLower(a.region)))
	if keyPattern.MatchString(a.region) && endpoint == "" {
		return fmt.Errorf("region key %q is not known: write the full name of the region, or describe it in ~/.oci/regions-config.json or OCI_REGION_METADATA", a.region)
	}
	return nil
}

// host is the name of a service of the region.
func (a *account) host(service string) string {
	return a.inRealm(common.Region(a.region).Endpoint(service))
}

// inRealm puts the domain of the realm in the place of the one that the SDK has chosen.
func (a *account) inRealm(host string) string {
	if a.domain == "" {
		return host
	}
	if before, ok := strings.CutSuffix(host, common.Region(a.region).SecondLevelDomain()); ok {
		return before + a.domain
	}
	return host
}
