package ocisim

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func listInstances(c *call) error {
	id := c.query("compartmentId")
	if err := c.checkCompartment(id); err != nil {
		return err
	}
	var found []*instance
	for _, in := range c.s.state.Compute.Instances {
		ad := c.query("availabilityDomain")
		if in.CompartmentID == id && c.matches(&in.resource) && (ad == "" || ad == in.AD) {
			found = append(found, in)
		}
	}
	by := byDisplayName(func(in *instance) *resource { return &in.resource })
	return listSorted(c, found, by, func(in *instance) fields { return in.json(c.s.regionKey()) })
}

func getInstance(c *call) error {
	in, err := find(c, c.s.state.Compute.Instances)
	if err != nil {
		return err
	}
	return c.show(in.etag(), in.json(c.s.regionKey()))
}

// updateInstance changes the display name and the tags. It refuses what it would otherwise ignore.
func updateInstance(c *call) error {
	in, err := find(c, c.s.state.Compute.Instances)
	if err != nil {
		return err
	}
	if err := c.checkMatch(&in.resource); err != nil {
		return err
	}
	if in.State == stateTerminated || in.State == stateTerminating {
		return errIncorrectState(&in.resource, "update it")
	}
	if _, err := c.updateCommon(&in.resource); err != nil {
		return err
	}
	return c.show(in.etag(), in.json(c.s.regionKey()))
}

// updateCommon applies displayName, freeformTags and definedTags of the body, and returns the values of the other keys
// that are allowed. Any further key is answered 501.
func (c *call) updateCommon(r *resource, others ...string) (map[string]string, error) {
	var keys map[string]json.RawMessage
	if err := c.decode(&keys); err != nil {
		return nil, err
	}
	var update struct {
		DisplayName  *string
		FreeformTags map[string]string
		DefinedTags  map[string]map[string]any
	}
	if err := c.decode(&update); err != nil {
		return nil, err
	}
	values := map[string]string{}
	for key, value := range keys {
		switch {
		case string(value) == "null":
		case key == "displayName", key == "freeformTags", key == "definedTags":
		case slices.Contains(others, key):
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, fail(400, "InvalidParameter", "%s must be a string", key)
			}
			values[key] = text
		default:
			return nil, errNotImplemented("Changing " + key)
		}
	}
	if update.DisplayName != nil {
		r.Name = *update.DisplayName
	}
	if update.FreeformTags != nil {
		r.FreeformTags = update.FreeformTags
	}
	if update.DefinedTags != nil {
		r.DefinedTags = update.DefinedTags
	}
	r.Version++
	return values, nil
}

func terminateInstance(c *call) error {
	in, err := find(c, c.s.state.Compute.Instances)
	if err != nil {
		return err
	}
	if err := c.checkMatch(&in.resource); err != nil {
		return err
	}
	preserve, err := c.boolQuery("preserveBootVolume")
	if err != nil {
		return err
	}
	switch in.State {
	case stateTerminated, stateTerminating, stateCreatingImage:
		return errIncorrectState(&in.resource, "terminate it")
	}
	c.s.dropPowerTasks(in.ID)
	prior := in.State
	in.become(stateTerminating)
	if !preserve {
		c.s.state.Compute.Volumes[in.BootVolumeID].become(stateTerminating)
	}
	d := c.s.timings.PowerAction
	w := c.s.startRequest(opTerminateInstance, in.CompartmentID, d, requestResource{"DELETED", "instance", in.ID})
	t := c.s.begin(&task{Op: opTerminateInstance, Subject: in.ID, WorkRequest: w.ID, Prior: prior}, d)
	if !t.Hidden {
		c.requestHeader(w.ID)
	}
	return c.noContent()
}

// noContent answers a deletion of compute, which names a type of content all the same.
func (c *call) noContent() error {
	c.header.Set("Content-Type", "application/json")
	return c.empty(204)
}

// endTerminate ends TERMINATING of the instance, and detaches what it had. The caller holds s.mu.
func (s *Server) endTerminate(t *task, in *instance) {
	if t.Failure != nil {
		in.become(t.Prior)
		if boot := s.state.Compute.Volumes[in.BootVolumeID]; boot.State == stateTerminating {
			boot.become(stateAvailable)
		}
		return
	}
	in.become(stateTerminated)
	for _, v := range s.state.Compute.Volumes {
		if v.InstanceID == in.ID {
			v.Attachment = stateDetached
			if v.State == stateTerminating {
				v.become(stateTerminated)
			}
		}
	}
	s.begin(&task{Op: opForget, Subject: in.ID}, keepTerminated)
}

// instanceAction changes the power state, by way of the intermediate states.
func instanceAction(c *call) error {
	in, err := find(c, c.s.state.Compute.Instances)
	if err != nil {
		return err
	}
	action := strings.ToUpper(c.query("action"))
	var from string
	var states []string
	switch action {
	case "":
		return fail(400, "MissingParameter", "Missing action")
	case "START":
		from, states = stateStopped, []string{stateStarting, stateRunning}
	case "STOP", "SOFTSTOP":
		from, states = stateRunning, []string{stateStopping, stateStopped}
	case "RESET", "SOFTRESET", "REBOOTMIGRATE", "DIAGNOSTICREBOOT":
		from, states = stateRunning, []string{stateStopping, stateStarting, stateRunning}
	case "SENDDIAGNOSTICINTERRUPT":
		from = stateRunning
	default:
		return fail(400, "InvalidParameter", "Unknown action %q", c.query("action"))
	}
	used, err := c.repeated()
	if err != nil {
		return err
	}
	if used != nil {
		return c.show(in.etag(), in.json(c.s.regionKey()))
	}
	if err := c.checkMatch(&in.resource); err != nil {
		return err
	}
	if in.State != from {
		return errIncorrectState(&in.resource, action)
	}
	if len(states) > 0 {
		in.become(states[0])
		c.s.begin(&task{Op: opInstanceAction, Subject: in.ID, States: states[1:], Prior: from}, c.s.powerTime(in, action))
	}
	c.remember(in.ID, "")
	return c.show(in.etag(), in.json(c.s.regionKey()))
}

// powerTime is how long the first state of an action lasts.
func (s *Server) powerTime(in *instance, action string) time.Duration {
	if in.Stubborn && (action == "SOFTSTOP" || action == "SOFTRESET") {
		return s.timings.SoftStop
	}
	return s.timings.PowerAction
}

// endPowerStep moves the instance on by one state and tells whether that was the last. The caller holds s.mu.
func (s *Server) endPowerStep(t *task, in *instance) bool {
	if t.Failure != nil {
		in.become(t.Prior)
		return true
	}
	in.become(t.States[0])
	t.States = t.States[1:]
	if len(t.States) == 0 {
		return true
	}
	t.due, t.Due = false, s.clock.Now().Add(s.timings.PowerAction)
	s.arrange(t)
	return false
}

// dropPowerTasks forgets transitions that a termination overtakes. The caller holds s.mu.
func (s *Server) dropPowerTasks(instanceID string) {
	for id, t := range s.state.Compute.Tasks {
		if t.Op == opInstanceAction && t.Subject == instanceID {
			delete(s.state.Compute.Tasks, id)
		}
	}
}

// DiskPath returns where the raw boot disk of an instance is. Tests may write to it while the instance is stopped or
// running: images made before do not change.
func (s *Server) DiskPath(instanceOCID string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.state.Compute.Instances[instanceOCID]
	if in == nil {
		return "", errNotFound()
	}
	return filepath.Join(s.dir, filepath.FromSlash(in.Disk)), nil
}

// DiskSHA256 returns the SHA-256, in hex, of the whole virtual boot disk of an instance. An exported image that is
// converted to raw must have the same.
func (s *Server) DiskSHA256(instanceOCID string) (string, error) {
	path, err := s.DiskPath(instanceOCID)
	if err != nil {
		return "", err
	}
	return sha256File(path)
}

// InstanceInfo is what a demonstration needs to know about an instance.
type InstanceInfo struct {
	Name        string `json:"name"`
	ID          string `json:"id"`
	Compartment string `json:"compartment"` // OCID
	State       string `json:"state"`
	DiskBytes   int64  `json:"disk_bytes"` // virtual size of the boot disk; DiskSHA256 tells its content
}

// Instances lists all instances, ordered by name.
func (s *Server) Instances() []InstanceInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []InstanceInfo{}
	for _, in := range s.state.Compute.Instances {
		boot := s.state.Compute.Volumes[in.BootVolumeID]
		all = append(all, InstanceInfo{Name: in.Name, ID: in.ID, Compartment: in.CompartmentID, State: in.State, DiskBytes: boot.SizeMBs * mib})
	}
	slices.SortFunc(all, func(a, b InstanceInfo) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return all
}

// CompartmentID returns the OCID of the compartment at a path of names such as acme/prod; the empty path is the tenancy.
func (s *Server) CompartmentID(path string) (string, error) {
	id := s.compartmentOCID(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != s.state.Tenancy && s.state.Identity.Compartments[id] == nil {
		return "", fail(404, "NotAuthorizedOrNotFound", "there is no compartment %q", path)
	}
	return id, nil
}
