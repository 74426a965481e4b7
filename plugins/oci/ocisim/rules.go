package ocisim

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"sync"
)

// Rule says whether somebody may do something somewhere. Empty fields match everything.
type Rule struct {
	Principal   string `json:"principal"`   // OCID of a user, instance or resource; or user, instance, resource or workload
	Operation   string `json:"operation"`   // name in the SDK, such as CreateImage; * stands for any text
	Compartment string `json:"compartment"` // path or OCID of the compartment that the target is in; those below it too
	Bucket      string `json:"bucket"`      // name of the bucket that the request is about
	Allow       bool   `json:"allow"`       // otherwise it is denied
}

// Rules are what principals may do. The first rule that matches a request decides; where none does, everything is allowed. What
// is denied is answered as OCI does it: as if it were not there. Rules are safe for concurrent use.
type Rules struct {
	mu   sync.Mutex
	list []Rule
}

// Add appends a rule.
func (r *Rules) Add(rule Rule) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, rule)
}

// Reset removes all rules, those of the seed too.
func (r *Rules) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = nil
}

// Rules is the table of what principals may do; it starts with the rules of the seed. Changes last as long as the process.
func (s *Server) Rules() *Rules { return s.rules }

// check tells what cannot be meant.
func (r Rule) check(paths map[string]bool) error {
	if _, err := path.Match(r.Operation, ""); err != nil {
		return fmt.Errorf("operation %q is no pattern", r.Operation)
	}
	if r.Principal != "" && !isOCID(r.Principal) && !isPrincipalType(r.Principal) && !strings.HasPrefix(r.Principal, "system:") {
		return fmt.Errorf("principal %q: want an OCID or one of %s", r.Principal, strings.Join(principalTypes(), ", "))
	}
	if r.Compartment != "" && !isOCID(r.Compartment) && !paths[r.Compartment] {
		return fmt.Errorf("compartment %q is not in the seed; add it to compartments", r.Compartment)
	}
	return nil
}

// authorize refuses what a rule denies.
func (c *call) authorize() error {
	c.s.rules.mu.Lock()
	list := append([]Rule(nil), c.s.rules.list...)
	c.s.rules.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	c.s.mu.Lock()
	at := c.compartments()
	c.s.mu.Unlock()
	for _, r := range list {
		if !c.matchesRule(r, at) {
			continue
		}
		if r.Allow {
			return nil
		}
		return c.denied()
	}
	return nil
}

func (c *call) matchesRule(r Rule, at map[string]bool) bool {
	if r.Principal != "" && r.Principal != c.who.ID && r.Principal != c.who.Type {
		return false
	}
	if r.Operation != "" {
		if ok, err := path.Match(r.Operation, c.op.name); !ok || err != nil {
			return false
		}
	}
	if r.Bucket != "" && r.Bucket != c.vars["bucket"] {
		return false
	}
	where := r.Compartment
	if where != "" && !isOCID(where) {
		where = c.s.compartmentOCID(where)
	}
	return where == "" || at[where]
}

// compartments are those that hold what the request is about, from the innermost up to the tenancy. The caller holds s.mu.
func (c *call) compartments() map[string]bool {
	at := map[string]bool{}
	id := c.target()
	for all := c.s.state.Identity.Compartments; id != "" && !at[id]; {
		at[id] = true
		if parent := all[id]; parent != nil {
			id = parent.ParentID
		}
	}
	return at
}

// target is the compartment of the bucket or resource of the path, or the one that query or body name.
func (c *call) target() string {
	if b := c.s.state.ObjectStorage.Buckets[c.vars["bucket"]]; b != nil {
		return b.CompartmentID
	}
	compute, id := &c.s.state.Compute, c.vars["id"]
	switch {
	case compute.Instances[id] != nil:
		return compute.Instances[id].CompartmentID
	case compute.Images[id] != nil:
		return compute.Images[id].CompartmentID
	case compute.Volumes[id] != nil:
		return compute.Volumes[id].CompartmentID
	case c.s.state.Identity.Compartments[id] != nil || id == c.s.state.Tenancy:
		return id
	case c.query("compartmentId") != "":
		return c.query("compartmentId")
	}
	var body struct {
		CompartmentID string `json:"compartmentId"`
	}
	_ = json.Unmarshal(c.body, &body) // what is no JSON names no compartment
	return body.CompartmentID
}

// denied is how OCI hides what may not be done.
func (c *call) denied() error {
	if c.op.bucket && c.vars["bucket"] != "" {
		return fail(404, "BucketNotFound", "Either the bucket named '%s' does not exist in the namespace '%s' or you are not authorized to access it",
			c.vars["bucket"], c.s.state.Namespace)
	}
	return errNotFound()
}
