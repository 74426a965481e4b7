package ocisim

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// identityState is the part of the state that identity owns.
type identityState struct {
	Compartments map[string]*compartment // by OCID, without the tenancy
	Created      time.Time               // of the tenancy
}

// compartment is one compartment below the tenancy.
type compartment struct {
	ID           string
	ParentID     string
	Path         string // of names, from the tenancy down
	Description  string
	Created      time.Time
	Inaccessible bool
	Tags         map[string]string
}

const adCount = 3

func identityOperations() []operation {
	ops := []operation{
		{name: "GetTenancy", pattern: "/20160918/tenancies/{id}", fn: getTenancy},
		{name: "ListRegionSubscriptions", pattern: "/20160918/tenancies/{id}/regionSubscriptions", fn: listRegionSubscriptions},
		{name: "ListRegions", pattern: "/20160918/regions", fn: listRegions},
		{name: "ListAvailabilityDomains", pattern: "/20160918/availabilityDomains", fn: listAvailabilityDomains},
		{name: "ListFaultDomains", pattern: "/20160918/faultDomains", fn: listFaultDomains},
		{name: "ListCompartments", pattern: "/20160918/compartments", fn: listCompartments},
		{name: "GetCompartment", pattern: "/20160918/compartments/{id}", fn: getCompartment},
	}
	for i := range ops {
		answer := ops[i].fn
		ops[i].method = "GET"
		ops[i].fn = func(c *call) error {
			c.header.Set("Cache-Control", "no-cache, no-store, must-revalidate")
			return answer(c)
		}
	}
	return ops
}

// availabilityDomain returns the name of the n-th availability domain, counting from 1.
func (s *Server) availabilityDomain(n int) string {
	return "Iocq:" + strings.ToUpper(s.regionKey()) + "-AD-" + strconv.Itoa(n)
}

// compartmentOCID returns the OCID of the compartment at a path of names; the empty path is the tenancy.
func (s *Server) compartmentOCID(p string) string {
	if p == "" {
		return s.state.Tenancy
	}
	return namedOCID("compartment", "", s.state.Namespace+"/"+p)
}

// checkCompartment is the first thing every operation with a compartmentId does: it must be there, look like an OCID,
// and exist.
func (c *call) checkCompartment(id string) error {
	switch {
	case id == "":
		return fail(400, "MissingParameter", "Missing compartmentId")
	case !isOCID(id):
		return fail(400, "InvalidParameter", "Invalid compartmentId %s", id)
	case id != c.s.state.Tenancy && c.s.state.Identity.Compartments[id] == nil:
		return errNotFound()
	}
	return nil
}

func getTenancy(c *call) error {
	if c.vars["id"] != c.s.state.Tenancy {
		return errNotFound()
	}
	return c.json(200, fields{
		"id": c.s.state.Tenancy, "name": c.s.state.Namespace, "description": "Simulated tenancy",
		"homeRegionKey": strings.ToUpper(c.s.regionKey()), "upiIdcsCompatibilityLayerEndpoint": nil,
		"freeformTags": fields{}, "definedTags": fields{},
	})
}

func listRegionSubscriptions(c *call) error {
	if c.vars["id"] != c.s.state.Tenancy {
		return errNotFound()
	}
	all := []fields{}
	for i, region := range append([]string{c.s.state.Region}, c.s.state.Regions...) {
		all = append(all, fields{"regionKey": strings.ToUpper(keyOfRegion(region)), "regionName": region, "status": "READY", "isHomeRegion": i == 0})
	}
	return c.json(200, all)
}

func listRegions(c *call) error {
	all := []fields{}
	for _, region := range append([]string{c.s.state.Region}, c.s.state.Regions...) {
		all = append(all, fields{"key": strings.ToUpper(keyOfRegion(region)), "name": region})
	}
	return c.json(200, all)
}

func listAvailabilityDomains(c *call) error {
	if err := c.checkCompartment(c.query("compartmentId")); err != nil {
		return err
	}
	all := []fields{}
	for n := 1; n <= adCount; n++ {
		name := c.s.availabilityDomain(n)
		all = append(all, fields{
			"name": name, "id": namedOCID("availabilitydomain", "", name), "compartmentId": c.query("compartmentId"),
		})
	}
	return c.json(200, all)
}

func listFaultDomains(c *call) error {
	if err := c.checkCompartment(c.query("compartmentId")); err != nil {
		return err
	}
	ad := c.query("availabilityDomain")
	if ad == "" {
		return fail(400, "MissingParameter", "Missing availabilityDomain")
	}
	all := []fields{}
	for n := 1; n <= adCount; n++ {
		name := "FAULT-DOMAIN-" + strconv.Itoa(n)
		all = append(all, fields{
			"name": name, "id": namedOCID("faultdomain", "", ad+name), "compartmentId": c.query("compartmentId"), "availabilityDomain": ad,
		})
	}
	return c.json(200, all)
}

// listCompartments answers with the compartments right below one compartment, or with all of the tenancy. The tenancy
// itself is never among them.
func listCompartments(c *call) error {
	parent := c.query("compartmentId")
	if err := c.checkCompartment(parent); err != nil {
		return err
	}
	subtree, err := c.boolQuery("compartmentIdInSubtree")
	if err != nil {
		return err
	}
	if subtree && parent != c.s.state.Tenancy {
		return fail(400, "InvalidParameter", "compartmentIdInSubtree can be true only when compartmentId is the tenancy")
	}
	access := strings.ToUpper(c.query("accessLevel"))
	if access != "" && access != "ANY" && access != "ACCESSIBLE" {
		return fail(400, "InvalidParameter", "accessLevel %q is not ANY or ACCESSIBLE", c.query("accessLevel"))
	}
	state := strings.ToUpper(c.query("lifecycleState"))
	var found []*compartment
	for _, co := range c.s.state.Identity.Compartments {
		name := c.query("name")
		switch {
		case !subtree && co.ParentID != parent,
			access == "ACCESSIBLE" && co.Inaccessible,
			name != "" && name != path.Base(co.Path),
			state != "" && state != "ACTIVE":
			continue
		}
		found = append(found, co)
	}
	if c.query("limit") != "" {
		c.header.Set("opc-limit", c.query("limit"))
	}
	return listSorted(c, found, sortedBy[*compartment]{
		id:      func(co *compartment) string { return co.ID },
		name:    func(co *compartment) string { return path.Base(co.Path) },
		created: func(co *compartment) time.Time { return co.Created },
		byName:  "NAME",
	}, (*compartment).json)
}

func (co *compartment) json() fields {
	return fields{
		"id": co.ID, "compartmentId": co.ParentID, "name": path.Base(co.Path), "description": co.Description,
		"timeCreated": jsonTime(co.Created), "lifecycleState": "ACTIVE", "inactiveStatus": nil, "isAccessible": !co.Inaccessible,
		"freeformTags": tags(co.Tags), "definedTags": fields{},
	}
}

func getCompartment(c *call) error {
	id := c.vars["id"]
	if err := c.checkCompartment(id); err != nil {
		return err
	}
	shown := fields{
		"id": id, "compartmentId": nil, "name": c.s.state.Namespace, "description": "The root Compartment of the tenancy",
		"timeCreated": jsonTime(c.s.state.Identity.Created), "lifecycleState": "ACTIVE", "inactiveStatus": nil, "isAccessible": true,
		"freeformTags": fields{}, "definedTags": fields{},
	}
	if co := c.s.state.Identity.Compartments[id]; co != nil {
		shown = co.json()
	}
	return c.show((&resource{ID: id}).etag(), shown)
}

func (c *call) boolQuery(name string) (bool, error) {
	switch strings.ToLower(c.query(name)) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fail(400, "InvalidParameter", "%s %q is not true or false", name, c.query(name))
}

// sortedBy says how a list is ordered and paged.
type sortedBy[T any] struct {
	id      func(T) string
	name    func(T) string
	created func(T) time.Time
	byName  string // the word of sortBy that means the name
}

// listSorted answers with one page of items in the order that sortBy and sortOrder ask for; without them the newest
// is first. Names are ascending unless asked otherwise.
func listSorted[T any](c *call, items []T, by sortedBy[T], show func(T) fields) error {
	field, order := strings.ToUpper(c.query("sortBy")), strings.ToUpper(c.query("sortOrder"))
	if field != "" && field != "TIMECREATED" && field != by.byName {
		return fail(400, "InvalidParameter", "sortBy %q is not TIMECREATED or %s", c.query("sortBy"), by.byName)
	}
	if order != "" && order != "ASC" && order != "DESC" {
		return fail(400, "InvalidParameter", "sortOrder %q is not ASC or DESC", c.query("sortOrder"))
	}
	named := field == by.byName
	descending := order == "DESC" || order == "" && !named
	key := func(item T) string {
		text := by.created(item).UTC().Format("2006-01-02T15:04:05.000000000")
		if named {
			text = by.name(item)
		}
		return sortKey(text, descending) + by.id(item)
	}
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	items, err := page(c, items, key)
	if err != nil {
		return err
	}
	shown := make([]fields, 0, len(items))
	for _, item := range items {
		shown = append(shown, show(item))
	}
	return c.json(200, shown)
}

// sortKey returns a string that sorts as text does, or in the opposite order.
func sortKey(text string, descending bool) string {
	if !descending {
		return text + "\x00"
	}
	inverted := []byte(text)
	for i := range inverted {
		inverted[i] = ^inverted[i]
	}
	return string(inverted) + "\xff"
}
