package executor

import (
	"context"
	"errors"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plan"
)

// transfer carries out a transfer step.
func (x *run) transfer(ctx context.Context, s plan.Step, p *Progress) (Result, error) {
	t := s.Transfer
	from, err := x.open(s.ID, t.From)
	if err != nil {
		return Result{}, err
	}
	to, err := x.open(s.ID, t.To)
	if err != nil {
		return Result{}, err
	}
	if t.Tree {
		return x.transferTree(ctx, s, p, from, to)
	}
	return x.transferObject(ctx, s, p, from, to)
}

func (x *run) transferTree(ctx context.Context, s plan.Step, p *Progress, from, to transfer.Ref) (Result, error) {
	t := s.Transfer
	o := transfer.TreeOptions{
		Selection:  t.Selection(),
		MaxDeletes: t.MaxDeletes,
		SHA256:     t.SHA256,
		Resuming:   p.Resumed(),
		Checkpoint: func(name string) *transfer.Checkpoint { return p.Checkpoint(to.At.Join(name)) },
		Note:       func(name string, n transfer.Note) error { return p.Note(name, to.At.Join(name), n) },
		Step:       s.ID,
	}
	var sums *sumsFile
	if t.SHA256 {
		var err error
		if sums, err = loadSums(ctx, to); err != nil {
			return Result{}, err
		}
		o.Summed = sums.has
	}
	o.Done = func(d transfer.Difference, r transfer.Result) error {
		if sums != nil {
			sums.set(d.Name, r.SHA256)
		}
		return p.Finish(d.Name, to.At.Join(d.Name))
	}
	if err := x.guardMirror(ctx, s, from, o.Selection); err != nil {
		return Result{}, err
	}
	res, err := x.Engine.CopyTree(ctx, from, to, o)
	out := Result{Moved: res.Bytes, Reused: res.Reused, Objects: res.Copied, Kept: res.Kept, Deleted: res.Deleted, Failed: res.Failed}
	for _, e := range res.Errors {
		out.Errors = append(out.Errors, e.Error())
	}
	if sums != nil { // if ctx has ended, the step is not done without its list
		if sumsErr := x.storeSums(ctx, to, sums, t.Delete && err == nil); err == nil {
			err = sumsErr
		}
	}
	return out, err
}

func (x *run) transferObject(ctx context.Context, s plan.Step, p *Progress, from, to transfer.Ref) (Result, error) {
	t := s.Transfer
	src, err := from.Storage.Stat(ctx, from.Key)
	if err != nil {
		return Result{}, &transfer.Error{Side: "source", At: t.From, Err: err}
	}
	condition, keep, err := x.judgeObject(ctx, t, to, src, p.Resumed())
	if err != nil {
		return Result{}, err
	}
	if keep {
		return Result{Kept: 1}, x.sumKept(ctx, t, to, src, from)
	}
	res, err := x.Engine.Copy(ctx, from, to, transfer.CopyOptions{
		Source: &src, If: condition, SHA256: t.SHA256,
		Resume: p.Checkpoint(t.To),
		Note:   func(n transfer.Note) error { return p.Note(to.Key, t.To, n) },
		Step:   s.ID, Item: t.To.Base(),
	})
	out := Result{Moved: res.Moved, Reused: res.Reused}
	if err != nil {
		return out, err
	}
	out.Objects = 1
	out.addFile(t.To, res.Object.Size, res.Checksum)
	out.Files[0].SHA256 = res.SHA256
	if t.SHA256 {
		if err := x.recordSum(ctx, to, res.SHA256); err != nil {
			return out, err
		}
	}
	return out, p.Finish(to.Key, t.To)
}

// guardMirror refuses to make a mirror of nothing: a source that was emptied, or is not mounted, would empty the
// destination. The plan refuses it too, but what it saw may have changed.
func (x *run) guardMirror(ctx context.Context, s plan.Step, from transfer.Ref, selection transfer.Selection) error {
	if !s.Transfer.Delete {
		return nil
	}
	for obj, err := range from.Storage.List(ctx, from.Key) {
		if err != nil {
			return &transfer.Error{Side: "source", At: s.Transfer.From, Err: err}
		}
		if name := obj.Key[len(from.Key):]; name != "" && selection.Match(name) {
			return nil
		}
	}
	return &transfer.Error{Side: "source", At: s.Transfer.From, Err: &backend.Error{Op: "mirror", Key: from.Key, Kind: backend.Invalid,
		Err: errors.New("there is nothing there, and delete: true would empty the destination; nothing was deleted")}}
}

// sumKept adds the sum of an object that need not be copied, unless it is listed: the process that copied it may have
// died before it could.
func (x *run) sumKept(ctx context.Context, t *plan.Transfer, to transfer.Ref, src backend.Object, from transfer.Ref) error {
	if !t.SHA256 {
		return nil
	}
	folder, name := folderOf(to)
	listed, err := loadSums(ctx, folder)
	if err != nil || listed.has(name) {
		return err
	}
	sum, err := x.Engine.SHA256(ctx, from, src)
	if err != nil {
		return err
	}
	return x.recordSum(ctx, to, sum)
}

// judgeObject decides, as the plan did, what becomes of an object that is at the destination already.
func (x *run) judgeObject(ctx context.Context, t *plan.Transfer, to transfer.Ref, src backend.Object, resumed bool) (backend.Condition, bool, error) {
	can := to.Storage.Info().Can
	dest, err := to.Storage.Stat(ctx, to.Key)
	if errors.Is(err, backend.NotFound) {
		return backend.Condition{Absent: can.PutIfAbsent && can.CompleteIfAbsent}, false, nil
	}
	if err != nil {
		return backend.Condition{}, false, &transfer.Error{Side: "destination", At: t.To, Err: err}
	}
	current := transfer.UpToDate(src, dest)
	switch {
	case t.Existing == transfer.Skip, current && (resumed || t.Existing != transfer.Overwrite && t.Existing != transfer.Fail):
		return backend.Condition{}, true, nil
	case t.Existing == transfer.Fail:
		return backend.Condition{}, false, &transfer.Error{Side: "destination", At: t.To,
			Err: &backend.Error{Op: "copy", Key: to.Key, Kind: backend.Exists}}
	case can.IfVersion:
		return backend.Condition{Version: dest.Version}, false, nil
	}
	return backend.Condition{}, false, nil
}
