package ocisim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// listImages answers with the custom images of a compartment and with OCI's platform images, which are in every list.
// Deleted images are there only if asked for by state.
func listImages(c *call) error {
	id := c.query("compartmentId")
	if err := c.checkCompartment(id); err != nil {
		return err
	}
	var found []*image
	for _, im := range c.s.state.Compute.Images {
		system, version := c.query("operatingSystem"), c.query("operatingSystemVersion")
		switch {
		case im.Hidden, im.CompartmentID != "" && im.CompartmentID != id,
			!c.matches(&im.resource),
			system != "" && system != im.OS,
			version != "" && version != im.OSVersion,
			im.State == stateDeleted && !strings.EqualFold(c.query("lifecycleState"), stateDeleted):
			continue
		}
		found = append(found, im)
	}
	return listSorted(c, found, byDisplayName(func(im *image) *resource { return &im.resource }), (*image).json)
}

func getImage(c *call) error {
	im, err := find(c, c.s.state.Compute.Images)
	if err != nil {
		return err
	}
	return c.show(im.etag(), im.json())
}

// ownImage finds the image of the path if it belongs to the tenancy, and checks if-match.
func ownImage(c *call) (*image, error) {
	im, err := find(c, c.s.state.Compute.Images)
	if err != nil {
		return nil, err
	}
	if im.CompartmentID == "" {
		return nil, errNotFound() // OCI's own: no permission
	}
	return im, c.checkMatch(&im.resource)
}

func updateImage(c *call) error {
	im, err := ownImage(c)
	if err != nil {
		return err
	}
	if im.State == stateDeleted {
		return errIncorrectState(&im.resource, "update it")
	}
	values, err := c.updateCommon(&im.resource, "operatingSystem", "operatingSystemVersion")
	if err != nil {
		return err
	}
	if v, ok := values["operatingSystem"]; ok {
		im.OS = v
	}
	if v, ok := values["operatingSystemVersion"]; ok {
		im.OSVersion = v
	}
	return c.show(im.etag(), im.json())
}

// deleteImage deletes an image that nothing is under way with. It can be read for some time after.
func deleteImage(c *call) error {
	im, err := ownImage(c)
	if err != nil {
		return err
	}
	if im.State != stateAvailable {
		return errIncorrectState(&im.resource, "delete it")
	}
	c.s.discardImage(im)
	return c.noContent()
}

// discardImage makes the image DELETED and removes its bytes. The caller holds s.mu.
func (s *Server) discardImage(im *image) {
	im.become(stateDeleted)
	_ = os.Remove(s.path(im.Disk)) // a snapshot left behind takes space and is in nobody's way
	s.begin(&task{Op: opForget, Subject: im.ID}, keepDeleted)
}

// createImage makes a custom image of an instance's boot disk. Repeated with the same opc-retry-token it answers with
// the image it made.
func createImage(c *call) error {
	var body struct {
		CompartmentID      string `json:"compartmentId"`
		InstanceID         string `json:"instanceId"`
		DisplayName        string
		LaunchMode         string
		FreeformTags       map[string]string
		DefinedTags        map[string]map[string]any
		ImageSourceDetails json.RawMessage
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := c.checkCompartment(body.CompartmentID); err != nil {
		return err
	}
	if source := string(body.ImageSourceDetails); source != "" && source != "null" {
		return errNotImplemented("Importing an image")
	}
	if !isOCID(body.InstanceID) {
		return fail(400, "InvalidParameter", "Either instanceId or imageSourceDetails must be given; instanceId is %q", body.InstanceID)
	}
	used, err := c.repeated()
	if err != nil {
		return err
	}
	if used != nil {
		return c.sameImage(used)
	}
	state := &c.s.state.Compute
	in := state.Instances[body.InstanceID]
	if in == nil {
		return errNotFound()
	}
	if in.State != stateRunning && in.State != stateStopped {
		return errIncorrectState(&in.resource, "create an image of it")
	}
	for namespace := range body.DefinedTags { // the tenancy has none
		return fail(400, "InvalidParameter", "TagNamespace %s does not exist", namespace)
	}
	if base := state.Images[in.ImageID]; base != nil && base.NoImages { // the code is a guess
		return fail(400, "InvalidParameter", "Instance %s was launched from an image that does not allow to create images", in.ID)
	}
	if err := c.s.roomForImage(); err != nil {
		return err
	}
	im := c.s.newImage(in, body.CompartmentID, body.DisplayName)
	im.FreeformTags, im.DefinedTags = body.FreeformTags, body.DefinedTags
	d := c.s.timings.CreateImage
	w := c.s.startRequest(opCreateImage, im.CompartmentID, d,
		requestResource{"CREATED", "image", im.ID}, requestResource{"RELATED", "instance", in.ID})
	t := &task{Op: opCreateImage, Subject: im.ID, WorkRequest: w.ID, InstanceID: in.ID, Prior: in.State}
	in.become(stateCreatingImage)
	c.s.begin(t, d)
	if t.Hidden {
		w = &workRequest{}
	}
	c.requestHeader(w.ID)
	c.remember(im.ID, w.ID)
	return c.show(im.etag(), im.json())
}

// sameImage answers a repeated CreateImage or ExportImage.
func (c *call) sameImage(used *usedToken) error {
	im := c.s.state.Compute.Images[used.Resource]
	if im == nil || im.State == stateDeleted {
		return errInvalidatedToken()
	}
	c.requestHeader(used.WorkRequest)
	return c.show(im.etag(), im.json())
}

// newImage registers an image of the instance, in PROVISIONING. The caller holds s.mu.
func (s *Server) newImage(in *instance, compartment, name string) *image {
	now := s.now()
	if name == "" {
		name = "image" + now.Format("20060102150405")
	}
	id := newOCID("image", s.regionKey())
	im := &image{
		resource:    resource{ID: id, CompartmentID: compartment, Name: name, State: stateProvisioning, Created: now},
		BaseImageID: in.ImageID, LaunchMode: paravirtualized, Listing: listingCustom, Disk: "images/" + id + ".raw",
	}
	if base := s.state.Compute.Images[in.ImageID]; base != nil {
		im.OS, im.OSVersion = base.OS, base.OSVersion
		im.NoImages, im.ListingType = base.NoImages, base.ListingType
		if base.Listing == listingMarketplace {
			im.Listing = listingMarketplace
		}
	}
	s.state.Compute.Images[id] = im
	return im
}

// path is where a file named in the state is.
func (s *Server) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// snapshotWork returns the work of CreateImage: a copy of the boot disk as it is now. The caller holds s.mu.
func (s *Server) snapshotWork(t *task) func(context.Context) error {
	src := s.path(s.state.Compute.Instances[t.InstanceID].Disk)
	dst := s.path(s.state.Compute.Images[t.Subject].Disk)
	return func(ctx context.Context) error {
		if _, err := os.Stat(dst); !errors.Is(err, fs.ErrNotExist) {
			return err // made before a restart
		}
		if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
			return err
		}
		part := fmt.Sprintf("%s.%d", dst, t.ID)
		if err := copySparse(ctx, part, src); err != nil {
			return err
		}
		return os.Rename(part, dst)
	}
}

// endCreateImage ends PROVISIONING of the image and gives the instance free. The caller holds s.mu.
func (s *Server) endCreateImage(t *task, im *image) {
	if in := s.state.Compute.Instances[t.InstanceID]; in.State == stateCreatingImage {
		in.become(t.Prior)
	}
	if t.Failure != nil {
		s.discardImage(im)
		return
	}
	boot := s.state.Compute.Volumes[s.state.Compute.Instances[t.InstanceID].BootVolumeID]
	im.SizeMBs = boot.SizeMBs
	im.become(stateAvailable)
}
