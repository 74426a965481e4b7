package ocisim

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of object storage.
const (
	maxName     = 1024     // bytes of an object's name
	maxMetadata = 4 << 10  // bytes of all keys and values
	maxPart     = 50 << 30 // bytes of a part and of a single PUT
	maxObject   = 10 << 40 // bytes
	maxParts    = 10000
)

// objectStorageState is the part of object storage that the state keeps: all but objects, uploads and copies.
type objectStorageState struct {
	DefaultS3Compartment    string
	DefaultSwiftCompartment string
	Buckets                 map[string]*bucket // by bucketKey
	KmsKeys                 map[string]string  // state by OCID
	NoServicePolicy         bool               // the service may not act on objects
}

// objectStorageOperations is the table of what is served. Order does not matter.
func objectStorageOperations() []operation {
	const (
		n = "/n/{ns}"
		b = n + "/b/{bucket}"
		o = b + "/o/{object...}"
		u = b + "/u/{object...}"
		p = "/p/{token}" + b
	)
	ops := []operation{
		{name: "GetNamespace", method: "GET", pattern: "/n", fn: getNamespace},
		{name: "GetNamespaceMetadata", method: "GET", pattern: n, fn: getNamespaceMetadata},
		{name: "UpdateNamespaceMetadata", method: "PUT", pattern: n, fn: updateNamespaceMetadata},

		{name: "ListBuckets", method: "GET", pattern: n + "/b", fn: listBuckets},
		{name: "CreateBucket", method: "POST", pattern: n + "/b", fn: createBucket},
		{name: "GetBucket", method: "GET", pattern: b, fn: getBucket},
		{name: "HeadBucket", method: "HEAD", pattern: b, fn: getBucket},
		{name: "UpdateBucket", method: "POST", pattern: b, fn: updateBucket},
		{name: "DeleteBucket", method: "DELETE", pattern: b, fn: deleteBucket},

		{name: "PutObject", method: "PUT", pattern: o, fn: putObject, unlocked: true, data: true, keeps: true},
		{name: "GetObject", method: "GET", pattern: o, fn: getObject},
		{name: "HeadObject", method: "HEAD", pattern: o, fn: getObject},
		{name: "DeleteObject", method: "DELETE", pattern: o, fn: deleteObject, keeps: true},
		{name: "ListObjects", method: "GET", pattern: b + "/o", fn: listObjects},
		{name: "ListObjectVersions", method: "GET", pattern: b + "/objectversions", fn: listObjectVersions},

		{name: "RenameObject", method: "POST", pattern: b + "/actions/renameObject", fn: renameObject, keeps: true},
		{name: "CopyObject", method: "POST", pattern: b + "/actions/copyObject", fn: copyObject, keeps: true},
		{name: "BatchDeleteObjects", method: "POST", pattern: b + "/actions/batchDeleteObjects", fn: batchDeleteObjects, keeps: true},
		{name: "RestoreObjects", method: "POST", pattern: b + "/actions/restoreObjects", fn: restoreObjects, keeps: true},
		{name: "ReencryptObject", method: "POST", pattern: b + "/actions/reencrypt/{object...}", fn: reencryptObject, keeps: true},
		{name: "UpdateObjectStorageTier", method: "POST", pattern: b + "/actions/updateObjectStorageTier", fn: updateObjectStorageTier, keeps: true},

		{name: "CreateMultipartUpload", method: "POST", pattern: b + "/u", fn: createMultipartUpload, keeps: true},
		{name: "ListMultipartUploads", method: "GET", pattern: b + "/u", fn: listMultipartUploads},
		{name: "UploadPart", method: "PUT", pattern: u, fn: uploadPart, unlocked: true, data: true, keeps: true},
		{name: "ListMultipartUploadParts", method: "GET", pattern: u, fn: listMultipartUploadParts},
		{name: "CommitMultipartUpload", method: "POST", pattern: u, fn: commitMultipartUpload, keeps: true},
		{name: "AbortMultipartUpload", method: "DELETE", pattern: u, fn: abortMultipartUpload, keeps: true},

		{name: "PutObjectLifecyclePolicy", method: "PUT", pattern: b + "/l", fn: putLifecycle},
		{name: "GetObjectLifecyclePolicy", method: "GET", pattern: b + "/l", fn: getLifecycle},
		{name: "DeleteObjectLifecyclePolicy", method: "DELETE", pattern: b + "/l", fn: deleteLifecycle},

		{name: "CreatePreauthenticatedRequest", method: "POST", pattern: b + "/p", fn: createPAR},
		{name: "ListPreauthenticatedRequests", method: "GET", pattern: b + "/p", fn: listPARs},
		{name: "GetPreauthenticatedRequest", method: "GET", pattern: b + "/p/{par...}", fn: getPAR},
		{name: "DeletePreauthenticatedRequest", method: "DELETE", pattern: b + "/p/{par...}", fn: deletePAR},
		{name: "PutObject", method: "PUT", pattern: p + "/o/{object...}", fn: putObject, unlocked: true, data: true, keeps: true, public: true},
		{name: "GetObject", method: "GET", pattern: p + "/o/{object...}", fn: getObject, public: true},
		{name: "HeadObject", method: "HEAD", pattern: p + "/o/{object...}", fn: getObject, public: true},
		{name: "ListObjects", method: "GET", pattern: p + "/o", fn: listObjects, public: true},

		{name: "ListWorkRequests", method: "GET", pattern: "/workRequests", fn: listCopies},
		{name: "GetWorkRequest", method: "GET", pattern: "/workRequests/{id}", fn: getCopy},
		{name: "ListWorkRequestLogs", method: "GET", pattern: "/workRequests/{id}/logs", fn: listCopyLogs},
		{name: "ListWorkRequestErrors", method: "GET", pattern: "/workRequests/{id}/errors", fn: listCopyErrors},
		{name: "CancelWorkRequest", method: "DELETE", pattern: "/workRequests/{id}", fn: cancelCopy, keeps: true},
	}
	ops = append(ops, bucketRuleOperations(b)...)
	ops = append(ops, parUploadOperations(p)...)
	ops = append(ops, refusedOperations(b)...)
	for i := range ops {
		ops[i].bucket = true
	}
	return ops
}

// refusedOperations exist in OCI and are answered with 501 rather than with something that looks right.
func refusedOperations(b string) []operation {
	var ops []operation
	refuse := func(name, method, pattern string) {
		ops = append(ops, operation{name: name, method: method, pattern: b + pattern, fn: func(*call) error { return errNotImplemented(name) }})
	}
	refuse("ReencryptBucket", "POST", "/actions/reencrypt")
	return ops
}

func getNamespace(c *call) error { return c.json(200, c.s.state.Namespace) }

func getNamespaceMetadata(c *call) error {
	if err := c.namespace(); err != nil {
		return err
	}
	st := &c.s.state.ObjectStorage
	or := func(id string) string {
		if id == "" {
			return c.s.state.Tenancy
		}
		return id
	}
	return c.json(200, map[string]string{
		"namespace":                 c.s.state.Namespace,
		"defaultS3CompartmentId":    or(st.DefaultS3Compartment),
		"defaultSwiftCompartmentId": or(st.DefaultSwiftCompartment),
	})
}

func updateNamespaceMetadata(c *call) error {
	if err := c.namespace(); err != nil {
		return err
	}
	var in struct{ DefaultS3CompartmentId, DefaultSwiftCompartmentId *string }
	if err := c.decode(&in); err != nil {
		return err
	}
	st := &c.s.state.ObjectStorage
	for _, change := range []struct{ from, to *string }{
		{in.DefaultS3CompartmentId, &st.DefaultS3Compartment}, {in.DefaultSwiftCompartmentId, &st.DefaultSwiftCompartment},
	} {
		if change.from == nil {
			continue
		}
		if err := c.s.ownCompartment(*change.from); err != nil {
			return err
		}
		*change.to = *change.from
	}
	return getNamespaceMetadata(c)
}

// namespace checks that the request is for the namespace of the tenancy.
func (c *call) namespace() error {
	if c.vars["ns"] != c.s.state.Namespace {
		return errNamespaceNotFound()
	}
	return nil
}

// errNamespaceNotFound is what OCI says of a namespace, and also of a compartment, that is not there.
func errNamespaceNotFound() error {
	return fail(404, "NamespaceNotFound", "You do not have authorization to perform this request, or the requested resource could not be found.")
}

// findBucket returns the bucket that the path names; a request without a signature must also have the right to what it wants.
// The caller holds s.mu.
func (c *call) findBucket() (*bucket, error) {
	if err := c.namespace(); err != nil {
		return nil, err
	}
	b, err := c.s.findBucket(c.region, c.vars["bucket"])
	if err == nil && c.vars["token"] != "" {
		err = c.checkPAR(b)
	}
	return b, err
}

func (s *Server) findBucket(region, name string) (*bucket, error) {
	if b := s.state.ObjectStorage.Buckets[s.bucketKey(region, name)]; b != nil && b.Name == name {
		return b, nil
	}
	return nil, fail(404, "BucketNotFound", "Either the bucket named '%s' does not exist in the namespace '%s' or you are not authorized to access it", name, s.state.Namespace)
}

func errObjectNotFound(bucket, name string) error {
	return fail(404, "ObjectNotFound", "The object '%s' was not found in the bucket '%s'", name, bucket)
}

// value returns a request header; SDKs send empty ones that mean nothing.
func (c *call) value(name string) string { return strings.TrimSpace(c.r.Header.Get(name)) }

// writeConditions checks if-match and if-none-match of a request that replaces what has the etag; "" is nothing there.
func (c *call) writeConditions(etag string) error {
	return checkConditions(c.value("If-Match"), c.value("If-None-Match"), etag)
}

func checkConditions(ifMatch, ifNoneMatch, etag string) error {
	if ifMatch != "" && ifNoneMatch != "" {
		return fail(400, "InvalidConditionalHeaders", "If-Match and If-None-Match may not both be specified")
	}
	if ifNoneMatch != "" && ifNoneMatch != "*" {
		return fail(400, "IfNoneMatchDisallowed", "The only value of If-None-Match that is allowed here is '*'")
	}
	if ifNoneMatch == "*" && etag != "" {
		return fail(412, "IfNoneMatchFailed", "The If-None-Match header is '*' and there is an existing entity")
	}
	if ifMatch != "" && (etag == "" || ifMatch != "*" && ifMatch != etag) {
		return fail(412, "IfMatchFailed", "The If-Match header does not match the ETag of the existing entity")
	}
	return nil
}

// readConditions checks if-match and if-none-match of a GET or HEAD. A match of if-none-match is the error 304.
func (c *call) readConditions(etag string) error {
	if m := c.value("If-Match"); m != "" && m != "*" && m != etag {
		return fail(412, "IfMatchFailed", "The If-Match header does not match the ETag of the existing entity")
	}
	if m := c.value("If-None-Match"); m == "*" || m == etag {
		return fail(304, "NotModified", "")
	}
	return nil
}

// isBucketName tells whether a bucket may be called so.
func isBucketName(name string) bool {
	return len(name) >= 1 && len(name) <= 256 && consistsOf(name, "._-")
}

// consistsOf tells whether all of text is letters, digits and the others named.
func consistsOf(text, others string) bool {
	for _, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(others, r) {
			return false
		}
	}
	return true
}

// ownCompartment checks the OCID of a compartment, which must be one of the tenancy. The caller holds s.mu.
func (s *Server) ownCompartment(id string) error {
	parts := strings.Split(id, ".")
	kind := len(parts) > 1 && (parts[1] == "tenancy" || parts[1] == "compartment")
	if len(parts) < 5 || parts[0] != "ocid1" || !kind || !consistsOf(id, ".-_") {
		return fail(400, "InvalidCompartmentId", "The compartment id %q is not valid", id)
	}
	if id != s.state.Tenancy && s.state.Identity.Compartments[id] == nil {
		return errNamespaceNotFound()
	}
	return nil
}

func checkObjectName(name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return fail(400, "InvalidObjectName", "The object name must have between 1 and %d bytes, not %d", maxName, len(name))
	case !utf8.ValidString(name):
		return fail(400, "InvalidObjectName", "The object name is not UTF-8")
	case strings.ContainsAny(name, "\x00\r\n"):
		return fail(400, "InvalidObjectName", "The object name contains NUL, LF or CR")
	}
	return nil
}

func checkMetadata(meta map[string]string) error {
	size := 0
	for k, v := range meta {
		size += len(k) + len(v)
	}
	if size > maxMetadata {
		return fail(400, "MetadataTooLarge", "The metadata has %d bytes, more than %d", size, maxMetadata)
	}
	return nil
}

// matchTier returns the proper spelling of a storage tier; "" is Standard.
func matchTier(text string) (string, error) {
	tiers := []string{"Standard", "InfrequentAccess", "Archive"}
	if text == "" {
		return tiers[0], nil
	}
	for _, t := range tiers {
		if strings.EqualFold(t, text) {
			return t, nil
		}
	}
	return "", fail(400, "InvalidStorageTier", "The storage tier %q is not one of %s", text, strings.Join(tiers, ", "))
}

// timeOrNull is a time as JSON has it.
func timeOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return jsonTime(*t)
}

func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
