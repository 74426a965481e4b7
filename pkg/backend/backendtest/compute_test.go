package backendtest_test

import (
	"errors"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

func TestMemCompute(t *testing.T) {
	ctx := t.Context()
	p := backendtest.NewMemProvider()
	c := p.Exports
	c.Instances = []string{"vm1"}
	c.Rules = []backendtest.Rule{{Op: backendtest.OpStartExport, Nth: 1, After: true, Err: backend.Timeout}}
	request := backend.ExportRequest{Token: "run-1", Instance: "vm1", Name: "disk", Formats: []string{"qcow2", "vmdk"},
		Staging: backend.Location{Scheme: "mem", Path: "staging/run-1/"}}

	if _, err := c.FindExport(ctx, request); !errors.Is(err, backend.NotFound) {
		t.Errorf("an export that nobody began: %v", err)
	}
	if _, err := c.StartExport(ctx, request); !errors.Is(err, backend.Timeout) {
		t.Errorf("the answer of the first start was not lost: %v", err)
	}
	found, err := c.FindExport(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	job, err := c.StartExport(ctx, request)
	if err != nil || job.ID != found.ID || c.Began() != 1 {
		t.Fatalf("%+v, %v; %d jobs were begun", job, err, c.Began())
	}
	var phases []string
	for !job.Ready {
		phases = append(phases, job.Phase)
		if job, err = c.PollExport(ctx, job.ID); err != nil {
			t.Fatal(err)
		}
	}
	if len(phases) != 3 || phases[2] != "exporting vmdk" || len(job.Artifacts) != 2 {
		t.Errorf("phases %q, %+v", phases, job)
	}
	s, key, err := p.Open(job.Artifacts[1].At)
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Stat(ctx, key)
	if err != nil || o.Size != job.Artifacts[1].Size || key != "run-1/disk.vmdk" {
		t.Errorf("%q: %+v, %v", key, o, err)
	}
	for range 2 {
		if err := c.EndExport(ctx, job.ID, false); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Stat(ctx, key); !errors.Is(err, backend.NotFound) || c.Jobs() != 0 {
		t.Errorf("left behind: %v, %d jobs", err, c.Jobs())
	}
	if _, err := c.StartExport(ctx, backend.ExportRequest{Token: "t", Instance: "vm2", Formats: []string{"vmdk"}}); !errors.Is(err, backend.NotFound) {
		t.Errorf("an instance that is not there: %v", err)
	}
}
