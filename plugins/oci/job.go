package oci

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// job is all that a process needs to continue an export. Its encoded form is the Job.ID: what has been done so far is not
// in it, because the service knows that better.
type job struct {
	Token       string           `json:"t"`
	Instance    string           `json:"i,omitempty"`
	Existing    bool             `json:"e,omitempty"` // the image was there before and stays
	Compartment string           `json:"c"`           // of the instance, and so of the image
	Image       string           `json:"m"`
	Name        string           `json:"n"`
	Formats     []string         `json:"f"`
	Staging     backend.Location `json:"s"`
	Begun       int64            `json:"b"` // Unix seconds of the StartExport or FindExport that returned it
}

const jobPrefix = "oci1." // version of the encoding

// tokenTag is the free-form tag that tells an image's job. The display name is made of the token too, because lists can be
// asked for it.
const tokenTag = "hyperexport-token"

func displayName(token string) string { return "hx-" + token }

func (j job) id() string {
	text, err := json.Marshal(j)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return jobPrefix + base64.RawURLEncoding.EncodeToString(text)
}

func parseJob(op, id string) (job, error) {
	var j job
	text, ok := strings.CutPrefix(id, jobPrefix)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &j)
	}
	if !ok || err != nil || j.Image == "" || j.Compartment == "" {
		return job{}, invalid(op, clip(id), "this is not the id of an export from OCI")
	}
	return j, nil
}

var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,40}$`)

// newJob checks a request and begins the job that it asks for.
func newJob(op string, r backend.ExportRequest) (job, error) {
	j := job{Token: r.Token, Instance: r.Instance, Image: r.Image, Existing: r.Image != "", Name: r.Name, Formats: r.Formats,
		Staging: r.Staging, Begun: time.Now().Unix()}
	fail := func(format string, args ...any) (job, error) { return job{}, invalid(op, r.Source(), format, args...) }
	if !tokenPattern.MatchString(r.Token) {
		return fail("token %q is not of letters, digits and dashes, at most 40", clip(r.Token))
	}
	switch {
	case r.Instance != "" && r.Image != "":
		return fail("both an instance and an image are named")
	case r.Image != "":
		if err := checkOCID("image", r.Image, "image"); err != nil {
			return fail("%w", err)
		}
	default:
		if err := checkOCID("instance", r.Instance, "instance"); err != nil {
			return fail("%w", err)
		}
	}
	if _, _, _, err := split(r.Staging); err != nil {
		return fail("staging %s: %w", r.Staging, err)
	}
	if r.Name == "" || strings.ContainsAny(r.Name, "/\x00\r\n") {
		return fail("name %q cannot be a file name", clip(r.Name))
	}
	if len(r.Formats) == 0 {
		return fail("no format is asked for; there are %s", strings.Join(formats(), ", "))
	}
	for i, f := range r.Formats {
		if !slices.Contains(formats(), f) || slices.Contains(r.Formats[:i], f) {
			return fail("format %q is unknown or twice there; there are %s", f, strings.Join(formats(), ", "))
		}
	}
	if err := checkKey(op, j.key(r.Formats[0])); err != nil {
		return job{}, err
	}
	return j, nil
}

// prefix is what the keys of all staged objects of the job begin with.
func (j job) prefix() string {
	_, _, key, err := split(j.Staging.Join(j.Token + "/"))
	if err != nil {
		return j.Token + "/"
	}
	return key
}

func (j job) file(format string) string { return j.Name + "." + format }
func (j job) key(format string) string  { return j.prefix() + j.file(format) }
func (j job) at(format string) backend.Location {
	return j.Staging.Join(j.Token + "/" + j.file(format))
}
func (j job) justBegun(within time.Duration) bool { return time.Since(time.Unix(j.Begun, 0)) < within }

// retryToken makes the service carry out an operation of the job once, however often it is asked to.
func (j job) retryToken(operation string) *string {
	sum := sha256.Sum256([]byte("hyperexport\x00" + j.Token + "\x00" + operation))
	text := hex.EncodeToString(sum[:20])
	return &text
}

var errNoImage = errors.New("no image of this export exists")

func notFound(op, key string, cause error) *backend.Error {
	return &backend.Error{Op: op, Key: key, Kind: backend.NotFound, Err: cause}
}

// state is the Job that callers see: step of the image and the formats that are done, and percent of the next.
func (j job) state(phase string, steps int, percent float32) backend.Job {
	return backend.Job{
		ID: j.id(), Phase: phase, Total: int64(100 * (1 + len(j.Formats))), Captured: steps > 0,
		Done: int64(100*steps) + int64(min(max(percent, 0), 99)),
	}
}

// source is what the job exports.
func (j job) source() string {
	if j.Existing {
		return j.Image
	}
	return j.Instance
}

func (j job) String() string { return fmt.Sprintf("export %s of %s", j.Token, j.source()) }
