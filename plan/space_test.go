package plan

import (
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// roomy gives the containers of a scheme that were not opened yet their space.
func (s *scene) roomy(scheme string, space backend.Space, limits backend.Limits) {
	p, ok := s.set[scheme].(*backendtest.MemProvider)
	if !ok {
		s.t.Fatalf("%s is wrapped", scheme)
	}
	p.Options.Space, p.Options.Limits = space, limits
}

const twoTransfers = `transfers: {a: {from: oci://a/x/, to: dr://b/x/}, b: {from: oci://a/x/, to: dr://c/}}`

func TestSpace(t *testing.T) {
	for name, c := range map[string]struct {
		space   backend.Space
		limits  backend.Limits
		resumes bool
		blocked []string
		warned  []string
	}{
		"enough for both":   {space: backend.Space{Place: "disk", Free: 20}},
		"not known":         {space: backend.Space{Free: -1}},
		"no common place":   {space: backend.Space{Free: 10}},
		"enough for one":    {space: backend.Space{Place: "disk", Free: 19}, blocked: []string{"transfer.b: it needs 10 B at dr://c/, and 9 B are free"}},
		"some is there":     {space: backend.Space{Place: "disk", Free: 19}, resumes: true, warned: []string{"transfer.b: it needs 10 B at dr://c/, and 9 B are free"}},
		"read only":         {space: backend.Space{Free: -1, ReadOnly: "the disk is worn out"}, blocked: []string{"transfer.a: nothing can be written at dr://b/x/: the disk is worn out", "transfer.b: nothing can be written at dr://c/: the disk is worn out"}},
		"small files only":  {space: backend.Space{Free: -1, Largest: 6}, blocked: []string{"transfer.a: an object of 7 B is larger than what dr://b/x/ can hold: 6 B", "transfer.b: an object of 7 B is larger than what dr://c/ can hold: 6 B"}},
		"small objects too": {space: backend.Space{Free: -1}, limits: backend.Limits{MaxObject: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.put("oci", "a/x/1", "1234567")
			s.put("oci", "a/x/2", "123")
			s.roomy("dr", c.space, c.limits)
			s.o.Resumes = c.resumes
			p := s.build(twoTransfers)
			findings(t, "blocked", p.Blocked, c.blocked...)
			findings(t, "warnings", p.Warnings, c.warned...)
			for _, f := range p.Blocked {
				if step(t, p, f.Step).Blocked == "" || f.Stops {
					t.Errorf("%s is not blocked by itself", f.Step)
				}
			}
		})
	}
}

func TestSpaceForImages(t *testing.T) {
	const web = `exports: {web: {instance: i-000001, formats: [qcow2, vmdk], staging: oci://s/, to: dr://b/}}`
	for free, want := range map[int64]string{
		100 << 30: "", 94 << 30: "", 93 << 30: "export.web: the images up to this one may need as much as 94.0 GiB at dr://b/, and 93.0 GiB are free",
	} {
		s := newScene(t)
		s.container("oci", "s")
		s.roomy("dr", backend.Space{Place: "disk", Free: free}, backend.Limits{})
		p := s.build(web)
		if want == "" {
			findings(t, "warnings", p.Warnings)
		} else {
			findings(t, "warnings", p.Warnings, want)
		}
		findings(t, "blocked", p.Blocked)
	}
	s := newScene(t)
	s.container("oci", "s")
	s.roomy("dr", backend.Space{Place: "disk"}, backend.Limits{})
	findings(t, "blocked", s.build(web).Blocked, "export.web: there is no room left at dr://b/")
}
