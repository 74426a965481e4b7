package ocisim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/identity"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func compartmentNames(all []identity.Compartment) []string {
	var names []string
	for _, co := range all {
		names = append(names, *co.Name)
	}
	slices.Sort(names)
	return names
}

func TestTenancy(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	tenancy := must(c.identity.GetTenancy(t.Context(), identity.GetTenancyRequest{TenancyId: c.tenancy()}))(t)
	if *tenancy.Id != c.server.Tenancy() || *tenancy.HomeRegionKey != "PHX" || *tenancy.Name == "" {
		t.Errorf("have tenancy %v", tenancy.Tenancy)
	}
	_, err := c.identity.GetTenancy(t.Context(), identity.GetTenancyRequest{TenancyId: c.compartment("acme")})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")

	regions := must(c.identity.ListRegionSubscriptions(t.Context(), identity.ListRegionSubscriptionsRequest{TenancyId: c.tenancy()}))(t)
	if len(regions.Items) != 1 || *regions.Items[0].RegionName != "us-phoenix-1" || !*regions.Items[0].IsHomeRegion {
		t.Errorf("have subscriptions %v", regions.Items)
	}
	all := must(c.identity.ListRegions(t.Context()))(t)
	if len(all.Items) != 1 || *all.Items[0].Key != "PHX" {
		t.Errorf("have regions %v", all.Items)
	}
	ads := must(c.identity.ListAvailabilityDomains(t.Context(), identity.ListAvailabilityDomainsRequest{CompartmentId: c.tenancy()}))(t)
	if len(ads.Items) != 3 || *ads.Items[0].Name != "Iocq:PHX-AD-1" {
		t.Errorf("have availability domains %v", ads.Items)
	}
	faults := must(c.identity.ListFaultDomains(t.Context(), identity.ListFaultDomainsRequest{
		CompartmentId: c.tenancy(), AvailabilityDomain: ads.Items[0].Name,
	}))(t)
	if len(faults.Items) != 3 || *faults.Items[2].Name != "FAULT-DOMAIN-3" {
		t.Errorf("have fault domains %v", faults.Items)
	}
}

func TestListCompartments(t *testing.T) {
	t.Parallel()
	c := newCloud(t, &ocisim.Seed{Compartments: []ocisim.SeedCompartment{
		{Path: "acme/prod", Description: "Production", Tags: map[string]string{"a": "b"}}, {Path: "acme/dev", Inaccessible: true}, {Path: "beta"},
	}})
	for _, test := range []struct {
		name    string
		request identity.ListCompartmentsRequest
		want    string
	}{
		{"below the tenancy", identity.ListCompartmentsRequest{CompartmentId: c.tenancy()}, "acme beta"},
		{"below a compartment", identity.ListCompartmentsRequest{CompartmentId: c.compartment("acme")}, "dev prod"},
		{"whole tree", identity.ListCompartmentsRequest{CompartmentId: c.tenancy(), CompartmentIdInSubtree: ptr(true)}, "acme beta dev prod"},
		{"accessible", identity.ListCompartmentsRequest{
			CompartmentId: c.tenancy(), CompartmentIdInSubtree: ptr(true), AccessLevel: identity.ListCompartmentsAccessLevelAccessible,
		}, "acme beta prod"},
		{"any", identity.ListCompartmentsRequest{
			CompartmentId: c.tenancy(), CompartmentIdInSubtree: ptr(true), AccessLevel: identity.ListCompartmentsAccessLevelAny,
		}, "acme beta dev prod"},
		{"by name", identity.ListCompartmentsRequest{CompartmentId: c.tenancy(), CompartmentIdInSubtree: ptr(true), Name: ptr("prod")}, "prod"},
		{"deleted", identity.ListCompartmentsRequest{CompartmentId: c.tenancy(), LifecycleState: identity.CompartmentLifecycleStateDeleted}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := must(c.identity.ListCompartments(t.Context(), test.request))(t)
			if have := strings.Join(compartmentNames(list.Items), " "); have != test.want {
				t.Errorf("have %q, want %q", have, test.want)
			}
		})
	}
	_, err := c.identity.ListCompartments(t.Context(), identity.ListCompartmentsRequest{
		CompartmentId: c.compartment("acme"), CompartmentIdInSubtree: ptr(true),
	})
	wantError(t, err, 400, "InvalidParameter")
	_, err = c.identity.ListCompartments(t.Context(), identity.ListCompartmentsRequest{CompartmentId: ptr("ocid1.compartment.oc1..unknown")})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
	_, err = c.identity.ListCompartments(t.Context(), identity.ListCompartmentsRequest{CompartmentId: ptr("acme")})
	wantError(t, err, 400, "InvalidParameter")
}

func TestListCompartmentsInPages(t *testing.T) {
	t.Parallel()
	c := newCloud(t, &ocisim.Seed{Compartments: []ocisim.SeedCompartment{{Path: "c"}, {Path: "a"}, {Path: "ab"}, {Path: "b"}}})
	for _, test := range []struct {
		by    identity.ListCompartmentsSortByEnum
		order identity.ListCompartmentsSortOrderEnum
		want  string
	}{
		{"", "", "b ab a c"}, // newest first
		{identity.ListCompartmentsSortByTimecreated, identity.ListCompartmentsSortOrderAsc, "c a ab b"},
		{identity.ListCompartmentsSortByName, "", "a ab b c"},
		{identity.ListCompartmentsSortByName, identity.ListCompartmentsSortOrderDesc, "c b ab a"},
	} {
		var names []string
		request := identity.ListCompartmentsRequest{CompartmentId: c.tenancy(), Limit: ptr(1), SortBy: test.by, SortOrder: test.order}
		for pages := 0; ; pages++ {
			list := must(c.identity.ListCompartments(t.Context(), request))(t)
			if len(list.Items) > 1 || pages > 10 {
				t.Fatalf("page %d has %d items, want 1", pages, len(list.Items))
			}
			for _, co := range list.Items {
				names = append(names, *co.Name)
			}
			if list.OpcNextPage == nil {
				break
			}
			request.Page = list.OpcNextPage
		}
		if have := strings.Join(names, " "); have != test.want {
			t.Errorf("sorted by %q %q: have %q, want %q", test.by, test.order, have, test.want)
		}
	}
}

func TestGetCompartment(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	prod := must(c.identity.GetCompartment(t.Context(), identity.GetCompartmentRequest{CompartmentId: c.compartment("acme/prod")}))(t)
	if *prod.Name != "prod" || *prod.CompartmentId != *c.compartment("acme") || prod.LifecycleState != identity.CompartmentLifecycleStateActive || prod.Etag == nil {
		t.Errorf("have %v", prod)
	}
	root := must(c.identity.GetCompartment(t.Context(), identity.GetCompartmentRequest{CompartmentId: c.tenancy()}))(t)
	if *root.Id != c.server.Tenancy() || root.CompartmentId != nil {
		t.Errorf("have %v", root)
	}
}
