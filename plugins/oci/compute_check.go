package oci

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"golang.org/x/sync/errgroup"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const (
	checkWidth  = 8               // requests of a check at once
	worrySkew   = 2 * time.Minute // of the clock; at five minutes the services refuse every request
	imagesLimit = "custom-image-count"
)

// CheckExports looks at the instances and images, at the images that instances were made from, at the staging buckets, at
// the tenancy's limit of images, and at the clock.
func (c compute) CheckExports(ctx context.Context, requests []backend.ExportRequest) ([][]backend.Concern, error) {
	k := &exportCheck{compute: c, requests: requests, found: make([][]backend.Concern, len(requests)), once: map[string]*lookup{}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(checkWidth)
	for i := range requests {
		group.Go(func() error { return k.look(ctx, i) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return k.found, nil
}

// exportCheck is one CheckExports. What several requests have in common is looked at once.
type exportCheck struct {
	compute
	requests []backend.ExportRequest
	found    [][]backend.Concern // each element is written by the goroutine of its request

	mu   sync.Mutex
	once map[string]*lookup // by what is looked at
}

type lookup struct {
	sync.Once
	concerns []backend.Concern
	err      error
}

// shared returns what look finds under a name, which is looked at by the first who asks.
func (k *exportCheck) shared(name string, look func() ([]backend.Concern, error)) ([]backend.Concern, error) {
	k.mu.Lock()
	l := k.once[name]
	if l == nil {
		l = &lookup{}
		k.once[name] = l
	}
	k.mu.Unlock()
	l.Do(func() { l.concerns, l.err = look() })
	return l.concerns, l.err
}

// look checks one request.
func (k *exportCheck) look(ctx context.Context, i int) error {
	const op = "check export"
	r := k.requests[i]
	if _, err := newJob(op, r); err != nil {
		k.found[i] = append(k.found[i], backend.Concern{Text: err.Error(), Blocks: true})
		return nil
	}
	looks := []func() ([]backend.Concern, error){
		func() ([]backend.Concern, error) { return k.source(ctx, op, r) },
		func() ([]backend.Concern, error) {
			namespace, name, _, err := split(r.Staging)
			if err != nil {
				return nil, invalid(op, r.Staging.String(), "%w", err)
			}
			return k.shared(namespace+"/"+name, func() ([]backend.Concern, error) {
				return (&bucket{p: k.p, namespace: namespace, name: name}).stagingConcerns(ctx, op)
			})
		},
		func() ([]backend.Concern, error) {
			if r.Image != "" {
				return nil, nil
			}
			return k.shared(imagesLimit, func() ([]backend.Concern, error) { return k.room(ctx, op) })
		},
	}
	for _, look := range looks {
		concerns, err := look()
		if kind := backend.KindOf(err); err != nil && kind != backend.NotFound && kind != backend.Forbidden {
			return err
		}
		k.found[i] = append(k.found[i], concerns...)
	}
	return nil
}

// source looks at the image, or at the instance and the image that it was made from.
func (k *exportCheck) source(ctx context.Context, op string, r backend.ExportRequest) ([]backend.Concern, error) {
	if r.Image != "" {
		image, err := k.image(ctx, op, r.Image)
		if err != nil {
			return nil, err
		}
		return imageConcerns(image), nil
	}
	resp, err := k.p.machines.GetInstance(quick(ctx), core.GetInstanceRequest{InstanceId: &r.Instance, RequestMetadata: k.p.once})
	if err != nil {
		return nil, failure(ctx, op, r.Instance, resp, err)
	}
	concerns, _ := k.shared("clock", func() ([]backend.Concern, error) { return clockConcerns(resp.RawResponse, time.Now()), nil })
	id := value(resp.ImageId)
	if source, ok := resp.SourceDetails.(core.InstanceSourceViaImageDetails); ok && id == "" {
		id = value(source.ImageId)
	}
	if id == "" {
		return concerns, nil
	}
	compartment := value(resp.CompartmentId)
	base, err := k.shared(compartment+" "+id, func() ([]backend.Concern, error) {
		image, err := k.image(ctx, op, id)
		if err != nil {
			return nil, err
		}
		return k.base(ctx, op, compartment, image)
	})
	return append(concerns[:len(concerns):len(concerns)], base...), err
}

// listed reports whether an image comes from the Marketplace or from another publisher: what is derived from it may not
// leave the cloud. The SDK knows the values NONE and COMMUNITY; others are passed on as they are.
func listed(image core.Image) bool {
	return image.ListingType != "" && image.ListingType != core.ImageListingTypeNone
}

// base is about an instance of the compartment that was made from the image. An image of OCI's own is no obstacle; one of
// the Marketplace, or made from one, is. Those look the same, but the compartment must have subscribed to the latter.
func (k *exportCheck) base(ctx context.Context, op, compartment string, image core.Image) ([]backend.Concern, error) {
	subscribed := false
	if value(image.CompartmentId) == "" || value(image.BaseImageId) != "" {
		var err error
		subscribed, err = k.subscribed(ctx, op, compartment, value(image.Id), value(image.BaseImageId))
		if err != nil {
			return nil, err
		}
	}
	switch {
	case subscribed || listed(image):
		return []backend.Concern{{Blocks: true,
			Text: fmt.Sprintf("the instance was made from %s, an image of the Marketplace: OCI does not export what is derived from one", nameOf(image)),
			Help: "copy the data from within the machine"}}, nil
	case image.CreateImageAllowed != nil && !*image.CreateImageAllowed:
		return []backend.Concern{{Blocks: true,
			Text: fmt.Sprintf("the instance was made from %s, and OCI makes no images of such instances", nameOf(image)),
			Help: "copy the data from within the machine"}}, nil
	}
	return nil, nil
}

// subscribed reports whether the compartment has subscribed to one of the images in the Marketplace.
func (k *exportCheck) subscribed(ctx context.Context, op, compartment string, images ...string) (bool, error) {
	limit := pageSize
	fetch := func(page *string) ([]core.AppCatalogSubscriptionSummary, *string, error) {
		resp, err := k.p.machines.ListAppCatalogSubscriptions(quick(ctx), core.ListAppCatalogSubscriptionsRequest{
			CompartmentId: &compartment, Limit: &limit, Page: page, RequestMetadata: k.p.once,
		})
		if err != nil {
			return nil, nil, failure(ctx, op, compartment, resp, err)
		}
		return resp.Items, resp.OpcNextPage, nil
	}
	for s, err := range pages(op, compartment, fetch) {
		if err != nil {
			return false, err
		}
		if id := value(s.ListingResourceId); id != "" && slices.Contains(images, id) {
			return true, nil
		}
	}
	return false, nil
}

// imageConcerns are about an image that is exported itself.
func imageConcerns(image core.Image) []backend.Concern {
	blocked := func(help, format string, args ...any) []backend.Concern {
		return []backend.Concern{{Blocks: true, Text: fmt.Sprintf(format, args...), Help: help}}
	}
	switch {
	case value(image.CompartmentId) == "":
		return blocked("start an instance of it and export that", "%s is an image of OCI's own, which cannot be exported", nameOf(image))
	case listed(image):
		return blocked("", "%s is a %s image, which cannot be exported", nameOf(image), image.ListingType)
	}
	switch image.LifecycleState {
	case core.ImageLifecycleStateAvailable:
		return nil
	case core.ImageLifecycleStateExporting, core.ImageLifecycleStateProvisioning, core.ImageLifecycleStateImporting:
		return []backend.Concern{{Text: fmt.Sprintf("the image is %s; the export waits until that has passed", image.LifecycleState)}}
	}
	return blocked("choose an image that is AVAILABLE", "the image is %s and cannot be exported", image.LifecycleState)
}

func nameOf(image core.Image) string {
	if name := value(image.DisplayName); name != "" {
		return name
	}
	return "image " + value(image.Id)
}

// clockConcerns compares this machine's clock with that of the service, by the date of an answer that has just come.
func clockConcerns(answer *http.Response, now time.Time) []backend.Concern {
	if answer == nil {
		return nil
	}
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil || now.Sub(date).Abs() < worrySkew {
		return nil
	}
	return []backend.Concern{{
		Text: fmt.Sprintf("this machine's clock is %s off from OCI's: at 5m0s every request is refused", now.Sub(date).Abs().Round(time.Second)),
		Help: "set the clock, for instance by NTP"}}
}

// room compares the number of images that the exports make with what the tenancy's limit leaves.
func (k *exportCheck) room(ctx context.Context, op string) ([]backend.Concern, error) {
	tenancy, err := k.p.tenancy(ctx, op)
	if err != nil {
		return nil, err
	}
	service, limit := "compute", imagesLimit
	resp, err := k.p.limits.GetResourceAvailability(quick(ctx), limits.GetResourceAvailabilityRequest{
		ServiceName: &service, LimitName: &limit, CompartmentId: &tenancy, RequestMetadata: k.p.once,
	})
	if err != nil {
		return nil, failure(ctx, op, limit, resp, err)
	}
	needed := int64(0)
	for _, r := range k.requests {
		if r.Image == "" {
			needed++
		}
	}
	const help = "delete custom images that are not needed, or ask for a higher limit"
	switch {
	case resp.Available == nil || *resp.Available >= needed:
		return nil, nil
	case *resp.Available <= 0:
		return []backend.Concern{{Blocks: true, Help: help,
			Text: fmt.Sprintf("the tenancy's limit %s is used up (%d images)", limit, value(resp.Used))}}, nil
	}
	return []backend.Concern{{Help: help + ", or lower limits.parallel",
		Text: fmt.Sprintf("the tenancy's limit %s leaves room for %d, and %d instances are exported", limit, *resp.Available, needed)}}, nil
}
