package ocisim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Seed says what the tenancy holds when a simulator starts in an empty directory. A directory that has state keeps it:
// its seed is not applied again. Every OCID follows from the names alone, so two simulators of one seed agree on them.
type Seed struct {
	Compartments []SeedCompartment `json:"compartments"`
	Buckets      []SeedBucket      `json:"buckets"`
	Instances    []SeedInstance    `json:"instances"`
	Images       []SeedImage       `json:"images"`
	Regions      []string          `json:"regions"` // that the tenancy is subscribed to beside its home region: see Server.RegionHandler
	Keys         []SeedKey         `json:"keys"`    // of vaults
	Limits       Limits            `json:"limits"`  //
	Rules        []Rule            `json:"rules"`   // what principals may do; without rules, everything

	// NoServicePolicy: no policy lets the service act on objects, so that copies and lifecycle policies are refused.
	NoServicePolicy bool `json:"no_service_policy"`
	// TupleExport: whose ExportImage may name a bucket, an object and a namespace: all (default), users (with an API key, not with
	// a security token) or none. Others get the error "Invalid bucketName" and must give a URI, as some tenancies want it.
	TupleExport string `json:"tuple_export"`
}

// SeedCompartment is one compartment. Its parents need no entries of their own.
type SeedCompartment struct {
	Path         string            `json:"path"` // "acme/prod": prod inside acme inside the tenancy
	Description  string            `json:"description"`
	Inaccessible bool              `json:"inaccessible"` // missing from lists with accessLevel=ACCESSIBLE
	Tags         map[string]string `json:"tags"`
}

// SeedInstance is one virtual machine with a boot disk that holds real bytes.
type SeedInstance struct {
	Name         string            `json:"name"`
	Compartment  string            `json:"compartment"`   // path; empty: the tenancy
	Shape        string            `json:"shape"`         // default VM.Standard.E4.Flex
	State        string            `json:"state"`         // RUNNING (default) or STOPPED
	AD           int               `json:"ad"`            // number of the availability domain, 1 to 3; default 1
	DiskBytes    int64             `json:"disk_bytes"`    // virtual size of the boot disk, a multiple of 1 MiB; default 64 MiB
	DataBytes    int64             `json:"data_bytes"`    // how much of it is data rather than holes; default 4 MiB
	Tags         map[string]string `json:"tags"`          // free-form tags
	DataVolumes  []SeedVolume      `json:"data_volumes"`  //
	ImageListing string            `json:"image_listing"` // image it was launched from: platform (default), custom, marketplace
	Image        string            `json:"image"`         // name of an image of the seed that it was launched from, instead
	// IgnoresSoftStop: the guest does not stop when SOFTSTOP or SOFTRESET asks it to; after 15 minutes its power is cut.
	IgnoresSoftStop bool `json:"ignores_soft_stop"`
}

// SeedVolume is a data volume attached to an instance. It is listed, but has no bytes: images do not contain it.
type SeedVolume struct {
	Name    string `json:"name"`
	SizeGBs int64  `json:"size_gbs"` // default 50
}

const (
	listingPlatform    = "platform"
	listingCustom      = "custom"
	listingMarketplace = "marketplace"

	mib              = 1 << 20
	defaultDiskBytes = 64 * mib
	defaultDataBytes = 4 * mib
)

// DefaultSeed is the tenancy that a simulator without a seed has.
func DefaultSeed() *Seed {
	web := map[string]string{"role": "web", "env": "prod"}
	return &Seed{
		Compartments: []SeedCompartment{
			{Path: "acme", Description: "Everything of Acme"},
			{Path: "acme/prod", Description: "Production"},
			{Path: "acme/dev", Description: "Development"},
		},
		Buckets: []SeedBucket{
			{Name: "hx-staging", Compartment: "acme"},
			{Name: "archive", Compartment: "acme"},
			{Name: "logs", Compartment: "acme"},
		},
		Instances: []SeedInstance{
			{Name: "web-01", Compartment: "acme/prod", Tags: web},
			{Name: "web-02", Compartment: "acme/prod", Tags: web, State: stateStopped},
			{Name: "db-01", Compartment: "acme/prod", Tags: map[string]string{"role": "db", "env": "prod"},
				DataVolumes: []SeedVolume{{Name: "db-01-data", SizeGBs: 50}}},
		},
	}
}

// LoadSeed reads a seed file: one JSON object with the keys of Seed. A key it does not know is an error, so that a
// misspelt one does not pass for its default.
func LoadSeed(r io.Reader) (*Seed, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	seed := &Seed{}
	if err := dec.Decode(seed); err != nil {
		return nil, fmt.Errorf("read seed: %w", seedError(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read seed: more than one JSON value; a seed is one object")
	}
	if err := seed.check(); err != nil {
		return nil, fmt.Errorf("read seed: %w", err)
	}
	return seed, nil
}

// seedError puts what encoding/json says into words that name the key and what to do.
func seedError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file is empty; write at least {}")
	case errors.As(err, &syntax):
		return fmt.Errorf("byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("%s: have a %s, want a %s (byte %d)", kind.Field, kind.Value, kind.Type, kind.Offset)
	case strings.Contains(err.Error(), "unknown field"):
		return fmt.Errorf("%w; known keys are those of ocisim.Seed: see docs/ocisim.md", err)
	}
	return err
}

// check tells about the first thing in the seed that no tenancy can have.
func (s *Seed) check() error {
	paths := map[string]bool{"": true}
	for i, c := range s.Compartments {
		if c.Path == "" || path.Clean("/" + c.Path)[1:] != c.Path {
			return fmt.Errorf("compartments[%d].path %q: want names joined by one slash, such as acme/prod", i, c.Path)
		}
		for p := c.Path; p != "."; p = path.Dir(p) {
			paths[p] = true
		}
	}
	var keys []string
	for i, k := range s.Keys {
		if k.Name == "" || slices.Contains(keys, k.Name) {
			return fmt.Errorf("keys[%d]: %q: want a name that no other key has", i, k.Name)
		}
		keys = append(keys, k.Name)
	}
	buckets := map[string]bool{}
	for i, b := range s.Buckets {
		switch {
		case b.Name == "":
			return fmt.Errorf("buckets[%d]: has no name", i)
		case buckets[b.Region+"/"+b.Name]:
			return fmt.Errorf("buckets[%d]: %q is there twice; bucket names are unique in a namespace", i, b.Name)
		case !paths[b.Compartment]:
			return fmt.Errorf("buckets[%d] %q: compartment %q is not in the seed; add it to compartments", i, b.Name, b.Compartment)
		}
		if err := s.Buckets[i].check(keys); err != nil {
			return fmt.Errorf("buckets[%d] %q: %w", i, b.Name, err)
		}
		buckets[b.Region+"/"+b.Name] = true
	}
	if !slices.Contains([]string{"", tupleAll, tupleUsers, tupleNone}, s.TupleExport) {
		return fmt.Errorf("tuple_export %q: want all, users or none", s.TupleExport)
	}
	if err := s.checkImages(paths); err != nil {
		return err
	}
	for i, r := range s.Rules {
		if err := r.check(paths); err != nil {
			return fmt.Errorf("rules[%d]: %w", i, err)
		}
	}
	return s.checkInstances(paths)
}

func (s *Seed) checkInstances(paths map[string]bool) error {
	names := map[string]bool{}
	for i := range s.Instances {
		in := &s.Instances[i]
		switch {
		case in.Name == "":
			return fmt.Errorf("instances[%d]: has no name", i)
		case names[in.Compartment+"/"+in.Name]:
			return fmt.Errorf("instances[%d]: %q is there twice in compartment %q; OCIDs are made from names", i, in.Name, in.Compartment)
		case !paths[in.Compartment]:
			return fmt.Errorf("instances[%d] %q: compartment %q is not in the seed; add it to compartments", i, in.Name, in.Compartment)
		}
		names[in.Compartment+"/"+in.Name] = true
		if err := in.check(); err != nil {
			return fmt.Errorf("instances[%d] %q: %w", i, in.Name, err)
		}
	}
	return nil
}

func (in *SeedInstance) check() error {
	switch in.State {
	case "", stateRunning, stateStopped:
	default:
		return fmt.Errorf("state %q: want RUNNING or STOPPED", in.State)
	}
	switch in.ImageListing {
	case "", listingPlatform, listingCustom, listingMarketplace:
	default:
		return fmt.Errorf("image_listing %q: want platform, custom or marketplace", in.ImageListing)
	}
	if in.AD < 0 || in.AD > adCount {
		return fmt.Errorf("ad %d: want 1, 2 or 3", in.AD)
	}
	for i, v := range in.DataVolumes {
		if v.Name == "" || v.SizeGBs < 0 {
			return fmt.Errorf("data_volumes[%d]: want a name and a size_gbs that is not negative", i)
		}
	}
	return checkSizes(in.sizes())
}

// checkSizes tells what is wrong with a disk.
func checkSizes(size, data int64) error {
	switch {
	case size <= 0 || size%mib != 0:
		return fmt.Errorf("disk_bytes %d: want a positive multiple of %d (1 MiB)", size, mib)
	case data < 0 || data > size:
		return fmt.Errorf("data_bytes %d: want 0 to disk_bytes (%d)", data, size)
	}
	return nil
}

// sizes returns the virtual size of the boot disk and how many bytes of it are data.
func (in *SeedInstance) sizes() (disk, data int64) {
	disk, data = in.DiskBytes, in.DataBytes
	if disk == 0 {
		disk = defaultDiskBytes
	}
	if data == 0 {
		data = min(defaultDataBytes, disk)
	}
	return disk, data
}
