package ocisim

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"
)

// par is a pre-authenticated request: a URL that gives access to a bucket or an object without a signature.
type par struct {
	ID         string
	Token      string
	Name       string
	AccessType string
	Object     string // the object, or with an access type of AnyObject the prefix of all objects
	Listing    string // Deny, ListObjects or ""
	Created    time.Time
	Expires    time.Time
}

func createPAR(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	var in struct {
		Name, AccessType, BucketListingAction, ObjectName string
		TimeExpires                                       time.Time
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	invalid := func(text string) error { return fail(400, "InvalidParCreateRequest", "%s", text) }
	anyObject := strings.HasPrefix(in.AccessType, "AnyObject")
	switch {
	case in.Name == "":
		return invalid("name is required")
	case !slices.Contains([]string{"ObjectRead", "ObjectWrite", "ObjectReadWrite", "AnyObjectRead", "AnyObjectWrite", "AnyObjectReadWrite"}, in.AccessType):
		return invalid("accessType '" + in.AccessType + "' is not known")
	case !in.TimeExpires.After(c.s.now()):
		return invalid("timeExpires must be in the future")
	case !anyObject && in.ObjectName == "":
		return invalid("objectName is required for accessType " + in.AccessType)
	case in.BucketListingAction == "ListObjects" && !strings.HasPrefix(in.AccessType, "AnyObjectRead"):
		return invalid("bucketListingAction ListObjects needs accessType AnyObjectRead or AnyObjectReadWrite")
	case in.BucketListingAction != "" && in.BucketListingAction != "ListObjects" && in.BucketListingAction != "Deny":
		return invalid("bucketListingAction '" + in.BucketListingAction + "' is not known")
	}
	if in.ObjectName != "" {
		if err := checkObjectName(in.ObjectName); err != nil {
			return err
		}
	}
	p := &par{
		ID: newParID(in.ObjectName), Token: newToken(32), Name: in.Name, AccessType: in.AccessType, Object: in.ObjectName,
		Listing: in.BucketListingAction, Created: c.s.now(), Expires: in.TimeExpires.UTC(),
	}
	b.PARs[p.Token] = p
	v := p.answer()
	uri := "/p/" + p.Token + "/n/" + c.s.state.Namespace + "/b/" + b.Name + "/o/"
	if !anyObject {
		uri += escapeName(p.Object)
	}
	v["accessUri"], v["fullPath"] = uri, c.origin()+uri
	return c.json(200, v)
}

// newParID returns an id as OCI makes them: base64 that is not safe in a URL, a colon and the name of the object.
func newParID(object string) string {
	var b [32]byte
	rand.Read(b[:])
	return encode64(b[:]) + ":" + object
}

// answer is what all calls but create tell: the URI is not among it.
func (p *par) answer() map[string]any {
	v := map[string]any{
		"id": p.ID, "name": p.Name, "accessType": p.AccessType, "objectName": nil, "bucketListingAction": nil,
		"timeCreated": jsonTime(p.Created), "timeExpires": jsonTime(p.Expires),
	}
	if p.Object != "" {
		v["objectName"] = p.Object
	}
	if p.Listing != "" {
		v["bucketListingAction"] = p.Listing
	}
	return v
}

func listPARs(c *call) error {
	b, err := c.findBucket()
	if err != nil {
		return err
	}
	var pars []*par
	for _, p := range b.PARs {
		if strings.HasPrefix(p.Object, c.query("objectNamePrefix")) {
			pars = append(pars, p)
		}
	}
	slices.SortFunc(pars, func(x, y *par) int { return strings.Compare(x.ID, y.ID) })
	if pars, err = page(c, pars, func(p *par) string { return p.ID }); err != nil {
		return err
	}
	out := make([]map[string]any, 0, len(pars))
	for _, p := range pars {
		out = append(out, p.answer())
	}
	return c.json(200, out)
}

func (c *call) findPAR() (*bucket, *par, error) {
	b, err := c.findBucket()
	if err != nil {
		return nil, nil, err
	}
	for _, p := range b.PARs {
		if p.ID == c.vars["par"] {
			return b, p, nil
		}
	}
	return nil, nil, fail(404, "PreauthenticatedRequestNotFound", "The pre-authenticated request '%s' was not found", c.vars["par"])
}

func getPAR(c *call) error {
	_, p, err := c.findPAR()
	if err != nil {
		return err
	}
	return c.json(200, p.answer())
}

func deletePAR(c *call) error {
	b, p, err := c.findPAR()
	if err != nil {
		return err
	}
	delete(b.PARs, p.Token)
	return c.empty(204)
}

// allows tells whether the request may be used for an operation on an object, or for listing if name is a prefix.
func (p *par) allows(operation, name string, now time.Time) bool {
	if !now.Before(p.Expires) {
		return false
	}
	reads := strings.HasSuffix(p.AccessType, "Read") || strings.HasSuffix(p.AccessType, "ReadWrite")
	writes := strings.HasSuffix(p.AccessType, "Write")
	switch operation {
	case "GetObject", "HeadObject":
		return reads && p.covers(name)
	case "PutObject", "UploadPart", "CommitMultipartUpload", "AbortMultipartUpload", "ListMultipartUploadParts":
		return writes && p.covers(name)
	case "ListObjects":
		return p.Listing == "ListObjects" && strings.HasPrefix(name, p.Object)
	}
	return false
}

func (p *par) covers(name string) bool {
	if strings.HasPrefix(p.AccessType, "AnyObject") {
		return strings.HasPrefix(name, p.Object)
	}
	return name == p.Object
}

// checkPAR checks an unsigned request against the token in its path. The caller holds s.mu.
func (c *call) checkPAR(b *bucket) error {
	name := c.vars["object"]
	if c.op.name == "ListObjects" {
		name = c.query("prefix")
	}
	if p := b.PARs[c.vars["token"]]; p == nil || !p.allows(c.op.name, name, c.s.now()) {
		return errParNotFound()
	}
	return nil
}

func errParNotFound() error {
	return fail(404, "NotAuthorizedOrNotFound", "PAR does not exist, has expired, or does not allow this")
}

// mayWrite checks that an exported image may be written to its target: by the rights of the user who asked for the export, or
// by those of the pre-authenticated request in the URI. It takes s.mu: the caller must not hold it.
func (s *Server) mayWrite(t *exportTarget) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.findBucket(t.Region, t.Bucket)
	if err != nil || t.PAR == "" {
		return err
	}
	if p := b.PARs[t.PAR]; p == nil || !p.allows("PutObject", t.Object, s.now()) {
		return errParNotFound()
	}
	return nil
}
