package ocisim

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// exportTarget is where an exported image goes.
type exportTarget struct {
	Format string `json:"format"`
	Region string `json:"region"` // of the bucket
	Bucket string `json:"bucket"`
	Object string `json:"object"`
	PAR    string `json:"par"` // token of the pre-authenticated request in the URI, if it has one
}

// exportImage writes an image to object storage in one of the formats. Repeated with the same opc-retry-token it
// answers with the image in its present state.
func exportImage(c *call) error {
	im, err := find(c, c.s.state.Compute.Images)
	if err != nil {
		return err
	}
	var body struct {
		DestinationType                       string
		NamespaceName, BucketName, ObjectName string
		DestinationURI                        string `json:"destinationUri"`
		ExportFormat                          string
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	used, err := c.repeated()
	if err != nil {
		return err
	}
	if used != nil {
		return c.sameImage(used)
	}
	if err := c.checkMatch(&im.resource); err != nil {
		return err
	}
	target := &exportTarget{Format: body.ExportFormat, Region: c.s.state.Region, Bucket: body.BucketName, Object: body.ObjectName}
	switch body.DestinationType {
	case "objectStorageTuple":
		err = c.checkTuple(body.NamespaceName, target)
	case "objectStorageUri":
		err = c.s.parseTarget(body.DestinationURI, im.Name, target)
	case "":
		err = fail(400, "MissingParameter", "Missing destinationType")
	default:
		err = fail(400, "InvalidParameter", "destinationType %q is not objectStorageTuple or objectStorageUri", body.DestinationType)
	}
	if err != nil {
		return err
	}
	if err := checkExport(im, target); err != nil {
		return err
	}
	return c.startExport(im, target)
}

// Values of Seed.TupleExport.
const (
	tupleAll   = "all"
	tupleUsers = "users"
	tupleNone  = "none"
)

// mayUseTuple tells whether the caller's exports may name a bucket. Federated users and instance principals have been seen to
// fail with an invalid bucketName where the URI of a pre-authenticated request worked.
func (c *call) mayUseTuple() bool {
	switch c.s.state.Compute.TupleExport {
	case tupleUsers:
		return !strings.HasPrefix(c.user, "ST$")
	case tupleNone:
		return false
	}
	return true
}

// checkExport tells why the image cannot be exported in this format, if it cannot. That OCI refuses images of its own and of the
// Marketplace is documented; the status and the code with which it does are guesses.
func checkExport(im *image, target *exportTarget) error {
	if target.Format == "" {
		target.Format = formatOCI
	}
	switch {
	case qemuArgs(target.Format) == nil:
		return fail(400, "InvalidParameter", "exportFormat %q is not QCOW2, VMDK, OCI, VHD or VDI", target.Format)
	case im.CompartmentID == "":
		return fail(400, "InvalidParameter", "Image %s is a platform or Marketplace image and cannot be exported", im.ID)
	case im.Listing == listingMarketplace:
		return fail(400, "InvalidParameter", "Image %s was made from a Marketplace image and cannot be exported", im.ID)
	case im.State != stateAvailable:
		return errIncorrectState(&im.resource, "export it")
	}
	return nil
}

// startExport answers with the image in EXPORTING and the entity tag it had before, as OCI does.
func (c *call) startExport(im *image, target *exportTarget) error {
	before := im.etag()
	im.become(stateExporting)
	d := c.s.timings.ExportImage
	w := c.s.startRequest(opExportImage, im.CompartmentID, d, requestResource{"RELATED", "image", im.ID})
	t := c.s.begin(&task{Op: opExportImage, Subject: im.ID, WorkRequest: w.ID, Target: target}, d)
	shown := w.ID
	if t.Hidden {
		shown = ""
	}
	c.requestHeader(shown)
	c.remember(im.ID, shown)
	return c.show(before, im.json())
}

// checkTuple checks a destination of three names. A bucket that is not there is a bad parameter of ExportImage.
func (c *call) checkTuple(namespace string, target *exportTarget) error {
	_, err := c.s.findBucket(target.Region, target.Bucket)
	switch {
	case namespace == "" || target.Bucket == "" || target.Object == "":
		return fail(400, "MissingParameter", "objectStorageTuple needs namespaceName, bucketName and objectName")
	case namespace != c.s.state.Namespace:
		return fail(400, "InvalidParameter", "Invalid namespaceName %s", namespace)
	case err != nil || !c.mayUseTuple():
		return fail(400, "InvalidParameter", "Invalid bucketName: %s does not exist or you are not authorized to access it", target.Bucket)
	}
	return checkObjectName(target.Object)
}

// parseTarget reads a URI of an object, with or without a pre-authenticated request. Whether it can be written to shows
// only when it is: then the work request fails. A URI that ends at the bucket's /o/ gets the image's name.
func (s *Server) parseTarget(uri, imageName string, target *exportTarget) error {
	if uri == "" {
		return fail(400, "MissingParameter", "objectStorageUri needs destinationUri")
	}
	bad := func() error { return fail(400, "InvalidParameter", "Invalid destinationUri: not the URI of an object") }
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return bad()
	}
	rest := u.EscapedPath()
	if par, ok := strings.CutPrefix(rest, "/p/"); ok {
		target.PAR, rest, _ = strings.Cut(par, "/n/")
		rest = "/n/" + rest
	}
	parts := strings.SplitN(rest, "/", 7) // "", n, NAMESPACE, b, BUCKET, o, OBJECT
	if len(parts) != 7 || parts[1] != "n" || parts[3] != "b" || parts[5] != "o" || parts[2] != s.state.Namespace {
		return bad()
	}
	bucket, errBucket := url.PathUnescape(parts[4])
	object, errObject := url.PathUnescape(parts[6])
	if errBucket != nil || errObject != nil {
		return bad()
	}
	if object == "" || strings.HasSuffix(object, "/") {
		object += imageName
	}
	target.Region, target.Bucket, target.Object = s.hostRegion(u.Host), bucket, object
	for _, region := range s.state.Regions { // the address may be of one region only: RegionHandler
		if b, err := s.findBucket(region, bucket); err == nil && b.PARs[target.PAR] != nil {
			target.Region = region
		}
	}
	return nil
}

// convertWork returns the work of ExportImage: the image's disk in the format asked for, as a file. The caller holds s.mu.
func (s *Server) convertWork(t *task) func(context.Context) error {
	im := s.state.Compute.Images[t.Subject]
	src, dst, format := s.path(im.Disk), s.exportPath(t), t.Target.Format
	meta := imageMetadata{
		Version: 2, ExternalLaunchOptions: launchOptions(),
		OperatingSystem: im.OS, OperatingSystemVersion: im.OSVersion, AdditionalMetadata: fields{"shapeCompatibilities": []fields{}},
	}
	return func(ctx context.Context) error {
		if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
			return err
		}
		if err := convertDisk(ctx, format, src, dst, meta); err != nil {
			_ = os.Remove(dst)
			return fmt.Errorf("export %s as %s: %w", t.Subject, format, err)
		}
		return nil
	}
}

// exportPath is where the converted disk waits for its way into the bucket.
func (s *Server) exportPath(t *task) string { return s.path(fmt.Sprintf("exports/%d", t.ID)) }

// putExport moves the converted disk into its bucket. The caller does not hold s.mu.
func (s *Server) putExport(t *task) error {
	file := s.exportPath(t)
	if err := s.mayWrite(t.Target); err != nil {
		_ = os.Remove(file)
		return err
	}
	if err := s.putObjectFile(t.Target.Region, t.Target.Bucket, t.Target.Object, file, nil); err != nil {
		_ = os.Remove(file)
		return fmt.Errorf("write object %s to bucket %s: %w", t.Target.Object, t.Target.Bucket, err)
	}
	return nil
}
