package plan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// DescriptorSuffix is what the name of an export's descriptor ends with.
const DescriptorSuffix = ".export.json"

// mostDescriptor bounds what is read of an object that may be a descriptor, in bytes.
const mostDescriptor = 1 << 20

// Descriptor tells what an export left at a destination. It is written last: an export is there if its descriptor is.
type Descriptor struct {
	Format    int                 `json:"format"`
	Instance  string              `json:"instance,omitempty"`
	Image     string              `json:"image,omitempty"` // what was exported, if it was no instance
	Name      string              `json:"name"`
	Run       string              `json:"run"`
	Created   time.Time           `json:"created"`
	Artifacts []DescribedArtifact `json:"artifacts"`
}

// Source is the id of what was exported.
func (d Descriptor) Source() string { return cmp.Or(d.Image, d.Instance) }

// DescribedArtifact is one disk image beside its descriptor.
type DescribedArtifact struct {
	Name     string           `json:"name"` // relative to the descriptor
	Format   string           `json:"format"`
	Size     int64            `json:"size"`
	Checksum backend.Checksum `json:"checksum"`
}

// ReadDescriptor reads the descriptor under key. An object that is none gives an error of Kind Invalid.
func ReadDescriptor(ctx context.Context, s backend.Storage, key string) (Descriptor, error) {
	obj, err := s.Stat(ctx, key)
	if err != nil {
		return Descriptor{}, err
	}
	if obj.Size > mostDescriptor {
		return Descriptor{}, &backend.Error{Op: "read descriptor", Key: key, Kind: backend.Invalid, Err: fmt.Errorf("it has %d bytes", obj.Size)}
	}
	text := make([]byte, obj.Size)
	n, err := s.ReadAt(ctx, obj, text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Descriptor{}, err
	}
	text = text[:n]
	var d Descriptor
	if err := json.Unmarshal(text, &d); err != nil || d.Format != Format {
		return Descriptor{}, &backend.Error{Op: "read descriptor", Key: key, Kind: backend.Invalid, Err: err}
	}
	return d, nil
}

// Present reports whether the descriptor of e is under prefix, tells of all its formats, and each image that it lists is
// beside it.
func Present(ctx context.Context, s backend.Storage, prefix string, e *Export) (Descriptor, bool, error) {
	d, err := ReadDescriptor(ctx, s, prefix+e.Request.Name+DescriptorSuffix)
	switch backend.KindOf(err) {
	case backend.NotFound, backend.Invalid:
		return Descriptor{}, false, nil
	}
	if err != nil || d.Source() != e.Request.Source() {
		return d, false, err
	}
	formats := map[string]bool{}
	for _, a := range d.Artifacts {
		obj, err := s.Stat(ctx, prefix+a.Name)
		switch {
		case errors.Is(err, backend.NotFound), errors.Is(err, backend.Invalid), err == nil && obj.Size != a.Size:
			return d, false, nil
		case err != nil:
			return d, false, err
		}
		formats[a.Format] = true
	}
	for _, f := range e.Request.Formats {
		if !formats[f] {
			return d, false, nil
		}
	}
	return d, true, nil
}

// fileName turns the name of an instance into one that every destination takes.
func fileName(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, name)
	if clean = strings.TrimLeft(clean, "."); clean == "" {
		return "instance"
	}
	return clean
}
