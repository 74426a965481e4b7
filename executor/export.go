package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plan"
)

// releasePatience bounds how long releasing what an export made may take when the run itself is over.
const releasePatience = 2 * time.Minute

// export carries out an export step: the provider makes the images at staging, they are copied to every destination, the
// descriptor is written last, and what the provider made is released.
//
// A failure that may pass, and an interruption, leave the provider's job in place: making an image takes longer than
// anything else, and the next run goes on with it. Every other failure releases it.
func (x *Executor) export(ctx context.Context, s plan.Step, p *Progress) (Result, error) {
	e := s.Export
	provider, err := x.Backends.Provider(e.Backend)
	if err != nil {
		return Result{}, err
	}
	compute, err := provider.Compute()
	if err != nil {
		return Result{}, err
	}
	h := &exporter{x: x, step: s, export: e, p: p, compute: wrap.RetryCompute(compute, x.policy(s.ID))}
	run := ctx
	if e.Timeout > 0 {
		var cancel context.CancelFunc
		run, cancel = context.WithTimeoutCause(ctx, e.Timeout, fmt.Errorf("the export took longer than its timeout of %s", e.Timeout))
		defer cancel()
	}
	err = h.run(run)
	if err != nil && run.Err() != nil && ctx.Err() == nil {
		err = &backend.Error{Op: "export", Key: e.Found.Name, Kind: backend.Timeout, Err: context.Cause(run)}
	}
	return h.res, h.release(ctx, err)
}

type exporter struct {
	x       *Executor
	step    plan.Step
	export  *plan.Export
	p       *Progress
	compute backend.Compute
	state   journal.Export
	res     Result
}

func (h *exporter) run(ctx context.Context) error {
	job, err := h.start(ctx)
	if err == nil {
		job, err = h.wait(ctx, job)
	}
	if err != nil {
		return err
	}
	destinations := h.export.To
	if len(destinations) == 0 {
		destinations = []backend.Location{h.export.Request.Staging}
	}
	for _, to := range destinations {
		if err := h.deliver(ctx, job, to); err != nil {
			return err
		}
	}
	return nil
}

// start finds the job of an earlier attempt or begins one. The intent is on disk before the provider hears of it.
func (h *exporter) start(ctx context.Context) (backend.Job, error) {
	if err := h.chooseJob(ctx); err != nil {
		return backend.Job{}, err
	}
	if h.state.Job != "" {
		return backend.Job{ID: h.state.Job}, nil
	}
	job, err := h.compute.StartExport(ctx, h.state.Request)
	if err != nil {
		return backend.Job{}, err
	}
	return job, h.save(job.ID)
}

// chooseJob sets the state to go on with: that of an earlier attempt, if it asked for the same and was not released.
// Otherwise the attempt gets a token of its own, since a provider answers a repeated token with the job that is gone.
func (h *exporter) chooseJob(ctx context.Context) error {
	want := journal.Export{Backend: h.export.Backend, Request: h.export.Request, Kept: h.export.KeepStaging}
	if earlier, ok := h.p.Export(); ok {
		h.state = earlier
		want.Attempt, want.Job = earlier.Attempt, earlier.Job
		if !earlier.Released && !sameJob(earlier, want) {
			if err := h.end(ctx, false); err != nil {
				return err
			}
		}
		if h.state.Released {
			want.Attempt, want.Job = earlier.Attempt+1, ""
		}
	}
	if want.Attempt > 0 {
		want.Request.Token = fmt.Sprintf("%s-%d", want.Request.Token, want.Attempt+1)
	}
	h.state = want
	return h.save(want.Job)
}

// sameJob reports whether b asks for what the job of a does.
func sameJob(a, b journal.Export) bool {
	a.Request.Token, b.Request.Token = "", ""
	return a.Backend == b.Backend && reflect.DeepEqual(a.Request, b.Request)
}

func (h *exporter) save(id string) error {
	h.state.Job = id
	return h.p.SaveExport(h.state)
}

// wait polls the job until its artifacts can be read.
func (h *exporter) wait(ctx context.Context, job backend.Job) (backend.Job, error) {
	pause, most := h.x.Poll.First, h.x.Poll.Max
	if pause <= 0 {
		pause = time.Second
	}
	if most <= 0 {
		most = 15 * time.Second
	}
	for {
		next, err := h.compute.PollExport(ctx, job.ID)
		if err != nil {
			return job, err
		}
		if next.ID != h.state.Job {
			if err := h.save(next.ID); err != nil {
				return next, err
			}
		}
		if job = next; job.Ready {
			return job, nil
		}
		h.x.Events.Emit(h.step.ID, "", event.StepPhase{Phase: job.Phase, Done: job.Done, Total: job.Total})
		timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return job, ctx.Err()
		}
		pause = min(pause*3/2, most)
	}
}

// deliver brings every artifact to one destination and writes the descriptor there.
func (h *exporter) deliver(ctx context.Context, job backend.Job, to backend.Location) error {
	d := plan.Descriptor{Format: plan.Format, Instance: h.export.Request.Instance, Name: h.export.Found.Name,
		Run: h.x.Journal.Run().ID, Created: time.Now().UTC().Truncate(time.Second)}
	stay := len(h.export.To) == 0
	for _, a := range job.Artifacts {
		described := plan.DescribedArtifact{Name: a.Name, Format: a.Format, Size: a.Size, Checksum: a.Checksum}
		target := to.Join(a.Name)
		if stay {
			target = a.At
			described.Name = a.At.Path[len(to.Path):]
		} else {
			res, err := h.fetch(ctx, a, target)
			if err != nil {
				return err
			}
			described.Size, described.Checksum = res.Object.Size, res.Checksum
		}
		h.res.addFile(target, described.Size, described.Checksum)
		d.Artifacts = append(d.Artifacts, described)
	}
	return h.describe(ctx, to, d)
}

// fetch copies one artifact, continuing what an earlier run began.
func (h *exporter) fetch(ctx context.Context, a backend.Artifact, to backend.Location) (transfer.Result, error) {
	from, err := h.x.open(h.step.ID, a.At)
	if err != nil {
		return transfer.Result{}, err
	}
	dest, err := h.x.open(h.step.ID, to)
	if err != nil {
		return transfer.Result{}, err
	}
	h.x.Events.Emit(h.step.ID, "", event.StepPhase{Phase: "copying " + a.Name})
	if obj, ok := h.arrived(ctx, a, dest); ok {
		h.res.Reused += obj.Size
		return transfer.Result{Object: obj, Checksum: obj.Checksum, Reused: obj.Size}, nil
	}
	res, err := h.x.Engine.Copy(ctx, from, dest, transfer.CopyOptions{
		Resume: h.p.Checkpoint(to),
		Note:   func(n transfer.Note) error { return h.p.Note(a.Name, to, n) },
		Step:   h.step.ID, Item: a.Name,
	})
	h.res.Moved += res.Moved
	h.res.Reused += res.Reused
	if err != nil {
		return res, err
	}
	finished := res.Object
	finished.Checksum = res.Checksum
	return res, h.p.Done(a.Name, to, finished)
}

// arrived returns the object that an earlier attempt of this run has brought to the destination, if it is still there.
func (h *exporter) arrived(ctx context.Context, a backend.Artifact, to transfer.Ref) (backend.Object, bool) {
	finished, ok := h.p.Item(to.At)
	if !ok || finished.Version == "" || finished.Size != a.Size || finished.Checksum.Contradicts(a.Checksum) {
		return backend.Object{}, false
	}
	there, err := to.Storage.Stat(ctx, to.Key)
	return finished, err == nil && there.Version == finished.Version
}

func (h *exporter) describe(ctx context.Context, to backend.Location, d plan.Descriptor) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	dest, err := h.x.open(h.step.ID, to.Join(h.export.Request.Name+plan.DescriptorSuffix))
	if err != nil {
		return err
	}
	_, err = dest.Storage.Put(ctx, dest.Key, text, backend.PutOptions{Checksum: backend.SumCRC32C(text)})
	return err
}

// release ends the provider's job as the cause of the end demands, and returns cause together with what went wrong in
// doing so.
func (h *exporter) release(ctx context.Context, cause error) error {
	if h.state.Request.Token == "" { // nothing was begun
		return cause
	}
	if cause != nil && keepsJob(ctx, cause) {
		if h.state.Job != "" {
			h.res.Left = append(h.res.Left, fmt.Sprintf("the custom image of %s, for the next run", h.export.Found.Name))
		}
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releasePatience)
	defer cancel()
	if err := h.end(ctx, h.state.Kept && cause == nil); err != nil {
		h.res.Left = append(h.res.Left, fmt.Sprintf("the custom image of %s and what is staged: hyperexport clean removes them", h.export.Found.Name))
		return errors.Join(cause, fmt.Errorf("release what the export made: %w", err))
	}
	return cause
}

// end releases the job of the state, if there is one, and writes that down.
func (h *exporter) end(ctx context.Context, keepStaged bool) error {
	id, err := h.jobID(ctx)
	if err == nil && id != "" {
		h.x.Events.Emit(h.step.ID, "", event.StepPhase{Phase: "removing the image"})
		err = h.compute.EndExport(ctx, id, keepStaged)
	}
	if err != nil {
		return err
	}
	h.state.Released = true
	return h.p.SaveExport(h.state)
}

// jobID returns the job to release; if the answer of StartExport was lost, it is found by its token.
func (h *exporter) jobID(ctx context.Context) (string, error) {
	if h.state.Job != "" {
		return h.state.Job, nil
	}
	job, err := h.compute.FindExport(ctx, h.state.Request)
	if errors.Is(err, backend.NotFound) {
		return "", nil
	}
	return job.ID, err
}

// keepsJob reports whether the next run can go on with the job after such a failure.
func keepsJob(ctx context.Context, cause error) bool {
	if ctx.Err() != nil {
		return true
	}
	switch kind := backend.KindOf(cause); kind {
	case backend.Full, backend.Unauthorized:
		return true
	default:
		return kind.Temporary()
	}
}
