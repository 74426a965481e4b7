package ocisim_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// recordedSeed has one instance of each kind, with small disks.
func recordedSeed() *ocisim.Seed {
	return &ocisim.Seed{
		Compartments: []ocisim.SeedCompartment{{Path: "a"}, {Path: "b"}},
		Buckets:      []ocisim.SeedBucket{{Name: "hx-staging"}, {Name: "logs"}},
		Instances: []ocisim.SeedInstance{
			{Name: "vm", DiskBytes: 1 << 20, DataVolumes: []ocisim.SeedVolume{{Name: "data"}, {Name: "more"}}},
			{Name: "off", DiskBytes: 1 << 20, State: "STOPPED"},
		},
	}
}

// exception is a difference from the recordings that is meant.
type exception struct {
	host, row string // empty: all; row is the beginning of "METHOD path status"
	what      string // "header NAME", "key NAME" or "null NAME" (null although never seen so)
	why       string
}

func recordedExceptions() []exception {
	return []exception{
		{"objectstorage", "DELETE", "header content-length", "HTTP forbids it with 204; Oracle's front end of 2018 sent 0"},
		{"objectstorage", "GET /n/{ns}/b/{bucket}/ 304", "header content-length", "Go's server sends none with 304"},
		{"objectstorage", "", "key count", "a name of 2018 for approximateCount"},
		{"objectstorage", "", "key size", "a name of 2018 for approximateSize"},
		{"objectstorage", "", "key estimatedCount", "a name of 2018 for approximateCount"},
		{"objectstorage", "", "key estimatedSize", "a name of 2018 for approximateSize"},
		{"objectstorage", "POST /n/{ns}/b/{bucket}/actions/renameObject", "null archivalState", "the SDK does not read this body, and nothing is archived"},
		{"objectstorage", "POST /n/{ns}/b/{bucket}/actions/renameObject", "null archivedTime", "the same"},
		{"objectstorage", "POST /n/{ns}/b/{bucket}/actions/renameObject", "null restoredTime", "the same"},
	}
}

// unreachable rows are of operations whose path is taken by the same word of another host.
func unreachable(row recordedRow) bool {
	return row.host == "identity" && strings.HasPrefix(row.path, "/20160918/workRequests") // all hosts share one port here
}

type requestMaker = func(*cloud) rawRequest

// recordedRequests are the requests that make the simulator answer in the shapes of rows, by host, method, path and status.
func recordedRequests() map[string]requestMaker {
	all := map[string]requestMaker{}
	for _, m := range []map[string]requestMaker{identityRequests(), computeReadRequests(), computeWriteRequests(), bucketRequests(), objectRequests(), parRequests(), copyRequests(), ruleRequests()} {
		maps.Copy(all, m)
	}
	return all
}

func plain(vars ...string) requestMaker {
	return func(*cloud) rawRequest { return rawRequest{vars: pairs(vars...)} }
}

func pairs(kv ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

// inTenancy asks for a list of the root compartment.
func inTenancy(more string) requestMaker {
	return func(c *cloud) rawRequest { return rawRequest{query: "compartmentId=" + c.server.Tenancy() + more} }
}

// byID asks for a resource by an identifier that the function finds.
func byID(id func(*cloud) *string) requestMaker {
	return func(c *cloud) rawRequest { return rawRequest{vars: pairs("id", *id(c))} }
}

func identityRequests() map[string]requestMaker {
	const base = "identity GET /20160918/"
	return map[string]requestMaker{
		base + "availabilityDomains 200":                inTenancy(""),
		base + "availabilityDomains/ 200":               inTenancy(""),
		base + "faultDomains/ 200":                      inTenancy("&availabilityDomain=Iocq:PHX-AD-1"),
		base + "compartments/ 200":                      inTenancy("&limit=1"),
		base + "compartments/{id} 200":                  byID(func(c *cloud) *string { return c.compartment("a") }),
		base + "regions 200":                            plain(),
		base + "tenancies/{id}/regionSubscriptions 200": byID((*cloud).tenancy),
	}
}

func computeReadRequests() map[string]requestMaker {
	const base = "iaas GET /20160918/"
	vm := func(c *cloud) *string { return c.instance("vm") }
	field := func(path, key string) func(*cloud) *string { // of the first item of a list
		return func(c *cloud) *string {
			var items []map[string]any
			answer := c.do("GET", "/20160918/"+path, rawRequest{query: "availabilityDomain=Iocq:PHX-AD-1&compartmentId=" + c.server.Tenancy()})
			if err := json.Unmarshal(answer.body, &items); err != nil || len(items) == 0 {
				c.t.Fatalf("list %s: %d %s", path, answer.status, answer.body)
			}
			return ptr(items[0][key].(string))
		}
	}
	return map[string]requestMaker{
		base + "instances/ 200":              inTenancy(""),
		base + "instances/{id} 200":          byID(vm),
		base + "images 200":                  inTenancy(""),
		base + "images/{id} 200":             byID(func(c *cloud) *string { return c.createImage("vm") }),
		base + "bootVolumeAttachments/ 200":  inTenancy("&availabilityDomain=Iocq:PHX-AD-1"),
		base + "bootVolumes/o 400":           plain(),
		base + "bootVolumes/{id} 200":        byID(func(c *cloud) *string { return c.bootVolume(vm(c)) }),
		base + "vnicAttachments/ 200":        inTenancy("&limit=1"),
		base + "vnicAttachments/{id} 200":    byID(field("vnicAttachments", "id")),
		base + "vnics/{id} 200":              byID(field("vnicAttachments", "vnicId")),
		base + "vnics/{id} 404":              plain("id", "ocid1.vnic.oc1.phx.none"),
		base + "appCatalogSubscriptions 200": inTenancy(""),
		base + "volumeAttachments/ 200":      inTenancy(""),
		base + "volumeAttachments/{id} 200":  byID(field("volumeAttachments", "id")),
		base + "volumes 200":                 inTenancy("&limit=1"),
		base + "volumes/{id} 200":            byID(field("volumes", "id")),
	}
}

func computeWriteRequests() map[string]requestMaker {
	const base = "/20160918/"
	vm := func(c *cloud) *string { return c.instance("vm") }
	image := func(c *cloud) *string { return c.createImage("vm") }
	rename := func(id func(*cloud) *string) requestMaker {
		return func(c *cloud) rawRequest {
			return rawRequest{vars: pairs("id", *id(c)), body: map[string]string{"displayName": "renamed"}}
		}
	}
	return map[string]requestMaker{
		"iaas PUT " + base + "instances/{id} 200":    rename(vm),
		"iaas PUT " + base + "images/{id} 200":       rename(image),
		"iaas DELETE " + base + "instances/{id} 204": byID(vm),
		"iaas DELETE " + base + "images/{id} 204":    byID(image),
		"iaas POST " + base + "instances/{id} 200": func(c *cloud) rawRequest {
			return rawRequest{vars: pairs("id", *vm(c)), query: "action=stop"}
		},
		"iaas POST " + base + "images 200": func(c *cloud) rawRequest {
			return rawRequest{body: map[string]string{"compartmentId": c.server.Tenancy(), "instanceId": *vm(c)}}
		},
		"iaas POST " + base + "images/{id}/actions/export 200": func(c *cloud) rawRequest {
			return rawRequest{vars: pairs("id", *image(c)), body: map[string]string{
				"destinationType": "objectStorageTuple", "namespaceName": "axsim", "bucketName": "logs", "objectName": "o",
			}}
		},
	}
}

func bucketRequests() map[string]requestMaker {
	const n, b = " /n/{ns}/b", " /n/{ns}/b/{bucket}"
	all := map[string]requestMaker{
		"objectstorage GET /n 200":       plain(),
		"objectstorage GET /n/ 200":      plain(),
		"objectstorage GET /n/{ns} 200":  plain(),
		"objectstorage GET" + b + " 404": plain("bucket", "nowhere"),
	}
	for _, slash := range []string{"", "/"} { // both are accepted
		all["objectstorage GET"+n+slash+" 200"] = inTenancy("&limit=1")
		all["objectstorage POST"+n+slash+" 200"] = func(c *cloud) rawRequest {
			return rawRequest{body: map[string]string{"name": "new", "compartmentId": c.server.Tenancy()}}
		}
		all["objectstorage GET"+b+slash+" 200"] = plain("bucket", "logs")
		all["objectstorage GET"+b+slash+" 304"] = func(c *cloud) rawRequest {
			answer := c.do("GET", "/n/axsim/b/logs", rawRequest{})
			return rawRequest{vars: pairs("bucket", "logs"), header: pairs("if-none-match", answer.header.Get("etag"))}
		}
		stale := func(*cloud) rawRequest {
			return rawRequest{vars: pairs("bucket", "logs"), header: pairs("if-match", "stale")}
		}
		all["objectstorage GET"+b+slash+" 412"] = stale
		all["objectstorage DELETE"+b+slash+" 412"] = stale
		all["objectstorage DELETE"+b+slash+" 204"] = plain("bucket", "logs")
		all["objectstorage POST"+b+slash+" 200"] = func(*cloud) rawRequest {
			return rawRequest{vars: pairs("bucket", "logs"), body: map[string]any{"autoTiering": "InfrequentAccess"}}
		}
	}
	return all
}

// putObject writes an object to the bucket logs.
func (c *cloud) putObject(name string) {
	c.t.Helper()
	if answer := c.do("PUT", "/n/axsim/b/logs/o/"+name, rawRequest{body: "content"}); answer.status != 200 {
		c.t.Fatalf("put %s: %d %s", name, answer.status, answer.body)
	}
}

func objectRequests() map[string]requestMaker {
	const b = " /n/{ns}/b/{bucket}"
	stored := func(query string, names ...string) requestMaker {
		return func(c *cloud) rawRequest {
			for _, name := range names {
				c.putObject(name)
			}
			return rawRequest{vars: pairs("bucket", "logs", "object", names[0]), query: query}
		}
	}
	return map[string]requestMaker{
		"objectstorage PUT" + b + "/o/{object} 200": func(*cloud) rawRequest {
			return rawRequest{vars: pairs("bucket", "logs", "object", "o"), body: "content"}
		},
		"objectstorage GET" + b + "/o/{object} 200":    stored("", "o"),
		"objectstorage DELETE" + b + "/o/{object} 204": stored("", "o"),
		"objectstorage GET" + b + "/o 200":             stored("limit=2&delimiter=/", "a/1", "b", "c"),
		"objectstorage GET" + b + "/o 404":             plain("bucket", "nowhere"),
		"objectstorage GET" + b + "/u 200":             plain("bucket", "logs"),
		"objectstorage GET" + b + "/u/{object} 404": func(*cloud) rawRequest {
			return rawRequest{vars: pairs("bucket", "logs", "object", "o"), query: "uploadId=none"}
		},
		"objectstorage POST" + b + "/actions/renameObject 200": func(c *cloud) rawRequest {
			c.putObject("old")
			return rawRequest{vars: pairs("bucket", "logs"), body: map[string]string{"sourceName": "old", "newName": "new"}}
		},
		"objectstorage DELETE" + b + "/l 204": func(c *cloud) rawRequest {
			c.do("PUT", "/n/axsim/b/logs/l", rawRequest{body: map[string]any{"items": []any{map[string]any{
				"name": "r", "action": "DELETE", "timeAmount": 1, "timeUnit": "DAYS", "isEnabled": true,
			}}}})
			return rawRequest{vars: pairs("bucket", "logs")}
		},
	}
}

func parRequests() map[string]requestMaker {
	const p = " /n/{ns}/b/{bucket}/p"
	body := func(c *cloud, name string) map[string]string {
		expires := c.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		return map[string]string{"name": name, "accessType": "ObjectRead", "objectName": "o", "timeExpires": expires}
	}
	make := func(c *cloud) rawRequest {
		var made struct{ ID string }
		for _, name := range []string{"one", "two"} {
			answer := c.do("POST", "/n/axsim/b/logs/p", rawRequest{body: body(c, name)})
			if err := json.Unmarshal(answer.body, &made); err != nil {
				c.t.Fatal(err)
			}
		}
		return rawRequest{vars: pairs("bucket", "logs", "par", url.PathEscape(made.ID))}
	}
	list := func(c *cloud) rawRequest {
		q := make(c)
		q.query = "limit=1"
		return q
	}
	create := func(c *cloud) rawRequest { return rawRequest{vars: pairs("bucket", "logs"), body: body(c, "par")} }
	return map[string]requestMaker{
		"objectstorage POST" + p + " 200":         create,
		"objectstorage POST" + p + "/ 200":        create,
		"objectstorage GET" + p + " 200":          list,
		"objectstorage GET" + p + "/ 200":         list,
		"objectstorage GET" + p + "/{par} 200":    make,
		"objectstorage DELETE" + p + "/{par} 204": make,
	}
}

func copyRequests() map[string]requestMaker {
	const path = "objectstorage POST /n/{ns}/b/{bucket}/actions/copyObject "
	order := func(region, to string) rawRequest {
		return rawRequest{vars: pairs("bucket", "logs"), body: map[string]string{
			"sourceObjectName": "o", "destinationRegion": region, "destinationNamespace": "axsim",
			"destinationBucket": to, "destinationObjectName": "copy",
		}}
	}
	stored := func(region, to string) requestMaker {
		return func(c *cloud) rawRequest {
			c.putObject("o")
			return order(region, to)
		}
	}
	copied := func(c *cloud) rawRequest {
		c.putObject("o")
		answer := c.do("POST", "/n/axsim/b/logs/actions/copyObject", order("us-phoenix-1", "hx-staging"))
		c.clock.Advance(time.Minute)
		id := answer.header.Get("opc-work-request-id")
		c.eventually("the end of the copy", func() bool {
			return strings.Contains(string(c.do("GET", "/workRequests/"+id, rawRequest{}).body), "COMPLETED")
		})
		return rawRequest{vars: pairs("uuid", id), query: "compartmentId=" + c.server.Tenancy()}
	}
	return map[string]requestMaker{
		path + "202":                          stored("us-phoenix-1", "hx-staging"),
		path + "400":                          stored("nowhere", "hx-staging"),
		path + "404":                          stored("us-phoenix-1", "nowhere"),
		"objectstorage GET /workRequests 200": copied,
		"objectstorage GET /workRequests/{uuid} 200":        copied,
		"objectstorage GET /workRequests/{uuid}/errors 200": copied,
		"objectstorage GET /workRequests/{uuid}/logs 200":   copied,
		"objectstorage DELETE /workRequests/{uuid} 409":     copied,
	}
}
