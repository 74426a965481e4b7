package ocisim

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

const computeBase = "/20160918"

// computeOperations are the operations of compute, and those of block volumes, virtual networks and work requests that
// tell what an instance has.
func computeOperations() []operation {
	return []operation{
		{name: "ListInstances", method: "GET", pattern: computeBase + "/instances", fn: listInstances},
		{name: "GetInstance", method: "GET", pattern: computeBase + "/instances/{id}", fn: getInstance},
		{name: "UpdateInstance", method: "PUT", pattern: computeBase + "/instances/{id}", fn: updateInstance},
		{name: "TerminateInstance", method: "DELETE", pattern: computeBase + "/instances/{id}", fn: terminateInstance},
		{name: "InstanceAction", method: "POST", pattern: computeBase + "/instances/{id}", fn: instanceAction},

		{name: "ListImages", method: "GET", pattern: computeBase + "/images", fn: listImages},
		{name: "CreateImage", method: "POST", pattern: computeBase + "/images", fn: createImage},
		{name: "GetImage", method: "GET", pattern: computeBase + "/images/{id}", fn: getImage},
		{name: "UpdateImage", method: "PUT", pattern: computeBase + "/images/{id}", fn: updateImage},
		{name: "DeleteImage", method: "DELETE", pattern: computeBase + "/images/{id}", fn: deleteImage},
		{name: "ExportImage", method: "POST", pattern: computeBase + "/images/{id}/actions/export", fn: exportImage},
		{name: "ListAppCatalogSubscriptions", method: "GET", pattern: computeBase + "/appCatalogSubscriptions", fn: listCatalogSubscriptions},

		{name: "ListVnicAttachments", method: "GET", pattern: computeBase + "/vnicAttachments", fn: listVnicAttachments},
		{name: "GetVnicAttachment", method: "GET", pattern: computeBase + "/vnicAttachments/{id}", fn: getVnicAttachment},
		{name: "GetVnic", method: "GET", pattern: computeBase + "/vnics/{id}", fn: getVnic},

		{name: "ListBootVolumeAttachments", method: "GET", pattern: computeBase + "/bootVolumeAttachments", fn: listBootVolumeAttachments},
		{name: "GetBootVolumeAttachment", method: "GET", pattern: computeBase + "/bootVolumeAttachments/{id}", fn: getBootVolumeAttachment},
		{name: "ListVolumeAttachments", method: "GET", pattern: computeBase + "/volumeAttachments", fn: listVolumeAttachments},
		{name: "GetVolumeAttachment", method: "GET", pattern: computeBase + "/volumeAttachments/{id}", fn: getVolumeAttachment},
		{name: "ListBootVolumes", method: "GET", pattern: computeBase + "/bootVolumes", fn: listBootVolumes},
		{name: "GetBootVolume", method: "GET", pattern: computeBase + "/bootVolumes/{id}", fn: getBootVolume},
		{name: "ListVolumes", method: "GET", pattern: computeBase + "/volumes", fn: listVolumes},
		{name: "GetVolume", method: "GET", pattern: computeBase + "/volumes/{id}", fn: getVolume},

		{name: "ListWorkRequests", method: "GET", pattern: computeBase + "/workRequests", fn: listComputeRequests},
		{name: "GetWorkRequest", method: "GET", pattern: computeBase + "/workRequests/{id}", fn: getComputeRequest},
		{name: "ListWorkRequestErrors", method: "GET", pattern: computeBase + "/workRequests/{id}/errors", fn: listComputeRequestErrors},
		{name: "ListWorkRequestLogs", method: "GET", pattern: computeBase + "/workRequests/{id}/logs", fn: listComputeRequestLogs},
	}
}

// show answers with a resource and its entity tag.
func (c *call) show(etag string, v fields) error {
	c.header.Set("etag", etag)
	return c.json(200, v)
}

// isOCID tells whether id has the form of an OCID.
func isOCID(id string) bool {
	parts := strings.Split(id, ".")
	return len(parts) >= 5 && parts[0] == "ocid1" && parts[len(parts)-1] != ""
}

// find looks up the {id} of the path in one of the state's tables. An id that is no OCID is a bad parameter; one that
// is not there is not found.
func find[T any](c *call, table map[string]T) (T, error) {
	id := c.vars["id"]
	var none T
	if !isOCID(id) {
		return none, fail(400, "InvalidParameter", "Invalid OCID: %s", id)
	}
	found, ok := table[id]
	if !ok {
		return none, errNotFound()
	}
	return found, nil
}

// checkMatch compares the entity tag with what the client's if-match asks for.
func (c *call) checkMatch(r *resource) error {
	want := c.r.Header.Get("if-match")
	if want == "" || want == "*" || want == r.etag() {
		return nil
	}
	return fail(412, "NoEtagMatch", "The etag %s does not match the current one of %s.", want, r.ID)
}

func errIncorrectState(r *resource, what string) error {
	return fail(409, "IncorrectState", "The resource %s is in state %s: cannot %s.", r.ID, r.State, what)
}

// matches tells whether the resource is one that the query asks for by name and state.
func (c *call) matches(r *resource) bool {
	name, state := c.query("displayName"), c.query("lifecycleState")
	return (name == "" || name == r.Name) && (state == "" || strings.EqualFold(state, r.State))
}

// byDisplayName is how lists of compute are sorted.
func byDisplayName[T any](common func(T) *resource) sortedBy[T] {
	return sortedBy[T]{
		id:      func(item T) string { return common(item).ID },
		name:    func(item T) string { return common(item).Name },
		created: func(item T) time.Time { return common(item).Created },
		byName:  "DISPLAYNAME",
	}
}

// tokenLife is how long OCI remembers an opc-retry-token.
const tokenLife = 24 * time.Hour

// usedToken is what became of a request with an opc-retry-token.
type usedToken struct {
	Request     string    `json:"request"` // hash of path, query and body
	Resource    string    `json:"resource"`
	WorkRequest string    `json:"workRequest"`
	Used        time.Time `json:"used"`
}

// repeated returns what the same request with the same opc-retry-token did before, nil if there was none. The same
// token on another request is an error.
func (c *call) repeated() (*usedToken, error) {
	used := c.s.state.Compute.Tokens[c.tokenKey()]
	if used == nil || c.s.clock.Now().Sub(used.Used) >= tokenLife {
		return nil, nil
	}
	if used.Request != c.fingerprint() {
		return nil, fail(409, "InvalidatedRetryToken",
			"The retry token was used in an earlier request with other content; it cannot be used again with this one.")
	}
	return used, nil
}

// errInvalidatedToken is the answer to a repeated request whose resource is gone.
func errInvalidatedToken() error {
	return fail(409, "InvalidatedRetryToken",
		"The retry token was used in an earlier request that succeeded, but a later operation invalidated it.")
}

// remember keeps what the request did under its opc-retry-token, and drops tokens that are too old.
func (c *call) remember(resource, workRequest string) {
	now, tokens := c.s.clock.Now(), c.s.state.Compute.Tokens
	for key, used := range tokens {
		if now.Sub(used.Used) >= tokenLife {
			delete(tokens, key)
		}
	}
	if c.r.Header.Get("opc-retry-token") != "" {
		tokens[c.tokenKey()] = &usedToken{Request: c.fingerprint(), Resource: resource, WorkRequest: workRequest, Used: now}
	}
}

// tokenKey is never in use for requests without a token.
func (c *call) tokenKey() string { return c.op.name + " " + c.r.Header.Get("opc-retry-token") }

func (c *call) fingerprint() string {
	sum := sha256.Sum256([]byte(c.r.Method + " " + c.r.URL.RequestURI() + "\n" + string(c.body)))
	return hex.EncodeToString(sum[:])
}

// requestHeader names the work request in the answer, if there is one to name.
func (c *call) requestHeader(id string) {
	if id != "" {
		c.header.Set("opc-work-request-id", id)
	}
}
