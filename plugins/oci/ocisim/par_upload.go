package ocisim

import (
	"strings"
)

// Multipart upload through a pre-authenticated request, as Oracle's page "Working with pre-authenticated requests" has it: a PUT
// with opc-multipart begins it and is answered with a URI. A PUT to the URI and a part's number uploads a part, POST commits and
// DELETE aborts. A POST without a body commits all parts; that it may have the body of CommitMultipartUpload is a guess.

// parUploadOperations are those on the URI of such an upload. p is the path of a bucket below a token.
func parUploadOperations(p string) []operation {
	path := p + "/u/{object...}"
	return []operation{
		{name: "UploadPart", method: "PUT", pattern: path, fn: parUploadPart, unlocked: true, data: true, keeps: true, public: true},
		{name: "CommitMultipartUpload", method: "POST", pattern: path, fn: parCommit, unlocked: true, keeps: true, public: true},
		{name: "ListMultipartUploadParts", method: "GET", pattern: path, fn: parUpload(listMultipartUploadParts), public: true},
		{name: "AbortMultipartUpload", method: "DELETE", pattern: path, fn: parUpload(abortMultipartUpload), keeps: true, public: true},
	}
}

// beginParUpload begins an upload of the object. The caller holds s.mu.
func (c *call) beginParUpload(name string) error {
	b, err := c.findWritableBucket()
	if err != nil {
		return err
	}
	u := &upload{ID: newUUID(), Object: name, Created: c.s.now()}
	if u.attributes, err = c.attributes(b); err != nil {
		return err
	}
	if err := c.s.mayReplace(b, name); err != nil {
		return err
	}
	if err := c.writeConditions(c.s.currentETag(b, name)); err != nil {
		return err
	}
	if err := c.s.store.do(change{Bucket: b.ID, Begin: u}); err != nil {
		return err
	}
	v := c.uploadAnswer(b, u)
	v["accessUri"] = "/p/" + c.vars["token"] + "/n/" + c.s.state.Namespace + "/b/" + b.Name + "/u/" + escapeName(name) + "/id/" + u.ID + "/"
	return c.json(200, v)
}

// splitUpload takes the path below /u/ apart: the object, the upload and, for a part, its number.
func (c *call) splitUpload() (number string, err error) {
	path := c.vars["object"]
	i := strings.LastIndex(path, "/id/")
	if i < 0 {
		return "", errParNotFound()
	}
	c.vars["object"] = path[:i]
	c.uploadID, number, _ = strings.Cut(path[i+len("/id/"):], "/")
	return number, nil
}

func parUpload(fn func(*call) error) func(*call) error {
	return func(c *call) error {
		if number, err := c.splitUpload(); err != nil || number != "" {
			return errParNotFound()
		}
		return fn(c)
	}
}

func parUploadPart(c *call) error {
	number, err := c.splitUpload()
	if err != nil {
		return err
	}
	return c.receivePart(number)
}

func parCommit(c *call) error {
	if number, err := c.splitUpload(); err != nil || number != "" {
		return errParNotFound()
	}
	if err := c.readBody(""); err != nil {
		return err
	}
	return c.locked(func() error {
		b, u, err := c.findUpload()
		if err != nil {
			return err
		}
		var in commitDetails
		if err := c.decode(&in); err != nil {
			return err
		}
		if len(c.body) == 0 {
			for _, p := range u.sortedParts() {
				in.PartsToCommit = append(in.PartsToCommit, partToCommit{p.Number, p.ETag})
			}
		}
		return c.commit(b, u, &in)
	})
}
