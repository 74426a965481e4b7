package backendtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// ComputeOptions are what CheckCompute needs.
type ComputeOptions struct {
	// Request is what is exported. Its Token is the beginning of the tokens that the check uses.
	Request backend.ExportRequest
	// Open opens the locations of the artifacts, as backend.Set.Open does.
	Open func(backend.Location) (backend.Storage, string, error)
	// Wait is called between two polls: it drives the clock of a simulator, or waits.
	Wait func(context.Context) error
}

// CheckCompute runs the life of three exports on c: one to its end, one that is ended right after its start, and one whose
// artifacts are kept and then deleted. It returns everything that it found, joined, and ends every export that it began.
func CheckCompute(ctx context.Context, c backend.Compute, o ComputeOptions) error {
	k := &computeCheck{run: &run{suite: &suite{}, ctx: ctx}, c: c, o: o}
	var errs []error
	for _, life := range []struct {
		name string
		run  func(backend.ExportRequest) error
	}{
		{"whole", k.whole}, {"ended-at-once", k.endedAtOnce}, {"kept", k.kept}, {"canceled", k.canceled},
	} {
		k.errs = nil
		r := o.Request
		r.Token += "-" + life.name
		err := life.run(r)
		for _, err := range append(k.errs, err, k.end(ctx, r)) {
			if err != nil {
				errs = append(errs, fmt.Errorf("%s export: %w", life.name, err))
			}
		}
	}
	return errors.Join(errs...)
}

type computeCheck struct {
	*run
	c backend.Compute
	o ComputeOptions
}

// end ends what is left of an export, also if the context has ended.
func (k *computeCheck) end(ctx context.Context, r backend.ExportRequest) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	job, err := k.c.FindExport(ctx, r)
	if errors.Is(err, backend.NotFound) {
		return nil
	}
	if err == nil {
		err = k.c.EndExport(ctx, job.ID, false)
	}
	if err != nil {
		return fmt.Errorf("left job %q of token %q: %w", job.ID, r.Token, err)
	}
	return nil
}

// whole finds an export by its token at every stage, and nothing of it after its end.
func (k *computeCheck) whole(r backend.ExportRequest) error {
	formats := k.c.Formats()
	for _, format := range r.Formats {
		if !slices.Contains(formats, format) {
			return fmt.Errorf("format %q is none of %q", format, formats)
		}
	}
	for _, when := range []string{"before", "again before"} {
		_, err := k.c.FindExport(k.ctx, r)
		k.fails(err, backend.NotFound, "find an export %s it was started", when)
	}
	concerns, err := k.c.CheckExports(k.ctx, []backend.ExportRequest{r, r})
	blocks := func(c backend.Concern) bool { return c.Blocks || c.Text == "" }
	if err != nil || len(concerns) != 2 || slices.ContainsFunc(slices.Concat(concerns...), blocks) {
		k.errorf("what can be exported is checked with %+v, %v", concerns, err)
	}
	if _, err := k.c.FindExport(k.ctx, r); !errors.Is(err, backend.NotFound) {
		k.errorf("a check began the export: %v", err)
	}
	job, err := k.start(r)
	if err != nil {
		return err
	}
	if job, err = k.ready(r, job.ID); err != nil {
		return err
	}
	k.found(r, job.ID, "when it is ready")
	k.artifacts(r, job)
	if !job.Captured {
		k.errorf("the job is ready and not captured")
	}
	again, err := k.c.PollExport(k.ctx, job.ID)
	if err != nil || !again.Ready || !slices.Equal(again.Artifacts, job.Artifacts) {
		k.errorf("a poll after the job was ready gives %+v, %v; before it gave %+v", again, err, job)
	}
	k.ends(r, job.ID, false)
	for _, a := range job.Artifacts {
		_, _, err := k.open(a)
		k.fails(err, backend.NotFound, "artifact %s after the end", a.At)
	}
	return nil
}

func (k *computeCheck) endedAtOnce(r backend.ExportRequest) error {
	job, err := k.start(r)
	if err == nil {
		k.ends(r, job.ID, false)
	}
	return err
}

func (k *computeCheck) kept(r backend.ExportRequest) error {
	job, err := k.start(r)
	if err != nil {
		return err
	}
	if job, err = k.ready(r, job.ID); err != nil {
		return err
	}
	k.ends(r, job.ID, true)
	k.artifacts(r, job)
	for _, a := range job.Artifacts {
		s, o, err := k.open(a)
		if err == nil {
			err = s.Delete(k.ctx, o)
		}
		if err != nil {
			k.errorf("delete artifact %s that was kept: %w", a.At, err)
		}
	}
	return nil
}

func (k *computeCheck) canceled(r backend.ExportRequest) error {
	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	_, err := k.c.StartExport(ctx, r)
	k.fails(err, backend.Canceled, "start")
	_, err = k.c.FindExport(ctx, r)
	k.fails(err, backend.Canceled, "find")
	_, err = k.c.FindExport(k.ctx, r)
	k.fails(err, backend.NotFound, "find an export whose start was canceled")
	job, err := k.start(r)
	if err != nil {
		return err
	}
	_, err = k.c.PollExport(ctx, job.ID)
	k.fails(err, backend.Canceled, "poll")
	k.fails(k.c.EndExport(ctx, job.ID, false), backend.Canceled, "end")
	k.found(r, job.ID, "after an end that was canceled")
	return nil
}

// start starts an export twice: the second call must find the job of the first.
func (k *computeCheck) start(r backend.ExportRequest) (backend.Job, error) {
	job, err := k.c.StartExport(k.ctx, r)
	if err != nil {
		return job, fmt.Errorf("start: %w", err)
	}
	if job.ID == "" || job.Phase == "" {
		k.errorf("start gives %+v, want an id and a phase", job)
	}
	again, err := k.c.StartExport(k.ctx, r)
	if err != nil || again.ID != job.ID {
		k.errorf("start with the same token gives job %q, %v; want %q", again.ID, err, job.ID)
	}
	k.found(r, job.ID, "after its start")
	return job, nil
}

func (k *computeCheck) found(r backend.ExportRequest, id, when string) {
	if job, err := k.c.FindExport(k.ctx, r); err != nil || job.ID != id {
		k.errorf("find %s: job %q, %v; want %q", when, job.ID, err, id)
	}
}

// ready polls until the artifacts are there.
func (k *computeCheck) ready(r backend.ExportRequest, id string) (backend.Job, error) {
	for {
		job, err := k.c.PollExport(k.ctx, id)
		if err != nil {
			return job, fmt.Errorf("poll: %w", err)
		}
		if job.ID != id || job.Phase == "" || job.Done < 0 || job.Total > 0 && job.Done > job.Total {
			k.errorf("poll of %q gives %+v", id, job)
		}
		if job.Ready {
			return job, nil
		}
		k.found(r, id, "while it runs")
		if err := k.o.Wait(k.ctx); err != nil {
			return job, fmt.Errorf("wait while %s: %w", job.Phase, err)
		}
	}
}

// artifacts checks that there is one per format, below the staging location, and that it can be read.
func (k *computeCheck) artifacts(r backend.ExportRequest, job backend.Job) {
	var formats []string
	for _, a := range job.Artifacts {
		formats = append(formats, a.Format)
		if !strings.HasPrefix(a.At.String(), r.Staging.String()) || !strings.HasPrefix(a.Name, r.Name) {
			k.errorf("artifact %q at %s, want one of %q below %s", a.Name, a.At, r.Name, r.Staging)
		}
		s, o, err := k.open(a)
		if err != nil {
			k.errorf("artifact %s: %w", a.At, err)
			continue
		}
		if o.Size != a.Size || a.Checksum.Contradicts(o.Checksum) {
			k.errorf("artifact %s is said to have %d bytes, %s; it has %d, %s", a.At, a.Size, a.Checksum, o.Size, o.Checksum)
		}
		p := make([]byte, 512)
		for _, off := range []int64{0, max(0, o.Size-512)} {
			if n, err := s.ReadAt(k.ctx, o, p, off); err != nil && !errors.Is(err, io.EOF) || int64(n) != min(512, o.Size-off) {
				k.errorf("read artifact %s at %d: %d bytes, %v", a.At, off, n, err)
			}
		}
	}
	want := slices.Sorted(slices.Values(r.Formats))
	if slices.Sort(formats); !slices.Equal(formats, want) {
		k.errorf("the artifacts have the formats %q, want %q", formats, want)
	}
}

func (k *computeCheck) open(a backend.Artifact) (backend.Storage, backend.Object, error) {
	s, key, err := k.o.Open(a.At)
	if err != nil {
		return nil, backend.Object{}, err
	}
	o, err := s.Stat(k.ctx, key)
	return s, o, err
}

// ends ends an export twice. Nothing may be found afterwards.
func (k *computeCheck) ends(r backend.ExportRequest, id string, keepStaged bool) {
	for _, times := range []string{"once", "twice"} {
		if err := k.c.EndExport(k.ctx, id, keepStaged); err != nil {
			k.errorf("end %s: %w", times, err)
		}
	}
	_, err := k.c.FindExport(k.ctx, r)
	k.fails(err, backend.NotFound, "find an export after its end")
}
