package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/executor/journal"
	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plan"
)

// Releasing what an export made goes on when the run is interrupted, but not for long: what is left then is known to the
// journal.
const (
	releasePatience   = 2 * time.Minute
	powerPatience     = 20 * time.Minute
	interruptPatience = 5 * time.Second
)

// export carries out an export step: the provider makes the images at staging, they are copied to every destination, the
// descriptor is written last, and what the provider made is released.
//
// A failure that may pass, and an interruption, leave the provider's job in place: making an image takes longer than
// anything else, and the next run goes on with it. Every other failure releases it.
func (x *run) export(ctx context.Context, s plan.Step, p *Progress) (Result, error) {
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
	if earlier, _ := p.Export(); e.Stop != "" || earlier.Power.Owed() {
		inventory, err := provider.Inventory()
		if err != nil {
			return Result{}, err
		}
		h.power = &power{inventory: inventory, retry: x.policy(s.ID), poll: x.Poll, instance: e.Request.Instance,
			state: &h.state.Power, save: func() error { return p.SaveExport(h.state) }}
	}
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
	x       *run
	step    plan.Step
	export  *plan.Export
	p       *Progress
	compute backend.Compute
	power   *power // nil if the instance is left as it is
	state   journal.Export
	resumed bool // the job was begun by an earlier process
	asked   bool // the provider was asked for a job
	ready   bool // the provider has done its part
	res     Result
}

func (h *exporter) run(ctx context.Context) error {
	if done, err := h.delivered(ctx); done || err != nil {
		return err
	}
	job, err := h.obtain(ctx)
	if err != nil {
		return err
	}
	var all []plan.Descriptor
	for _, to := range h.destinations() {
		d, err := h.deliver(ctx, job, to)
		if err != nil {
			return err
		}
		all = append(all, d)
	}
	h.state.Arrived = true
	if err := h.save(h.state.Job); err != nil {
		return err
	}
	for i, to := range h.destinations() {
		if err := h.describe(ctx, to, all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (h *exporter) destinations() []backend.Location {
	if len(h.export.To) == 0 {
		return []backend.Location{h.export.Request.Staging}
	}
	return h.export.To
}

// delivered reports whether an earlier process of this run has done everything but to write that down: every destination
// has this run's descriptor and images.
func (h *exporter) delivered(ctx context.Context) (bool, error) {
	earlier, ok := h.p.Export()
	if !ok || !earlier.Arrived {
		return false, nil
	}
	var files []File
	for _, to := range h.destinations() {
		ref, err := h.x.open(h.step.ID, to)
		if err != nil {
			return false, err
		}
		d, ok, err := plan.Present(ctx, ref.Storage, ref.Key, h.export)
		if err != nil || !ok || d.Run != h.x.Journal.Run().ID {
			return false, err
		}
		for _, a := range d.Artifacts {
			files = append(files, File{At: to.Join(a.Name), Size: a.Size, Checksum: a.Checksum})
			h.res.Reused += a.Size
		}
	}
	h.state = earlier
	h.res.Files, h.res.Objects = files, int64(len(files))
	return true, nil
}

// obtain returns the job when its artifacts can be read. A job of an earlier process that is gone, because somebody
// removed its image or that process had begun to release it, is begun again.
func (h *exporter) obtain(ctx context.Context) (backend.Job, error) {
	job, err := h.start(ctx)
	if err == nil {
		job, err = h.wait(ctx, job)
	}
	if h.resumed && (errors.Is(err, backend.NotFound) || errors.Is(err, backend.Changed)) {
		h.x.Events.Emit(h.step.ID, "", event.Warning{Text: fmt.Sprintf("the export that was interrupted is gone and begins again: %v", err)})
		if err := h.end(ctx, false); err != nil {
			return job, err
		}
		if job, err = h.start(ctx); err == nil {
			job, err = h.wait(ctx, job)
		}
	}
	h.ready = err == nil
	return job, err
}

// start finds the job of an earlier attempt or begins one. The intent is on disk before the provider hears of it. An
// instance that is busy is waited for.
func (h *exporter) start(ctx context.Context) (backend.Job, error) {
	if err := h.chooseJob(ctx); err != nil {
		return backend.Job{}, err
	}
	if h.resumed = h.state.Job != ""; h.resumed {
		return backend.Job{ID: h.state.Job}, nil
	}
	if h.export.Stop != "" {
		h.phase("stopping the instance")
		if err := h.power.stop(ctx, h.export.Stop, h.export.StopTimeout); err != nil {
			return backend.Job{}, err
		}
	}
	h.asked = true
	for w := h.x.Poll.begin(); ; {
		job, err := h.compute.StartExport(ctx, h.state.Request)
		if err == nil {
			return job, h.save(job.ID)
		}
		if !w.busy(err) {
			return job, err
		}
		h.phase("waiting for the instance")
		if err := w.pause(ctx); err != nil {
			return job, err
		}
	}
}

// chooseJob sets the state to go on with: that of an earlier attempt, if it asked for the same and was not released.
// Otherwise the attempt gets a token of its own, since a provider answers a repeated token with the job that is gone.
func (h *exporter) chooseJob(ctx context.Context) error {
	want := journal.Export{Backend: h.export.Backend, Request: h.export.Request, Kept: h.export.KeepStaging}
	if earlier, ok := h.p.Export(); ok {
		h.state = earlier
		want.Attempt, want.Job, want.Power = earlier.Attempt, earlier.Job, earlier.Power
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

func (h *exporter) phase(text string) { h.x.Events.Emit(h.step.ID, "", event.StepPhase{Phase: text}) }

func (h *exporter) save(id string) error {
	h.state.Job = id
	return h.p.SaveExport(h.state)
}

// wait polls the job until its artifacts can be read.
func (h *exporter) wait(ctx context.Context, job backend.Job) (backend.Job, error) {
	for w := h.x.Poll.begin(); ; {
		next, err := h.compute.PollExport(ctx, job.ID)
		switch {
		case w.busy(err):
			next = job
			next.Phase = "waiting for the provider"
		case err != nil:
			return job, err
		}
		if next.ID != h.state.Job {
			if err := h.save(next.ID); err != nil {
				return next, err
			}
		}
		job = next
		if job.Captured && h.state.Power.Owed() {
			h.phase("starting the instance again")
			if err := h.power.restore(ctx); err != nil {
				return job, err
			}
		}
		if job.Ready {
			return job, nil
		}
		h.x.Events.Emit(h.step.ID, "", event.StepPhase{Phase: job.Phase, Done: job.Done, Total: job.Total})
		if err := w.pause(ctx); err != nil {
			return job, err
		}
	}
}

// deliver brings every artifact to one destination and returns the descriptor that is to be written there last.
func (h *exporter) deliver(ctx context.Context, job backend.Job, to backend.Location) (plan.Descriptor, error) {
	d := plan.Descriptor{Format: plan.Format, Instance: h.export.Request.Instance, Image: h.export.Request.Image, Name: h.export.Found.Name,
		Run: h.x.Journal.Run().ID, Created: time.Now().UTC().Truncate(time.Second)}
	for _, a := range job.Artifacts {
		described := plan.DescribedArtifact{Name: a.Name, Format: a.Format, Size: a.Size, Checksum: a.Checksum}
		target := to.Join(a.Name)
		if len(h.export.To) == 0 {
			name, ok := strings.CutPrefix(a.At.String(), to.String())
			if !ok {
				return d, &backend.Error{Op: "export", Key: a.At.String(), Kind: backend.Invalid, Err: fmt.Errorf("the provider did not write below %s", to)}
			}
			target, described.Name = a.At, name
		} else {
			res, err := h.fetch(ctx, a, target)
			if err != nil {
				return d, err
			}
			described.Size, described.Checksum = res.Object.Size, res.Checksum
		}
		h.res.addFile(target, described.Size, described.Checksum)
		d.Artifacts = append(d.Artifacts, described)
	}
	return d, nil
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
	h.phase("copying " + a.Name)
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
	return res, h.p.Arrived(a.Name, to, finished, h.state.Request.Token)
}

// arrived returns the object that an earlier process has brought to the destination from the same job, if it is still there.
func (h *exporter) arrived(ctx context.Context, a backend.Artifact, to transfer.Ref) (backend.Object, bool) {
	finished, ok := h.p.Item(to.At)
	if !ok || finished.Of != h.state.Request.Token || finished.Version == "" || finished.Size != a.Size || finished.Checksum.Contradicts(a.Checksum) {
		return backend.Object{}, false
	}
	there, err := to.Storage.Stat(ctx, to.Key)
	return finished.Object, err == nil && there.Version == finished.Version
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
	cause = h.restorePower(ctx, cause)
	if cause != nil && h.keepsJob(ctx, cause) {
		switch {
		case h.state.Job != "":
			h.res.Left = append(h.res.Left, fmt.Sprintf("the custom image of %s, for the next run", h.export.Found.Name))
		case h.asked:
			h.res.Left = append(h.res.Left, fmt.Sprintf("perhaps a custom image of %s, for the next run", h.export.Found.Name))
		}
		return cause
	}
	if h.state.Released || h.state.Request.Token == "" {
		return cause
	}
	ctx, cancel := outlast(ctx, releasePatience)
	defer cancel()
	if err := h.end(ctx, h.state.Kept && cause == nil); err != nil {
		h.res.Left = append(h.res.Left, fmt.Sprintf("the custom image of %s and what is staged: hyperexport clean removes them", h.export.Found.Name))
		return errors.Join(cause, fmt.Errorf("release what the export made: %w", err))
	}
	return cause
}

// restorePower starts the instance again if the export stopped it and did not come to that.
func (h *exporter) restorePower(ctx context.Context, cause error) error {
	if !h.state.Power.Owed() {
		return cause
	}
	h.phase("starting the instance again")
	ctx, cancel := outlast(ctx, powerPatience)
	defer cancel()
	if err := h.power.restore(ctx); err != nil {
		h.res.Left = append(h.res.Left, fmt.Sprintf("instance %s, which was stopped and is not seen running again: the next apply or hyperexport clean --remove starts it", h.export.Found.Name))
		return errors.Join(cause, err)
	}
	return cause
}

// outlast returns a context for what is to be put in order although ctx ends, or has ended.
func outlast(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(interruptPatience)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() {
		stop()
		cancel()
	}
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

// keepsJob reports whether the next run can go on with the job after such a failure. Once the images are ready, all that a
// destination refuses can be mended there; an image takes long to make.
func (h *exporter) keepsJob(ctx context.Context, cause error) bool {
	if ctx.Err() != nil || errors.Is(cause, journal.ErrWrite) {
		return true
	}
	kind := backend.KindOf(cause)
	if kind.Temporary() || kind == backend.Unauthorized {
		return true
	}
	var side *transfer.Error
	return h.ready && !(errors.As(cause, &side) && side.Side == "source")
}
