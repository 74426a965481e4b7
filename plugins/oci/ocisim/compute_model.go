package ocisim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Lifecycle states that instances, images and volumes go through.
const (
	stateProvisioning  = "PROVISIONING"
	stateAvailable     = "AVAILABLE"
	stateExporting     = "EXPORTING"
	stateDeleted       = "DELETED"
	stateRunning       = "RUNNING"
	stateStarting      = "STARTING"
	stateStopping      = "STOPPING"
	stateStopped       = "STOPPED"
	stateCreatingImage = "CREATING_IMAGE"
	stateTerminating   = "TERMINATING"
	stateTerminated    = "TERMINATED"
	stateAttached      = "ATTACHED"
	stateDetached      = "DETACHED"
)

const paravirtualized = "PARAVIRTUALIZED" // the launch mode of everything here

// computeState is everything compute, block volumes and virtual networks remember. All of it is kept in the
// simulator's directory.
type computeState struct {
	Instances    map[string]*instance    `json:"instances"`
	Images       map[string]*image       `json:"images"`
	Volumes      map[string]*volume      `json:"volumes"`
	WorkRequests map[string]*workRequest `json:"workRequests"`
	Tokens       map[string]*usedToken   `json:"tokens"`      // by operation and opc-retry-token
	Tasks        map[int]*task           `json:"tasks"`       // transitions that are still to come
	Serial       int                     `json:"serial"`      // of OCIDs and tasks made so far
	TupleExport  string                  `json:"tupleExport"` // as in Seed
}

// resource is what instances, images and volumes have in common.
type resource struct {
	ID            string                    `json:"id"`
	CompartmentID string                    `json:"compartmentId"` // empty for what OCI itself owns
	Name          string                    `json:"name"`
	State         string                    `json:"state"`
	Created       time.Time                 `json:"created"`
	FreeformTags  map[string]string         `json:"freeformTags"`
	DefinedTags   map[string]map[string]any `json:"definedTags"`
	Version       int                       `json:"version"` // counts changes
}

// etag is the entity tag of the resource as it is now: 64 hexadecimal digits, as compute has them.
func (r *resource) etag() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s#%d", r.ID, r.Version))
	return hex.EncodeToString(sum[:])
}

// become changes the state and with it the entity tag.
func (r *resource) become(state string) {
	r.State = state
	r.Version++
}

// instance is one virtual machine.
type instance struct {
	resource
	Shape        string `json:"shape"`
	AD           string `json:"ad"`
	FaultDomain  string `json:"faultDomain"`
	ImageID      string `json:"imageId"` // it was launched from
	BootVolumeID string `json:"bootVolumeId"`
	SubnetID     string `json:"subnetId"`
	PrivateIP    string `json:"privateIp"`
	PublicIP     string `json:"publicIp"`
	Disk         string `json:"disk"`     // raw boot disk, relative to the simulator's directory
	Stubborn     bool   `json:"stubborn"` // the guest does not stop when it is asked to
}

// image is a platform image, a Marketplace image or a custom image.
type image struct {
	resource
	OS          string `json:"os"`
	OSVersion   string `json:"osVersion"`
	LaunchMode  string `json:"launchMode"`
	BaseImageID string `json:"baseImageId"`
	Listing     string `json:"listing"`     // platform, marketplace (also of what was made from one) or custom
	ListingType string `json:"listingType"` // as the API shows it
	NoImages    bool   `json:"noImages"`    // instances launched from it cannot be made into images
	Hidden      bool   `json:"hidden"`      // not in lists, as images of the Marketplace are not
	SizeMBs     int64  `json:"sizeInMBs"`   // 0 until the image is available
	Disk        string `json:"disk"`        // raw snapshot, relative to the simulator's directory; empty for images without bytes
}

// volume is a boot volume or a data volume, with its attachment.
type volume struct {
	resource
	Boot       bool      `json:"boot"`
	AD         string    `json:"ad"`
	SizeMBs    int64     `json:"sizeInMBs"`
	ImageID    string    `json:"imageId"`
	InstanceID string    `json:"instanceId"` // attached to; empty when it never was
	Attachment string    `json:"attachment"` // state of the attachment
	Attached   time.Time `json:"attached"`
	Device     string    `json:"device"`
}

// fields is one JSON object of an answer. Values that OCI sends as null are present and nil.
type fields = map[string]any

// null is v, or nil where v is empty.
func null(v string) any {
	if v == "" {
		return nil
	}
	return v
}

func tags(t map[string]string) map[string]string {
	if t == nil {
		return map[string]string{}
	}
	return t
}

func definedTags(t map[string]map[string]any) map[string]map[string]any {
	if t == nil {
		return map[string]map[string]any{}
	}
	return t
}

// common returns the fields every resource has.
func (r *resource) common() fields {
	return fields{
		"id":             r.ID,
		"compartmentId":  null(r.CompartmentID),
		"displayName":    r.Name,
		"lifecycleState": r.State,
		"timeCreated":    jsonTime(r.Created),
		"freeformTags":   tags(r.FreeformTags),
		"definedTags":    definedTags(r.DefinedTags),
		"systemTags":     fields{},
	}
}

func (r *resource) with(more fields) fields {
	all := r.common()
	for k, v := range more {
		all[k] = v
	}
	return all
}

func launchOptions() fields {
	return fields{
		"bootVolumeType":                  paravirtualized,
		"firmware":                        "UEFI_64",
		"networkType":                     paravirtualized,
		"remoteDataVolumeType":            paravirtualized,
		"isPvEncryptionInTransitEnabled":  true,
		"isEncryptionInTransitEnabled":    nil,
		"isConsistentVolumeNamingEnabled": true,
	}
}

// json is the instance as its API shows it.
func (in *instance) json(regionKey string) fields {
	return in.with(fields{
		"agentConfig": fields{
			"isMonitoringDisabled": false, "isManagementDisabled": false, "areAllPluginsDisabled": false, "pluginsConfig": nil,
		},
		"availabilityConfig":        fields{"isLiveMigrationPreferred": nil, "recoveryAction": "RESTORE_INSTANCE"},
		"availabilityDomain":        in.AD,
		"capacityReservationId":     nil,
		"dedicatedVmHostId":         nil,
		"extendedMetadata":          fields{},
		"faultDomain":               in.FaultDomain,
		"imageId":                   in.ImageID,
		"instanceConfigurationId":   nil,
		"instanceOptions":           fields{"areLegacyImdsEndpointsDisabled": false},
		"ipxeScript":                nil,
		"isCrossNumaNode":           false,
		"launchMode":                paravirtualized,
		"launchOptions":             launchOptions(),
		"lifecycleStateDetails":     nil,
		"metadata":                  fields{},
		"platformConfig":            nil,
		"preemptibleInstanceConfig": nil,
		"region":                    regionKey,
		"securityAttributes":        fields{},
		"securityAttributesState":   "STABLE",
		"shape":                     in.Shape,
		"shapeConfig": fields{
			"ocpus": 1.0, "memoryInGBs": 16.0, "vcpus": 2, "baselineOcpuUtilization": nil,
			"processorDescription": "2.55 GHz AMD EPYC 7J13 (Milan)", "networkingBandwidthInGbps": 1.0, "maxVnicAttachments": 2,
			"gpus": 0, "gpuDescription": nil, "localDisks": 0, "localDisksTotalSizeInGBs": nil, "localDiskDescription": nil,
		},
		"sourceDetails": fields{
			"sourceType": "image", "imageId": in.ImageID, "bootVolumeSizeInGBs": nil, "bootVolumeVpusPerGB": nil, "kmsKeyId": nil,
		},
		"timeMaintenanceRebootDue": nil,
	})
}

// json is the image as its API shows it.
func (im *image) json() fields {
	var size, billable any
	if im.SizeMBs > 0 {
		size, billable = im.SizeMBs, gigabytes(im.SizeMBs)
	}
	return im.with(fields{
		"agentFeatures":          nil,
		"baseImageId":            null(im.BaseImageID),
		"billableSizeInGBs":      billable,
		"createImageAllowed":     !im.NoImages,
		"launchMode":             im.LaunchMode,
		"launchOptions":          launchOptions(),
		"listingType":            null(im.ListingType),
		"operatingSystem":        im.OS,
		"operatingSystemVersion": im.OSVersion,
		"sizeInMBs":              size,
	})
}

// gigabytes rounds up, as sizes of volumes do.
func gigabytes(mbs int64) int64 { return (mbs + 1023) / 1024 }
